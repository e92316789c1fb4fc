"""The clock of an approval before its end: people are reminded, then others are asked, too, level by level."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from functools import cached_property
from itertools import groupby
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now

from agents.decision.calendars import WorkCalendar, as_data
from agents.models import Agent, User
from agents.selectors import calendar_of
from audit.services import record_event
from audit.vocabulary import Actor
from workflows.approvals.models import Approval, Escalation
from workflows.approvals.policies import (
    Planned,
    Step,
    Voice,
    end_of,
    levels_of,
    moment_after,
    remind_after,
)
from workflows.tasks.selectors import database_now
from workflows.tasks.services import escalate_task, remind_task

CLOCK = Actor.system("sweeper")
DEADLINE = "decide"
WALL, WORKING = "wall", "working"


class Times:
    """Every time of a new approval, worked out once: its end, its reminder, and its levels."""

    def __init__(
        self, agent: Agent | None, voices: Collection[Voice], expires_at: datetime, *, remind: tuple[int, str]
    ) -> None:
        self.agent, self.now = agent, database_now()
        ordinary = settings.DEFAULT_APPROVER_GROUP
        self.voices = [Voice(one.group or ordinary, one.steps, one.clock) for one in voices]
        self._remind, self._seconds = remind, (expires_at - self.now).total_seconds()
        self.end, self.end_clock = self._end()

    @cached_property
    def calendar(self) -> WorkCalendar | None:
        """When the people of this case work; None: nobody said, so any time counts."""
        return calendar_of(self.agent.department if self.agent else None)

    def moment(self, seconds: float, clock: str) -> datetime:
        """Return when so much time of a clock has passed since it was asked."""
        return moment_after(self.now, seconds, self.calendar if clock == WORKING else None)

    @property
    def company(self) -> Voice:
        """What is said where no rule says anything."""
        seconds, group = settings.APPROVAL_ESCALATE_SECONDS, settings.APPROVAL_ESCALATE_GROUP
        steps = (Step(seconds, to=group),) if seconds > 0 and group else ()
        return Voice("", steps, settings.APPROVAL_CLOCK)

    @cached_property
    def levels(self) -> tuple[Planned, ...]:
        """Who may vote later in place of which group."""
        return levels_of(self.voices, company=self.company, moment=self.moment, end=self.end)

    @cached_property
    def columns(self) -> dict[str, Any]:
        """The columns of the approval that hold its times."""
        at, clock = self._reminder()
        yesterday = self.now.date() - timedelta(days=1)  # there may be a day behind
        counts = WORKING in {self.end_clock, clock, *(level.clock for level in self.levels)}
        return {
            "remind_at": at,
            "reminder_in_working_time": clock == WORKING,
            "end_in_working_time": self.end_clock == WORKING,
            "calendar": as_data(self.calendar, yesterday) if counts and self.calendar else {},
        }

    def _end(self) -> tuple[datetime, str]:
        """The company's time to decide, or sooner where a rule refuses what nobody decides."""
        clock = settings.APPROVAL_CLOCK
        ends = [(self.moment(self._seconds, clock), clock)]
        sooner = end_of(self.voices, company=self.company, moment=self.moment)
        return min([*ends, *([sooner] if sooner else [])])

    def _reminder(self) -> tuple[datetime | None, str]:
        seconds, clock = self._remind
        if seconds:
            at = self.moment(seconds, clock)
            return (at, clock) if at < self.end else (None, WALL)
        within = (self.end - self.now).total_seconds()
        after = remind_after(0, share=settings.APPROVAL_REMIND_SHARE, within=within)
        if after is None:
            return None, WALL
        if self.end_clock == WORKING:
            after = self._seconds * settings.APPROVAL_REMIND_SHARE / 100
        return self.moment(after, self.end_clock), self.end_clock


def foresee(approval: Approval, times: Times) -> None:
    """Fix who may vote later in place of which group of a new approval, and where nobody can be asked."""
    if not times.levels:
        return
    names = {level.group for level in times.levels}
    names |= {name for level in times.levels for _, name in level.whom if name}
    groups = {group.name: group for group in Group.objects.filter(name__in=names)}
    Escalation.objects.bulk_create(
        Escalation(
            approval=approval,
            stands_for=groups[level.group],
            level=level.place,
            at=level.at,
            in_working_time=level.clock == WORKING,
            asks=kind,
            **_asked(approval, times.agent, kind, groups.get(name), name),
        )
        for level in times.levels
        if level.group in groups
        for kind, name in level.whom
    )


