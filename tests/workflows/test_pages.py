"""The pages as the server gives them: who sees what, what a decision answers, what hostile words become."""

from __future__ import annotations

from types import SimpleNamespace
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from agents.models import Agent
from tests.fakes import arguments
from tests.workflows.conftest import ask, hold_above, limit
from workflows.actions.models import Action
from workflows.actions.services import Ask, request_action, run_action
from workflows.approvals.models import Approval
from workflows.approvals.services import cast_vote
from workflows.pages.feed import CHOICES
from workflows.pages.words import Fact, facts_of, in_words, values_in

HOSTILE = '<script>alert(1)</script><div hx-get="/live/" hx-trigger="load">x</div>'


@pytest.fixture
def held(clerk):
    hold_above(1_000_000)
    return ask(clerk, number="RE-7", minor=2_000_000, reason=HOSTILE, evidence=[HOSTILE])


def browser(user):
    client = Client()
    client.force_login(user)
    return client


def vote(user, action, verdict="reject", reason="Not our supplier", digest=None, **headers):
    approval = Approval.objects.get(pk=action.approval_id)
    body = {"verdict": verdict, "reason": reason, "digest": digest or approval.digest}
    return browser(user).post(reverse("inbox-vote", args=[approval.pk]), body, headers=headers)


def test_nobody_sees_a_page_without_signing_in(db):
    for name in ("home", "inbox", "activity", "live"):
        answer = Client().get(reverse(name))
        assert answer.status_code == 302
        assert answer["Location"].startswith(reverse("admin:login"))


def test_an_agent_has_no_pages(clerk):
    assert browser(clerk.user).get(reverse("inbox")).status_code == 403
    assert browser(clerk.user).get(reverse("live")).status_code == 403


def test_what_is_not_yours_does_not_exist(held, mallory):
    for name, key in (
        ("inbox-approval", held.approval_id),
        ("inbox-detail", held.approval_id),
        ("action", held.pk),
    ):
        assert browser(mallory).get(reverse(name, args=[key])).status_code == 404
    assert vote(mallory, held).status_code == 404
    assert browser(mallory).get(reverse("live")).json()["counts"] == {"inbox": 0, "bell": 0}


def test_hostile_words_stay_words(held, bob):
    for name, key in (("inbox-approval", held.approval_id), ("action", held.pk)):
        page = browser(bob).get(reverse(name, args=[key])).content.decode()
        assert "<script>alert" not in page
        assert '<div hx-get="/live/"' not in page
        assert "&lt;script&gt;alert(1)" in page


def test_the_detail_says_what_why_and_who(held, bob):
    page = browser(bob).get(reverse("inbox-approval", args=[held.approval_id])).content.decode()
    for words in ("What will happen", "Why you are asked", "20,000.00", "need a person", "Approvers"):
        assert words in page
    assert "What the agent says" in page
    assert "Nobody has checked them" in page


def test_what_is_left_of_a_limit_on_money_is_said_in_money(clerk, bob):
    hold_above(1_000_000)
    limit("posted", 5_000_000, name="Posted in a day", unit="money", amount="amount")
    action = ask(clerk, minor=2_000_000)
    page = browser(bob).get(reverse("inbox-approval", args=[action.approval_id])).content.decode()
    assert "Posted in a day: 50,000.00 EUR of 50,000.00 EUR were left, this uses 20,000.00 EUR." in page


def test_a_vote_without_a_reason_changes_nothing(held, bob):
    answer = vote(bob, held, reason="  ")
    assert answer.status_code == 422
    assert Approval.objects.get(pk=held.approval_id).state == "pending"


def test_a_vote_on_something_else_than_was_shown_is_a_conflict(held, bob):
    answer = vote(bob, held, digest="0" * 64, reason="It looked right")
    assert answer.status_code == 409
    assert b"not what you were shown" in answer.content
    assert b"It looked right" in answer.content


def test_a_vote_by_form_goes_on_to_what_waits_next(held, bob):
    answer = vote(bob, held)
    assert answer.status_code == 302
    assert answer["Location"] == reverse("inbox")
    assert Approval.objects.get(pk=held.approval_id).state == "rejected"
    again = vote(bob, held)
    assert again.status_code == 409
    assert b"already rejected" in again.content


def test_a_vote_needs_the_token_of_the_form(held, bob):
    client = Client(enforce_csrf_checks=True)
    client.force_login(bob)
    assert (
        client.post(reverse("inbox-vote", args=[held.approval_id]), {"verdict": "approve"}).status_code == 403
    )


def test_the_inbox_changes_its_mark_when_its_list_changes(held, bob, clerk):
    before = browser(bob).get(reverse("live")).json()
    ask(clerk, number="RE-8", minor=3_000_000)
    after = browser(bob).get(reverse("live")).json()
    assert (before["counts"]["inbox"], after["counts"]["inbox"]) == (1, 2)
    assert before["inbox"] != after["inbox"]


def test_the_inbox_costs_the_same_for_one_and_for_many(held, bob, clerk, django_assert_max_num_queries):
    client = browser(bob)
    client.get(reverse("inbox"))
    with CaptureQueriesContext(connection) as one:
        client.get(reverse("inbox"))
    for number in range(6):
        ask(clerk, number=f"RE-{number}", minor=3_000_000)
    with django_assert_max_num_queries(len(one)):
        client.get(reverse("inbox"))


