"""A step waits for a signal: one that came before it is taken at once, else the step is found by its name.

All of it happens while the run is locked, as sending does, so that a signal that arrives while a step begins
comes either before or after: it is never lost, and never taken twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.db.models import QuerySet
from django.db.models.functions import Now

from workflows.runs import engine
from workflows.runs.engine.events import Event, Signalled
from workflows.runs.models import Signal, Step, Subscription, Timer
from workflows.runs.services.moving import ENGINE, move_step, note
from workflows.runs.services.picture import Picture
from workflows.tasks.selectors import database_now


def await_signal(step: Step, node: engine.Node, picture: Picture) -> Event | None:
    """Begin to wait, or go on at once with the oldest signal that came early and is meant for the step."""
    name = node.facts["signal"]
    if signal := _meant_for(step, picture, _untaken(step, name, after=0)):
        return take(signal, step, picture)
    newest = _untaken(step, name, after=0).order_by("-id").values_list("id", flat=True).first()
    Subscription.objects.create(step=step, run_id=step.run_id, name=name, seen=newest or 0)
    if seconds := node.facts.get("timeout_seconds"):
        at = database_now() + timedelta(seconds=seconds)
        Timer.objects.create(step=step, kind=Timer.Kind.GIVE_UP, fire_at=at)
    move_step(step, Step.State.RUNNING)
    return None


def buffered_for(step: Step, picture: Picture) -> Event | None:
    """Return the oldest signal a waiting step has not looked at yet and goes on with; None: it waits on."""
    waiting = Subscription.objects.filter(pk=step.pk).first()
    if waiting is None:
        return None
    found = list(_untaken(step, waiting.name, after=waiting.seen))
    if signal := _meant_for(step, picture, found):
        return take(signal, step, picture)
    if found:
        Subscription.objects.filter(pk=step.pk).update(seen=found[-1].pk)
    return None


def take(signal: Signal, step: Step, picture: Picture) -> Signalled:
    """Let a step go on with a signal, which nobody else can take from now on."""
    Signal.objects.filter(pk=signal.pk).update(taken_by=step, taken_at=Now())
    run = picture.run
    sentence = f"{run.label}: {step.name} went on with the signal {signal.name}"
    told = {"signal": signal.name, "key": signal.key, "step": str(step.pk)}
    note(actor=ENGINE, run=run, verb="runs.signal_taken", sentence=sentence, payload=told)
    return Signalled(signal.payload)


def _untaken(step: Step, name: str, *, after: int) -> QuerySet[Signal]:
    return Signal.objects.filter(run=step.run_id, name=name, taken_by=None, pk__gt=after).order_by("pk")


def _meant_for(step: Step, picture: Picture, signals: Iterable[Signal]) -> Signal | None:
    view = picture.view(str(step.pk))
    return next((signal for signal in signals if engine.accepts(view, signal.payload)), None)
