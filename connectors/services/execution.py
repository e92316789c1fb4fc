"""The only door to an effect."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import transaction

from agents.services import stops
from audit.services import record_refusal
from audit.vocabulary import Actor, ActorKind, Ref, Refusal, RefusalKind
from connectors.choices import Outcome, Purpose
from connectors.exceptions import NotSent, OutcomeUnknown
from connectors.models import Authorization, Call
from connectors.policies.digests import reference_of
from connectors.policies.schemas import unexpected_output
from connectors.services.accounts import account_for, agent_of
from connectors.services.authorizations import claim_authorization
from connectors.services.calls import Attempt, begin_call, conduct, finish_call
from connectors.vocabulary import CallResult, Driver, DriverRequest, DriverResult

MAX_OUTPUT_BYTES = 1024 * 1024


def execute(
    *,
    actor: Actor,
    authorization_id: str | UUID,
    arguments: Mapping[str, Any],
    stop_scopes: Sequence[Ref],
    correlation_id: str = "",
) -> CallResult:
    """Make the one call an authorization permits, and say what is known about it afterwards.

    First, in one committed transaction: share the stop locks and check them, use the authorization up, compare
    the digest with these very arguments, write the Call. Then the call itself, outside any transaction. Then
    the outcome. Must not run inside a transaction.

    Raises Refusal, with nothing sent and nothing used up: ``stopped`` (and the brake's codes),
    ``authorization_unknown``, ``authorization_used``, ``authorization_expired``, ``arguments_changed``,
    ``operation_changed``, ``operation_off``, ``system_off``. Whatever happens after that is a CallResult.
    """
    try:
        with transaction.atomic(durable=True):
            call = _begin(actor, str(authorization_id), arguments, stop_scopes, correlation_id)
    except Refusal as refusal:
        _record_refusal(actor, str(authorization_id), refusal, correlation_id)
        raise
    assert call.revision is not None  # noqa: S101
    attempt = conduct(
        call,
        perform,
        mapping=call.revision.mapping,
        arguments=arguments,
    )
    keep_unresolved(call, attempt)
    finish_call(call, attempt, actor=actor)
    return result_of(call, attempt)


def _begin(
    actor: Actor,
    authorization_id: str,
    arguments: Mapping[str, Any],
    stop_scopes: Sequence[Ref],
    correlation_id: str,
) -> Call:
    stops.lock_and_check(stop_scopes)
    authorization = claim_authorization(authorization_id, dict(arguments))
    require_callable(authorization)
    agent = agent_of(authorization.agent_id or (actor.id if actor.kind == ActorKind.AGENT else ""))
    system = authorization.operation.system
    return begin_call(
        actor=actor,
        purpose=Purpose.EXECUTE,
        system=system,
        operation=authorization.operation,
        revision=authorization.revision,
        account=account_for(system, agent),
        correlation_id=correlation_id,
        authorization=authorization,
        action_id=authorization.action_id,
        agent_id=str(agent.pk) if agent else "",
        reference=reference_of(authorization.action_id),
    )


def perform(driver: Driver, request: DriverRequest) -> DriverResult:
    """Let a driver do what an authorization was used up for."""
    return driver.perform(request)


def keep_unresolved(call: Call, attempt: Attempt) -> None:
    """A later attempt that sent nothing says nothing about an earlier one that may have."""
    if not isinstance(attempt.error, NotSent):
        return
    open_ones = Call.objects.filter(
        action_id=call.action_id, purpose=Purpose.EXECUTE, outcome__in=[Outcome.UNKNOWN, Outcome.RUNNING]
    ).exclude(pk=call.pk)
    if open_ones.exists():
        words = f"An earlier attempt is still unresolved, and this one was not sent: {attempt.error.message}"
        attempt.error = OutcomeUnknown(attempt.error.code, words, status=attempt.error.status)
        attempt.outcome = Outcome.UNKNOWN


def require_callable(authorization: Authorization) -> None:
    """Refuse what was published anew, or switched off, since it was authorized."""
    operation = authorization.operation
    if operation.current_revision_id != authorization.revision_id:
        raise _not_now("operation_changed", f"{operation.code} was published anew after it was authorized")
    if not operation.is_enabled:
        raise _not_now("operation_off", f"{operation.code} is switched off")
    if not operation.system.is_enabled:
        raise _not_now("system_off", f"{operation.system.name} is switched off")


def _not_now(code: str, why: str) -> Refusal:
    return Refusal(
        code, f"The call was not made: {why}.", kind=RefusalKind.CONFLICT, next_step="Ask for the action again."
    )


def _record_refusal(actor: Actor, authorization_id: str, refusal: Refusal, correlation_id: str) -> None:
    found = Authorization.objects.select_related("operation").filter(pk=authorization_id).first()
    record_refusal(
        actor=actor,
        verb="connectors.call_refused",
        subject=found.operation.as_ref() if found else Ref("connectors.authorization", authorization_id),
        refusal=refusal,
        action_id=found.action_id if found else "",
        system_id=str(found.operation.system_id) if found else "",
        agent_id=found.agent_id if found else "",
        correlation_id=correlation_id,
        operation=found.operation.code if found else "",
    )


def _too_large(output: Mapping[str, Any]) -> str:
    size = len(json.dumps(output, ensure_ascii=False).encode())
    return (
        f"The answer is larger than {MAX_OUTPUT_BYTES} bytes and was left out."
        if size > MAX_OUTPUT_BYTES
        else ""
    )


def result_of(call: Call, attempt: Attempt) -> CallResult:
    """Return what a caller is told of a call; an answer that is not as declared is left out."""
    error, output = attempt.error, attempt.result.output
    if error:
        return CallResult(
            outcome=attempt.outcome.value,
            call_id=str(call.pk),
            error_code=error.code,
            error_message=error.message,
            temporary=error.temporary,
        )
    wrong = _too_large(output) or unexpected_output(
        call.revision.output_schema if call.revision else {}, output
    )
    return CallResult(
        outcome=attempt.outcome.value,
        call_id=str(call.pk),
        output={} if wrong else output,
        remote_ref=attempt.result.remote_ref,
        error_code="answer_unexpected" if wrong else "",
        error_message=wrong,
    )
