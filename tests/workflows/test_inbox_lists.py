"""The lists of the inbox: what is on each, in which order, what the filters let through, what a page costs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.http import QueryDict
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from agents.models import Agent, Rule, SavedView
from agents.services import own
from audit.models import Event
from audit.vocabulary import Refusal
from tests.workflows.conftest import ask, hold_above
from workflows.approvals.models import Approval
from workflows.approvals.services import cast_vote, claim, reassign, snooze
from workflows.pages.shelves import place_of
from workflows.pages.sieve import sieve_of
from workflows.pages.waiting import rows_of
from workflows.pages.weighing import contradictions, differs, names_told, similar_to, with_names
from workflows.pages.words import Fact
from workflows.tasks.services import open_task

TRAP = "Pay <b hx-get='/live/'>now</b>\u202egnp.exe\x1b[31m"


@pytest.fixture
def held(clerk):
    """Three requests that wait for bob, the first due first."""
    hold_above(1_000_000)
    found = [ask(clerk, number=f"RE-{number}", minor=2_000_000 + number) for number in (1, 2, 3)]
    return [Approval.objects.get(pk=action.approval_id) for action in found]


def browser(user):
    client = Client()
    client.force_login(user)
    return client


def keys(user, shelf="mine", **given):
    return [row.key for row in rows_of(user, shelf, **given).rows]


def reject(user, approval, **more):
    said = {"verdict": "reject", "reason": "Not our supplier", "digest": approval.digest, **more}
    return cast_vote(actor=user.as_actor(), approval_id=approval.pk, **said)


def test_what_is_put_off_is_gone_from_ones_own_list_alone_until_its_deadline_comes_near(held, bob, dave):
    dave.groups.set(bob.groups.all())
    first = held[0]
    snooze(actor=bob.as_actor(), approval_id=first.pk, until=timezone.now() + timedelta(days=1))
    assert str(first.pk) not in keys(bob)
    assert keys(bob, "snoozed") == [str(first.pk)]
    assert str(first.pk) in keys(dave)
    assert keys(dave, "snoozed") == []
    client = browser(bob)
    assert client.get(reverse("live")).json()["counts"]["inbox"] == 2


def test_what_is_handed_on_stays_in_a_list_of_who_did(held, bob, dave):
    dave.groups.set(bob.groups.all())
    until = timezone.now() + timedelta(hours=3)
    reassign(actor=bob.as_actor(), approval_id=held[1].pk, people=[dave], reason="You know them", until=until)
    assert keys(bob, "delegated") == [str(held[1].pk)]
    assert str(held[1].pk) in keys(bob)
    page = browser(bob).get(reverse("inbox-approval", args=[held[1].pk])).content.decode()
    assert f"in particular, by {timezone.localtime(until):%-d %b %Y, %H:%M}" in page


def test_the_list_of_ones_groups_keeps_what_a_colleague_has(held, bob, dave):
    dave.groups.set(bob.groups.all())
    claim(actor=dave.as_actor(), approval_id=held[0].pk)
    (row, *_) = rows_of(bob, "groups").rows
    assert "Dave has it" in [tag.text for tag in row.tags]
    assert len(keys(bob, "groups")) == 3


def test_a_list_goes_on_from_where_it_stopped_and_skips_nothing(held, bob):
    open_task(
        actor=bob.as_actor(), kind="human_work", title="No deadline", subject=held[0].as_ref(), users=[bob]
    )
    seen, after = [], None
    for _turn in range(4):
        found = rows_of(bob, "mine", 1, after=after)
        seen += [row.key for row in found.rows]
        after = place_of(found.more)
    assert seen == keys(bob)
    assert len(set(seen)) == 4
    assert rows_of(bob, "mine", 4).more == ""
    for one in held:
        reject(bob, one)
    decided = rows_of(bob, "decided", 2)
    rest = rows_of(bob, "decided", 2, after=place_of(decided.more))
    assert [row.key for row in (*decided.rows, *rest.rows)] == [str(one.pk) for one in reversed(held)]


@pytest.mark.parametrize("text", ["", "x", "2026-01-01_x", "_", "2026-01-01T00:00:00_" + "0" * 32, "9" * 400])
def test_a_place_that_is_none_is_the_beginning(text):
    assert place_of(text) is None


def test_the_filters_let_through_what_they_say(held, clerk, bob):
    rule = Rule.objects.get(name="above 1000000")

    def found(query):
        return len(keys(bob, sieve=sieve_of(QueryDict(query))))

    assert found("kind=action") == found("risk=medium") == found(f"rule={rule.pk}") == 3
    assert found("kind=work") == found("risk=high") == found(f"rule={held[0].pk}") == 0
    assert found("q=RE-2") == found("least=20000.03") == found("most=20,000.01") == 1
    assert found("agent=robo&kind=action") == 3
    assert found("agent=nobody") == 0
    Agent.objects.update(risk_tier="high")
    assert (found("risk=high"), found("risk=medium"), found("risk=low")) == (3, 0, 0)


def test_a_filter_that_makes_no_sense_is_left_out_and_said(held, bob):
    sieve = sieve_of(QueryDict("risk=huge&rule=x&least=many&most=99999999999999999999&kind=x&q=%00"))
    assert (sieve.is_on, set(sieve.wrong)) == (False, {"risk", "rule", "least", "most", "kind"})
    page = browser(bob).get(reverse("inbox") + "?risk=huge").content.decode()
    assert "was left out: risk" in page


def test_the_list_costs_the_same_for_one_and_for_many(held, clerk, bob, django_assert_max_num_queries):
    client = browser(bob)
    for shelf in ("mine", "groups", "decided"):
        client.get(reverse("inbox-rows") + f"?show={shelf}")
    for number in range(5):
        ask(clerk, number=f"RE-9{number}", minor=2_000_000)
    with django_assert_max_num_queries(20):
        client.get(reverse("inbox-rows") + "?show=mine&risk=medium")


def test_views_are_kept_renamed_and_deleted_by_their_owner_alone(bob, dave):
    actor = bob.as_actor()
    view = own.save_view(actor=actor, page="inbox", name=" Mine ", query="show=mine&risk=high")
    assert own.save_view(actor=actor, page="inbox", name="Mine", query="show=mine").pk == view.pk
    assert own.rename_view(actor=actor, view_id=view.pk, name="Early").name == "Early"
    for wrong in ({"name": ""}, {"name": "x" * 61}, {"page": "moon"}, {"query": "x" * 2001}):
        with pytest.raises(Refusal, match="was not kept"):
            own.save_view(actor=actor, **{"page": "inbox", "name": "Next", "query": "", **wrong})
    with pytest.raises(Refusal, match="no view"):
        own.delete_view(actor=dave.as_actor(), view_id=view.pk)
    assert browser(dave).post(reverse("view-delete", args=[view.pk])).status_code == 404
    answer = browser(bob).post(reverse("view-delete", args=[view.pk]))
    assert answer["Location"] == "/inbox/?show=mine"
    assert not SavedView.objects.exists()
    told = Event.objects.filter(verb__startswith="agents.view_").values_list("verb", flat=True)
    assert set(told) == {"agents.view_saved", "agents.view_renamed", "agents.view_deleted"}


def test_ones_settings_are_ones_own(bob):
    client = browser(bob)
    assert b"portal-keys" in client.get(reverse("inbox")).content
    assert client.post(reverse("settings"), {}).status_code == 302
    bob.refresh_from_db()
    assert bob.shortcuts is False
    assert b"portal-keys" not in client.get(reverse("inbox")).content
    assert Event.objects.get(verb="agents.settings_changed").actor_id == str(bob.pk)


def test_what_is_grave_is_approved_only_by_who_types_what_it_is(held, bob):
    Agent.objects.update(risk_tier="high")
    address = reverse("inbox-vote", args=[held[0].pk])
    said = {"verdict": "approve", "reason": "It matches the order", "digest": held[0].digest}
    client = browser(bob)
    for typed in ("", "20,000.00 EUR", "20000.01 USD", "yes"):
        assert client.post(address, {**said, "typed": typed}).status_code == 422
    assert Approval.objects.get(pk=held[0].pk).state == "pending"
    assert client.post(address, {**said, "typed": " 20000.01 "}).status_code == 302
    assert Approval.objects.get(pk=held[0].pk).state == "approved"


def test_a_rejection_can_pause_the_agent_if_its_reader_may(held, clerk, bob, dave):
    dave.groups.set([*bob.groups.all(), *dave.groups.all()])
    said = {"verdict": "reject", "reason": "It goes round in circles", "digest": held[0].digest, "pause": "1"}
    page = browser(bob).post(reverse("inbox-vote", args=[held[0].pk]), said, headers={"HX-Request": "true"})
    assert b"But the agent was not paused" in page.content
    said["digest"] = held[1].digest
    page = browser(dave).post(reverse("inbox-vote", args=[held[1].pk]), said, headers={"HX-Request": "true"})
    assert b"Robo is paused." in page.content
    assert Agent.objects.get(pk=clerk.pk).brake == "paused"


def test_similar_decisions_are_counted_with_their_last_reasons(held, clerk, bob):
    from workflows.actions.models import Action

    reject(bob, held[0])
    reject(bob, held[1], reason="Paid twice")
    action = Action.objects.get(pk=held[2].subject_id)
    found = similar_to(action, held[2], bob)
    assert found is not None
    assert (found.count, found.approved, found.rejected, found.is_all) == (2, 0, 2, True)
    assert [one.reason for one in found.reasons] == ["Paid twice", "Not our supplier"]
    assert found.amounts == "20,000.01 EUR to 20,000.02 EUR"
    page = browser(bob).get(reverse("inbox-approval", args=[held[2].pk])).content.decode()
    assert "0 approved, 2 rejected" in page
    assert "First of its kind" not in [tag.text for row in rows_of(bob, "mine").rows for tag in row.tags]


def test_only_values_of_one_type_contradict_each_other():
    money = {"minor": 100, "currency": "EUR"}
    assert differs(money, {**money, "minor": 101})
    assert not differs(money, 100)
    assert not differs("10.0", "10.00")
    assert differs("Acme", "Other")
    assert not differs(True, 1)


def test_a_read_that_says_something_else_is_a_warning(held):
    from types import SimpleNamespace

    def made(arguments, result=None, label=""):
        return SimpleNamespace(
            arguments=arguments, result=result, label=label, explanation={}, replaces=None, replaces_id=None
        )

    total = {"minor": 500, "currency": "EUR"}
    asked = made({"supplier": "S-1", "order": "PO-7", "total": total, "number": "1"})
    read = made({"order": "PO-7"}, {"order": "PO-7", "supplier": "S-2", "total": total, "number": "9"}, "PO-7")
    about_another = made({"order": "PO-8"}, {"supplier": "S-3"}, "PO-8")
    (warning,) = contradictions(asked, [read, about_another])
    assert warning == "Supplier is asked as S-1, and “PO-7” said S-2."


def test_a_code_stands_with_the_name_that_a_system_told_and_never_with_one_of_two():
    from types import SimpleNamespace

    def read(*items, explanation=None):
        return SimpleNamespace(
            result={"items": list(items)}, explanation=explanation or {}, replaces=None, replaces_id=None
        )

    hidden = {"obligations": {"redact": ["name"]}}
    reads = [
        read({"code": "S-1", "name": "Elbe"}, {"code": "S-2", "name": "Baltic"}, {"code": "S-3", "name": 7}),
        read({"code": "S-2", "name": "Fjord"}, {"of": {"code": "S-4", "name": "Rhine"}}),
        read({"code": "INV-1", "name": "Invoice", "lines": [{"code": "S-6", "name": "Elbe"}]}),
        read({"code": "S-5", "name": "Nobody"}, explanation=hidden),
    ]
    # What stands inside a record, such as the lines of an invoice, is whoever wrote it: it names nothing.
    assert names_told(reads) == {"S-1": "Elbe", "INV-1": "Invoice"}
    (named, other) = with_names([Fact("Supplier", "S-1"), Fact("Number", "S-2")], reads)
    assert (named.told, other.told) == ("Elbe", "")


def test_what_is_there_now_is_read_by_who_could_decide_and_recorded(held, clerk, bob, alice):
    address = reverse("inbox-now", args=[held[0].pk])
    assert browser(alice).post(address).status_code == 403
    page = browser(bob).post(address).content.decode()
    assert "has nothing of it yet" in page
    call = Event.objects.filter(verb__startswith="connectors.call", actor_id=str(bob.pk))
    assert call.exists()
    assert Approval.objects.get(pk=held[0].pk).state == "pending"


def test_words_of_an_agent_are_shown_as_what_they_are(clerk, bob):
    hold_above(1_000_000)
    big = "x" * 1_000_000
    said = {"reason": TRAP, "evidence": [TRAP, {TRAP: TRAP, "big": big}], "provenance": {"total": TRAP}}
    action = ask(clerk, number="RE-7", minor=2_000_000, **said)
    for address in (reverse("inbox"), reverse("inbox-approval", args=[action.approval_id])):
        page = browser(bob).get(address).content.decode()
        assert "<b hx-get" not in page
        assert not {"\u202e", "\x1b"} & set(page)
    assert "[U+202E]" in page or "gnp.exe" in page
    assert len(page) < 400_000


def test_several_are_chosen_in_the_list_and_shown_with_their_total(held, bob):
    client = browser(bob)
    chosen = "&".join(f"only={one.pk}" for one in held[:2])
    page = client.get(f"{reverse('inbox-together')}?{chosen}").content.decode()
    assert "All 2 together: 40,000.03 EUR" in page
    assert page.count(" checked") == 2
    reject(bob, held[0])
    page = client.get(f"{reverse('inbox-together')}?{chosen}").content.decode()
    assert "1 of those you chose is not here" in page
    body = {"pick": [f"{one.pk}:{one.digest}" for one in held], "verdict": "reject", "reason": "Not ours"}
    page = client.post(reverse("inbox-together"), body).content.decode()
    assert "2 of 3 voted on." in page
    assert page.count(": Rejected</li>") == 2


def test_what_was_done_is_no_longer_the_first_of_its_kind(held, clerk, bob):
    tags = [[tag.text for tag in row.tags] for row in rows_of(bob, "mine").rows]
    assert sum("First of its kind" in some for some in tags) == 1
    assert all("Medium risk" in some for some in tags)


@pytest.mark.django_db
def test_a_person_chooses_language_and_time_zone_and_pages_follow(client, bob):
    client.force_login(bob)
    answer = client.post("/settings/", {"language": "de", "time_zone": "Europe/Berlin", "shortcuts": "on"})
    assert answer.status_code == 302
    bob.refresh_from_db()
    assert (bob.language, bob.time_zone) == ("de", "Europe/Berlin")
    said = Event.objects.get(verb="agents.settings_changed").sentence
    assert said.endswith("reads the portal in Deutsch and reads times as in Europe/Berlin.")
    assert 'lang="de"' in client.get("/settings/").content.decode()


@pytest.mark.django_db
def test_a_time_zone_that_is_none_is_refused_and_nothing_changes(client, bob):
    client.force_login(bob)
    assert client.post("/settings/", {"time_zone": "Mars/Olympus"}).status_code == 422
    bob.refresh_from_db()
    assert bob.time_zone == ""
