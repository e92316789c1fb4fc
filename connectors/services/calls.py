"""One outbound attempt from begin to end: recorded and committed before it leaves, finished exactly once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import lru_cache
from typing import Any

from django.db import transaction
from django.utils import timezone

from audit.services import Fact, insert_rows, record_events, update_rows
from audit.vocabulary import Actor, Refusal
from connectors.choices import Outcome, Purpose, driver_kinds
from connectors.exceptions import DriverError, NotSent, OutcomeUnknown, PassageClosed
from connectors.models import Account, Call, Operation, OperationRevision, System
from connectors.services.accounts import credential_of, require_account
from connectors.services.breaker import record_failure, record_success, require_closed
from connectors.services.drivers import load_driver
from connectors.services.passages import open_passage
from connectors.vocabulary import (
    Credential,
    Driver,
    DriverRequest,
    DriverResult,
    Origin,
    SystemFacts,
    parse_network,
)

logger = logging.getLogger(__name__)
EXCERPT_CHARACTERS = 4096
GRACE = timedelta(seconds=30)
SHORTEST_SECRET = 4
Work = Callable[[Driver, DriverRequest], DriverResult]


@dataclass(slots=True)
class Attempt:
    """What became of one call: a result or an error, and how long it took."""

    outcome: Outcome
    result: DriverResult = field(default_factory=DriverResult)
    error: DriverError | None = None
    trail: list[dict[str, Any]] = field(default_factory=list)
    milliseconds: int = 0


def begin_call(
    *,
    actor: Actor,
    purpose: Purpose,
    system: System,
    operation: Operation | None = None,
    revision: OperationRevision | None = None,
    account: Account | None = None,
    correlation_id: str = "",
    **facts: Any,
) -> Call:
    """Write the row that says a call is about to leave, in the caller's transaction."""
    call = new_call(
        actor=actor,
        purpose=purpose,
        system=system,
        operation=operation,
        revision=revision,
        account=account,
        correlation_id=correlation_id,
        **facts,
    )
    begin_calls([(call, actor)])
    return call


def new_call(*, actor: Actor, correlation_id: str = "", **facts: Any) -> Call:
    """Return a call that is not written yet."""
    return Call(
        actor_kind=actor.kind.value,
        actor_id=actor.id,
        actor_label=actor.label[:200],
        correlation_id=correlation_id,
        **facts,
    )


def begin_calls(begun: Sequence[tuple[Call, Actor]]) -> None:
    """Write the rows that say that calls are about to leave, each with its event."""
    insert_rows([call for call, _ in begun])
    record_events([
        Fact(
            actor=actor,
            verb="connectors.call_begun",
            subject=_subject(call),
            sentence=f"{actor.label}: {call.get_purpose_display().lower()} at {call.system.name} begins.",
            **_refs(call),
        )
        for call, actor in begun
    ])  # fmt: skip


def conduct(call: Call, work: Work, **request: Any) -> Attempt:
    """Reach out, outside any transaction, and return what is known afterwards; a system never makes it raise.

    What is not known to have failed is unknown, except for reads: a read that broke off did nothing.
    """

    def may_leave() -> Credential:
        require_account(call.system, call.account)
        credential = credential_of(call.account)
        require_closed(call.system)
        return credential

    return reach(call, work, may_leave, **request)


def reach(call: Call, work: Work, may_leave: Callable[[], Credential], **request: Any) -> Attempt:
    """Do the same; ``may_leave`` says what is presented to the system, or refuses."""
    attempt = Attempt(Outcome.CONFIRMED)
    began = time.monotonic()
    credential = Credential()
    try:
        credential = may_leave()
        with open_passage(call) as passage:
            asked = DriverRequest(
                passage=passage,
                system=facts_of(call.system),
                credential=credential,
                reference=call.reference,
                trail=attempt.trail,
                **request,
            )
            attempt.result = work(load_driver(call.system.kind), asked)
    except DriverError as error:
        attempt.error = error
    except Refusal as refusal:
        attempt.error = NotSent(refusal.code, refusal.message)
    except PassageClosed:
        raise
    except Exception as error:
        logger.exception("The driver %s broke at call %s", call.system.kind, call.pk)
        attempt.error = OutcomeUnknown("driver_error", f"The driver broke ({type(error).__name__}).")
    attempt.milliseconds = int((time.monotonic() - began) * 1000)
    attempt.outcome = _outcome(call, attempt.error)
    _clean(attempt, credential.secret)
    return attempt


def answers_in_process(system: System) -> bool:
    """Say whether a system is a part of this process: it answers within milliseconds, and nothing leaves."""
    return _in_process(system.kind)


@lru_cache(maxsize=64)
def _in_process(kind: str) -> bool:
    return kind in dict(driver_kinds()) and load_driver(kind).in_process


def finish_call(call: Call, attempt: Attempt, *, actor: Actor) -> None:
    """Record how it ended, once, and tell the breaker."""
    with transaction.atomic():
        finish_calls([(call, attempt, actor)])
    tell_breaker(call.system, [attempt])


def finish_calls(finished: Sequence[tuple[Call, Attempt, Actor]]) -> None:
    """Record how calls ended, each once, in the caller's transaction; what is recorded already stays so."""
    keys = [call.pk for call, _, _ in finished]
    locked = Call.objects.select_for_update().filter(pk__any_of=keys, outcome=Outcome.RUNNING).order_by("pk")
    running = set(locked.values_list("pk", flat=True))
    ended = [(call, attempt, actor) for call, attempt, actor in finished if call.pk in running]
    for call, attempt, _ in ended:
        _take_over(call, attempt)
    update_rows([call for call, _, _ in ended], FINISHED_FIELDS)
    record_events([_end_of(call, actor) for call, _, actor in ended])


