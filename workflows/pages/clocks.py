"""The deadlines of a task in words: when it is late, and what happens then."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from workflows.pages.words import facts_of
from workflows.runs.selectors import Clock, clocks_of
from workflows.tasks.models import Task

LATE = {"start": "If nobody has taken it", "complete": "If it is not done"}


@dataclass(frozen=True, slots=True)
class ClockLine:
    """One deadline to come: its condition, its time and what happens then."""

    words: str
    at: datetime
    then: str


def clock_lines(task: Task) -> list[ClockLine]:
    """Return the deadlines that still count; one that was kept or has passed is told by the history."""
    if task.state not in Task.WAITING:
        return []
    is_taken = task.state == Task.State.CLAIMED
    return [
        ClockLine(LATE[clock.deadline], clock.at, _then(clock, task))
        for clock in clocks_of(task, getattr(task, "step", None))
        if clock.at is not None and not (is_taken and clock.deadline == "start")
    ]


def _then(clock: Clock, task: Task) -> str:
    groups = " and ".join(clock.to)
    if clock.then == "escalate":
        return f"{groups} can do it, too"
    if clock.then == "reassign":
        return f"{groups} can do it instead of you"
    answer = facts_of(clock.answer or {}, task.answer_schema)
    said = ", ".join(f"{fact.name}: {fact.value}" for fact in answer)
    return f"it is closed by itself{f' with {said}' if said else ''}"
