"""How long things are kept and what is held: the writing alone.

Who may, and whether a second person has to agree, is said in the room that knows people.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction

from audit import retention, selectors
from audit.models import LEAST_DAYS, LegalHold, RetentionRule
from audit.services.recording import record_event
from audit.vocabulary import Actor, Refusal, RefusalKind


def require_days(days: int) -> None:
    """Raise Refusal ``too_short`` for less than the law asks for."""
    if not LEAST_DAYS <= days <= 36_500:
        raise Refusal(
            "too_short" if days < LEAST_DAYS else "too_long",
            f"Nothing was changed: {days:,} days were refused. Records of agents are kept at least "
            f"{LEAST_DAYS} days (EU AI Act, article 19) and at most 100 years.",
            kind=RefusalKind.INVALID,
            next_step=f"Give {LEAST_DAYS} days or more.",
        )


def write_rule(
    *, actor: Actor, user: Any, data_class: str, department: tuple[str, str], days: int, reason: str
) -> RetentionRule:
    """Set for how many days a class is kept in a department (id, name; both empty: the company)."""
    require_days(days)
    described = retention.data_class(data_class)
    with transaction.atomic():
        row = (
            RetentionRule.objects.select_for_update()
            .filter(data_class=data_class, department_id=department[0])
            .first()
        )
        before = retention.days_of(data_class, department[0])
        row = row or RetentionRule(data_class=data_class, department_id=department[0])
        row.days, row.department_label = days, department[1][:120]
        row.full_clean()
        _stamped(row, user, reason).save()
        record_event(
            actor=actor,
            verb="audit.retention_set",
            subject=row.as_ref(),
            sentence=f"{actor.label} set how long is kept: {described.words}, "
            f"{department[1] or 'the company'}: {days} days instead of {before}.",
            reason=reason,
            department_id=department[0],
            payload={"class": data_class, "department": department[0], "days": days, "before": before},
        )
        return row


def place_hold(*, actor: Actor, user: Any, reason: str, **what: Any) -> LegalHold:
    """Place a hold (scope, target_kind, target_id, begins_on, ends_on); raise ValidationError by field."""
    with transaction.atomic():
        hold = LegalHold(reason=reason, placed_by_id=actor.id, placed_by=actor.label[:200], **what)
        hold.full_clean()
        _stamped(hold, user, reason).save()
        record_event(
            actor=actor,
            verb="audit.hold_placed",
            subject=hold.as_ref(),
            sentence=f"{actor.label} placed a legal hold: {_lower(hold)}. Nothing of it is erased any more.",
            reason=reason,
            payload={"scope": hold.scope, "kind": hold.target_kind, "id": hold.target_id},
        )
        return hold


def end_hold(*, actor: Actor, user: Any, asked_by: str, hold: LegalHold, reason: str) -> LegalHold:
    """End a hold that one person asked to end and the actor agreed to; raise Refusal ``hold_over``."""
    with transaction.atomic():
        row: LegalHold = LegalHold.objects.select_for_update().get(pk=hold.pk)
        if row.ended_at is not None:
            raise Refusal("hold_over", "Nothing was changed: this hold is over.", kind=RefusalKind.CONFLICT)
        row.ended_at, row.ended_by_id, row.agreed_by_id = selectors.database_now(), asked_by, actor.id
        row.full_clean()
        _stamped(row, user, reason).save()
        record_event(
            actor=actor,
            verb="audit.hold_ended",
            subject=row.as_ref(),
            sentence=f"{actor.label} agreed to end a legal hold: {_lower(row)}.",
            reason=reason,
            payload={"scope": row.scope, "kind": row.target_kind, "id": row.target_id, "asked_by": asked_by},
        )
        return row


def _lower(hold: LegalHold) -> str:
    return f"{str(hold)[:1].lower()}{str(hold)[1:]}"


def _stamped(row: Any, user: Any, reason: str) -> Any:
    row._history_user, row._change_reason = user, reason
    return row
