"""Whom people report to, and who heads a department: a rule may ask them, so naming one takes two people."""

from __future__ import annotations

from uuid import UUID

from django.db import connection, transaction

from agents import policies, registry
from agents.models import ChangeRequest, Department, User
from agents.services import changes
from agents.services.history import lock_row, stamp
from audit.services import record_event
from audit.vocabulary import Actor, ActorKind, Ref, Refusal, RefusalKind

SET_MANAGER = "agents.user.manager"
SET_HEAD = "agents.department.head"
# Who reports to whom is one graph: who changes it waits for whoever else does.
_LOCK = "SELECT pg_advisory_xact_lock(hashtext('agents.managers'))"
MOST_STEPS = 100


def set_manager(*, actor: Actor, person: User, manager: User | None, reason: str) -> ChangeRequest | None:
    """Say whom a person reports to. Nobody: at once. Somebody: they may decide where a rule asks them, so a
    second person agrees (returned). The portal itself (Actor.system) sets up directly.

    Raises Refusal: manager_cycle, not_a_person, own_rights.
    """
    with transaction.atomic():
        person = lock_row(User, person.pk)
        policies.require(policies.may_change_person(actor, person))
        policies.require_reason(reason)
        if person.manager_id == (manager.pk if manager else None):
            return None
        if manager is None or actor.kind == ActorKind.SYSTEM:
            _write_manager(actor, person, manager, reason)
            return None
        _require_fit(actor, manager)
        _require_no_cycle(person, manager)
        return changes.propose_change(
            actor=actor,
            kind=SET_MANAGER,
            target=person.as_ref(),
            payload={"manager": str(manager.pk)},
            summary=f"{person} reports to {manager}, who may then decide where a rule asks the manager.",
            reason=reason,
            target_version=str(person.manager_id or ""),
        )


def propose_head(*, actor: Actor, department: Department, manager: User, reason: str) -> ChangeRequest:
    """Ask that somebody heads a department, in a transaction that has locked it; a second person agrees."""
    _require_fit(actor, manager)
    return changes.propose_change(
        actor=actor,
        kind=SET_HEAD,
        target=department.as_ref(),
        payload={"manager": str(manager.pk)},
        summary=f"{manager} heads {department.name} and may then decide where a rule asks its head.",
        reason=reason,
        target_version=str(department.manager_id or ""),
    )


def register_change_kinds() -> None:
    """Tell the registry how these changes are applied."""
    registry.register_change_kind(
        SET_MANAGER, _apply_manager, lambda change: str(lock_row(User, change.target_id).manager_id or "")
    )
    registry.register_change_kind(
        SET_HEAD, _apply_head, lambda change: str(lock_row(Department, change.target_id).manager_id or "")
    )


def _apply_manager(actor: Actor, change: ChangeRequest) -> None:
    manager = lock_row(User, change.payload["manager"])
    _require_fit(actor, manager)
    _write_manager(actor, lock_row(User, change.target_id), manager, change.reason)


def _apply_head(actor: Actor, change: ChangeRequest) -> None:
    manager = lock_row(User, change.payload["manager"])
    _require_fit(actor, manager)
    department = lock_row(Department, change.target_id)
    department.manager = manager
    stamp(department, actor=actor, reason=change.reason).save(update_fields=["manager"])
    sentence = f"{manager} heads {department.name}."
    _record(actor, "agents.department_changed", department.as_ref(), sentence, change.reason)


def _write_manager(actor: Actor, person: User, manager: User | None, reason: str) -> None:
    _require_no_cycle(person, manager)
    person.manager = manager
    person.full_clean(exclude=["password"])
    stamp(person, actor=actor, reason=reason).save(update_fields=["manager"])
    sentence = f"{person} reports to {manager or 'nobody'}."
    _record(actor, "agents.person_changed", person.as_ref(), sentence, reason)


def _require_fit(actor: Actor, manager: User) -> None:
    if actor.id == str(manager.pk):
        raise Refusal(
            "own_rights",
            "Nothing was changed: nobody gives themselves the right to decide, or agrees to it.",
            next_step="Ask a colleague who may.",
        )
    if not manager.is_active_person:
        raise Refusal(
            "not_a_person",
            f"Nothing was changed: {manager} is no person with an active account.",
            kind=RefusalKind.INVALID,
            next_step="Choose another.",
        )


def _require_no_cycle(person: User, manager: User | None) -> None:
    """Refuse that somebody reports to themselves by way of others. Asked under the lock of the whole graph."""
    with connection.cursor() as cursor:
        cursor.execute(_LOCK)
    above: UUID | None = manager.pk if manager else None
    for _ in range(MOST_STEPS):
        if above is None:
            return
        if above == person.pk:
            break
        above = User.objects.filter(pk=above).values_list("manager_id", flat=True).first()
    raise Refusal(
        "manager_cycle",
        f"Nothing was changed: {manager} reports to {person}, directly or by way of others.",
        kind=RefusalKind.CONFLICT,
        next_step="Choose another manager, or change that first.",
    )


def _record(actor: Actor, verb: str, subject: Ref, sentence: str, reason: str) -> None:
    record_event(actor=actor, verb=verb, subject=subject, sentence=sentence, reason=reason)
