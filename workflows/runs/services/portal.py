"""The portal as a system: ``portal.run.start`` is granted, decided, held and recorded like any operation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from audit.vocabulary import Actor
from connectors.models import Operation, System
from connectors.registry import Done
from connectors.services import publish_operation, save_system
from workflows.runs.models import Signal
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
    _published_pair(
        actor,
        system,
        find={
            "code": FIND_SIGNAL,
            "name": "Find a signal",
            "description": "Tells whether a run was sent a signal with a key, and whether a step has taken it.",
            "input_schema": _closed(NAMED, list(NAMED)),
            "output_schema": _closed(SIGNALLED, []),
        },
        do={
            "code": SIGNAL,
            "name": "Send a run a signal",
            "description": "Tells a run something once per name and dedup_key; "
            "key names the run of the workflow.",
            "label_template": "{workflow} {key} {name}",
            "input_schema": _closed({**NAMED, "payload": INPUT}, [*NAMED, "payload"]),
            "output_schema": _closed(SIGNALLED, ["run"]),
        },
        named=NAMED,
    )
    return _published_pair(
        actor,
        system,
        find={
            "code": FIND,
            "name": "Find a run",
            "description": "Tells whether a run of a workflow was started with a key, and where it stands.",
            "input_schema": _closed({"workflow": WORKFLOW, "key": KEY}, ["workflow", "key"]),
            "output_schema": _closed(RUN, []),
        },
        do={
            "code": START,
            "name": "Start a run",
            "description": "Starts a workflow once per key: the same key again is the run that is there.",
            "label_template": "{workflow} {key}",
            "input_schema": _closed(
                {"workflow": WORKFLOW, "input": INPUT, "key": KEY}, ["workflow", "input", "key"]
            ),
            "output_schema": _closed(RUN, ["run"]),
        },
        named=("workflow", "key"),
    )


def _published_pair(
    actor: Actor, system: System, *, find: Mapping[str, Any], do: Mapping[str, Any], named: Iterable[str]
) -> Operation:
    """Publish what does something once per ``named`` members, and what finds it by them; return the first."""
    found = _published(
        actor, system, effect="read", idempotent=True, mapping={"verb": _verb_of(find["code"])}, **find
    )
    read_back = {f"/{member}": {"$arg": f"/{member}"} for member in named}
    return _published(
        actor,
        system,
        effect="write",
        idempotent=True,
        lookup_operation=found,
        mapping={"verb": _verb_of(do["code"]), "read_back": read_back},
        **do,
    )


def _verb_of(code: str) -> str:
    """Return the name under which the portal registers what an operation of its own does."""
    return code.removeprefix("portal.")


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
    run = started.run
    return Done(_told(run.pk, run.workflow.code, run.key, run.state, run.outcome), str(run.pk))


# Asked often, by every workflow that waits for another: the ORM takes longer to build this than to ask it.
_FIND = """
SELECT r.id, w.code, r.key, r.state, r.outcome FROM runs_run r JOIN runs_workflow w ON w.id = r.workflow_id
 WHERE w.code = %s AND r.key = %s
"""


def find_verb(actor: Actor, arguments: Mapping[str, Any]) -> Done:
    """Find a run by what names it."""
    with connection.cursor() as cursor:
        cursor.execute(_FIND, [arguments["workflow"], arguments["key"]])
        row = cursor.fetchone()
    return Done(_told(*row), str(row[0]), found=True) if row else Done(found=False)


def _told(run: UUID, workflow: str, key: str, state: str, outcome: str) -> dict[str, Any]:
    return {"run": str(run), "workflow": workflow, "key": key, "state": state, "outcome": outcome}


def _published(actor: Actor, system: System, *, code: str, **content: Any) -> Operation:
    known = Operation.objects.filter(code=code).first()
    if known is not None:
        return known
    published = publish_operation(actor=actor, system=system, code=code, reason=WHY, **content)
    assert isinstance(published, Operation)  # noqa: S101 - the portal sets itself up without a second person
    return published
