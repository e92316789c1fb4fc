"""How an agent did in the last days: what it asked for, what came of it, what people changed, what it cost.

Everything is read from the newest ``MOST_COUNTED`` of each kind and never from more, so that the page of an
agent that does a hundred thousand things a month opens as fast as any; ``is_cut`` says that there was more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import Count, Q
from django.db.models.fields.json import KeyTextTransform
from django.utils.timezone import localtime

from agents.models import Agent, ModelUse
from audit.reading import first_id
from audit.selectors import database_now
from workflows.actions.choices import State
from workflows.actions.models import Action
from workflows.approvals.models import Approval
from workflows.runs.choices import Undone
from workflows.runs.models import Step
from workflows.tasks.models import Task

DAYS = 30
MOST_COUNTED = 10_000
THIN = 20

# One row for each day and each way it went: a few hundred at most, whatever was done. The bound on the id lets
# the index of an agent's actions find where the days begin.
_ACTIONS = """
SELECT (w.requested_at AT TIME ZONE %(zone)s)::date, w.state, w.by_person, w.differs, w.held, p.state, count(*)
  FROM (SELECT a.requested_at, a.state, a.code = 'resolved_by_person' AS by_person,
               a.outcome = 'differs' AS differs, a.approval_id IS NOT NULL AS held, a.approval_id
          FROM {actions} a
         WHERE a.agent_id = %(agent)s AND a.id >= %(first)s AND a.requested_at >= %(since)s
         ORDER BY a.id DESC LIMIT %(most)s) w
  LEFT JOIN {approvals} p ON p.id = w.approval_id
 GROUP BY 1, 2, 3, 4, 5, 6
"""
_COSTS = """
SELECT (w.at AT TIME ZONE %(zone)s)::date, sum(w.cost), sum(w.input_tokens + w.output_tokens), count(*)
  FROM (SELECT u.at, u.cost, u.input_tokens, u.output_tokens FROM {uses} u
         WHERE u.agent_id = %(agent)s AND u.at >= %(since)s ORDER BY u.at DESC LIMIT %(most)s) w
 GROUP BY 1
"""
_DONE = frozenset({State.CONFIRMED})


@dataclass(slots=True)
class Day:
    """One day of an agent, by the company's clock. ``cost`` is in millionths of the company currency."""

    day: date
    asked: int = 0
    done: int = 0
    failed: int = 0
    stepped_in: int = 0
    cost: int = 0


@dataclass(slots=True)
class Health:
    """What was counted of an agent since a moment; a share is None while too little is known to say one."""

    since: datetime
    days: list[Day]
    asked: int = 0
    done: int = 0
    failed: int = 0
    differs: int = 0
    denied: int = 0
    held: int = 0
    approved: int = 0
    rejected: int = 0
    changed: int = 0
    in_doubt: int = 0
    resolved: int = 0
    reversed: int = 0
    open: int = 0
    tasks: int = 0
    tasks_failed: int = 0
    runs: int = 0
    cost: int = 0
    tokens: int = 0
    is_cut: bool = False

    @property
    def ended(self) -> int:
        """Return how much of what it asked for was tried over there, and is over."""
        return self.done + self.failed + self.in_doubt

    @property
    def decided(self) -> int:
        """Return how much of it people decided."""
        return self.approved + self.rejected + self.changed

    @property
    def stepped_in(self) -> int:
        """Return how often people had to step in: turned down, changed, found out, taken back."""
        return self.rejected + self.changed + self.resolved + self.reversed

    @property
    def success_share(self) -> int | None:
        """Return how much of what was tried was done, in percent."""
        return _share(self.done, self.ended)

    @property
    def approved_share(self) -> int | None:
        """Return how much of what people decided they approved as it was, in percent."""
        return _share(self.approved, self.decided)

    @property
    def changed_share(self) -> int | None:
        """Return how much of what people decided they changed, in percent."""
        return _share(self.changed, self.decided)

    @property
    def is_thin(self) -> bool:
        """Tell whether too little was done to judge it by."""
        return self.asked + self.tasks < THIN


