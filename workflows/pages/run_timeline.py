"""The timeline of a run: a bar for each attempt of a step, what it waited for marked, with the times beside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from agents.models import User
from audit.services.evidence.cells import length_words
from workflows.actions.models import Action
from workflows.pages.run_bars import (
    PEOPLE,
    SYSTEMS,
    WORK,
    Bar,
    Span,
    Tick,
    bars_of,
    lasted,
    ticks_of,
    worked,
)
from workflows.pages.step_words import full_name, who_has
from workflows.pages.steps import tag_of
from workflows.pages.words import Tag
from workflows.runs.choices import OPEN_STEPS
from workflows.runs.models import Run, Step
from workflows.tasks.models import Task

MOST_ROWS = 200
# What the engine passes by itself takes no time.
KINDS = ("agent", "operation", "human", "gate", "sub", "wait", "compensate")
FELT = timedelta(milliseconds=50)
OF_PEOPLE = (Task.Kind.HUMAN_WORK, Task.Kind.EXCEPTION, Task.Kind.QUESTION)


@dataclass(frozen=True, slots=True)
class Row:
    """One attempt of a step: its bars, and the same in words."""

    key: str
    name: str
    again: int
    tag: Tag
    who: str
    since: datetime
    ended: datetime | None
    bars: list[Bar]
    worked: str
    people: str
    systems: str


def told(run: Run, user: User, after: Any) -> dict[str, Any]:
    """Return what the tab shows; ``after`` is the step that its rows begin behind."""
    steps = list(_steps(run, after)[: MOST_ROWS + 1])
    more, steps = len(steps) > MOST_ROWS, steps[:MOST_ROWS]
    now = timezone.now()
    until = run.finished_at or now
    actions = _actions_of(steps)
    rows = [
        _row(step, actions.get(step.pk, []), list(spans_of(step, actions.get(step.pk, ()), now)), run, until)
        for step in steps
    ]
    return {
        "rows": rows,
        "kinds": [
            (WORK, _("Works")),
            (PEOPLE, _("Waits for people")),
            (SYSTEMS, _("Waits for a system or its turn")),
        ],
        "until": until,
        "ticks": [
            (tick, length_words(tick.seconds) if tick.seconds else "0")
            for tick in _ticks(run.started_at, until)
        ],
        "next": steps[-1].pk if more else None,
    }


def spans_of(step: Step, actions: Iterable[Action], now: datetime) -> Iterator[Span]:
    """Yield what the time of a step went into, as far as it is on record."""
    begun, end = step.started_at or step.created_at, step.finished_at or now
    if step.started_at is None and step.state in OPEN_STEPS:
        yield Span(SYSTEMS, step.created_at, end)
        return
    yield Span(SYSTEMS, step.created_at, begun)
    if step.kind == "wait" or (step.task is not None and step.task.kind in OF_PEOPLE):
        yield Span(SYSTEMS if step.kind == "wait" else PEOPLE, begun, end)
        return
    yield Span(WORK, begun, end)
    task = step.task
    if task is not None:
        # Offered, and nobody has taken it yet; of one that was given back only the last taking is known.
        yield Span(SYSTEMS, begun, task.claimed_at or end)
    for action in actions:
        yield from _waits_of(action, end)


def _waits_of(action: Action, end: datetime) -> Iterator[Span]:
    approval = action.approval
    if approval is not None:
        yield Span(PEOPLE, approval.created_at, approval.decided_at or end)
    if action.waits_since is not None:
        yield Span(SYSTEMS, action.waits_since, action.dispatched_at or action.finished_at or end)


def _ticks(since: datetime, until: datetime) -> list[Tick]:
    """Leave out what would stand on the edge: its words have no room there."""
    return [tick for tick in ticks_of(since, until) if tick.x < 93]


def _steps(run: Run, after: Any) -> QuerySet[Step]:
    found = Step.objects.filter(run=run, kind__in=KINDS).order_by("pk")
    found = found.select_related("agent", "task__claimed_by__agent", "task__role", "subscription", "action")
    found = found.prefetch_related("task__candidate_groups", "task__candidate_users")
    return found.filter(pk__gt=after) if after else found


def _actions_of(steps: Sequence[Step]) -> dict[Any, list[Action]]:
    """Return the actions of steps with their approvals: only times are shown of them, which are no secret."""
    of_action = {step.action_id: step.pk for step in steps if step.action_id}
    of_task = {step.task_id: step.pk for step in steps if step.task_id}
    asked = Q(pk__in=list(of_action)) | Q(task__in=list(of_task))
    found: dict[Any, list[Action]] = {}
    for action in Action.objects.filter(asked).select_related("approval").defer("explanation", "evidence"):
        key = of_action.get(action.pk) or (of_task.get(action.task_id) if action.task_id else None)
        found.setdefault(key, []).append(action)
    return found


def _row(step: Step, actions: list[Action], spans: Sequence[Span], run: Run, until: datetime) -> Row:
    is_held = any(action.state == Action.State.HELD for action in actions)
    is_in_line = not is_held and any(action.waits_for_turn for action in actions)
    return Row(
        key=str(step.pk),
        name=full_name(step),
        again=step.generation if step.generation > 1 else 0,
        tag=tag_of(step, is_held=is_held, is_in_line=is_in_line),
        who=who_has(step, is_held=is_held, is_in_line=is_in_line),
        since=step.started_at or step.created_at,
        ended=step.finished_at,
        bars=bars_of(spans, run.started_at, until),
        worked=_words(worked(spans)),
        people=_words(lasted(spans, PEOPLE)),
        systems=_words(lasted(spans, SYSTEMS)),
    )


def _words(length: timedelta) -> str:
    return length_words(length.total_seconds()) if length >= FELT else ""
