"""The portal as a system: ``portal.run.start`` is granted, decided, held and recorded like any operation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from audit.vocabulary import Actor
from connectors.models import Operation, System
from connectors.registry import Done
from connectors.services import publish_operation, save_system
from workflows.runs.models import Run, Signal
from workflows.runs.services.signals import run_named, send_signal_for_agent
from workflows.runs.services.starting import start_run_for_agent

START, FIND = "portal.run.start", "portal.run.find"
SIGNAL, FIND_SIGNAL = "portal.run.signal", "portal.run.find_signal"
# Never called: a system has to have an address, and this one is where the portal finds itself.
NOWHERE = "http://127.0.0.1"
WHY = "Every portal can start its own workflows"
WORKFLOW = {"type": "string", "maxLength": 60, "pattern": "^[-a-z0-9_]+$"}
KEY = {"type": "string", "minLength": 1, "maxLength": 255}
# What a run starts from: names and plain values. The workflow's own schema is asked when it starts.
INPUT = {
    "type": "object",
    "maxProperties": 50,
    "propertyNames": {"pattern": "^[a-zA-Z_][a-zA-Z0-9_]{0,59}$"},
    "additionalProperties": {"type": ["string", "integer", "boolean"], "maxLength": 4000},
}
NAME = {"type": "string", "minLength": 1, "maxLength": 60}
NAMED = {"workflow": WORKFLOW, "key": KEY, "name": NAME, "dedup_key": KEY}
SIGNALLED = {**NAMED, "run": {"type": "string", "format": "uuid"}, "taken": {"type": "boolean"}}
RUN = {
    "run": {"type": "string", "format": "uuid"},
    "workflow": WORKFLOW,
    "key": KEY,
    "state": {"type": "string"},
    "outcome": {"type": "string"},
}


def _closed(properties: Mapping[str, Any], required: list[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": required,
        "properties": dict(properties),
    }


@transaction.atomic
def install_portal(*, actor: Actor) -> Operation:
    """Make the system ``portal`` and its operations, unless they are there; grants are for people to give."""
    system = System.objects.filter(code="portal").first() or save_system(
        actor=actor,
        reason=WHY,
        code="portal",
        name="This portal",
        category="other",
        kind="portal",
        environment="production",
        base_url=NOWHERE,
    )
    find = _published(
        actor,
        system,
        code=FIND,
        name="Find a run",
        description="Tells whether a run of a workflow was started with a key, and where it stands.",
        effect="read",
        idempotent=True,
        input_schema=_closed({"workflow": WORKFLOW, "key": KEY}, ["workflow", "key"]),
        output_schema=_closed(RUN, []),
        mapping={"verb": "run.find"},
    )
    _publish_signals(actor, system)
    return _published(
        actor,
        system,
        code=START,
        name="Start a run",
        description="Starts a workflow once per key: the same key again is the run that is there.",
        effect="write",
        idempotent=True,
        lookup_operation=find,
        label_template="{workflow} {key}",
        input_schema=_closed({"workflow": WORKFLOW, "input": INPUT, "key": KEY}, ["workflow", "input", "key"]),
        output_schema=_closed(RUN, ["run"]),
        mapping={
            "verb": "run.start",
            "read_back": {"/workflow": {"$arg": "/workflow"}, "/key": {"$arg": "/key"}},
        },
    )


def _publish_signals(actor: Actor, system: System) -> None:
    find = _published(
        actor,
        system,
        code=FIND_SIGNAL,
        name="Find a signal",
        description="Tells whether a run was sent a signal with a key, and whether a step has taken it.",
        effect="read",
        idempotent=True,
        input_schema=_closed(NAMED, list(NAMED)),
        output_schema=_closed(SIGNALLED, []),
        mapping={"verb": "run.find_signal"},
    )
    _published(
        actor,
        system,
        code=SIGNAL,
        name="Send a run a signal",
        description="Tells a run something once per name and dedup_key; key names the run of the workflow.",
        effect="write",
        idempotent=True,
        lookup_operation=find,
        label_template="{workflow} {key} {name}",
        input_schema=_closed({**NAMED, "payload": INPUT}, [*NAMED, "payload"]),
        output_schema=_closed(SIGNALLED, ["run"]),
        mapping={
            "verb": "run.signal",
            "read_back": {f"/{member}": {"$arg": f"/{member}"} for member in NAMED},
        },
    )


def signal_verb(actor: Actor, arguments: Mapping[str, Any]) -> Done:
    """Send a signal for the agent that may; the same dedup_key again finds the one it sent."""
    run = run_named(arguments["workflow"], arguments["key"])
    sent = send_signal_for_agent(
        actor=actor,
        run=run,
        name=arguments["name"],
        payload=arguments["payload"],
        key=arguments["dedup_key"],
    )
    return Done(_told_signal(sent.signal), str(sent.signal.pk))


def find_signal_verb(actor: Actor, arguments: Mapping[str, Any]) -> Done:
    """Find a signal by what names it."""
    found = (
        Signal.objects.select_related("run__workflow")
        .filter(run__workflow__code=arguments["workflow"], run__key=arguments["key"])
        .filter(name=arguments["name"], key=arguments["dedup_key"])
        .first()
    )
    return Done(_told_signal(found), str(found.pk), found=True) if found else Done(found=False)


def _told_signal(signal: Signal) -> dict[str, Any]:
    run = signal.run
    return {
        "workflow": run.workflow.code,
        "key": run.key,
        "name": signal.name,
        "dedup_key": signal.key,
        "run": str(run.pk),
        "taken": signal.taken_by_id is not None,
    }


def start_verb(actor: Actor, arguments: Mapping[str, Any]) -> Done:
    """Start a run for the agent that may; the same key again finds the run it began."""
    started = start_run_for_agent(
        actor=actor,
        workflow_code=arguments["workflow"],
        input=arguments["input"],
        key=arguments["key"],
    )
    return Done(_told(started.run), str(started.run.pk))


def find_verb(actor: Actor, arguments: Mapping[str, Any]) -> Done:
    """Find a run by what names it."""
    found = (
        Run.objects.select_related("workflow")
        .filter(workflow__code=arguments["workflow"], key=arguments["key"])
        .first()
    )
    return Done(_told(found), str(found.pk), found=True) if found else Done(found=False)


def _told(run: Run) -> dict[str, Any]:
    return {
        "run": str(run.pk),
        "workflow": run.workflow.code,
        "key": run.key,
        "state": run.state,
        "outcome": run.outcome,
    }


def _published(actor: Actor, system: System, *, code: str, **content: Any) -> Operation:
    known = Operation.objects.filter(code=code).first()
    if known is not None:
        return known
    published = publish_operation(actor=actor, system=system, code=code, reason=WHY, **content)
    assert isinstance(published, Operation)  # noqa: S101 - the portal sets itself up without a second person
    return published
