"""People say something about what is held, and ask its agent back; it waits on meanwhile."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from agents.models import User
from agents.services import lifecycle, policies
from audit.models import Event
from audit.vocabulary import Refusal
from tests.workflows.conftest import ask, hold_above, signed_in
from tests.workflows.test_approvals import vote
from workflows.approvals import services
from workflows.approvals.models import Approval
from workflows.tasks.models import Task
from workflows.tasks.services import claim_next, complete_task

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("holds", "hints")]


@pytest.fixture
def approval(clerk: Any, bob: User) -> Approval:
    hold_above(10_000)
    return ask(clerk, minor=20_000).approval


def refused(what: Any, user: User, approval: Approval, **said: str) -> str:
    with pytest.raises(Refusal) as told:
        what(actor=user.as_actor(), approval_id=approval.pk, **said)
    return told.value.code


def test_the_agent_is_asked_answers_and_the_decision_is_still_open(
    approval: Approval, clerk: Any, bob: User
) -> None:
    asked = services.ask_back(actor=bob.as_actor(), approval_id=approval.pk, question="Which order is it for?")
    assert asked.due_at <= approval.expires_at
    (mine,) = claim_next(actor=clerk.user.as_actor())
    assert mine.pk == asked.pk
    assert mine.input == {
        "question": "Which order is it for?",
        "asked_by": "Bob",
        "about": approval.subject_label,
        "action": approval.subject_id,
    }
    complete_task(
        actor=clerk.user.as_actor(),
        task_id=mine.pk,
        epoch=mine.epoch,
        answer={"answer": "Order 47"},
        reason="",
    )
    approval.refresh_from_db()
    assert approval.state == "pending"
    read = signed_in(bob).get(f"/api/v1/approvals/{approval.pk}").json()
    assert [(one["question"], one["answer"]) for one in read["questions"]] == [
        ("Which order is it for?", {"answer": "Order 47"})
    ]
    browser = Client()
    browser.force_login(bob)
    assert "Order 47" in browser.get(reverse("inbox-approval", args=[approval.pk])).content.decode()
    vote(bob, approval)
    approval.refresh_from_db()
    assert approval.state == "approved"


def test_a_question_ends_with_what_it_was_about(approval: Approval, clerk: Any, bob: User) -> None:
    asked = services.ask_back(actor=bob.as_actor(), approval_id=approval.pk, question="Which order is it for?")
    vote(bob, approval, "reject", reason="we never ordered this")
    asked.refresh_from_db()
    assert asked.state == "cancelled"
    assert refused(services.ask_back, bob, approval, question="And why?") == "approval_closed"
    assert not claim_next(actor=clerk.user.as_actor())


def test_only_who_could_decide_asks_and_only_an_agent_at_work_is_asked(
    approval: Approval, clerk: Any, alice: User, bob: User, mallory: User
) -> None:
    assert refused(services.ask_back, alice, approval, question="Why?") == "not_an_approver"
    assert refused(services.ask_back, mallory, approval, question="Why?") == "not_found"
    assert refused(services.ask_back, clerk.user, approval, question="Why?") == "agents_refused"
    assert refused(services.ask_back, bob, approval, question=" \u202e ") == "question_invalid"
    lifecycle.pause_agent(actor=alice.as_actor(), agent=clerk, reason="looking into it")
    assert refused(services.ask_back, bob, approval, question="Why?") == "not_eligible"
    policies.propose_rule_change(
        actor=alice.as_actor(), rule=hold_above(500), changes={"mode": "draft"}, reason="too many holds"
    )
    change = Approval.objects.get(subject_kind="agents.changerequest")
    assert refused(services.ask_back, bob, change, question="Why?") == "nobody_to_ask"
    assert not Task.objects.filter(asked_for__isnull=False).exists()


def test_who_sees_it_comments_and_it_is_kept_as_text(
    approval: Approval, alice: User, bob: User, mallory: User, clerk: Any
) -> None:
    said = signed_in(alice).post(
        f"/api/v1/approvals/{approval.pk}/comments", {"text": "<b>Look at</b> the order"}, format="json"
    )
    assert said.status_code == 201
    assert refused(services.comment_on, mallory, approval, text="x") == "not_found"
    assert refused(services.comment_on, clerk.user, approval, text="x") == "agents_refused"
    assert refused(services.comment_on, bob, approval, text="  ") == "comment_invalid"
    browser = Client()
    browser.force_login(bob)
    address = reverse("inbox-say", args=[approval.pk])
    assert browser.post(address, {"deed": "comment", "text": "I did, it is\x00 fine"}).status_code == 302
    page = browser.get(reverse("inbox-approval", args=[approval.pk])).content.decode()
    assert "&lt;b&gt;Look at&lt;/b&gt; the order" in page
    read = signed_in(bob).get(f"/api/v1/approvals/{approval.pk}").json()
    assert [one["author"] for one in read["comments"]] == ["Alice", "Bob"]
    assert Event.objects.filter(verb="tasks.task_commented").count() == 2
    approval.refresh_from_db()
    assert approval.state == "pending"
