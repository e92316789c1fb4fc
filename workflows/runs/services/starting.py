"""Start a run: once per key, on the approved version, with input that fits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet

from agents.decision import cel
from agents.models import Department, User
from agents.services import stops
from audit.services import record_refusal
from audit.vocabulary import Actor, ActorKind, Ref, Refusal, RefusalKind
from connectors.policies.digests import digest_of
from connectors.policies.schemas import argument_errors
from workflows.documents import selectors as documents
from workflows.documents.models import Document
from workflows.runs import engine
from workflows.runs.models import Run, RunDocument, Step, Workflow
from workflows.runs.services.definitions import definition_of
from workflows.runs.services.moving import make_ready, note

KEY_CHARACTERS = 255


@dataclass(frozen=True)
class Started:
    """The run, and whether it was begun now or had been already."""

    run: Run
    is_new: bool


@dataclass(frozen=True)
class Inside:
    """The step that waits for a run, its own run, and which documents that may hand on."""

    step: Step
    run: Run
    readable: Callable[[], QuerySet[Document]]


def start_run(*, actor: Actor, workflow_code: str, input: Mapping[str, Any], key: str) -> Started:
    """Start a run as a person with ``runs.start_workflow``, or as a part of the portal, e.g. a watched folder.

    The same key again returns the run that is there. Raises Refusal: use_the_operation (agents), not_permitted,
    not_found, no_version, workflow_disabled, stopped, run_key_invalid, run_key_reused, invalid_input,
    document_unknown. Refusals are in the ledger.
    """
    if actor.kind is ActorKind.AGENT:
        raise Refusal(
            "use_the_operation",
            f"{actor.label} started nothing: an agent starts a run by the operation portal.run.start.",
            next_step="Ask for portal.run.start at /api/v1/actions; it must be granted to you.",
        )
    return _recorded(actor, workflow_code, input, key)


def start_run_within(*, actor: Actor, workflow_code: str, input: Mapping[str, Any], key: str) -> Started:
    """Start a run for a part of the portal inside its own transaction: both stand or neither.

    Refuses as ``start_run`` does, but leaves it to the caller to put a refusal on record.
    """
    if actor.kind is not ActorKind.SYSTEM:
        raise RuntimeError("Only a part of the portal starts a run inside a transaction of its own.")
    with transaction.atomic():
        return _start(actor, workflow_code, input, key)


def start_run_for_agent(*, actor: Actor, workflow_code: str, input: Mapping[str, Any], key: str) -> Started:
    """Start a run that an agent asked for by the granted operation ``portal.run.start``; only that calls it."""
    return _recorded(actor, workflow_code, input, key)


def start_run_inside(
    *, actor: Actor, workflow_code: str, input: Mapping[str, Any], key: str, inside: Inside
) -> Started:
    """Start a run that a step of another one waits for, in the caller's transaction; the engine calls it."""
    return _start(actor, workflow_code, input, key, inside)


def _recorded(actor: Actor, workflow_code: str, content: Mapping[str, Any], key: str) -> Started:
    try:
        with transaction.atomic():
            return _start(actor, workflow_code, content, key)
    except Refusal as refusal:
        if not refusal.recorded:
            subject = Ref("runs.workflow", "", workflow_code[:120])
            record_refusal(actor=actor, verb="runs.start_refused", subject=subject, refusal=refusal)
        raise


def _start(
    actor: Actor, workflow_code: str, content: Mapping[str, Any], key: str, inside: Inside | None = None
) -> Started:
    workflow = _workflow(actor, workflow_code)
    _require_key(key)
    digest = digest_of(dict(content))
    if known := _known(workflow, key, digest):
        return Started(known, is_new=False)
    version = workflow.current
    if version is None or not workflow.is_enabled:
        raise Refusal(
            "no_version" if version is None else "workflow_disabled",
            f"No run of {workflow.name} was started: "
            + ("no version of it was approved yet." if version is None else "it is switched off."),
            kind=RefusalKind.CONFLICT,
            next_step="Ask a manager to have a version approved, or to switch it on.",
        )
    stops.lock_and_check([stops.EVERYTHING, Ref("workflow", str(workflow.pk), workflow.name)])
    definition = definition_of(version)
    _require_input(workflow, definition, content)
    about = _documents_of(actor, definition, content, inside)
    run = Run(
        workflow=workflow,
        version=version,
        key=key,
        # A digest tells people nothing; the name of what they brought does.
        label=f"{workflow.name} {about[0].name if about else key[:40]}",
        input=dict(content),
        input_digest=digest,
        started_by_kind=str(actor.kind),
        started_by_id=actor.id,
        started_by=actor.label[:300],
        **(
            {"parent": inside.step, "depth": inside.run.depth + 1, "priority": inside.run.priority}
            if inside
            else {}
        ),
        department=_department(actor, definition) or (inside.run.department if inside else None),
    )
    run.label = _label(definition, run)[:200]
    # A twin that is being started right now blocks this insert until its transaction ends.
    Run.objects.bulk_create([run], ignore_conflicts=True)
    found = Run.objects.only("started_at").get(workflow=workflow, key=key)
    if found.pk != run.pk and (known := _known(workflow, key, digest)):
        return Started(known, is_new=False)
    run.started_at = found.started_at
    for document in about:
        RunDocument.objects.get_or_create(run=run, document=document)
    node = definition.nodes[definition.start]
    step = Step.objects.create(run=run, node=node.id, kind=node.kind, name=node.name)
    make_ready(step)
    note(actor=actor, run=run, verb="runs.run_started", sentence=f"{actor.label} started: {run.label}")
    return Started(run, is_new=True)