def _take_over(call: Call, attempt: Attempt) -> None:
    error, result = attempt.error, attempt.result
    call.outcome = attempt.outcome
    call.finished_at = timezone.now()
    call.status = error.status if error else result.status
    call.request_summary = attempt.trail[:50]
    call.response_excerpt = (error.excerpt if error else result.excerpt)[:EXCERPT_CHARACTERS]
    call.remote_ref = result.remote_ref[:200]
    call.error_code = error.code[:60] if error else ""
    call.error_message = error.message[:1000] if error else ""


FINISHED_FIELDS = [
    "outcome",
    "finished_at",
    "status",
    "request_summary",
    "response_excerpt",
    "remote_ref",
    "error_code",
    "error_message",
]


def close_abandoned(action_id: str) -> int:
    """Mark calls of an action whose process died as unknown, well after their time limit; return how many."""
    closed = 0
    for call in Call.objects.select_related("system").filter(action_id=action_id, outcome=Outcome.RUNNING):
        limit = call.started_at + timedelta(seconds=call.system.total_timeout) + GRACE
        if timezone.now() > limit:
            lost = OutcomeUnknown("process_died", "The process that made the call ended before the answer.")
            finish_call(call, Attempt(Outcome.UNKNOWN, error=lost), actor=Actor.system("reconciliation"))
            closed += 1
    return closed


def facts_of(system: System) -> SystemFacts:
    """Return what a driver and egress may know of a system."""
    return SystemFacts(
        id=str(system.pk),
        code=system.code,
        kind=system.kind,
        base_url=system.base_url,
        config=system.config,
        allowed=frozenset(Origin.parse(entry) for entry in system.allowed_hosts),
        networks=tuple(parse_network(entry) for entry in system.private_networks),
        connect_timeout=system.connect_timeout,
        read_timeout=system.read_timeout,
        total_timeout=system.total_timeout,
    )


def _outcome(call: Call, error: DriverError | None) -> Outcome:
    if error is None:
        return Outcome.CONFIRMED
    harmless = call.purpose != Purpose.EXECUTE or (call.operation is not None and call.operation.reads_only)
    return Outcome.UNKNOWN if isinstance(error, OutcomeUnknown) and not harmless else Outcome.FAILED


def tell_breaker(system: System, attempts: Iterable[Attempt]) -> None:
    """Let the breaker of a system know how calls ended, after that is recorded; a success only once."""
    answered = False
    for attempt in attempts:
        error = attempt.error
        if error is None or not isinstance(error, NotSent | OutcomeUnknown):
            answered = True
        elif error.code not in NOT_THE_SYSTEM:
            record_failure(system, f"{error.code}: {error.message}")
            answered = False
    if answered:
        record_success(system)


# What went wrong on our side says nothing about how the system is doing.
NOT_THE_SYSTEM = {
    "breaker_open",
    "account_missing",
    "secret_missing",
    "secret_unreadable",
    "driver_error",
    "busy",
    "stopped",
    "agent_paused",
    "agent_suspended",
    "agent_not_active",
}


# What the answer of a system shows of an effect; a look at one has none.
_SEEN = {Outcome.CONFIRMED: "confirmed", Outcome.FAILED: "failed", Outcome.UNKNOWN: "in_doubt"}


def _end_of(call: Call, actor: Actor) -> Fact:
    how = {
        Outcome.CONFIRMED: "was confirmed",
        Outcome.FAILED: "failed and did nothing",
        Outcome.UNKNOWN: "ended unknown: it may or may not have happened",
    }[Outcome(call.outcome)]
    why = f" ({call.error_message})" if call.error_message else ""
    return Fact(
        actor=actor,
        verb="connectors.call_finished",
        subject=_subject(call),
        sentence=f"{call.get_purpose_display()} at {call.system.name} {how}{why}.",
        code=call.error_code or call.outcome,
        effect=_SEEN[Outcome(call.outcome)] if call.purpose == Purpose.EXECUTE else "",
        payload={"remote_ref": call.remote_ref, "status": call.status, "steps": call.request_summary},
        **_refs(call),
    )


def _subject(call: Call) -> Any:
    return call.operation.as_ref() if call.operation else call.system.as_ref()


def _refs(call: Call) -> dict[str, Any]:
    return {
        "action_id": call.action_id,
        "agent_id": call.agent_id,
        "system_id": str(call.system_id),
        "correlation_id": call.correlation_id,
        "operation": call.operation.code if call.operation else "",
    }


def _clean(attempt: Attempt, secret: str) -> None:
    """Take out of an answer what no record can hold, and our own key when a system repeats it."""

    def text(value: str) -> str:
        return _holdable(value.replace(secret, "[secret]") if len(secret) >= SHORTEST_SECRET else value)

    if error := attempt.error:
        error.excerpt, error.message = text(error.excerpt), text(error.message)
    found = attempt.result
    attempt.result = replace(
        found,
        output=_each_text(found.output, text),
        remote_ref=text(found.remote_ref),
        excerpt=text(found.excerpt),
        stage=text(found.stage),
    )


def _each_text(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {change(str(key)): _each_text(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [_each_text(item, change) for item in value]
    return value


def _holdable(text: str) -> str:
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
