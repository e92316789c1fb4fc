"""Recording facts. No event, no decision: the row is written in the transaction of what it describes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, transaction
from uuid_utils.compat import uuid7

from audit import broadcast, registry
from audit.cause import present_cause
from audit.models import Event, Payload
from audit.services.rows import in_one_message, insert_values
from audit.vocabulary import Actor, Ref, Refusal

CHANGE_REFUSED = "audit.change_refused"
_UNHOLDABLE = str.maketrans(dict.fromkeys([0, *range(0xD800, 0xE000)], "\N{REPLACEMENT CHARACTER}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing that happened, as ``record_event`` describes it."""

    actor: Actor
    verb: str
    subject: Ref
    sentence: str
    agent_id: str = ""
    action_id: str = ""
    run_id: str = ""
    system_id: str = ""
    department_id: str = ""
    correlation_id: str = ""
    decision: str = ""
    code: str = ""
    reason: str = ""
    delegated_id: str = ""
    operation: str = ""
    effect: str = ""
    agreement: str = ""
    risk: Mapping[str, str] = field(default_factory=dict)
    remedy: str = ""
    payload: Mapping[str, Any] | None = None


def record_event(
    *,
    actor: Actor,
    verb: str,
    subject: Ref,
    sentence: str,
    agent_id: str = "",
    action_id: str = "",
    run_id: str = "",
    system_id: str = "",
    department_id: str = "",
    correlation_id: str = "",
    decision: str = "",
    code: str = "",
    reason: str = "",
    delegated_id: str = "",
    operation: str = "",
    effect: str = "",
    agreement: str = "",
    risk: Mapping[str, str] | None = None,
    remedy: str = "",
    payload: Mapping[str, Any] | None = None,
) -> Event:
    """Add one fact to the ledger, in the caller's transaction, so that both stand or neither.

    ``sentence`` is plain words; past 500 characters it is cut, as labels are past 200. Characters that no
    record can hold are replaced: what is said in hostile words is still recorded. Without ``correlation_id``
    it is that of the request or job that is going on. Raises RuntimeError outside a transaction and
    UnregisteredVerb for a verb that no room has described.
    """
    fact = Fact(
        actor=actor,
        verb=verb,
        subject=subject,
        sentence=sentence,
        agent_id=agent_id,
        action_id=action_id,
        run_id=run_id,
        system_id=system_id,
        department_id=department_id,
        correlation_id=correlation_id,
        decision=decision,
        code=code,
        reason=reason,
        delegated_id=delegated_id,
        operation=operation,
        effect=effect,
        agreement=agreement,
        risk=risk or {},
        remedy=remedy,
        payload=payload,
    )
    (row,) = record_events([fact])
    event = Event(**row)
    event._state.adding, event._state.db = False, connection.alias
    for made_there in ("occurred_at", "words_salt"):
        del event.__dict__[made_there]  # the database says it to who asks
    return event


def record_events(facts: Sequence[Fact]) -> list[dict[str, Any]]:
    """Add facts to the ledger in their order, in one statement; return their columns. See ``record_event``."""
    if not facts:
        return []
    if not connection.in_atomic_block:
        verbs = ", ".join(sorted({fact.verb for fact in facts}))
        raise RuntimeError(
            f"{verbs} was not recorded: events are recorded inside the transaction they describe."
        )
    for verb in {fact.verb for fact in facts}:
        registry.check_verb(verb)
    rows = [_row(fact) for fact in facts]
    payloads = [
        {"event_id": row["id"], "data": _holdable(fact.payload)}
        for row, fact in zip(rows, facts, strict=True)
        if fact.payload
    ]
    with in_one_message():
        insert_values(Event, rows)
        insert_values(Payload, payloads)
    transaction.on_commit(broadcast.ring_doorbell)
    return rows