def _department(actor: Actor, definition: engine.Definition) -> Department | None:
    """Return whose work it is: as the workflow says, else that of whoever starts it."""
    if definition.department:
        return Department.objects.filter(code=definition.department).first()
    if actor.kind is ActorKind.AGENT:
        return Department.objects.filter(agents__user_id=UUID(actor.id)).first()
    return None if actor.kind is ActorKind.SYSTEM else User.objects.get(pk=actor.id).department


def _workflow(actor: Actor, code: str) -> Workflow:
    workflow = Workflow.objects.select_related("current").filter(code=code[:60].replace("\x00", "")).first()
    if workflow is None:
        raise Refusal(
            "not_found",
            f"There is no workflow {code[:60]!r} for you.",
            kind=RefusalKind.NOT_FOUND,
            next_step="Read which workflows there are, or ask a manager.",
        )
    if actor.kind is ActorKind.PERSON:
        user = User.objects.get(pk=actor.id)
        may = user.has_perm("runs.start_workflow") or user.has_perm("runs.start_workflow", workflow)
        if not may:
            raise Refusal(
                "not_permitted",
                f"{actor.label} may not start {workflow.name}.",
                next_step="Ask a manager for the right to start it.",
            )
    return workflow


def _require_key(key: str) -> None:
    if not key or len(key) > KEY_CHARACTERS or not key.isprintable():
        raise Refusal(
            "run_key_invalid",
            "No run was started: it needs a key of 1 to 255 printable characters.",
            kind=RefusalKind.INVALID,
            next_step="Send what names the work, e.g. the SHA-256 of its document, and the same one again.",
        )


def _known(workflow: Workflow, key: str, digest: str) -> Run | None:
    known = Run.objects.select_related("workflow", "version").filter(workflow=workflow, key=key).first()
    if known is None:
        return None
    if known.input_digest != digest:
        raise Refusal(
            "run_key_reused",
            f"No run was started: the key {key[:80]!r} stands for {known.label}, which began with other input.",
            detail={"run": str(known.pk)},
            kind=RefusalKind.CONFLICT,
            next_step="Use a new key for new work.",
        )
    return known


def _require_input(workflow: Workflow, definition: engine.Definition, content: Mapping[str, Any]) -> None:
    if errors := argument_errors(definition.input, content):
        first = errors[0]
        raise Refusal(
            "invalid_input",
            f"No run of {workflow.name} was started: {first['pointer'] or 'the input'}: {first['message']}",
            detail={"errors": errors},
            kind=RefusalKind.INVALID,
            next_step="Send input that fits the schema of the workflow.",
        )


def _label(definition: engine.Definition, run: Run) -> str:
    facts = engine.context_of(run={"id": str(run.pk), "key": run.key}, input=run.input, steps={})
    try:
        label = cel.evaluate(definition.label, cel.make_context(facts)) if definition.label else ""
    except cel.ConditionError:
        label = ""
    return str(label or run.label)


def _documents_of(
    actor: Actor, definition: engine.Definition, content: Mapping[str, Any], inside: Inside | None
) -> list[Document]:
    """Return what the run is about; whoever starts it must be able to read it."""
    named = list(_documents(definition.input, content))
    if not named:
        return []
    if inside is not None:
        visible = inside.readable()
    elif actor.kind is ActorKind.SYSTEM:
        visible = Document.objects.all()
    else:
        visible = documents.visible_to(User.objects.get(pk=actor.id))
    return [_document(visible, document_id) for document_id in named]


def _document(visible: QuerySet[Document], document_id: str) -> Document:
    try:
        found = visible.filter(pk=document_id).first()
    except (ValidationError, ValueError):
        found = None
    if found is None:
        raise Refusal(
            "document_unknown",
            f"No run was started: there is no document {document_id[:80]} for you.",
            kind=RefusalKind.INVALID,
            next_step="Upload it at /api/v1/documents and send the id you get.",
        )
    return found


def _documents(schema: Mapping[str, Any], value: Any) -> Iterator[str]:
    """Yield every text that the schema calls a document."""
    if isinstance(value, str):
        if schema.get("format") == "document":
            yield value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _documents(schema.get("properties", {}).get(name, {}), item)
    elif isinstance(value, list):
        for item in value:
            yield from _documents(schema.get("items", {}), item)
