"""From an occasion to a run: condition, input and key are worked out; the run is started, or sent a signal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from audit.services import record_event
from audit.vocabulary import Actor, ActorKind, Ref, Refusal
from workflows.runs.models import Run
from workflows.runs.services import run_named, send_signal_within, start_run_within
from workflows.triggers.choices import Outcome
from workflows.triggers.models import Occasion, Trigger
from workflows.triggers.policies.mapping import Meaning, NotWorkedOut, worked_out
from workflows.triggers.services.keeping import texts_of

# The occasion is as it should be, the workflow is not ready for it: it waits.
NOT_NOW = ("no_version", "workflow_disabled", "stopped")


@dataclass(frozen=True, slots=True)
class Became:
    """What became of an occasion."""

    outcome: str
    sentence: str
    code: str = ""
    key: str = ""
    run: Run | None = None

    def fill(self, occasion: Occasion) -> Occasion:
        """Write it into a row and save that."""
        for name in ("outcome", "sentence", "code", "run"):
            setattr(occasion, name, getattr(self, name))
        occasion.key = self.key[:255]
        occasion.save()
        return occasion


def actor_of(trigger: Trigger) -> Actor:
    """Return who starts a run for a trigger: a part of the portal that bears its name."""
    kind = str(trigger._meta.verbose_name)
    return Actor(ActorKind.SYSTEM, f"{kind} {trigger.pk}", f"{kind} {trigger.name}")


def start(trigger: Trigger, facts: Mapping[str, Any], default_key: str) -> Became:
    """Start a run for what came, or send one a signal, in the caller's transaction, and say what became of it.

    Raises Refusal with a code of NOT_NOW when it has to wait; nothing is written then. Every other refusal is
    an outcome, and is in the ledger.
    """
    try:
        meaning = worked_out(texts_of(trigger), facts, default_key)
    except NotWorkedOut as error:
        return _refused(trigger, Became(Outcome.REFUSED, str(error), "not_worked_out"))
    if not meaning.counts:
        return Became(Outcome.FILTERED, "The condition does not hold.")
    if trigger.signal:
        return _signal(trigger, meaning, default_key)
    try:
        started = start_run_within(
            actor=actor_of(trigger), workflow_code=trigger.workflow.code, input=meaning.input, key=meaning.key
        )
    except Refusal as refusal:
        if refusal.code in NOT_NOW:
            raise
        return _of_refusal(trigger, refusal, meaning.key)
    if started.is_new:
        return Became(Outcome.STARTED, f"Started {started.run.label}.", "", meaning.key, started.run)
    return Became(Outcome.AGAIN, f"{started.run.label} was there already.", "", meaning.key, started.run)


def _signal(trigger: Trigger, meaning: Meaning, occasion: str) -> Became:
    """Send the run with the key a signal, once for each occasion."""
    try:
        run = run_named(trigger.workflow.code, meaning.key)
        sent = send_signal_within(
            actor=actor_of(trigger), run=run, name=trigger.signal, payload=meaning.input, key=occasion
        )
    except Refusal as refusal:
        return _refused(trigger, Became(Outcome.REFUSED, refusal.in_full(), refusal.code, meaning.key))
    if not sent.is_new:
        return Became(Outcome.AGAIN, f"{run.label} had been told already.", "", meaning.key, run)
    return Became(Outcome.SIGNALLED, f"Sent {run.label} the signal {trigger.signal}.", "", meaning.key, run)


def _of_refusal(trigger: Trigger, refusal: Refusal, key: str) -> Became:
    """The key says that it is the same work; that it came with other words changes nothing about the run."""
    if refusal.code == "run_key_reused":
        run = Run.objects.get(pk=refusal.detail["run"])
        return Became(Outcome.AGAIN, refusal.message, refusal.code, key, run)
    return _refused(trigger, Became(Outcome.REFUSED, refusal.in_full(), refusal.code, key))


def _refused(trigger: Trigger, became: Became) -> Became:
    record_refused(trigger, became.code, became.sentence)
    return became


def record_refused(trigger: Trigger, code: str, sentence: str) -> None:
    """Record in the transaction at hand that a trigger started nothing although something came."""
    record_event(
        actor=actor_of(trigger),
        verb="triggers.start_refused",
        subject=Ref(trigger._meta.label_lower, str(trigger.pk), trigger.name),
        sentence=f"{trigger.name} started nothing. {sentence}",
        decision="deny",
        code=code,
    )
