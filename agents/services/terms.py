"""The terms of employment: how long a probation is, how often an agent is confirmed, what puts it back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from agents import policies, registry, selectors
from agents.decision.employment import Terms, looser_terms
from agents.models import TERM_FIELDS, ChangeRequest, LifecycleTerms, Role
from agents.services import changes
from agents.services.history import lock_row, stamp
from audit.services import record_event
from audit.vocabulary import Actor, ActorKind, Ref, Refusal, RefusalKind

CHANGE_TERMS = "agents.terms.change"
_KIND = "agents.lifecycleterms"
_WORDS = {
    "probation_days": "days of probation",
    "attest_every_days": "days between two confirmations",
    "attest_notice_days": "days of notice before one",
    "attest_grace_days": "days of grace after one was due",
    "denials": "refused calls that put an agent back",
    "limits": "calls above a limit that put an agent back",
    "doubts": "actions in doubt that put an agent back",
    "reversals": "actions taken back that put an agent back",
    "window_days": "days within which these are counted",
    "breach_then": "what happens to it then",
}


def register_change_kinds() -> None:
    """Tell the registry how looser terms are applied, and what makes a proposal of them stale."""
    registry.register_change_kind(CHANGE_TERMS, _apply, _current_version)


def set_terms(
    *, actor: Actor, role: Role | None, values: Mapping[str, Any], reason: str
) -> LifecycleTerms | ChangeRequest:
    """Set the terms of a role, or of the company (None): stricter ones at once, looser ones by a second person.

    The portal itself (Actor.system) sets up directly. Raises Refusal ``no_change``, ValidationError by field.
    """
    with transaction.atomic():
        policies.require(policies.may(actor, "agents.change_lifecycleterms", "change the terms of employment"))
        policies.require_reason(reason)
        if unknown := sorted(set(values) - set(TERM_FIELDS)):
            raise Refusal("field_unknown", f"{', '.join(unknown)} is no term.", kind=RefusalKind.INVALID)
        old = _lock(role)
        row = _wanted(role, old, values)
        new = selectors.terms_from(row)
        if new == old and (row.role_id is None or not row._state.adding):
            raise Refusal(
                "no_change", "Nothing was changed: these are the terms already.", kind=RefusalKind.CONFLICT
            )
        looser = looser_terms(old, new)
        if actor.kind == ActorKind.SYSTEM or not looser:
            return _save(actor, row, old, reason)
        return changes.propose_change(
            actor=actor,
            kind=CHANGE_TERMS,
            target=_ref(role),
            payload={"role": str(role.pk) if role else None, **_values(row)},
            summary=f"{_whose(role)}: {_differences(old, new)}.",
            reason=reason,
            target_version=old.digest,
        )


def _lock(role: Role | None) -> Terms:
    """Return what applies now, locked: two changes of one row never cross."""
    company = LifecycleTerms.objects.select_for_update(of=("self",)).filter(role=None).first()
    own = LifecycleTerms.objects.select_for_update(of=("self",)).filter(role=role).first() if role else None
    return selectors.terms_from(own or company)


def _wanted(role: Role | None, old: Terms, values: Mapping[str, Any]) -> LifecycleTerms:
    row = LifecycleTerms.objects.filter(role=role).first() or LifecycleTerms(role=role)
    for name in TERM_FIELDS:
        setattr(row, name, values.get(name, getattr(old, name)))
    row.full_clean()
    return row


def _save(actor: Actor, row: LifecycleTerms, old: Terms, reason: str) -> LifecycleTerms:
    stamp(row, actor=actor, reason=reason).save()
    new = selectors.terms_from(row)
    record_event(
        actor=actor,
        verb="agents.terms_changed",
        subject=row.as_ref(),
        sentence=f"{actor.label} changed the {_whose(row.role)[:1].lower()}{_whose(row.role)[1:]}: "
        f"{_differences(old, new) or 'nothing is different'}.",
        reason=reason,
        payload=_values(row),
    )
    return row


def _apply(actor: Actor, change_request: ChangeRequest) -> None:
    payload = dict(change_request.payload)
    role_id = payload.pop("role")
    role = lock_row(Role, role_id) if role_id else None
    old = _lock(role)
    _save(actor, _wanted(role, old, payload), old, change_request.reason)


def _current_version(change_request: ChangeRequest) -> str:
    role_id = change_request.payload["role"]
    return _lock(lock_row(Role, role_id) if role_id else None).digest


def _values(row: LifecycleTerms) -> dict[str, Any]:
    return {name: getattr(row, name) for name in TERM_FIELDS}


def _ref(role: Role | None) -> Ref:
    return Ref(_KIND, str(role.pk) if role else "company", _whose(role))


def _whose(role: Role | None) -> str:
    return f"Terms of employment of {role}" if role else "Terms of employment of the company"


def _differences(old: Terms, new: Terms) -> str:
    different = (name for name in TERM_FIELDS if getattr(old, name) != getattr(new, name))
    return ", ".join(
        f"{_WORDS[name]} {getattr(new, name)} instead of {getattr(old, name)}" for name in different
    )
