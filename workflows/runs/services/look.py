"""One look at some locked runs: events, what the machine says to them, and the rows that come of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import Group
from django.db.models import QuerySet

from audit.services import Fact
from audit.vocabulary import Actor
from workflows.runs import engine
from workflows.runs.choices import OPEN_RUNS, RunState
from workflows.runs.engine.events import CancelRun, Event
from workflows.runs.models import Ready, Run, Step, Timer
from workflows.runs.services.applying import Applied
from workflows.runs.services.cancelling import drop_work, withdraw_actions
from workflows.runs.services.children import hand_over
from workflows.runs.services.holding import hold, let_go
from workflows.runs.services.moving import ENGINE, note
from workflows.runs.services.pen import Pen, as_json
from workflows.runs.services.picture import pictures_of
from workflows.runs.services.undoing import is_about_undoing, view_of
from workflows.tasks.models import Task
from workflows.tasks.selectors import database_now
from workflows.tasks.services import close_if_waiting, open_task

# Timers that begin anew with the next attempt.
OF_AN_ATTEMPT = (Timer.Kind.QUEUE, Timer.Kind.RUN)


class Look:
    """Events about steps of locked runs. Nobody else sees what came of them before ``write`` was called."""

    def __init__(
        self,
        runs: Iterable[Run],
        step_ids: Sequence[str],
        *,
        actor: Actor = ENGINE,
        reason: str = "",
        most_passed: int = engine.MOST_PASSED,
    ) -> None:
        self.most_passed = most_passed
        self.pen = Pen()
        pictures = pictures_of(runs, step_ids)
        self.runs = {key: Applied(picture, self.pen, actor, reason) for key, picture in pictures.items()}

    def tell(self, run_id: str, step_id: str, event: Event) -> str:
        """Follow an event; return why it was refused, or ''."""
        to = self.runs[run_id]
        if is_about_undoing(to.picture.view(step_id), event):
            self.pen.write()  # what is left to undo is asked of the database
        view = view_of(to.picture, step_id, event)
        plan = engine.advance(view, event, most_passed=self.most_passed)
        if not plan.refused:
            to.apply(plan)
        return plan.refused

    def take_undos(self) -> list[tuple[str, str]]:
        """Return the steps whose undoing was ordered in this look, once, with their runs."""
        found = [(step, run_id) for run_id, to in self.runs.items() for step in to.to_undo]
        for to in self.runs.values():
            to.to_undo = []
        return found

    def take_fresh(self) -> list[tuple[str, str]]:
        """Return the steps that were made in this look and whose work can begin, once, with their runs."""
        found = [(step, run_id) for run_id, to in self.runs.items() for step in to.fresh]
        for to in self.runs.values():
            to.fresh = []
        return found

    def leave(self, steps: Iterable[str]) -> None:
        """Leave steps to a look of their own."""
        for to in self.runs.values():
            for step_id in steps:
                if step_id in to.picture.steps:
                    to.wake(step_id, to.picture.steps[step_id].priority)

    def write(self) -> None:
        """Write everything that came of the events so far."""
        for to in self.runs.values():
            _close_the_books(to)
        self.pen.write()
        for to in self.runs.values():
            _after(to)
        _close_incidents_of([to for to in self.runs.values() if to.finish is not None])


def _close_the_books(to: Applied) -> None:
    """Work out what the run itself is now, with the fact for the ledger."""
    run, before = to.picture.run, to.picture.run.state
    parked = [step_id for step_id, _, _ in to.parked]
    is_settled = (
        bool(to.settled) and before == RunState.INCIDENT and not others_wait(run, [*to.settled, *parked])
    )
    to.settled = []
    if is_settled:
        to.pen.later.append(partial(close_incidents, to.actor, run, to.reason or "It goes on."))
    if to.finish is not None and before in OPEN_RUNS:
        run.state, run.problem = RunState(to.finish.state), ""
        run.outcome, run.output = to.finish.outcome, dict(to.finish.output)
        if run.parent_id is not None:
            to.pen.later.append(partial(hand_over, run))
        if (run.state, run.outcome) != (RunState.CANCELLED, "cancelled"):  # that is told by the verb
            _tell(to, "runs.run_finished", f"{run.label}: {run.outcome.replace('_', ' ')}", run.outcome)
    elif to.parked:
        run.state = RunState.INCIDENT
        for step_id, code, why in to.parked:
            name = to.picture.definition.nodes[to.picture.steps[step_id].node].name
            run.problem = why[:500]
            _tell(to, "runs.run_parked", f"{run.label} waits for an operator at {name}: {why}", code[:60])
            to.pen.later.append(partial(open_incident, run, name, why))
        to.parked = []
    elif is_settled:
        run.state, run.problem = RunState.RUNNING, ""
    if run.state != before or to.is_written_otherwise():
        to.written = to.as_written()
        to.pen.runs[str(run.pk)] = (
            str(run.pk), str(run.state), run.outcome, as_json(run.output), run.label, run.problem,
            run.is_compensating,
        )  # fmt: skip


def _after(to: Applied) -> None:
    """Do what services do, now that the rows are there."""
    if to.by_hand:
        steps = [UUID(key) for key in to.by_hand]
        # An action is locked before the task that waits for it; its holder may ask until the task is closed.
        withdraw_actions(to.actor, steps, to.reason)
        drop_work(to.actor, steps, to.reason)
        withdraw_actions(to.actor, steps, to.reason)
    _cancel_children(to)
    to.by_hand, to.gone = [], []
    for step_id, seconds in to.again:
        at = database_now() + timedelta(seconds=seconds)
        Ready.objects.update_or_create(
            step_id=step_id,
            defaults={"not_before": at, "priority": to.picture.run.priority, "lane": to.picture.run.lane},
        )
    if to.again:
        steps = [UUID(key) for key, _ in to.again]
        Timer.objects.filter(step__in=steps, kind__in=OF_AN_ATTEMPT).delete()
        let_go(steps)
    to.again = []
    for step_id, stop_clock in to.held:
        operation = to.picture.definition.nodes[to.picture.steps[step_id].node].facts["operation"]
        hold(run=to.picture.run, step_id=step_id, operation=operation, stop_clock=stop_clock)
    to.held = []


def _close_incidents_of(ended: Sequence[Applied]) -> None:
    """Close what asks operators to look at runs that have ended, found with one statement."""
    by_run = {str(to.picture.run.pk): to for to in ended}
    if not by_run:
        return
    for task_id, run_id in _incidents(by_run).order_by("pk").values_list("pk", "subject_id"):
        to = by_run[run_id]
        _close_incident(to.actor, task_id, to.reason or "The run is over.")


def _cancel_children(to: Applied) -> None:
    """Cancel what steps began that are over now. One that is busy at this moment is left to the clock: whoever
    holds runs waits for no other, so that no two wait for each other."""
    steps = [UUID(key) for key in (*to.by_hand, *to.gone)]
    if steps and any(node.kind == "sub" for node in to.picture.definition.nodes.values()):
        found = Run.objects.filter(parent__in=steps, state__in=OPEN_RUNS).order_by("pk")
        free = found.select_related("workflow", "version").select_for_update(of=("self",), skip_locked=True)
        for child in free:
            cancel_child(to.actor, child, to.reason or f"{to.picture.run.label} does not wait for it any more.")


def cancel_child(actor: Actor, child: Run, reason: str) -> None:
    """End a locked run that nobody waits for any more, and all that is inside of it."""
    look = Look([child], [], actor=actor, reason=reason)
    look.tell(str(child.pk), "", CancelRun())
    look.write()
    sentence = f"{child.label} was cancelled: what began it does not wait for it any more"
    note(actor=actor, run=child, verb="runs.run_cancelled", sentence=sentence, reason=reason)


def _tell(to: Applied, verb: str, sentence: str, code: str) -> None:
    run = to.picture.run
    refs: dict[str, Any] = run.event_refs()
    to.pen.facts.append(
        Fact(actor=ENGINE, verb=verb, subject=run.as_ref(), sentence=sentence[:500], code=code, **refs)
    )


def open_incident(run: Run, step: str, why: str) -> None:
    """Ask the operators to look at a run."""
    open_task(
        actor=ENGINE,
        kind=Task.Kind.INCIDENT,
        title=f"{run.label} stopped at {step}",
        body=f"{why} Repeat the step on the page of the run when it can go on, or cancel the run.",
        subject=run.as_ref(),
        groups=Group.objects.filter(name=settings.INCIDENT_GROUP),
        priority=1,
        references=run.references(),
    )


def close_incidents(actor: Actor, run: Run, reason: str) -> None:
    """Close what asks operators to look at a run."""
    for task_id in _incidents([str(run.pk)]).values_list("pk", flat=True):
        _close_incident(actor, task_id, reason)


def _incidents(run_ids: Iterable[str]) -> QuerySet[Task]:
    return Task.objects.filter(
        kind=Task.Kind.INCIDENT,
        subject_kind="runs.run",
        subject_id__in=list(run_ids),
        state__in=Task.WAITING,
    )


def _close_incident(actor: Actor, task_id: UUID, reason: str) -> None:
    close_if_waiting(actor=actor, task_id=task_id, state=Task.State.DONE, reason=reason)


def others_wait(run: Run, settled: Sequence[str]) -> bool:
    """Say whether other steps of the run than these wait for an operator."""
    return Step.objects.filter(run=run, is_parked=True).exclude(pk__in=settled).exists()
