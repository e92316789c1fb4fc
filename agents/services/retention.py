"""How long things are kept, what is held, what is erased on request: destroying evidence takes two persons.

Keeping longer and placing a hold count at once. Keeping shorter, ending a hold and erasing on request wait for
a second person, who reads how much it would destroy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction

from agents import policies, registry
from agents.models import ChangeRequest, Department
from agents.services import changes
from agents.services.history import lock_row
from audit import retention
from audit import selectors as ledger
from audit.services import erasing, keeping
from audit.vocabulary import Actor, ActorKind, Ref, Refusal, RefusalKind

SHORTEN = "audit.retention.shorten"
END_HOLD = "audit.hold.end"
ERASE = "audit.content.erase"
WHOLE_COMPANY = "the company"
STAYS = "For good. That each event happened, when and by whose id, and every proof of it stay."


def register_change_kinds() -> None:
    """Tell the registry how what destroys evidence is done once two persons agreed."""
    registry.register_change_kind(SHORTEN, _shorten, _present_days)
    registry.register_change_kind(END_HOLD, _end_hold, _present_hold)
    registry.register_change_kind(ERASE, _erase)


def ask_erasure(actor: Actor, subject: Ref, reason: str) -> str:
    """Ask for an erasure and say what waits now."""
    waiting = propose_erasure(actor=actor, subject=subject, reason=reason)
    return f"Nothing is erased yet: it waits for a second person. {' '.join(waiting.authority)}"


def parents() -> Mapping[str, str]:
    """Return each department with the one above it, as text."""
    found = Department.objects.values_list("pk", "parent_id")
    return {str(key): str(parent or "") for key, parent in found}


def set_days(
    *, actor: Actor, data_class: str, department: Department | None, days: int, reason: str
) -> Any | ChangeRequest:
    """Set for how many days a class of data is kept: longer at once, shorter when a second person agrees.

    Returns the rule, or what waits. Raises Refusal ``too_short``, ``no_change``, ``data_class_unknown``.
    """
    with transaction.atomic():
        policies.require(policies.may(actor, "audit.change_retentionrule", "change how long things are kept"))
        policies.require_reason(reason)
        keeping.require_days(days)
        retention.data_class(data_class)
        where = _where(department)
        before = retention.days_of(data_class, where[0])
        if days == before:
            words = f"Nothing was changed: it is kept {days} days already."
            raise Refusal("no_change", words, kind=RefusalKind.CONFLICT)
        if days > before or actor.kind == ActorKind.SYSTEM:
            return _write(actor, data_class, where, days, reason)
        return _propose_shorter(actor, data_class, where, (before, days), reason)


def _propose_shorter(
    actor: Actor, data_class: str, where: tuple[str, str], change: tuple[int, int], reason: str
) -> ChangeRequest:
    before, days = change
    words, whose = retention.data_class(data_class).words, where[1] or WHOLE_COMPANY
    lost = erasing.expired_if(data_class, where[0], days)
    return changes.propose_change(
        actor=actor,
        kind=SHORTEN,
        target=Ref("audit.retentionrule", _target(data_class, where[0]), f"{words}, {whose}"),
        payload={"data_class": data_class, "department": where[0], "days": days},
        summary=f"Keep {days} days instead of {before}: {words}, {whose}.",
        reason=reason,
        target_version=str(before),
        authority=[
            f"{words} of {whose} are erased after {days} days instead of {before}.",
            f"The next run of the clock would erase: {lost.words}",
            STAYS,
        ],
    )


def place_hold(*, actor: Actor, reason: str, **what: Any) -> Any:
    """Place a legal hold (scope, target_kind, target_id, begins_on, ends_on): it counts at once."""
    policies.require(policies.may(actor, "audit.add_legalhold", "place a legal hold"))
    policies.require_reason(reason)
    return keeping.place_hold(actor=actor, user=policies.user_of(actor), reason=reason, **what)


def propose_end_of_hold(*, actor: Actor, hold: Any, reason: str) -> ChangeRequest:
    """Ask to end a hold; it stands until a second person agrees. Raises Refusal ``hold_over``."""
    policies.require(policies.may(actor, "audit.change_legalhold", "end a legal hold"))
    if hold.ended_at is not None:
        raise Refusal("hold_over", "Nothing was changed: this hold is over.", kind=RefusalKind.CONFLICT)
    return changes.propose_change(
        actor=actor,
        kind=END_HOLD,
        target=hold.as_ref(),
        payload={"hold": str(hold.pk)},
        summary=f"End: {hold}.",
        reason=reason,
        target_version="stands",
        authority=[
            f"Rules and requests may erase again what was held: {hold}.",
            f"It was placed by {hold.placed_by} on {hold.placed_at:%Y-%m-%d} because: {hold.reason}",
        ],
    )


def propose_erasure(*, actor: Actor, subject: Ref, reason: str) -> ChangeRequest:
    """Ask to erase words and payloads of everything about one object, a person or one event, however old.

    The request names it by kind and id, so that it does not keep what it asks to erase. Raises Refusal
    ``nothing_to_erase``, ``too_much``.
    """
    policies.require(policies.may(actor, "audit.erase_event", "ask for an erasure"))
    found = erasing.about(subject)
    erasing.require_some(found)
    return changes.propose_change(
        actor=actor,
        kind=ERASE,
        target=Ref(subject.kind, subject.id, f"{subject.kind} {subject.id}"),
        payload={"kind": subject.kind, "id": subject.id},
        summary=f"Erase what is personal about {subject.kind} {subject.id}.",
        reason=reason,
        authority=sentences(found),
    )


def sentences(found: Iterable[erasing.Stock]) -> list[str]:
    """Say in sentences what an erasure would destroy."""
    return [*(f"Erased: {one.words}" for one in found if one.count), STAYS]


def _where(department: Department | None) -> tuple[str, str]:
    return (str(department.pk), department.name) if department else ("", "")


def _target(data_class: str, department: str) -> str:
    """Return the id of a rule; of one that is not there yet what it is to be of, in 64 characters at most."""
    row = ledger.retention_rules().filter(data_class=data_class, department_id=department).first()
    return str(row.pk) if row else f"{data_class[:27]}:{department}"


def _write(actor: Actor, data_class: str, where: tuple[str, str], days: int, reason: str) -> Any:
    user = policies.user_of(actor)
    return keeping.write_rule(
        actor=actor, user=user, data_class=data_class, department=where, days=days, reason=reason
    )


def _shorten(actor: Actor, change_request: ChangeRequest) -> None:
    payload = change_request.payload
    department = lock_row(Department, payload["department"]) if payload["department"] else None
    _write(actor, payload["data_class"], _where(department), payload["days"], change_request.reason)


def _present_days(change_request: ChangeRequest) -> str:
    payload = change_request.payload
    return str(retention.days_of(payload["data_class"], payload["department"]))


def _end_hold(actor: Actor, change_request: ChangeRequest) -> None:
    keeping.end_hold(
        actor=actor,
        user=policies.user_of(actor),
        asked_by=str(change_request.proposer_id),
        hold=ledger.legal_holds().get(pk=change_request.payload["hold"]),
        reason=change_request.reason,
    )


def _present_hold(change_request: ChangeRequest) -> str:
    standing = ledger.legal_holds().filter(pk=change_request.payload["hold"], ended_at__isnull=True)
    return "stands" if standing.exists() else "over"


def _erase(actor: Actor, change_request: ChangeRequest) -> None:
    erasing.erase_about(
        actor=actor,
        subject=Ref(change_request.payload["kind"], change_request.payload["id"]),
        reason=change_request.reason,
        told=Ref("agents.changerequest", str(change_request.pk), "a request that two persons agreed on"),
    )
