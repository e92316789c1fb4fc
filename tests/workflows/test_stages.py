"""Stages over the whole: who may vote when, who is told, what the clock does, and what nobody gets around."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, connection, transaction
from django.test import Client

from agents.models import User
from audit.models import Event
from audit.selectors import database_now
from audit.vocabulary import Refusal
from tests.company import person
from tests.workflows.conftest import ask, hold_above, signed_in
from tests.workflows.test_approvals import vote
from workflows.actions.services import sweep_due
from workflows.approvals import services
from workflows.approvals.models import Approval, Stage, Vote
from workflows.approvals.selectors import company_day, pending_for, visible_to
from workflows.pages.waiting import rows_of
from workflows.tasks.models import Task

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("holds", "hints")]


@pytest.fixture
def lena(seeded_company: None) -> User:
    return person("lena", "Legal")


@pytest.fixture
def barbara(seeded_company: None) -> User:
    return person("barbara", "Approvers")


@pytest.fixture
def approval(clerk: Any, bob: User, barbara: User, lena: User) -> Approval:
    """First two of the approvers, then one of Legal."""
    hold_above(10_000, quorum=2, name="money")
    hold_above(10_000, name="law", approver_group=Group.objects.get(name="Legal"), stage=2)
    return ask(clerk, minor=20_000).approval


def at_the_portal(user: User) -> Client:
    """Return a browser signed in as somebody."""
    client = Client()
    client.force_login(user)
    return client


def refused(user: User, approval: Approval, verdict: str = "approve", **more: Any) -> str:
    with pytest.raises(Refusal) as found:
        vote(user, approval, verdict, **more)
    return found.value.code


def test_one_stage_after_the_other_and_the_last_approves(
    approval: Approval, bob: User, barbara: User, lena: User, clerk: Any
) -> None:
    assert (approval.quorum, approval.stage) == (3, 1)
    assert [(one.number, one.quorum, bool(one.begun_at)) for one in approval.stages.all()] == [
        (1, 2, True),
        (2, 1, False),
    ]
    assert refused(lena, approval) == "not_their_stage"
    vote(bob, approval)
    assert refused(lena, approval) == "not_their_stage"
    vote(barbara, approval)
    approval.refresh_from_db()
    assert (approval.state, approval.stage) == ("pending", 2)
    assert refused(bob, approval) == "already_voted"
    vote(lena, approval)
    approval.refresh_from_db()
    assert approval.state == "approved"
    assert all(one.agreed_at for one in approval.stages.all())
    told = Event.objects.get(verb="approvals.approval_requested").sentence
    assert "first two people of Approvers, then one person of Legal" in told
    (begun,) = Event.objects.filter(verb="approvals.stage_begun")
    assert "Approvers agreed, Legal must decide now" in begun.sentence


def test_a_no_at_the_first_stage_ends_it_and_the_second_is_never_asked(
    approval: Approval, bob: User, lena: User
) -> None:
    vote(bob, approval, "reject")
    approval.refresh_from_db()
    assert (approval.state, approval.stage) == ("rejected", 1)
    assert refused(lena, approval) == "approval_closed"
    assert not Event.objects.filter(verb="approvals.stage_begun").exists()


def test_nobody_decides_at_two_stages_nor_through_somebody_else(
    clerk: Any, bob: User, barbara: User, lena: User
) -> None:
    bob.groups.add(Group.objects.get(name="Legal"))
    hold_above(10_000, name="money")
    hold_above(10_000, name="law", approver_group=Group.objects.get(name="Legal"), stage=2)
    approval = ask(clerk, minor=20_000).approval
    today = company_day()
    services.give_delegation(
        actor=lena.as_actor(), delegate=bob, first_day=today, last_day=today, reason="on holiday"
    )
    vote(bob, approval)
    assert refused(bob, approval) == "already_voted"
    assert refused(bob, approval, on_behalf_of=str(lena.pk)) == "already_voted"
    vote(lena, approval)
    approval.refresh_from_db()
    assert approval.state == "approved"


def test_the_inbox_the_task_and_the_row_follow_the_stage(
    approval: Approval, bob: User, barbara: User, lena: User
) -> None:
    assert list(pending_for(lena)) == []
    assert list(visible_to(lena)) == [approval]
    (row,) = rows_of(lena, "others", 5)
    assert row.words.endswith("Waits for Approvers.")
    page = at_the_portal(lena).get(f"/inbox/{approval.pk}/").content.decode()
    assert "It waits for Approvers. You decide at another stage" in page
    assert "waits for Approvers first" in page
    task = Task.objects.get(kind="approval")
    assert [group.name for group in task.candidate_groups.all()] == ["Approvers"]
    vote(bob, approval)
    vote(barbara, approval)
    task.refresh_from_db()
    assert [group.name for group in task.candidate_groups.all()] == ["Legal"]
    assert list(pending_for(lena)) == [approval]
    assert not pending_for(bob).exists()
    assert list(visible_to(bob)) == [approval]
    page = at_the_portal(lena).get(f"/inbox/{approval.pk}/").content.decode()
    assert "Two people of Approvers: " in page
    assert page.count("approved") >= 2
    read = signed_in(lena).get(f"/api/v1/approvals/{approval.pk}").json()
    assert [(one["number"], one["groups"], one["quorum"]) for one in read["stages"]] == [
        (1, ["Approvers"], 2),
        (2, ["Legal"], 1),
    ]
    assert (read["stage"], read["groups"], read["may_vote_for"]) == (2, ["Legal"], ["lena"])
    assert [one["stage"] for one in read["votes"]] == [1, 1]


def test_the_clock_of_a_stage_begins_with_it(clerk: Any, bob: User, lena: User) -> None:
    chiefs, legal = Group.objects.create(name="Chiefs"), Group.objects.get(name="Legal")
    later = {"escalate_minutes": 60, "escalate_to": chiefs, "remind_minutes": 30}
    hold_above(10_000, name="money", **later)
    hold_above(10_000, name="law", approver_group=legal, stage=2, **later)
    approval = ask(clerk, minor=20_000).approval
    first, second = approval.escalations.order_by("stage")
    assert (first.stage, second.stage, second.at, second.seconds) == (1, 2, None, 3600)
    vote(bob, approval)
    approval.refresh_from_db()
    second.refresh_from_db()
    begun = approval.stages.get(number=2).begun_at
    assert abs(second.at - begun - timedelta(minutes=60)) < timedelta(seconds=2)
    assert abs(approval.remind_at - begun - timedelta(minutes=30)) < timedelta(seconds=2)
    assert approval.reminded_at is None


def test_other_stages_are_another_binding(clerk: Any, bob: User, lena: User, barbara: User) -> None:
    rule = hold_above(10_000, name="money")
    law = hold_above(10_000, name="law", approver_group=Group.objects.get(name="Legal"), stage=2)
    held = ask(clerk, minor=20_000)
    vote(bob, held.approval)
    law.stage, law.version = 1, 2
    law.save()
    vote(lena, held.approval)
    held.refresh_from_db()
    assert held.state == "held"
    assert held.approval.stages.count() == 1
    assert rule.stage == 1


def _refuses(sql: str, params: list[Any]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, params)


def test_the_database_holds_it_too(approval: Approval, lena: User, bob: User) -> None:
    _refuses("UPDATE approvals_approval SET stage = 2 WHERE id = %s", [approval.pk])
    _refuses(
        "UPDATE approvals_approval SET state = 'approved', decided_at = now() WHERE id = %s", [approval.pk]
    )
    _refuses("UPDATE approvals_approval SET step_up = true WHERE id = %s", [approval.pk])
    _refuses("UPDATE approvals_stage SET quorum = 1 WHERE approval_id = %s", [approval.pk])
    _refuses("DELETE FROM approvals_stage_groups WHERE stage_id IN (SELECT id FROM approvals_stage)", [])
    _refuses("DELETE FROM approvals_stage WHERE approval_id = %s", [approval.pk])
    with pytest.raises(IntegrityError), transaction.atomic():
        Vote.objects.create(
            approval=approval, user=lena, stage=2, verdict="approve", reason="early", digest=approval.digest
        )
    assert Stage.objects.filter(approval=approval).count() == 2


def test_a_level_of_a_stage_that_is_over_lets_nobody_in_any_more(
    clerk: Any, bob: User, lena: User, settings: Any
) -> None:
    settings.APPROVAL_ESCALATE_SECONDS, settings.APPROVAL_ESCALATE_GROUP = 1, "Chiefs"
    chief = person("charlie", "Chiefs")
    hold_above(10_000, name="money")
    hold_above(10_000, name="law", approver_group=Group.objects.get(name="Legal"), stage=2)
    approval = ask(clerk, minor=20_000).approval
    vote(bob, approval)
    approval.escalations.filter(stage=2).update(at=database_now() + timedelta(hours=1))
    time.sleep(1.1)
    assert sweep_due()["approvals_escalated"] == 0
    assert refused(chief, approval) == "not_an_approver"
    assert [one.done_at for one in approval.escalations.all()] == [None, None]