def test_the_page_says_when_nobody_is_left_to_decide(clerk, bob, alice):
    hold_above(10_000, quorum=2)
    action = ask(clerk, number="RE-7", minor=20_000)
    address = reverse("inbox-approval", args=[action.approval_id])
    assert b"Nobody in Approvers can decide" not in browser(alice).get(address).content
    approval = Approval.objects.get(pk=action.approval_id)
    cast_vote(
        actor=bob.as_actor(), approval_id=approval.pk, verdict="approve", reason="Our supplier",
        digest=approval.digest,
    )  # fmt: skip
    assert b"Nobody in Approvers can decide this in their own name now" in browser(alice).get(address).content


def test_facts_follow_the_schema_and_leave_lists_for_the_end():
    schema = {"required": ["supplier", "total"], "properties": {"supplier": {"title": "From"}}}
    arguments = {
        "lines": [{"text": "Pump"}],
        "total": {"currency": "EUR", "minor": 1250000},
        "supplier": "Acme",
    }
    assert facts_of(arguments, schema) == [
        Fact("From", "Acme"),
        Fact("Total", "12,500.00 EUR"),
        Fact("Lines 1: text", "Pump"),
    ]


def test_a_day_is_written_as_people_write_it_where_the_schema_says_it_is_one():
    schema = {"properties": {"date": {"type": "string", "format": "date"}}}
    given = {"date": "2026-10-08", "text": "2026-10-08"}
    assert facts_of(given, schema) == [Fact("Date", "8 Oct 2026"), Fact("Text", "2026-10-08")]
    assert facts_of({"date": "soon"}, schema) == [Fact("Date", "soon")]


def test_a_condition_shows_the_values_of_this_case():
    found = values_in(
        'amount > 100 && args.supplier.name == "Acme"', {"supplier": {"name": "Acme"}}, "12.00 EUR"
    )
    assert found == [Fact("amount", "12.00 EUR"), Fact("supplier.name", "Acme")]
    assert in_words(None) == "none"


def test_an_amount_that_nobody_can_compare_says_so(clerk, bob):
    hold_above(1_000_000)
    foreign = {**arguments("RE-8", 100), "total": {"minor": 100, "currency": "XXX"}}
    action = request_action(
        actor=clerk.user.as_actor(),
        agent=clerk,
        key="x",
        ask=Ask(operation="fake.invoice.post", arguments=foreign),
    )
    assert action.state == "held"
    assert "no exchange rate for XXX" in action.sentence
    page = browser(bob).get(reverse("inbox-approval", args=[action.approval_id])).content.decode()
    assert "Also: the company has no exchange rate for XXX" in page
    assert "has no exchange rate for XXX, so the amount could not be compared: people decide." in page


def test_what_nobody_has_to_decide_any_more_is_not_called_decided(held, bob):
    from workflows.actions.services import withdraw_action

    withdraw_action(actor=held.agent.user.as_actor(), action_id=held.pk, reason="sent twice")
    late = vote(bob, held, reason="no")
    assert late.status_code == 409
    page = late.content.decode()
    assert "Whoever asked took it back" in page
    assert "say why, in 5" not in page


@pytest.fixture
def doubtful(clerk, fake, hints):
    """An action whose call had no answer, and whose system cannot be asked either."""
    fake.fail_next("effect_then_hang")
    action = run_action(action_id=ask(clerk, number="RE-6").pk)
    Action.objects.filter(pk=action.pk).update(state="in_doubt")
    action.refresh_from_db()
    return action


def test_a_doubt_is_resolved_on_the_page_of_the_action(doubtful, dave, bob):
    address = reverse("action", args=[doubtful.pk])
    assert "Was it done?" in browser(dave).get(address).content.decode()
    assert "Was it done?" not in browser(bob).get(address).content.decode()
    resolve = reverse("action-resolve", args=[doubtful.pk])
    said = {"outcome": "confirmed", "reason": "It is invoice 4711 in the books"}
    assert browser(bob).post(resolve, said).status_code == 403
    assert browser(dave).post(resolve, {**said, "outcome": "perhaps"}).status_code == 422
    assert browser(dave).post(resolve, {**said, "reason": ""}).status_code == 422
    assert browser(dave).post(resolve, said)["Location"] == address
    doubtful.refresh_from_db()
    assert (doubtful.state, doubtful.code) == ("confirmed", "resolved_by_person")
    assert browser(dave).post(resolve, said).status_code == 409


def test_activity_leaves_out_the_steps_and_shows_them_when_asked():
    shown = {choice.key: choice for choice in CHOICES}
    done, step, failed = (
        SimpleNamespace(verb=verb, decision="", actor_kind="agent")
        for verb in ("actions.action_confirmed", "connectors.call_finished", "actions.action_failed")
    )
    assert [choice.matches(step) for choice in (shown["all"], shown["agents"], shown["steps"])] == [
        False,
        False,
        True,
    ]
    assert [shown["failed"].matches(event) for event in (done, step, failed)] == [False, False, True]
    assert not shown["held"].matches(done)


def test_earlier_activity_does_not_follow_the_ledger(carol):
    page = browser(carol).get(f"{reverse('activity')}?before={UUID(int=1)}&show=people").content.decode()
    assert 'data-page="activity"' not in page
    assert "Back to the newest" in page


def test_an_approval_that_comes_to_nothing_says_so(held, bob):
    Agent.objects.filter(pk=held.agent_id).update(brake="paused")
    answer = vote(bob, held, verdict="approve", reason="Matches the order", **{"HX-Request": "true"})
    page = answer.content.decode()
    assert "But it is not done: Robo is paused" in page
    assert "Denied: Denied" not in page
