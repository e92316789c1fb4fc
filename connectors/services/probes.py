"""What is not an action: connection tests, look-ups, read-backs, declared reads; by a named actor, recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.db import transaction

from agents.policies import may, require
from audit.vocabulary import Actor, ActorKind, Refusal, RefusalKind
from connectors.choices import Purpose
from connectors.engine import ABSENT, Scope, TemplateError, at, decimal_text, fill
from connectors.models import Call, Operation, System
from connectors.policies.digests import reference_of
from connectors.policies.schemas import validate_arguments
from connectors.services.accounts import account_for, agent_of
from connectors.services.calls import Attempt, begin_call, close_abandoned, conduct, finish_call
from connectors.services.drivers import load_driver
from connectors.vocabulary import CallResult, Driver, DriverRequest, DriverResult, LookUp, Probe, TestResult


def look_up(*, probe: Probe, operation: Operation, arguments: Mapping[str, Any]) -> LookUp:
    """Find out whether an operation with these arguments happened for ``probe.action_id``.

    ``operation`` is the one that was executed; its declared look-up operation is performed, with those of the
    arguments that it knows and our ``reference`` if it asks for one. Answers found, absent, partial or unknown.
    Raises Refusal ``no_look_up`` when none is declared. Must not run inside a transaction.
    """
    close_abandoned(probe.action_id)
    finder = _finder(operation)
    call, attempt = _probed(probe, Purpose.LOOK_UP, finder, _known(finder, arguments, probe.action_id))
    return replace(_look_up(call, attempt), resumable=_resumes(operation))


def read_back(
    *, probe: Probe, operation: Operation, arguments: Mapping[str, Any], remote_ref: str = ""
) -> LookUp:
    """Read what an operation left at the system and compare it with what was asked for.

    ``differences`` follows the mapping's own ``read_back`` table: pointer into the answer -> template of what
    it should be. Answers like look_up.
    """
    finder = _finder(operation)
    asked = _known(finder, arguments, probe.action_id)
    if remote_ref and "remote_ref" in _properties(finder):
        asked["remote_ref"] = remote_ref
    call, attempt = _probed(probe, Purpose.READ_BACK, finder, asked)
    found = _look_up(call, attempt)
    if found.result not in ("found", "partial") or operation.current_revision is None:
        return found
    expected = operation.current_revision.mapping.get("read_back", {})
    scope = Scope(arguments, operation.system.config, reference_of(probe.action_id))
    differences = tuple(_differences(expected, scope, found.output))
    return replace(found, differences=differences)


def read(*, probe: Probe, operation: Operation, arguments: Mapping[str, Any]) -> CallResult:
    """Perform a declared read for a named actor; whatever writes is refused (``not_a_read``)."""
    validate_arguments(operation, dict(arguments))
    call, attempt = _probed(probe, Purpose.READ, operation, arguments)
    error = attempt.error
    return CallResult(
        outcome=attempt.outcome.value,
        call_id=str(call.pk),
        output=attempt.result.output,
        remote_ref=attempt.result.remote_ref,
        error_code=error.code if error else "",
        error_message=error.message if error else "",
        temporary=bool(error and error.temporary),
    )


def test_connection(*, actor: Actor, system: System) -> TestResult:
    """Read something harmless from a system with its account, for a person who may, or the portal itself."""
    require(may(actor, "connectors.test_system", f"test the connection to {system.name}"))
    with transaction.atomic(durable=True):
        account = account_for(system, None) or system.accounts.select_related("secret").first()
        call = begin_call(actor=actor, purpose=Purpose.TEST, system=system, account=account)
    attempt = conduct(call, lambda driver, request: driver.test_connection(request), mapping={}, arguments={})
    finish_call(call, attempt, actor=actor)
    error = attempt.error
    message = error.message if error else f"{system.name} answered in {attempt.milliseconds} ms."
    return TestResult(error is None, message, attempt.milliseconds, str(call.pk))


test_connection.__test__ = False  # type: ignore[attr-defined]


def _resumes(operation: Operation) -> bool:
    revision = operation.current_revision
    return revision is not None and load_driver(operation.system.kind).resumes(revision.mapping)


def _finder(operation: Operation) -> Operation:
    finder = operation.lookup_operation
    if finder is None:
        raise Refusal(
            "no_look_up",
            f"{operation.code} was not looked up: no look-up is declared for it. A person has to check.",
            kind=RefusalKind.CONFLICT,
            next_step="Check in the system itself and say what you found.",
        )
    return finder


def _probed(
    probe: Probe, purpose: Purpose, operation: Operation, arguments: Mapping[str, Any]
) -> tuple[Call, Attempt]:
    _require_probe(probe, operation)
    revision = operation.current_revision
    assert revision is not None  # noqa: S101
    with transaction.atomic(durable=True):
        agent = agent_of(probe.agent_id or (probe.actor.id if probe.actor.kind == ActorKind.AGENT else ""))
        call = begin_call(
            actor=probe.actor,
            purpose=purpose,
            system=operation.system,
            operation=operation,
            revision=revision,
            account=account_for(operation.system, agent),
            correlation_id=probe.correlation_id,
            action_id=probe.action_id,
            agent_id=str(agent.pk) if agent else "",
            reference=reference_of(probe.action_id) if probe.action_id else "",
        )
    attempt = conduct(call, _perform, mapping=revision.mapping, arguments=arguments)
    finish_call(call, attempt, actor=probe.actor)
    return call, attempt


def _perform(driver: Driver, request: DriverRequest) -> DriverResult:
    return driver.perform(request)


def _require_probe(probe: Probe, operation: Operation) -> None:
    if not operation.reads_only:
        raise _not_probed("not_a_read", f"{operation.code} is not declared as a read. It needs an action")
    if not operation.is_enabled or not operation.system.is_enabled:
        raise _not_probed("operation_off", f"{operation.code} or its system is switched off")
    if operation.current_revision is None:
        raise _not_probed("operation_off", f"{operation.code} was never published")
    if not probe.actor.id:
        raise _not_probed("actor_missing", "nobody put a name under it")


def _not_probed(code: str, why: str) -> Refusal:
    return Refusal(code, f"Nothing was read: {why}.", kind=RefusalKind.FORBIDDEN)


def _properties(operation: Operation) -> Mapping[str, Any]:
    revision = operation.current_revision
    return revision.input_schema.get("properties", {}) if revision else {}


def _known(finder: Operation, arguments: Mapping[str, Any], action_id: str) -> dict[str, Any]:
    known = _properties(finder)
    asked = {key: value for key, value in arguments.items() if key in known}
    if "reference" in known and action_id:
        asked["reference"] = reference_of(action_id)
    return asked


def _look_up(call: Call, attempt: Attempt) -> LookUp:
    error, result = attempt.error, attempt.result
    if error:
        return LookUp("unknown", str(call.pk), error_code=error.code, error_message=error.message)
    return LookUp(
        _found(result), str(call.pk), output=result.output, remote_ref=result.remote_ref, stage=result.stage
    )


def _found(result: DriverResult) -> str:
    if result.found is None:
        return "unknown"
    if not result.found:
        return "absent"
    return "found" if result.complete else "partial"


def _differences(expected: Mapping[str, Any], scope: Scope, output: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = []
    for pointer, template in expected.items():
        actual = at(output, pointer)
        try:
            wanted = fill(template, scope)
        except TemplateError:
            continue  # an optional argument that was not given says nothing about the record
        if not same_value(wanted, actual):
            shown = None if actual is ABSENT else actual
            found.append({"pointer": pointer, "expected": wanted, "found": shown})
    return found


def same_value(wanted: Any, actual: Any) -> bool:
    """Tell whether two values mean the same: decimals by value (10.0 is 10.00), everything else exactly."""
    try:
        return _plain(decimal_text(wanted)) == _plain(decimal_text(actual))
    except TemplateError:
        return bool(wanted == actual)


def _plain(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text
