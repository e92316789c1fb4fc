"""Carry a stop to where it has to arrive, and record what is proved. Nothing here holds the lock of the stop.

What commits after a stop is refused by the stop itself. What was begun before is taken back here: at once by
whoever stopped, and again by the sweeper until nothing is left, so that a crash in between delays it only.
"""

from __future__ import annotations

import logging
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now

from agents import registry
from agents.models import Acknowledgement, Agent, Stop
from agents.registry import StopDuty
from agents.selectors import containment_of
from audit.services import record_event
from audit.vocabulary import Actor

Kind, Outcome = Acknowledgement.Kind, Acknowledgement.Outcome
CONTAINMENT = Actor.system("containment")

logger = logging.getLogger(__name__)


def contain(stop_id: UUID) -> None:
    """Take back what an active stop takes back, and record it once all of it is proved. Safe to repeat."""
    stop = Stop.objects.filter(pk=stop_id, lifted_at__isnull=True).first()
    if stop is None:
        return
    for duty in registry.stop_duties():
        _do(duty, stop)
    if containment_of(stop).is_proved:
        _confirm(stop)


def contain_active() -> int:
    """Go on with every active stop that is not confirmed yet; return how many. Run by the sweeper."""
    confirmed = Acknowledgement.objects.filter(
        stop=OuterRef("pk"), kind=Kind.WHOLE, version__gte=OuterRef("version")
    )
    waiting = list(Stop.objects.filter(~Exists(confirmed), lifted_at__isnull=True).values_list("pk", flat=True))
    for stop_id in waiting:
        contain(stop_id)
    return len(waiting)


def note_refused(stop: Stop, agent: Agent) -> None:
    """Record the first call of a stopped agent that was refused at the door."""
    Acknowledgement.objects.bulk_create(
        [
            Acknowledgement(
                stop=stop,
                kind=Kind.AGENT,
                key=str(agent.pk),
                label=agent.name,
                outcome=Outcome.REFUSED,
                version=stop.version,
            )
        ],
        ignore_conflicts=True,
    )


def _do(duty: StopDuty, stop: Stop) -> None:
    """One duty that fails keeps none of the others from being done, and is not confirmed."""
    try:
        taken = duty.contain(stop)
        done = duty.remaining(stop) == 0
    except Exception:
        logger.exception("A duty of the stop %s could not be done: %s.", stop.pk, duty.name)
        return
    if taken or done:
        _note_duty(duty, stop, taken, done)


@transaction.atomic
def _note_duty(duty: StopDuty, stop: Stop, taken: int, done: bool) -> None:
    made, _ = Acknowledgement.objects.get_or_create(
        stop=stop,
        kind=Kind.DUTY,
        key=duty.name,
        defaults={"label": duty.label, "outcome": Outcome.DONE, "version": -1},
    )
    row = Acknowledgement.objects.select_for_update().get(pk=made.pk)
    row.count += taken
    fields = ["count"]
    if done and row.version < stop.version:
        row.version, row.at = stop.version, Now()
        fields += ["version", "at"]
    row.save(update_fields=fields)


@transaction.atomic
def _confirm(stop: Stop) -> None:
    row, is_new = Acknowledgement.objects.get_or_create(
        stop=stop,
        kind=Kind.WHOLE,
        key="",
        defaults={"label": stop.scope_label, "outcome": Outcome.DONE, "version": stop.version},
    )
    if not is_new:
        row = Acknowledgement.objects.select_for_update().get(pk=row.pk)
        if row.version >= stop.version:
            return
        row.version, row.at = stop.version, Now()
        row.save(update_fields=["version", "at"])
    record_event(
        actor=CONTAINMENT,
        verb="agents.stop_confirmed",
        subject=stop.as_ref(),
        sentence=f"The stop of {stop.scope_label} has arrived everywhere: "
        "every process has seen it, and what agents held was taken back.",
    )