def health_of(agent: Agent) -> Health:
    """Return how an agent did in the last ``DAYS`` days, with five questions."""
    now = database_now()
    since = now - timedelta(days=DAYS)
    first = first_id(since)
    found = Health(since=since, days=[Day(day) for day in _days(since, now)])
    by_day = {it.day: it for it in found.days}
    _count_actions(found, by_day, agent, first)
    _count_tasks(found, agent, first)
    _count_costs(found, by_day, agent)
    undone = Step.objects.filter(action__agent=agent, action_id__gte=first, undone=Undone.DONE)
    found.reversed = undone.count()
    return found


def _days(since: datetime, now: datetime) -> Iterator[date]:
    last = localtime(now).date()
    for back in range(DAYS, -1, -1):
        if (day := last - timedelta(days=back)) >= localtime(since).date():
            yield day


def _rows(sql: str, **given: Any) -> Iterable[tuple[object, ...]]:
    tables = {"actions": Action, "approvals": Approval, "uses": ModelUse}
    names = {name: connection.ops.quote_name(model._meta.db_table) for name, model in tables.items()}
    with connection.cursor() as cursor:
        cursor.execute(sql.format(**names), {"zone": settings.TIME_ZONE, "most": MOST_COUNTED, **given})
        return cursor.fetchall()


def _count_actions(found: Health, by_day: dict[date, Day], agent: Agent, first: UUID) -> None:
    rows = _rows(_ACTIONS, agent=agent.pk, first=first, since=found.since)
    for day, state, by_person, differs, held, approval, number in rows:
        count = int(str(number))
        _add(found, str(state), count, held=bool(held), approval=str(approval or ""))
        found.resolved += count if by_person else 0
        found.differs += count if differs else 0
        if here := by_day.get(day):  # type: ignore[call-overload]
            here.asked += count
            here.done += count if state in _DONE else 0
            here.failed += count if state in (State.FAILED, State.IN_DOUBT) else 0
            here.stepped_in += count if state in (State.REJECTED, State.SUPERSEDED) or by_person else 0
    found.is_cut = found.asked >= MOST_COUNTED


def _add(found: Health, state: str, count: int, *, held: bool, approval: str) -> None:
    found.asked += count
    name = {
        State.CONFIRMED: "done",
        State.FAILED: "failed",
        State.DENIED: "denied",
        State.IN_DOUBT: "in_doubt",
        State.REJECTED: "rejected",
        State.SUPERSEDED: "changed",
    }.get(State(state))
    if name:
        setattr(found, name, getattr(found, name) + count)
    if state in (State.REQUESTED, State.HELD, State.AUTHORIZED, State.DISPATCHED):
        found.open += count
    if held:
        found.held += count
        found.approved += count if approval == Approval.State.APPROVED else 0


def _count_tasks(found: Health, agent: Agent, first: UUID) -> None:
    closed = Task.objects.filter(claimed_by=agent.user_id, pk__gte=first, closed_at__gte=found.since).order_by()
    counts = closed.aggregate(
        done=Count("pk", filter=Q(state=Task.State.DONE)),
        failed=Count("pk", filter=Q(state__in=[Task.State.FAILED, Task.State.EXPIRED])),
        runs=Count(KeyTextTransform("run_id", "references"), distinct=True),
    )
    found.tasks, found.tasks_failed, found.runs = counts["done"], counts["failed"], counts["runs"]


def _count_costs(found: Health, by_day: dict[date, Day], agent: Agent) -> None:
    reports = 0
    for day, cost, tokens, number in _rows(_COSTS, agent=agent.pk, since=found.since):
        found.cost += int(str(cost))
        found.tokens += int(str(tokens))
        reports += int(str(number))
        if here := by_day.get(day):  # type: ignore[call-overload]
            here.cost += int(str(cost))
    found.is_cut |= reports >= MOST_COUNTED


def _share(part: int, whole: int) -> int | None:
    return round(part * 100 / whole) if whole >= THIN else None
