"""Publishing what may be asked of a system: every change of schema or mapping is a new, hashed revision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from agents.models import ChangeRequest
from agents.policies import may, require, require_reason
from agents.services import changes
from agents.services.history import stamp
from audit.services import record_event
from audit.vocabulary import Actor, Refusal, RefusalKind
from connectors.engine import ABSENT, at
from connectors.models import (
    Operation,
    OperationGroupObjectPermission,
    OperationRevision,
    OperationUserObjectPermission,
    System,
)
from connectors.policies.digests import digest_of
from connectors.policies.schemas import schema_problems
from connectors.services.drivers import load_driver

CHANGE_KIND = "connectors.operation"
PARTS = ("input_schema", "output_schema", "mapping")
COLUMNS = {name: f"{name}_id" for name in ("system", "lookup_operation", "undo_operation")}
FACTS = (
    "name",
    "description",
    "effect",
    "idempotent",
    "money_path",
    "reference_field",
    "label_template",
    "lookup_operation",
    "undo_operation",
)


def publish_operation(
    *,
    actor: Actor,
    system: System,
    code: str,
    input_schema: Mapping[str, Any],
    mapping: Mapping[str, Any],
    reason: str,
    output_schema: Mapping[str, Any] | None = None,
    **facts: Any,
) -> Operation | ChangeRequest:
    """Create an operation or publish it anew; a new revision is written only when its hash changed.

    What somebody may use already, or another operation is looked up or undone with, keeps its grants: to give
    it other content becomes a ChangeRequest ``connectors.operation`` that another person applies. The portal
    itself (Actor.system) sets up directly.

    ``facts``: name and effect (both required the first time), description, idempotent, money_path,
    reference_field, label_template, lookup_operation, undo_operation. Raises Refusal ``invalid_operation`` with
    everything that is wrong at once.
    """
    with transaction.atomic():
        require(may(actor, "connectors.change_operation", f"publish {code}"))
        require_reason(reason)
        operation = Operation.objects.select_for_update(of=("self",)).filter(code=code).first()
        operation = operation or Operation(code=code)
        _require_known(facts)
        before = _content(operation) if operation.current_revision else {}
        operation.system = system
        for name, value in facts.items():
            setattr(operation, name, value)
        parts = _objects(code, input_schema, output_schema or {}, mapping)
        _require_sound(operation, *parts)
        operation.full_clean(exclude=["current_revision"])
        after = {**_content(operation), **dict(zip(PARTS, parts, strict=True))}
        if actor.kind != "system" and before and before != after and _in_use(operation):
            return _propose(actor, operation, before, after, reason)
        return _write(actor, operation, *parts, reason)


def apply_publication(actor: Actor, change_request: ChangeRequest) -> None:
    """Publish what a ChangeRequest asked for; agents.services.changes calls this and asks for two people."""
    wanted: dict[str, Any] = dict(change_request.payload)
    operation = Operation.objects.select_for_update(of=("self",)).get(pk=change_request.target_id)
    parts = wanted.pop("input_schema"), wanted.pop("output_schema"), wanted.pop("mapping")
    for name, value in wanted.items():
        setattr(operation, COLUMNS.get(name, name), value)
    _require_sound(operation, *parts)
    operation.full_clean(exclude=["current_revision"])
    _write(actor, operation, *parts, change_request.reason)


def current_content(change_request: ChangeRequest) -> str:
    """Return a digest of the operation as it stands, so that a publication proposed on another is stale."""
    return digest_of(_content(Operation.objects.get(pk=change_request.target_id)))


def _in_use(operation: Operation) -> bool:
    held = (OperationUserObjectPermission, OperationGroupObjectPermission)
    if any(model._default_manager.filter(content_object=operation).exists() for model in held):
        return True
    return Operation.objects.filter(Q(lookup_operation=operation) | Q(undo_operation=operation)).exists()


def _content(operation: Operation) -> dict[str, Any]:
    """Return all that decides what a call of it does and what people are told, as plain JSON."""
    revision = operation.current_revision
    found = {name: getattr(operation, COLUMNS.get(name, name)) for name in ("system", *FACTS)}
    plain = {name: str(value) if isinstance(value, UUID) else value for name, value in found.items()}
    return {**plain, **{part: getattr(revision, part) if revision else {} for part in PARTS}}


def _propose(
    actor: Actor, operation: Operation, before: dict[str, Any], after: dict[str, Any], reason: str
) -> ChangeRequest:
    changed = ", ".join(name.replace("_", " ") for name in after if after[name] != before[name])
    return changes.propose_change(
        actor=actor,
        kind=CHANGE_KIND,
        target=operation.as_ref(),
        payload=after,
        summary=f"Publish {operation.code} anew ({changed}): who may use it already will do what it says then.",
        reason=reason,
        target_version=digest_of(before),
    )


def _write(actor: Actor, operation: Operation, given: Any, answer: Any, mapping: Any, reason: str) -> Operation:
    stamp(operation, actor=actor, reason=reason).save()
    _publish(actor, operation, given, answer, mapping, reason)
    return operation


def set_operation_enabled(*, actor: Actor, operation: Operation, enabled: bool, reason: str) -> Operation:
    """Switch an operation off or on; off, it is unknown to everybody at the next call."""
    with transaction.atomic():
        operation = Operation.objects.select_for_update(of=("self",)).get(pk=operation.pk)
        require(may(actor, "connectors.change_operation", f"switch {operation.code}"))
        require_reason(reason)
        operation.is_enabled = enabled
        stamp(operation, actor=actor, reason=reason).save(update_fields=["is_enabled"])
        word = "on" if enabled else "off"
        record_event(
            actor=actor,
            verb="connectors.operation_switched",
            subject=operation.as_ref(),
            sentence=f"{actor.label} switched {operation.code} {word}.",
            system_id=str(operation.system_id),
            reason=reason,
            code=word,
        )
    return operation


def operation_hash(operation: Operation, input_schema: Any, output_schema: Any, mapping: Any) -> str:
    """Return the SHA-256 over everything an approver or a rule relies on, in RFC 8785 form."""
    return digest_of(
        {
            "code": operation.code,
            "system": str(operation.system_id),
            "name": operation.name,
            "description": operation.description,
            "effect": str(operation.effect),
            "idempotent": operation.idempotent,
            "money_path": operation.money_path,
            "input_schema": input_schema,
            "output_schema": output_schema,
            "mapping": mapping,
        }
    )


def _publish(actor: Actor, operation: Operation, given: Any, answer: Any, mapping: Any, reason: str) -> None:
    new_hash = operation_hash(operation, given, answer, mapping)
    current = operation.current_revision
    if current and current.schema_hash == new_hash:
        return
    revision = OperationRevision(
        operation=operation,
        number=(current.number if current else 0) + 1,
        name=operation.name,
        description=operation.description,
        input_schema=given,
        output_schema=answer,
        mapping=mapping,
        schema_hash=new_hash,
    )
    revision.save()
    operation.current_revision = revision
    stamp(operation, actor=actor, reason=reason).save(update_fields=["current_revision"])
    record_event(
        actor=actor,
        verb="connectors.operation_published",
        subject=operation.as_ref(),
        sentence=f"{actor.label} published {operation.code}, revision {revision.number}.",
        system_id=str(operation.system_id),
        reason=reason,
        payload={"revision": revision.number, "schema_hash": new_hash},
    )


def _objects(code: str, *parts: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return the schemas and the mapping; a form, or a file, may bring any JSON in their place."""
    if wrong := [name for name, part in zip(PARTS, parts, strict=True) if not isinstance(part, Mapping)]:
        raise Refusal(
            "invalid_operation",
            f"{code} was not published: {', '.join(wrong)} must be a JSON object.",
            kind=RefusalKind.INVALID,
            next_step="Write it in braces, with names and values, and try again.",
        )
    given, answered, mapped = parts
    return dict(given), dict(answered), dict(mapped)


