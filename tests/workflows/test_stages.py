"""Stages over the whole: who may vote when, who is told, what the clock does, and what nobody gets around."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, connection, transaction
from django.test import Client

from agents.decision.calendars import add_working, from_data
from agents.models import User
from agents.services import lifecycle
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
from workflows.approvals.services import staging
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
    (row,) = rows_of(lena, "others", 5).rows
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


def test_a_level_of_a_later_stage_counts_from_when_that_stage_begins_in_working_time_too(
    clerk: Any, bob: User, lena: User, settings: Any
) -> None:
    settings.APPROVAL_SECONDS = 30 * 24 * 3600
    legal, chiefs = Group.objects.get(name="Legal"), Group.objects.create(name="Chiefs")
    levels = [
        {"minutes": "60", "to": "group", "group": chiefs.name},
        {"minutes": "600", "to": "refuse"},
    ]
    more = {"levels": levels, "clock": "working", "remind_minutes": 30}
    hold_above(10_000, name="money")
    hold_above(10_000, name="law", approver_group=legal, stage=2, **more)
    approval = ask(clerk, minor=20_000).approval
    (level,) = approval.escalations.all()
    assert (level.stage, level.at, level.seconds, level.working_seconds) == (2, None, 0, 3600)
    ends = approval.expires_at
    assert abs(ends - approval.created_at - timedelta(days=30)) < timedelta(seconds=5)
    vote(bob, approval)
    approval.refresh_from_db()
    level.refresh_from_db()
    begun, calendar = approval.stages.get(number=2).begun_at, from_data(approval.calendar)
    for minutes, at in ((30, approval.remind_at), (60, level.at), (600, approval.expires_at)):
        wanted = add_working(begun, timedelta(minutes=minutes), calendar)
        assert abs(at - wanted) < timedelta(seconds=5)
    assert (level.in_working_time, approval.end_in_working_time) == (True, True)
    assert approval.expires_at < ends
    assert Task.objects.get(kind="approval").due_at == approval.expires_at
    page = at_the_portal(lena).get(f"/inbox/{approval.pk}/").content.decode()
    assert "Chiefs in place of Legal" in page
    # Only with its stage does the end come forward, and never once more.
    _refuses("UPDATE approvals_approval SET expires_at = now() WHERE id = %s", [approval.pk])
    _refuses("UPDATE approvals_escalation SET working_seconds = 1 WHERE id = %s", [level.pk])


def test_a_later_stage_never_puts_the_end_off_and_a_level_that_comes_after_it_never_comes(
    clerk: Any, bob: User, lena: User, settings: Any
) -> None:
    settings.APPROVAL_SECONDS = 3600
    legal, chiefs = Group.objects.get(name="Legal"), Group.objects.create(name="Chiefs")
    levels = [{"minutes": "90", "to": "group", "group": chiefs.name}, {"minutes": "600", "to": "refuse"}]
    hold_above(10_000, name="money")
    hold_above(10_000, name="law", approver_group=legal, stage=2, levels=levels)
    approval = ask(clerk, minor=20_000).approval
    vote(bob, approval)
    ends = approval.expires_at
    approval.refresh_from_db()
    assert (approval.stage, approval.expires_at) == (2, ends)
    assert [one.at for one in approval.escalations.all()] == [None]


def test_who_decided_at_a_stage_before_is_passed_over_by_a_level_of_a_later_one(
    clerk: Any, alice: User, bob: User, lena: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice.groups.add(Group.objects.get(name="Approvers"))
    chief = person("charlie", "Chiefs")
    levels = [
        {"minutes": "1", "to": "sponsor"},
        {"minutes": "600", "to": "group", "group": "Chiefs"},
    ]
    hold_above(10_000, name="money")
    hold_above(10_000, name="law", approver_group=Group.objects.get(name="Legal"), stage=2, levels=levels)
    approval = ask(clerk, minor=20_000).approval
    with monkeypatch.context() as at:
        at.setattr(staging, "database_now", lambda: database_now() - timedelta(minutes=2))
        vote(alice, approval)
    assert sweep_due()["approvals_escalated"] == 1
    assert "has decided already" in approval.escalations.get(level=1).passed_over
    assert not pending_for(alice).exists()
    assert list(pending_for(chief)) == [approval]
    vote(chief, approval)
    approval.refresh_from_db()
    assert approval.state == "approved"


def test_a_stage_that_begins_while_the_clock_stands_has_all_of_its_time(
    clerk: Any, alice: User, bob: User, lena: User
) -> None:
    legal, chiefs = Group.objects.get(name="Legal"), Group.objects.create(name="Chiefs")
    levels = [{"minutes": "60", "to": "group", "group": chiefs.name}, {"minutes": "120", "to": "refuse"}]
    hold_above(10_000, name="money")
    hold_above(10_000, name="law", approver_group=legal, stage=2, levels=levels)
    approval = ask(clerk, minor=20_000).approval
    lifecycle.pause_agent(actor=alice.as_actor(), agent=clerk, reason="it is odd")
    assert sweep_due()["clocks_stopped"] == 1
    time.sleep(0.5)
    approval.refresh_from_db()
    vote(bob, approval)
    lifecycle.lift_brake(actor=alice.as_actor(), agent=clerk, reason="it is well")
    assert sweep_due()["clocks_started"] == 1
    approval.refresh_from_db()
    (level,) = approval.escalations.all()
    begun = approval.stages.get(number=2).begun_at
    assert level.at - begun >= timedelta(minutes=60)
    assert approval.expires_at - begun >= timedelta(minutes=120)
