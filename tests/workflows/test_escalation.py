"""An approval that nobody decides: people are reminded, others may vote; a stop lets its clock stand."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction
from hypothesis import given
from hypothesis import strategies as st

from agents.decision.calendars import WorkCalendar, working_between
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
from workflows.approvals.policies import (
    Level,
    Span,
    Start,
    Voice,
    end_of,
    levels_of,
    moment_after,
    moved,
    refused_after,
    remind_after,
)
from workflows.approvals.selectors import pending_for
from workflows.tasks.models import Task

NOBODY = Voice()
CHIEFS = Voice("", (Level(600, to="Chiefs"),))
START = datetime(2026, 11, 27, 15, 0, tzinfo=UTC)  # a Friday
OFFICE = WorkCalendar("UTC", (((540, 1020),),) * 5 + ((), ()))


def after(seconds: float, clock: str = "wall") -> datetime:
    return moment_after(START, seconds, OFFICE if clock == "working" else None)


def voice(group: str, *levels: tuple[int, str], clock: str = "wall") -> Voice:
    kinds = ("sponsor", "manager", "head", "refuse")
    return Voice(group, tuple(Level(s, to) if to in kinds else Level(s, to=to) for s, to in levels), clock)


@pytest.mark.parametrize(
    ("said", "company", "found"),
    [
        ([voice("Finance", (60, "Chiefs"))], NOBODY, [("Finance", "Chiefs", 60)]),
        ([voice("Finance")], NOBODY, []),
        ([voice("Finance")], CHIEFS, [("Finance", "Chiefs", 600)]),
        # Another voice that asks for the same group lets nobody in for it.
        ([voice("Finance", (60, "Chiefs")), voice("Finance")], NOBODY, []),
        ([voice("Finance", (60, "Chiefs")), voice("Finance")], CHIEFS, [("Finance", "Chiefs", 600)]),
        # Where two groups are asked, one that is let in for one is not let in for the other.
        ([voice("Finance", (60, "Chiefs")), voice("Legal")], NOBODY, [("Finance", "Chiefs", 60)]),
        (
            [voice("Finance", (60, "Chiefs")), voice("Finance", (90, "Board"))],
            NOBODY,
            [("Finance", "Board+Chiefs", 90)],
        ),
        ([voice("Finance", (60, "Finance"))], NOBODY, []),
        ([voice("Finance", (3600, "Chiefs"))], NOBODY, []),
        # Several levels come after each other; of two rules, as many as the shorter has.
        (
            [voice("Finance", (60, "Chiefs"), (120, "manager"), (180, "refuse"))],
            NOBODY,
            [("Finance", "Chiefs", 60), ("Finance", "manager", 120)],
        ),
        (
            [voice("Finance", (60, "Chiefs"), (120, "manager")), voice("Finance", (90, "Chiefs"))],
            NOBODY,
            [("Finance", "Chiefs", 90)],
        ),
        # To refuse what nobody decides lets nobody in, also not whom the company would.
        ([voice("Finance", (60, "refuse"))], CHIEFS, []),
    ],
)
def test_a_level_stands_in_for_one_group_and_lets_nobody_in_for_anothers(said, company, found):
    levels = levels_of(said, company=company, moment=after, end=after(3600))
    shown = [
        (one.group, "+".join(name or kind for kind, name in one.whom), (one.at - START).total_seconds())
        for one in levels
    ]
    assert shown == found


def test_the_soonest_end_that_a_rule_sets_counts():
    voices = [voice("A", (60, "Chiefs"), (900, "refuse")), voice("B", (600, "refuse")), voice("C")]
    assert end_of(refused_after(voices, company=CHIEFS), moment=after) == (after(600), "wall")
    assert end_of(refused_after([voice("C")], company=CHIEFS), moment=after) is None


def test_the_later_of_two_clocks_counts():
    """Three hours on a Friday at three are on Monday at ten, in working time."""
    both = [voice("A", (3 * 3600, "Chiefs")), voice("A", (3 * 3600, "Chiefs"), clock="working")]
    (level,) = levels_of(both, company=NOBODY, moment=after, end=after(7 * 86_400))
    assert (level.clock, level.at) == ("working", datetime(2026, 11, 30, 10, 0, tzinfo=UTC))


def test_a_level_of_a_later_stage_counts_from_when_that_stage_begins():
    """An hour from Friday at half past four is on Monday at half past nine, in working time."""
    legal = Voice("Legal", (Level(3600, to="Chiefs"), Level(9 * 3600, "refuse")), "working", stage=2)
    (level,) = levels_of([legal], company=NOBODY)
    assert (level.at, level.span) == (None, Span(0, 3600))
    begun = Start(datetime(2026, 11, 27, 16, 30, tzinfo=UTC), OFFICE)
    monday, tuesday = (datetime(2026, 11, 30, 9, 30, tzinfo=UTC) + timedelta(days=day) for day in (0, 1))
    assert level.span.over(begun.moment) == (monday, "working")
    end = end_of(refused_after([legal], company=NOBODY), moment=begun.moment)
    assert end == (tuesday, "working")
    # Half of the nine hours until the end, and as a rule says.
    assert begun.reminder((0, "wall"), end=end, share=50) == (monday + timedelta(hours=3.5), "working")
    assert begun.reminder((600, "wall"), end=end, share=50) == (begun.at + timedelta(minutes=10), "wall")
    assert begun.reminder((10 * 3600, "working"), end=end, share=50) == (None, "working")


@given(st.integers(0, 20_000), st.integers(0, 20_000), st.integers(0, 20_000))
def test_as_much_working_time_is_left_as_there_was(length, until_stop, stood):
    at = after(length * 60, "working")
    stopped = START + timedelta(minutes=until_stop)
    now = stopped + timedelta(minutes=stood)
    left = working_between(stopped, at, OFFICE)
    later = moved(at, stood_since=stopped, now=now, calendar=OFFICE)
    assert later >= at
    if left:
        assert working_between(now, later, OFFICE) == left
    assert moved(at, stood_since=stopped, now=now, calendar=None) == at + timedelta(minutes=stood)


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
    chiefs, _board = (Group.objects.create(name=name) for name in ("Chiefs", "Board"))
    before = rule_facts(rule)
    change = policies.propose_rule_change(
        actor=alice.as_actor(),
        rule=rule,
        changes={"escalate_to": chiefs, "escalate_minutes": 60},
        reason="nobody is there at night",
    )
    assert not change.applied
    rule.levels = [{"minutes": "60", "to": "group", "group": "Chiefs"}]
    named = rule_facts(rule)
    rule.levels = [{"minutes": "90", "to": "group", "group": "Chiefs"}]
    assert direction_of_rule(before, named) == Direction.LOOSENS
    assert direction_of_rule(named, rule_facts(rule)) == Direction.TIGHTENS
    assert direction_of_rule(rule_facts(rule), named) == Direction.LOOSENS
    rule.levels = [{"minutes": "90", "to": "group", "group": "Board"}]
    assert direction_of_rule(named, rule_facts(rule)) == Direction.LOOSENS
    with pytest.raises(Exception, match="after how many minutes"):
        policies.create_rule(
            actor=TESTS, policy=rule.policy, reason="set up for a test",
            content={"name": "half", "operations": "*", "verdict": "hold", "escalate_minutes": 5},
        )  # fmt: skip
