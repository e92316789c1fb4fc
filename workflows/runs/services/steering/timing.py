"""How urgent a run is, and by when a step is to be done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.db.models import F

from audit.vocabulary import Refusal, RefusalKind
from workflows.runs import dispatch
from workflows.runs.choices import OPEN_STEPS
from workflows.runs.models import Ready, Run, Step, Timer
from workflows.runs.services.steering.effects import Change
from workflows.runs.services.steering.verb import Standing, Verb, refuse
from workflows.tasks.models import Task
from workflows.tasks.selectors import database_now

URGENT, CAN_WAIT = 1, 5


@dataclass(frozen=True)
class ChangePriority(Verb):
    """Say how urgent a run is, from 1 to 5: its turns and its tasks come before those of a higher number."""

    name = "priority"
    fact = "runs.run_priority_changed"
    priority: int = 3

    def changes(self, at: Standing) -> Sequence[Change]:
        """Return what comes sooner or later. A step whose node says how urgent it is keeps that."""
        if not URGENT <= self.priority <= CAN_WAIT:
            raise Refusal(
                "priority_invalid",
                f"{at.about} was not changed: {self.priority} is no priority.",
                kind=RefusalKind.INVALID,
                next_step=f"Say a number from {URGENT}, the most urgent, to {CAN_WAIT}.",
            )
        if self.priority == at.run.priority:
            raise refuse(self.name, at, f"its priority is {self.priority} already.", "Nothing is left to do.")
        how = "sooner" if self.priority < at.run.priority else "later"
        count = _tasks(at.run).count()
        return [
            Change("run", f"The priority of the run is {self.priority} instead of {at.run.priority}."),
            Change("run", f"What it does next comes {how}, and {count} of its open tasks with it."),
        ]

    def carry_out(self, at: Standing) -> None:
        """Change it where it is read: the run, its turns, and the tasks that wait."""
        Task.objects.filter(pk__in=_tasks(at.run).values("pk")).update(priority=self.priority)
        Ready.objects.filter(step__run=at.run, step__priority=None).update(priority=self.priority)
        Run.objects.filter(pk=at.run.pk).update(priority=self.priority)
        transaction.on_commit(dispatch.hint_tick)

    def sentence(self, at: Standing) -> str:
        """Return what the ledger says."""
        return f"{at.actor.label} changed the priority of {at.run.label} to {self.priority}"

    def before(self, at: Standing) -> Mapping[str, Any]:
        """Return the priority it had."""
        return {"priority": at.run.priority}

    def after(self, at: Standing) -> Mapping[str, Any]:
        """Return the priority it has."""
        return {"priority": self.priority}


@dataclass(frozen=True)
class ChangeDeadline(Verb):
    """Say by when a step is to be done, by the database's clock. It changes nothing of what happens then."""

    name = "deadline"
    fact = "runs.step_deadline_changed"
    needs_step = True
    due_at: datetime | None = None

    def changes(self, at: Standing) -> Sequence[Change]:
        """Return the old and the new time. Only work of agents, people and systems has a deadline."""
        step, due_at = at.named, self.due_at
        if step.state not in OPEN_STEPS or not (step.task_id or step.action_id):
            raise refuse(self.name, at, "nobody is at work on it.", "Change the deadline of a step under way.")
        if due_at is None or due_at.tzinfo is None or due_at <= database_now():
            raise Refusal(
                "deadline_invalid",
                f"{at.about} was not changed: a deadline is a time to come, with its offset.",
                kind=RefusalKind.INVALID,
                next_step="Say a time to come, e.g. 2031-05-04T12:00:00Z.",
            )
        before = deadline_of(step)
        instead = f" instead of {_told(before)}" if before else ""
        sentence = f"{step.name} is due {_told(due_at)}{instead}."
        return [Change("run", sentence, str(step.pk), task=str(step.task_id or ""))]

    def carry_out(self, at: Standing) -> None:
        """Set the timer, and what whoever does it is told."""
        if self.due_at is not None:
            given = {"fire_at": self.due_at}
            Timer.objects.update_or_create(step=at.named, kind=Timer.Kind.OVERDUE, defaults=given)
            Task.objects.filter(step=at.named, state__in=Task.WAITING).update(due_at=self.due_at)

    def sentence(self, at: Standing) -> str:
        """Return what the ledger says."""
        return f"{at.actor.label} changed the deadline of {at.about}"

    def before(self, at: Standing) -> Mapping[str, Any]:
        """Return when it was due."""
        before = deadline_of(at.named)
        return {"due_at": before.isoformat() if before else None}

    def after(self, at: Standing) -> Mapping[str, Any]:
        """Return when it is due."""
        return {"due_at": self.due_at.isoformat() if self.due_at else None}


def deadline_of(step: Step) -> datetime | None:
    """Return by when a step is to be done, None when nobody said."""
    timer = Timer.objects.filter(step=step, kind=Timer.Kind.OVERDUE).first()
    return timer.fire_at if timer else None


def _told(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _tasks(run: Run) -> Any:
    """Return the waiting tasks that are as urgent as their run; what is overdue stays first."""
    found = Task.objects.filter(step__run=run, state__in=Task.WAITING, step__priority=None)
    return found.filter(priority=F("step__run__priority"))
