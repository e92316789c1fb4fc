"""Who had what open, how approvals go, a word to the manager, and handing on what waits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import IntegrityError, transaction
from django.test import Client

from agents.models import Agent, User
from agents.services import leading
from audit.models import Event
from audit.vocabulary import Refusal
from tests.company import TESTS, person
from tests.workflows.conftest import ask, hold_above, signed_in
from tests.workflows.load_plain import grouped
from tests.workflows.test_approvals import vote
from workflows.approvals.models import Approval, Opening, QuickDecisions
from workflows.approvals.policies.load import figures_of
from workflows.approvals.selectors import database_now, decided_since, load_for, pending_for
from workflows.approvals.selectors.load import tallied_since
from workflows.approvals.services import look_for_quick_decisions, reassign
from workflows.tasks.models import Task

pytestmark = pytest.mark.django_db


@pytest.fixture
def approval(clerk: Agent, bob: User, hints: Any) -> Approval:
    hold_above(10_000)
    return ask(clerk, minor=20_000).approval


def page(user: User, path: str, **data: Any) -> Any:
    client = Client()
    client.force_login(user)
    return client.post(path, data) if data else client.get(path)


def test_to_have_it_open_is_noted_once_and_kept(approval: Approval, bob: User, holds: Any) -> None:
    page(bob, "/inbox/")
    assert not Opening.objects.exists()
    for _ in range(2):
        page(bob, f"/inbox/{approval.pk}/")
        signed_in(bob).get(f"/api/v1/approvals/{approval.pk}")
    (opening,) = Opening.objects.all()
    assert (opening.person, opening.approval) == (bob, approval)
    with pytest.raises(IntegrityError), transaction.atomic():
        Opening.objects.all().delete()


def test_managers_see_all_of_it_and_everybody_else_their_own(
    approval: Approval, alice: User, bob: User, dave: User, holds: Any
) -> None:
    page(bob, f"/inbox/{approval.pk}/")
    vote(bob, approval)
    assert load_for(alice, 30).by_person[0][0] == str(bob)
    assert load_for(bob, 30).all.decided == 1
    assert load_for(dave, 30).all.decided == 0
    leading.set_manager(actor=TESTS, person=bob, manager=dave, reason="set up for a test")
    assert load_for(dave, 30).all.decided == 1
    shown = page(alice, "/approvals/load/?days=7").content.decode()
    assert "How to read it" in shown
    assert "too few to say" in shown
    read = signed_in(alice).get("/api/v1/approvals/load?days=7").json()
    assert read["by_rule"] == [{"name": "above 10000", "figures": read["all"]}]
    assert read["all"] | {"decided": 1, "approved": 1, "median_seconds": None} == read["all"]
    assert signed_in(alice).get("/api/v1/approvals/load?days=8").status_code == 422
    assert page(dave, "/approvals/load/?days=<b>").status_code == 200


def test_decisions_that_come_too_quickly_are_told_to_the_manager_once(
    clerk: Agent, alice: User, bob: User, settings: Any, hints: Any, holds: Any
) -> None:
    settings.QUICK_DECISIONS = 5
    leading.set_manager(actor=TESTS, person=bob, manager=alice, reason="set up for a test")
    hold_above(10_000)
    for number in range(5):
        vote(bob, ask(clerk, minor=20_000, number=f"RE-{number}").approval)
    assert look_for_quick_decisions() == 1
    assert look_for_quick_decisions() == 0
    told = QuickDecisions.objects.get()
    assert "100 % of 5 approvals were given without the request being open" in told.sentence
    task = Task.objects.get(kind="incident", subject_kind="agents.user")
    assert list(task.candidate_users.all()) == [alice]
    assert Event.objects.filter(verb="approvals.decisions_too_quick").count() == 1
    assert "were given without" in page(alice, "/approvals/load/").content.decode()


def test_what_waits_is_handed_to_others_of_the_same_right(
    approval: Approval, alice: User, bob: User, dave: User, holds: Any
) -> None:
    betty = person("betty", "Approvers")
    for people in ([dave], [], [bob, dave]):
        with pytest.raises(Refusal):
            reassign(actor=bob.as_actor(), approval_id=approval.pk, people=people, reason="on leave")
    with pytest.raises(Refusal):
        reassign(actor=dave.as_actor(), approval_id=approval.pk, people=[betty], reason="not mine")
    path = f"/api/v1/approvals/{approval.pk}/reassign"
    refused = signed_in(bob).post(path, {"people": ["nobody"], "reason": "she knows it"}, format="json")
    assert (refused.status_code, refused.json()["code"]) == (422, "same_right_needed")
    done = signed_in(bob).post(path, {"people": ["betty"], "reason": "she knows it"}, format="json")
    assert done.status_code == 200, done.content
    assert approval in pending_for(bob)
    assert approval in pending_for(betty)
    assert betty in approval.task.candidate_users.all()
    told = Event.objects.get(verb="approvals.approval_reassigned")
    assert (told.reason, "Betty" in told.sentence or "betty" in told.sentence) == ("she knows it", True)
    shown = page(alice, f"/inbox/{approval.pk}/").content.decode()
    assert "in particular" in shown
    said = page(
        alice, f"/inbox/{approval.pk}/say/", deed="hand", to=str(betty.pk), text="please have a look today"
    )
    assert said.status_code == 302
    assert Event.objects.filter(verb="approvals.approval_reassigned").count() == 2


def test_what_is_added_up_is_what_the_votes_show_one_by_one(
    clerk: Agent, alice: User, bob: User, dave: User, hints: Any
) -> None:
    hold_above(10_000)
    hold_above(30_000)
    for number in range(14):
        asked = ask(clerk, minor=20_000 + 2_000 * number, number=f"RE-{number}").approval
        if number % 3:
            page(bob, f"/inbox/{asked.pk}/")
        vote(bob, asked, verdict="reject" if number % 4 == 0 else "approve")
    since = database_now() - timedelta(days=7)
    for people in (None, {bob.pk}, {dave.pk}, set()):
        votes, found = decided_since(since, people), tallied_since(since, people)
        assert found.all == figures_of(votes)
        assert found.by_person == grouped(votes, lambda one: [one.person])
        assert found.by_rule == grouped(votes, lambda one: one.rules)
    assert len(found.by_rule) == 0
    assert len(tallied_since(since).by_rule) == 2


def test_figures_are_kept_for_a_moment_by_whose_they_are_and_say_as_of_when(
    approval: Approval, alice: User, bob: User, dave: User, settings: Any
) -> None:
    settings.APPROVALS_LOAD_SECONDS = 60
    cache.clear()
    assert (load_for(alice, 30).all.decided, load_for(dave, 30).all.decided) == (0, 0)
    vote(bob, approval)
    before = load_for(alice, 30)
    assert (before.all.decided, before.waiting) == (0, 0)
    assert load_for(bob, 30).all.decided == 1
    assert before.as_of <= load_for(bob, 30).as_of < database_now()
    leading.set_manager(actor=TESTS, person=bob, manager=dave, reason="set up for a test")
    assert load_for(dave, 30).all.decided == 1, "whose reports are others sees other figures at once"
    assert "as of" in page(alice, "/approvals/load/").content.decode()
    cache.clear()
    assert load_for(alice, 30).all.decided == 1