def _require_known(facts: Mapping[str, Any]) -> None:
    if unknown := set(facts) - set(FACTS):
        raise TypeError(f"publish_operation knows no {', '.join(sorted(unknown))}.")


def _require_sound(operation: Operation, given: Any, answer: Any, mapping: Any) -> None:
    found = [f"input schema {problem}" for problem in schema_problems(given)]
    if answer:
        found += [f"output schema {problem}" for problem in schema_problems(answer)]
    found += [f"mapping {problem}" for problem in load_driver(operation.system.kind).check_mapping(mapping)]
    found += _money_problems(operation, given)
    if found:
        raise Refusal(
            "invalid_operation",
            f"{operation.code} was not published: {found[0]}",
            detail={"errors": found[:50]},
            kind=RefusalKind.INVALID,
            next_step="Correct what is named and publish again.",
        )


def _money_problems(operation: Operation, schema: Mapping[str, Any]) -> list[str]:
    if not operation.money_path:
        return ["a financial operation names where its amount is."] if operation.effect == "financial" else []
    steps = operation.money_path.strip("/").split("/")
    part: Any = schema
    for step in steps:
        if step not in part.get("required", []):
            return [f"money path {operation.money_path}: {step} is not a required argument."]
        part = at(part, f"/properties/{step}")
        if part is not ABSENT and "$ref" in part:
            part = at(schema, part["$ref"].removeprefix("#"))
    wanted = {"minor", "currency"}
    if part is ABSENT or set(part.get("properties", {})) != wanted or set(part.get("required", [])) != wanted:
        return [f"money path {operation.money_path} does not lead to an object of minor and currency."]
    return []