def _asked(
    approval: Approval, agent: Agent | None, kind: str, group: Group | None, name: str
) -> dict[str, Any]:
    """Return whom a level asks: a group, or who they are to the agent; or why nobody can be."""
    if kind == Escalation.Asks.GROUP:
        return {"group": group} if group else {"passed_over": f"There is no group {name[:200]}."}
    person = _by_role(agent, kind)
    if person is None:
        return {"passed_over": f"There is nobody: {Escalation.Asks(kind).label.lower()} is not named."}
    return {"person": person, "passed_over": _barred(approval, person)}


def _by_role(agent: Agent | None, kind: str) -> User | None:
    """Return who somebody is to an agent, as it is on record now."""
    path = {"sponsor": "sponsor", "manager": "sponsor__manager", "head": "department__manager"}[kind]
    named = Agent.objects.filter(pk=agent.pk).values(path) if agent else []
    return User.objects.filter(pk__in=named).first() if agent else None


def _barred(approval: Approval, person: User) -> str:
    """Say why this person cannot decide it, or nothing: four eyes hold on every level."""
    if str(person.pk) in (approval.requester_id, *approval.excluded_ids):
        return f"{person} asks for it, or it is for them: they do not decide it."
    if not person.is_active or person.is_agent:
        return f"{person} no longer works here."
    return ""


@transaction.atomic
def remind_due(*, limit: int = 100) -> int:
    """Remind the people of what has waited long enough; return how many. Run by the sweeper."""
    waiting = Approval.objects.select_for_update(of=("self",), skip_locked=True).filter(
        state=Approval.State.PENDING, clock_stopped_at=None, reminded_at=None, remind_at__lte=Now()
    )
    due = list(waiting.filter(expires_at__gt=Now()).order_by("id")[:limit])
    for approval in due:
        approval.reminded_at = database_now()
        approval.save(update_fields=["reminded_at"])
        remind_task(actor=CLOCK, task_id=approval.task_id, deadline=DEADLINE)
    return len(due)


@transaction.atomic
def escalate_due(*, limit: int = 100) -> int:
    """Let others vote, too, on what nobody has decided by then; return on how many. Run by the sweeper."""
    late = Escalation.objects.filter(approval=OuterRef("pk"), done_at=None, at__lte=Now())
    waiting = Approval.objects.select_for_update(of=("self",), skip_locked=True).filter(
        Exists(late), state=Approval.State.PENDING, clock_stopped_at=None, expires_at__gt=Now()
    )
    due = list(waiting.order_by("id")[:limit])
    for approval in due:
        _escalate(approval)
    return len(due)


def _escalate(approval: Approval) -> None:
    """Do what is due; where nobody can be asked, go to the next level at once."""
    now = database_now()
    rows = approval.escalations.filter(done_at=None).select_related("group", "person", "stands_for")
    asked: list[Escalation] = []
    passed: list[Escalation] = []
    for _, of_group in groupby(rows.order_by("stands_for", "level", "asks"), lambda row: row.stands_for_id):
        for _, one in groupby(of_group, lambda row: row.level):
            level = list(one)
            if not passed_on(level, now, passed):
                break
            is_over = _do(approval, level, now)
            (passed if is_over else asked).extend(level)
    if asked:
        groups = list({row.group_id: row.group for row in asked if row.group}.values())
        people = list({row.person_id: row.person for row in asked if row.person}.values())
        escalate_task(actor=CLOCK, task_id=approval.task_id, deadline=DEADLINE, groups=groups, people=people)
    _tell(approval, asked, passed)


def passed_on(level: list[Escalation], now: datetime, passed: list[Escalation]) -> bool:
    """Say whether it is the turn of a level: its time has come, or the one before it was passed over now."""
    before = {(row.stands_for_id, row.level) for row in passed}
    return level[0].at <= now or (level[0].stands_for_id, level[0].level - 1) in before


def _do(approval: Approval, level: list[Escalation], now: datetime) -> bool:
    """Note that a level is done; return whether it had to be passed over, which may have become so since."""
    for row in level:
        row.done_at = now
        row.passed_over = row.passed_over or (_barred(approval, row.person) if row.person else "")
        row.save(update_fields=["done_at", "passed_over"])
    return any(row.passed_over for row in level)


def _tell(approval: Approval, asked: Iterable[Escalation], passed: Iterable[Escalation]) -> None:
    said = [f"{row.whom} may vote in place of {row.stands_for}" for row in asked]
    over = [row for row in passed if row.passed_over]
    said += [f"{row.whom} was passed over ({row.passed_over})" for row in over]
    record_event(
        actor=CLOCK,
        verb="approvals.approval_escalated",
        subject=approval.as_ref(),
        sentence=f"Nobody has decided yet: {', '.join(said)}: {approval.subject_label}"[:500],
        payload={
            "groups": [[row.stands_for.name, row.whom] for row in asked],
            "passed_over": [[row.stands_for.name, row.whom, row.passed_over] for row in over],
        },
        **approval.event_refs(),
    )
