"""Ledger events start runs: read by position, each event once, and never in a circle.

A trigger has a cursor. Whoever takes it locks it with its trigger (SKIP LOCKED); starting the run, saying what
became of the event and moving the cursor on are one transaction. Positions commit in order, so that none is
skipped. An event of a run starts no run of a workflow that led to it, and what leads back on ways that the
ledger does not tell is bounded by the hour.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import InterfaceError, OperationalError, transaction
from django.db.models.functions import Now

from agents import policies
from agents.models import User
from agents.services.history import lock_row
from audit import registry
from audit import selectors as ledger
from audit.vocabulary import Actor, Refusal
from workflows.runs.models import Run
from workflows.triggers.choices import Outcome
from workflows.triggers.models import Cursor, EventDelivery, EventTrigger
from workflows.triggers.policies.mapping import exact
from workflows.triggers.policies.patterns import pattern_problems, verbs_named
from workflows.triggers.services.keeping import FIELDS, keep, require_may
from workflows.triggers.services.starting import Became, start

OWN_FIELDS = ("verbs", "most_per_hour")
NAMES = ("event", "trigger")
ACTED = (Outcome.STARTED, Outcome.SIGNALLED)
HOUR = timedelta(hours=1)
BATCH = 100  # events in one transaction
MOST_LOOKS = 50  # transactions for one trigger in one look
MOST_STEPS_BACK = 100
STARTER = "event trigger "  # how the actor of a run that such a trigger started is named

logger = logging.getLogger(__name__)


def save_event_trigger(
    *, actor: Actor, values: Mapping[str, Any], reason: str, trigger: EventTrigger | None = None
) -> EventTrigger:
    """Keep a trigger on ledger events. Needs ``triggers.change_eventtrigger`` and the right to start its
    workflow.

    What the events say reaches the run, so that it hears of those which the actor may see. It begins with the
    next one.
    """
    with transaction.atomic():
        require_may(actor, EventTrigger, reason)
        trigger = lock_row(EventTrigger, trigger.pk) if trigger else EventTrigger()
        trigger.kept_by = policies.user_of(actor)
        _require_verbs(values.get("verbs", trigger.verbs))
        kept = keep(
            trigger, actor=actor, values=values, reason=reason, fields=(*FIELDS, *OWN_FIELDS), names=NAMES
        )
        if not kept.is_enabled:
            Cursor.objects.filter(pk=kept.pk).delete()
        elif not Cursor.objects.filter(pk=kept.pk).exists():
            Cursor.objects.create(trigger=kept, position=ledger.newest_position())
        return kept


def react() -> int:
    """Deal with what is new in the ledger; return how many runs were started. Two clocks do no harm."""
    newest = ledger.newest_position()
    behind = Cursor.objects.filter(position__lt=newest).order_by("position").values_list("pk", flat=True)
    return sum(_react(trigger_id, newest) for trigger_id in list(behind))


def facts_of(trigger: EventTrigger, event: Any, reader: User | None) -> dict[str, Any]:
    """Return what the CEL of a trigger may read of an event: facts, never what somebody wrote as a reason.

    Its payload only where the reader may; None for the reader is the portal itself.
    """
    payload = getattr(event, "payload", None) if _reads_payloads(reader) else None
    return {
        "event": {
            "position": event.position,
            "id": str(event.pk),
            "verb": event.verb,
            "at": f"{event.occurred_at:%Y-%m-%dT%H:%M:%SZ}",
            "actor": {"kind": event.actor_kind, "id": event.actor_id, "label": event.actor_label},
            "subject": {"kind": event.subject_kind, "id": event.subject_id, "label": event.subject_label},
            "agent": event.agent_id,
            "action": event.action_id,
            "run": event.run_id,
            "system": event.system_id,
            "department": event.department_id,
            "correlation": event.correlation_id,
            "decision": event.decision,
            "code": event.code,
            "payload": exact(payload.data) if payload else {},
        },
        "trigger": {"id": str(trigger.pk), "name": trigger.name},
    }


def default_key(trigger: EventTrigger, event: Any) -> str:
    """Return what names the work of one event where the trigger says nothing else."""
    return f"{trigger.pk} {event.position}"


def verbs_of(trigger: EventTrigger) -> list[str]:
    """Return the verbs that its patterns name today."""
    return verbs_named(trigger.verbs, registry.registered_verbs())


def leads_back(trigger: EventTrigger, event: Any) -> bool:
    """Say whether a run of the same workflow led to an event, by itself or through what its events started."""
    if event.actor_id.startswith(STARTER) and (not event.run_id or event.verb.startswith("runs.signal_")):
        return True  # what triggers write, and what they tell runs, sets off none
    run_id = event.run_id
    for _ in range(MOST_STEPS_BACK):
        run = Run.objects.filter(pk=run_id).first() if run_id else None
        if run is None:
            return False
        if run.workflow_id == trigger.workflow_id:
            return True
        cause = EventDelivery.objects.filter(run=run, outcome=Outcome.STARTED).first()
        run_id = cause.cause_run if cause else ""
    return True


def _reads_payloads(reader: User | None) -> bool:
    return reader is None or reader.has_perm("audit.view_payload")


def _react(trigger_id: Any, newest: int) -> int:
    started = 0
    try:
        for _ in range(MOST_LOOKS):
            goes_on, found = _next_events(trigger_id, newest)
            started += found
            if not goes_on:
                break
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        logger.exception("The trigger %s could not deal with an event; its cursor stays.", trigger_id)
    return started


@transaction.atomic
def _next_events(trigger_id: Any, newest: int) -> tuple[bool, int]:
    """Deal with events up to the next run; say whether there may be more, and how many runs were started."""
    cursor = (
        Cursor.objects.select_for_update(skip_locked=True, of=("self", "trigger"))
        .select_related("trigger__workflow", "trigger__kept_by")
        .filter(pk=trigger_id, position__lt=newest, trigger__is_enabled=True)
        .first()
    )
    if cursor is None:
        return False, 0
    trigger = cursor.trigger
    page = ledger.events_after(
        cursor.position, verbs_of(trigger), user=trigger.kept_by, until=newest, limit=BATCH
    )
    found: list[Any] = page.events
    for event in found:
        try:
            became = _became(trigger, event)
        except Refusal as refusal:
            return _wait(cursor, refusal)
        row = EventDelivery(trigger=trigger, position=event.position, verb=event.verb, cause_run=event.run_id)
        became.fill(row)
        cursor.position = event.position
        if became.outcome in ACTED:
            return _move(cursor, event.position, newest), 1
    return _move(cursor, page.next_after, newest), 0


def _became(trigger: EventTrigger, event: Any) -> Became:
    if leads_back(trigger, event):
        return Became(Outcome.FILTERED, "A run of the same workflow led to it.", "leads_back")
    _require_rate(trigger)
    return start(trigger, facts_of(trigger, event, trigger.kept_by), default_key(trigger, event))


def _require_rate(trigger: EventTrigger) -> None:
    lately = EventDelivery.objects.filter(trigger=trigger, outcome__in=ACTED, at__gt=Now() - HOUR)
    if lately.count() >= trigger.most_per_hour:
        raise Refusal("too_many", f"It started {trigger.most_per_hour} runs within an hour.")


def _move(cursor: Cursor, position: int, newest: int) -> bool:
    cursor.position, cursor.waiting = position, ""
    cursor.save(update_fields=["position", "waiting"])
    return position < newest


def _wait(cursor: Cursor, refusal: Refusal) -> tuple[bool, int]:
    """Leave the event for later; what was dealt with before it is not read again."""
    cursor.waiting = refusal.message[:500]
    cursor.save(update_fields=["position", "waiting"])
    return False, 0


def _require_verbs(patterns: str) -> None:
    if wrong := list(pattern_problems(patterns, registry.registered_verbs())):
        raise ValidationError({"verbs": wrong})
