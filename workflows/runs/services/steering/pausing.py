"""Pause a run and let it go on. A pause ends nothing: what has begun may finish, and nothing new begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction

from agents.services import stops
from audit.vocabulary import Actor, Ref
from workflows.actions.choices import NOT_BEGUN, State
from workflows.actions.models import Action
from workflows.actions.services import let_go, stand_while_paused
from workflows.runs import dispatch
from workflows.runs.choices import OPEN_RUNS, OPEN_STEPS
from workflows.runs.models import Ready, Run, Step
from workflows.runs.services.clocks import start_clocks, stop_clocks
from workflows.runs.services.moving import lock_run, note
from workflows.runs.services.steering.effects import UNDER_WAY, Change, told
from workflows.runs.services.steering.verb import Standing, Verb, refuse
from workflows.tasks.models import Task
from workflows.tasks.services import set_paused

PAUSED = "paused"  # the word under which clocks stand
# What asks operators to look at a run, or people to decide, is no work of the run: it goes on.
WORK_OF_RUNS = (Task.Kind.AGENT_WORK, Task.Kind.HUMAN_WORK, Task.Kind.EXCEPTION)


@dataclass(frozen=True)
class Pause(Verb):
    """Let nothing new begin in a run; with ``stop_clocks`` its deadlines stand still meanwhile."""

    name = "pause"
    fact = "runs.run_paused"
    stop_clocks: bool = True

    def keep_out(self, run: Run) -> None:
        """Wait for dispatches under way, so that what has begun is told as begun, and keep new ones out."""
        stops.lock_scope(Ref("run", str(run.pk)))

    def changes(self, at: Standing) -> Sequence[Change]:
        """Return who may finish, what is offered to nobody, and what waits to be done."""
        if at.run.is_paused:
            raise refuse(self.name, at, "it is paused already.", "Let it go on first to pause it otherwise.")
        clocks = "stand still" if self.stop_clocks else "go on: work may become late meanwhile"
        return [
            Change("run", "Nothing new begins in the run until somebody lets it go on."),
            Change("run", f"Its deadlines {clocks}."),
            *told([_paused(task) for task in _tasks(at.run)], "waits", "tasks wait, too"),
            *told([_halted(action) for action in _unfinished(at.run)], "waits", "actions, too"),
        ]

    def carry_out(self, at: Standing) -> None:
        """Stop the clocks and take the work off the shelf."""
        at.run.is_paused = True
        at.run.save(update_fields=["is_paused"])
        if self.stop_clocks:
            steps = Step.objects.filter(run=at.run, state__in=OPEN_STEPS).values_list("pk", flat=True)
            stop_clocks(actor=at.actor, steps=list(steps), why=PAUSED, reason=at.reason)
        set_paused(tasks=[task.pk for task in _tasks(at.run)], is_paused=True)
        stand_while_paused(at.run.pk)

    def sentence(self, at: Standing) -> str:
        """Return what the ledger says."""
        return f"{at.actor.label} paused {at.run.label}"

    def before(self, at: Standing) -> Mapping[str, Any]:
        """Return that it was not."""
        return {"is_paused": False}

    def after(self, at: Standing) -> Mapping[str, Any]:
        """Return that it is, and whether its clocks stand."""
        return {"is_paused": True, "stop_clocks": self.stop_clocks}


def pause_for_budget(run_id: str, limit: str) -> None:
    """Let nothing new begin in a run that has spent its budget; people raise it, or let the run go on."""
    with transaction.atomic():
        run, verb, actor = lock_run(UUID(run_id)), Pause(), Actor.system("limits")
        if run.is_paused or run.state not in OPEN_RUNS:
            return
        verb.keep_out(run)
        at = Standing(actor, run, None, f"The limit {limit!r} was reached in it.")
        note(actor=actor, run=run, verb=verb.fact, sentence=verb.sentence(at), reason=at.reason)
        verb.carry_out(at)


@dataclass(frozen=True)
class Resume(Verb):
    """Let a paused run go on: what came meanwhile takes effect, and deadlines that stood move on by as long."""

    name = "resume"
    fact = "runs.run_unpaused"

    def changes(self, at: Standing) -> Sequence[Change]:
        """Return what is offered again, what is done now, and how deadlines move."""
        if not at.run.is_paused:
            raise refuse(self.name, at, "it is not paused.", "Pause it first, or let its incident go on.")
        ready = Ready.objects.filter(step__run=at.run).order_by("pk").values_list("step__name", flat=True)
        actions = Action.objects.filter(references__run_id=str(at.run.pk), state=State.AUTHORIZED)
        clocks = (
            [Change("run", "Its deadlines move on by as long as it was paused.")]
            if _standing_still(at.run)
            else []
        )
        return [
            Change("run", "The run goes on."),
            *clocks,
            *told([Change("begins", f"{name} goes on.") for name in ready], "begins", "steps go on"),
            *told(
                [_offered(task) for task in _tasks(at.run) if task.claimed_by is None],
                "begins",
                "tasks can be taken again",
            ),
            *told([_released(action) for action in actions.order_by("pk")], "begins", "actions are done now"),
        ]

    def carry_out(self, at: Standing) -> None:
        """Move what stood still, offer the work again, and let what people approved meanwhile be done."""
        run = at.run
        run.is_paused = False
        run.save(update_fields=["is_paused"])
        authorized = Action.objects.filter(references__run_id=str(run.pk), state=State.AUTHORIZED)
        for action_id in list(authorized.order_by("pk").values_list("pk", flat=True)):
            let_go(action_id=action_id)
        start_clocks(actor=at.actor, steps=_standing_still(run), why=PAUSED, reason=at.reason)
        set_paused(tasks=[task.pk for task in _tasks(run)], is_paused=False)
        transaction.on_commit(dispatch.hint_tick)

    def sentence(self, at: Standing) -> str:
        """Return what the ledger says."""
        return f"{at.actor.label} let {at.run.label} go on"

    def before(self, at: Standing) -> Mapping[str, Any]:
        """Return that it was paused, and whether its clocks stood."""
        return {"is_paused": True, "stop_clocks": bool(_standing_still(at.run))}

    def after(self, at: Standing) -> Mapping[str, Any]:
        """Return that it is not paused any more."""
        return {"is_paused": False}


def _standing_still(run: Run) -> list[UUID]:
    found = Step.objects.filter(run=run, clock_stopped_by__contains=[PAUSED])
    return list(found.values_list("pk", flat=True))


def _waiting(run: Run) -> Any:
    return Task.objects.filter(step__run=run, state__in=Task.WAITING, kind__in=WORK_OF_RUNS)


def _tasks(run: Run) -> list[Task]:
    return list(_waiting(run).select_related("claimed_by", "step").order_by("pk"))


def _unfinished(run: Run) -> list[Action]:
    states = [*NOT_BEGUN, *UNDER_WAY]
    found = Action.objects.filter(references__run_id=str(run.pk), state__in=states)
    return list(found.select_related("agent", "operation").order_by("pk"))


def _paused(task: Task) -> Change:
    ids = {"step": str(task.step.pk), "task": str(task.pk)}
    if task.claimed_by is None:
        return Change("waits", f"The task “{task.title}” can be taken by nobody.", **ids)
    who = str(task.claimed_by)
    return Change("goes_on", f"{who} may finish the task “{task.title}”; what follows waits.", **ids, who=who)


def _offered(task: Task) -> Change:
    sentence = f"The task “{task.title}” can be taken again."
    return Change("begins", sentence, step=str(task.step.pk), task=str(task.pk))


def _released(action: Action) -> Change:
    return Change("begins", f"{action.label} is done now, if it is still allowed.", action=str(action.pk))


def _halted(action: Action) -> Change:
    ids = {"action": str(action.pk), "who": action.agent.name}
    if action.state == State.HELD:
        return Change("waits", f"{action.label}: people may decide; it is not done before.", **ids)
    if action.state in UNDER_WAY:
        return Change("goes_on", f"{action.label} has begun and comes to its own end.", **ids)
    return Change("waits", f"{action.label} is allowed and is not done before.", **ids)
