"""An approval that nobody decides: people are reminded, others may vote; a stop lets its clock stand."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction

from agents.decision.direction import Direction, direction_of_rule
from agents.models import User
from agents.selectors import rule_facts
from agents.services import policies, stops
from audit.models import Event
from audit.vocabulary import Refusal
from tests.company import TESTS, person
from tests.workflows.conftest import ask, hold_above, signed_in
from tests.workflows.test_approvals import vote
from workflows.actions.services import sweep_due
from workflows.approvals.models import Approval
from workflows.approvals.policies import Level, levels_of, remind_after
from workflows.approvals.selectors import pending_for
from workflows.tasks.models import Task

NOBODY = Level("", "", 0)
CHIEFS = Level("", "Chiefs", 600)


@pytest.mark.parametrize(
    ("said", "company", "found"),
    [
        ([Level("Finance", "Chiefs", 60)], NOBODY, [("Finance", "Chiefs", 60)]),
        ([Level("Finance")], NOBODY, []),
        ([Level("Finance")], CHIEFS, [("Finance", "Chiefs", 600)]),
        # Another voice that asks for the same group lets nobody in for it.
        ([Level("Finance", "Chiefs", 60), Level("Finance")], NOBODY, []),
        ([Level("Finance", "Chiefs", 60), Level("Finance")], CHIEFS, [("Finance", "Chiefs", 600)]),
        # Where two groups are asked, one that is let in for one is not let in for the other.
        ([Level("Finance", "Chiefs", 60), Level("Legal")], NOBODY, [("Finance", "Chiefs", 60)]),
        (
            [Level("Finance", "Chiefs", 60), Level("Finance", "Board", 90)],
            NOBODY,
            [("Finance", "Board", 90), ("Finance", "Chiefs", 90)],
        ),
        ([Level("Finance", "Finance", 60)], NOBODY, []),
        ([Level("Finance", "Chiefs", 3600)], NOBODY, []),
    ],
)
def test_a_level_stands_in_for_one_group_and_lets_nobody_in_for_anothers(said, company, found):
    levels = levels_of(said, company=company, within=3600)
    assert [(one.group, one.to, one.seconds) for one in levels] == found


def test_people_are_reminded_as_the_rule_says_or_after_a_share_of_the_time():
    assert remind_after(120, share=50, within=3600) == 120
    assert remind_after(0, share=50, within=3600) == 1800
    assert remind_after(0, share=0, within=3600) is None
    assert remind_after(3600, share=50, within=3600) is None


@pytest.fixture
def chief(seeded_company: None) -> User:
    return person("charlie", "Chiefs")


@pytest.fixture
def approval(clerk: Any, chief: User, bob: User, hints: Any) -> Approval:
    chiefs = Group.objects.get(name="Chiefs")
    hold_above(10_000, quorum=2, remind_minutes=30, escalate_minutes=60, escalate_to=chiefs)
    return ask(clerk, minor=20_000).approval


@pytest.mark.django_db
def test_what_a_rule_says_of_its_clock_is_fixed_when_people_are_asked(approval: Approval, holds: Any) -> None:
    (level,) = approval.escalations.all()
    assert abs(level.at - approval.created_at - timedelta(minutes=60)) < timedelta(seconds=5)
    assert abs(approval.remind_at - approval.created_at - timedelta(minutes=30)) < timedelta(seconds=5)
    assert (level.stands_for.name, level.group.name, level.done_at) == ("Approvers", "Chiefs", None)
    assert sweep_due()["approvals_reminded"] == 0


@pytest.mark.django_db
def test_first_a_reminder_then_others_too_and_as_many_as_before(
    clerk: Any, bob: User, chief: User, settings: Any, hints: Any, holds: Any
) -> None:
    settings.APPROVAL_SECONDS, settings.APPROVAL_REMIND_SHARE = 100_000, 0.0001
    settings.APPROVAL_ESCALATE_SECONDS, settings.APPROVAL_ESCALATE_GROUP = 4, "Chiefs"
    hold_above(10_000, quorum=2)
    approval = ask(clerk, minor=20_000).approval
    with pytest.raises(Refusal) as refused:
        vote(chief, approval)
    assert refused.value.code == "not_an_approver"
    time.sleep(0.15)
    assert sweep_due()["approvals_reminded"] == 1
    assert sweep_due()["approvals_reminded"] == 0
    assert Task.objects.get(kind="approval").reminded_at is not None
    assert not pending_for(chief).exists()
    time.sleep(4)
    assert sweep_due()["approvals_escalated"] == 1
    told = Event.objects.get(verb="approvals.approval_escalated").sentence
    assert "Chiefs may vote in place of Approvers" in told
    assert list(pending_for(chief)) == [approval]
    vote(chief, approval)
    approval.refresh_from_db()
    assert (approval.state, approval.quorum) == ("pending", 2)
    read = signed_in(bob).get(f"/api/v1/approvals/{approval.pk}").json()
    assert [one["group"] for one in read["escalations"]] == ["Chiefs"]
    vote(bob, approval)
    approval.refresh_from_db()
    assert approval.state == "approved"


@pytest.mark.django_db
def test_a_stop_lets_the_clock_stand_and_says_why(
    clerk: Any, alice: User, bob: User, client: Any, settings: Any, hints: Any, holds: Any
) -> None:
    settings.APPROVAL_SECONDS = 4
    hold_above(10_000)
    approval = ask(clerk, minor=20_000).approval
    stop = stops.raise_stop(
        actor=alice.as_actor(),
        scope_kind="department",
        scope_id=str(clerk.department_id),
        reason="looking into it",
    )
    assert sweep_due()["clocks_stopped"] == 1
    time.sleep(4.1)
    done = sweep_due()
    assert [done[f"approvals_{name}"] for name in ("reminded", "escalated", "expired")] == [0, 0, 0]
    client.force_login(bob)
    page = client.get(f"/inbox/{approval.pk}/").content.decode()
    assert "Its clock stands still" in page
    assert "Alice stopped" in page
    assert "looking into it" in page
    stops.lift_stop(actor=alice.as_actor(), stop=stop, reason="nothing was wrong")
    assert sweep_due()["clocks_started"] == 1
    before = approval.expires_at
    approval.refresh_from_db()
    assert approval.clock_stopped_at is None
    assert approval.expires_at - before >= timedelta(seconds=1)
    assert Task.objects.get(kind="approval").due_at == approval.expires_at
    assert Event.objects.filter(verb__in=["approvals.clock_stopped", "approvals.clock_started"]).count() == 2
    assert sweep_due()["approvals_expired"] == 0


@pytest.mark.django_db
def test_the_database_keeps_the_clock_and_who_is_asked_later(approval: Approval, chief: User) -> None:
    (level,) = approval.escalations.all()
    changes: list[tuple[Any, dict[str, Any]]] = [
        (Approval.objects.filter(pk=approval.pk), {"expires_at": approval.expires_at + timedelta(days=9)}),
        (approval.escalations.all(), {"stands_for": chief.groups.get()}),
        (approval.escalations.all(), {"at": level.at - timedelta(hours=2)}),
        (approval.escalations.all(), {"done_at": approval.created_at}),
    ]
    for rows, change in changes:
        with pytest.raises(IntegrityError), transaction.atomic():
            rows.update(**change)
    with pytest.raises(IntegrityError), transaction.atomic():
        approval.escalations.all().delete()


@pytest.mark.django_db
def test_letting_others_approve_needs_a_second_person(seeded_company: None, alice: User) -> None:
    rule = hold_above(10_000)
    chiefs, board = (Group.objects.create(name=name) for name in ("Chiefs", "Board"))
    before = rule_facts(rule)
    change = policies.propose_rule_change(
        actor=alice.as_actor(),
        rule=rule,
        changes={"escalate_to": chiefs, "escalate_minutes": 60},
        reason="nobody is there at night",
    )
    assert not change.applied
    rule.escalate_to, rule.escalate_minutes = chiefs, 60
    named = rule_facts(rule)
    rule.escalate_minutes = 90
    assert direction_of_rule(before, named) == Direction.LOOSENS
    assert direction_of_rule(named, rule_facts(rule)) == Direction.TIGHTENS
    assert direction_of_rule(rule_facts(rule), named) == Direction.LOOSENS
    rule.escalate_to = board
    assert direction_of_rule(named, rule_facts(rule)) == Direction.LOOSENS
    with pytest.raises(Exception, match="after how many minutes"):
        policies.create_rule(
            actor=TESTS, policy=rule.policy, reason="set up for a test",
            content={"name": "half", "operations": "*", "verdict": "hold", "escalate_minutes": 5},
        )  # fmt: skip
