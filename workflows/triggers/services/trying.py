"""Try it: what a trigger would make of a sample. Nothing is started and nothing is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agents.models import User
from audit import selectors as ledger
from connectors.policies.schemas import argument_errors
from workflows.runs.choices import OPEN_RUNS
from workflows.runs.models import Run
from workflows.triggers.models import EventTrigger, Schedule, Trigger, Webhook
from workflows.triggers.policies.mapping import Meaning, NotWorkedOut, worked_out
from workflows.triggers.policies.messages import STRUCTURED, NotRead, loads, read_message
from workflows.triggers.services import events, receiving, schedules
from workflows.triggers.services.keeping import schema_of, texts_of

SAMPLE_ID = "msg_sample"


@dataclass(frozen=True, slots=True)
class Trial:
    """What would become of a sample, in words, with the input and the key as they would be."""

    would: str
    words: str
    input: Mapping[str, Any]
    key: str


def try_schedule(schedule: Schedule, due_at: datetime | None = None) -> Trial:
    """Return what one due time would start; the next one if none is named."""
    moment = due_at or next(iter(schedules.next_times(schedule, 1)), None)
    if moment is None:
        return Trial("refused", "It never comes again.", {}, "")
    return tried(schedule, schedules.facts_of(schedule, moment), schedules.default_key(schedule, moment))


def try_webhook(webhook: Webhook, sample: str) -> Trial:
    """Return what a message would start: a CloudEvent as JSON, or plain JSON, as if it had been signed."""
    body = sample.encode("utf-8", "replace")
    try:
        looks_like_one = isinstance(found := loads(body), dict) and "specversion" in found
        message = read_message(
            content_type=STRUCTURED if looks_like_one else "application/json",
            headers={},
            body=body,
            message_id=SAMPLE_ID,
            allow_binary=False,
        )
    except NotRead as error:
        return Trial("refused", str(error), {}, "")
    key = receiving.default_key(webhook, message, SAMPLE_ID)
    return tried(webhook, receiving.facts_of(webhook, message), key)


def try_event(trigger: EventTrigger, viewer: User, position: int | None = None) -> Trial:
    """Return what an event that the viewer may see would start; the newest that fits if none is named."""
    found = ledger.visible_events(viewer).select_related("payload").filter(placement__isnull=False)
    if position is None:
        found = found.filter(verb__in=events.verbs_of(trigger)).order_by("-placement__position")
    else:
        found = found.filter(placement__position=position)
    event = found.first()
    if event is None:
        return Trial("refused", "There is no such event that you may see.", {}, "")
    if event.verb not in events.verbs_of(trigger):
        return Trial("filtered", f"{event.verb} is none of its events.", {}, "")
    if events.leads_back(trigger, event):
        return Trial("filtered", "A run of the same workflow led to this event: nothing would start.", {}, "")
    return tried(trigger, events.facts_of(trigger, event, viewer), events.default_key(trigger, event))


def tried(trigger: Trigger, facts: Mapping[str, Any], default_key: str) -> Trial:
    """Return what a trigger would make of these facts now."""
    try:
        meaning = worked_out(texts_of(trigger), facts, default_key)
    except NotWorkedOut as error:
        return Trial("refused", str(error), {}, "")
    if not meaning.counts:
        return Trial("filtered", "The condition does not hold: nothing would start.", {}, "")
    return _signalled(trigger, meaning) if trigger.signal else _started(trigger, meaning)


def _started(trigger: Trigger, meaning: Meaning) -> Trial:
    schema = schema_of(trigger.workflow)
    if schema is None:
        return Trial("waiting", "It would wait: no version was approved yet.", meaning.input, meaning.key)
    if wrong := argument_errors(schema, meaning.input):
        where = wrong[0]["pointer"] or "the input"
        return Trial("refused", f"{where}: {wrong[0]['message']}", meaning.input, meaning.key)
    run = Run.objects.filter(workflow=trigger.workflow, key=meaning.key).first()
    if run is not None:
        return Trial("again", f"It is the run that is there: {run.label}.", meaning.input, meaning.key)
    return Trial("started", f"It would start {trigger.workflow}.", meaning.input, meaning.key)


def _signalled(trigger: Trigger, meaning: Meaning) -> Trial:
    run = Run.objects.filter(workflow=trigger.workflow, key=meaning.key).first()
    if run is None:
        return Trial("refused", "There is no run with that key.", meaning.input, meaning.key)
    if run.state not in OPEN_RUNS:
        return Trial("refused", f"{run.label} is over.", meaning.input, meaning.key)
    words = f"It would send {run.label} the signal {trigger.signal}."
    return Trial("signalled", words, meaning.input, meaning.key)
