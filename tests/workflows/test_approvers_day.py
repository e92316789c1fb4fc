"""What an approver is told besides the request: who decided, what has changed since, why work waits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from agents.models import Agent
from tests.workflows.conftest import ask, hold_above, limit
from workflows.approvals.models import Approval
from workflows.approvals.services import cast_vote
from workflows.pages.hands import put_off_until
from workflows.pages.row_words import LONGEST_QUOTE, quote_of
from workflows.pages.waiting import rows_of
from workflows.pages.why_asked import RuleLine, said_besides
from workflows.tasks.models import Snooze
from workflows.tasks.services import open_task


def browser(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def opened(user: Any, action: Any) -> str:
    return browser(user).get(reverse("inbox-approval", args=[action.approval_id])).content.decode()


def decide(user: Any, action: Any, verdict: str = "approve") -> Approval:
    approval = Approval.objects.get(pk=action.approval_id)
    return cast_vote(
        actor=user.as_actor(),
        approval_id=approval.pk,
        verdict=verdict,
        reason="Matches the order",
        digest=approval.digest,
    )


@pytest.fixture
def held(clerk):
    """A request that waits for bob."""
    hold_above(1_000_000)
    return ask(clerk, minor=2_000_000)


def test_what_was_decided_says_by_whom_in_the_list_and_on_its_page(held, bob):
    decide(bob, held, "reject")
    (row,) = rows_of(bob, "decided").rows
    assert row.words == "Rejected by Bob: “Matches the order”"
    assert "Rejected by Bob" in opened(bob, held)


def test_the_list_says_what_was_approved_and_came_to_nothing(held, bob):
    Agent.objects.filter(pk=held.agent_id).update(brake="paused")
    decide(bob, held)
    (row,) = rows_of(bob, "decided").rows
    assert row.words == "Approved by Bob: “Matches the order”"
    assert row.why.startswith("But it is not done: Robo is paused")
    assert row.why[:30] in browser(bob).get(reverse("inbox"), {"show": "decided"}).content.decode()


def test_that_an_approval_comes_to_nothing_is_not_said_in_green(held, bob):
    Agent.objects.filter(pk=held.agent_id).update(brake="paused")
    digest = Approval.objects.get(pk=held.approval_id).digest
    body = {"verdict": "approve", "reason": "Matches the order", "digest": digest}
    answer = browser(bob).post(
        reverse("inbox-vote", args=[held.approval_id]), body, headers={"HX-Request": "true"}
    )
    assert '<div class="portal-note" data-tone="wait" role="status"' in answer.content.decode()


def test_a_limit_that_was_used_up_since_says_so_before_anybody_approves(clerk, bob):
    hold_above(1_000_000)
    limit("invoices", 1, name="Invoices a day")
    waits = ask(clerk, minor=2_000_000)
    assert "by now" not in opened(bob, waits)
    ask(clerk, number="RE-2", minor=100)
    page = opened(bob, waits)
    assert "as they stood when it was asked" in page
    assert "Invoices a day: 0 of 1 is left by now, and this uses 1. Approved as things stand" in page


def test_what_rules_say_already_is_not_said_again():
    rules = [RuleLine("One", "Invoices need a person."), RuleLine("Two", "Its amount is not known")]
    sentence = "Held: Invoices need a person. Also: its amount is not known. Also: something else."
    assert said_besides(sentence, rules) == ["something else."]


@pytest.mark.parametrize(
    ("given", "quote"),
    [
        ({}, ""),
        ({"total": {"minor": 100, "currency": "EUR"}, "code": "wrong_sum"}, "1.00 EUR"),
        ({"found": [{"code": "x", "message": "The sum is wrong."}]}, "The sum is wrong."),
        ({"text": "so long " * 50}, f"{('so long ' * 50)[:LONGEST_QUOTE].rstrip()} …"),
    ],
)
def test_what_says_most_of_what_work_was_given_with(given, quote):
    assert quote_of(given) == quote


@pytest.fixture
def work(held, bob):
    """Work for bob that says why it is there."""
    why = {"why": "The file <b>declares</b> a type"}
    return open_task(
        actor=bob.as_actor(), kind="exception", title="Settle it", subject=held.as_ref(), users=[bob], work=why
    )


def test_a_row_of_work_says_why_it_waits(work, bob):
    (row,) = [row for row in rows_of(bob, "mine").rows if row.key == str(work.pk)]
    assert (row.words, row.quote) == ("Exception", "The file <b>declares</b> a type")
    for address in ("inbox", "home", "bell"):
        page = browser(bob).get(reverse(address)).content.decode()
        assert "“The file &lt;b&gt;declares&lt;/b&gt; a type”" in page, address


def test_work_is_put_off_until_a_day_and_a_time(work, bob):
    address = reverse("inbox-task-do", args=[work.pk])
    until = timezone.localtime(timezone.now() + timedelta(days=2)).replace(second=0, microsecond=0)
    body = {"deed": "snooze", "until": f"{until:%Y-%m-%dT%H:%M}"}
    answer = browser(bob).post(address, body, headers={"HX-Request": "true"})
    assert "portal:moved" in answer["HX-Trigger-After-Swap"]
    assert Snooze.objects.get(task=work, person=bob).until == until
    assert browser(bob).post(address, {"deed": "snooze", "until": "tomorrow"}).status_code == 422


def test_a_time_to_put_off_until_is_one_or_none():
    assert put_off_until({"hours": "4"}) > timezone.now() + timedelta(hours=3)
    assert put_off_until({"hours": "", "until": "2026-13-45T99:00"}) is None
    assert put_off_until({}) is None