def _row(fact: Fact) -> dict[str, Any]:
    return {
        "id": uuid7(),
        "verb": fact.verb,
        "actor_kind": fact.actor.kind.value,
        "actor_id": _text(fact.actor.id, 64),
        "actor_label": _text(fact.actor.label, 200),
        "subject_kind": _text(fact.subject.kind, 100),
        "subject_id": _text(fact.subject.id, 64),
        "subject_label": _text(fact.subject.label, 200),
        "agent_id": _text(fact.agent_id, 64),
        "action_id": _text(fact.action_id, 64),
        "run_id": _text(fact.run_id, 64),
        "system_id": _text(fact.system_id, 64),
        "department_id": _text(fact.department_id, 64),
        "correlation_id": _text(fact.correlation_id or present_cause(), 64),
        "decision": fact.decision,
        "code": _text(fact.code, 64),
        "sentence": _text(fact.sentence, 500),
        "reason": _text(fact.reason, None),
        "delegated_id": _text(fact.delegated_id, 64),
        "operation": _text(fact.operation, 200),
        "effect": fact.effect,
        "agreement": fact.agreement,
        "risk": {_text(name, 40): _text(said, 200) for name, said in fact.risk.items()},
        "remedy": _text(fact.remedy or registry.remedy_of(fact.verb), 64),
    }


def record_refusal(
    *,
    actor: Actor,
    verb: str,
    subject: Ref,
    refusal: Refusal,
    agent_id: str = "",
    action_id: str = "",
    run_id: str = "",
    system_id: str = "",
    department_id: str = "",
    correlation_id: str = "",
    reason: str = "",
    delegated_id: str = "",
    operation: str = "",
    risk: Mapping[str, str] | None = None,
    remedy: str = "",
) -> Event:
    """Record that a rule said no, in a transaction of its own, after the refused one has rolled back.

    For boundaries only. Raises RuntimeError inside another transaction, where a rollback would take it along.
    """
    with transaction.atomic(durable=True):
        event = record_event(
            actor=actor,
            verb=verb,
            subject=subject,
            sentence=refusal.message,
            agent_id=agent_id,
            action_id=action_id,
            run_id=run_id,
            system_id=system_id,
            department_id=department_id,
            correlation_id=correlation_id,
            decision=Event.Decision.DENY,
            code=refusal.code,
            reason=reason,
            delegated_id=delegated_id,
            operation=operation,
            risk=risk,
            remedy=remedy,
            payload={
                "kind": refusal.kind.value,
                "next_step": refusal.next_step,
                "detail": dict(refusal.detail),
            },
        )
    refusal.recorded = True
    return event


@contextmanager
def refusals_recorded(*, actor: Actor, subject: Ref, **refs: Any) -> Iterator[None]:
    """Let a Refusal pass on its way to a boundary, and record it there unless its service did already.

    ``refs`` are the indexed references of ``record_event``. For boundaries only, as ``record_refusal``.
    """
    try:
        yield
    except Refusal as refusal:
        record_once(refusal, actor=actor, subject=subject, **refs)
        raise


def record_once(refusal: Refusal, *, actor: Actor, subject: Ref, **refs: Any) -> None:
    """Record at a boundary that a person's change was refused, unless its service recorded it already."""
    if not refusal.recorded:
        record_refusal(actor=actor, verb=CHANGE_REFUSED, subject=subject, refusal=refusal, **refs)


def _text(value: object, most: int | None) -> str:
    """Return ``value`` as text PostgreSQL can hold, cut to ``most`` characters with a visible ellipsis."""
    if value == "":
        return ""
    text = _plain(str(value))
    return text if most is None or len(text) <= most else text[: most - 1] + "…"


def _plain(text: str) -> str:
    """Nothing printable has to be replaced, and nearly everything is printable."""
    return text if text.isprintable() else text.translate(_UNHOLDABLE)


def _holdable(value: Any) -> Any:
    """Return JSON data without what jsonb cannot hold: NUL, lone surrogates, NaN and infinities."""
    if isinstance(value, str):
        return _plain(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {_text(key, None): _holdable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_holdable(item) for item in value]
    return value
