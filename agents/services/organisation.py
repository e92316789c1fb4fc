"""The company's shape: departments, roles, its name and its exchange rates."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.contrib.auth.models import Group
from django.db import models, transaction

from agents import policies, registry
from agents.decision.money import MILLION
from agents.models import Calendar, ChangeRequest, CompanySettings, Department, ExchangeRate, Role
from agents.services import changes, leading
from agents.services.history import lock_row, stamp
from audit.services import record_event
from audit.vocabulary import Actor, ActorKind, Ref

MOVE_DEPARTMENT = "agents.department.move"
CHANGE_CURRENCY = "agents.company.currency"
SET_RATE = "agents.exchange_rate.set"
ROLE_FIELDS = (
    "name", "job_description", "responsibilities", "expected_performance", "performance", "labels", "template",
)  # fmt: skip


def create_department(
    *,
    actor: Actor,
    code: str,
    name: str,
    reason: str,
    parent: Department | None = None,
    manager: Any = None,
    calendar: Calendar | None = None,
) -> Department:
    """Add a department to the tree. Who heads it may decide where a rule asks them: a second person agrees."""
    policies.require(policies.may(actor, "agents.add_department", "add a department"))
    with transaction.atomic():
        at_once = manager if actor.kind == ActorKind.SYSTEM else None
        department: Department = _created(
            actor,
            Department(code=code, name=name, parent=parent, manager=at_once, calendar=calendar),
            reason,
            "agents.department_created",
        )
        if manager is not None and at_once is None:
            leading.propose_head(actor=actor, department=department, manager=manager, reason=reason)
        return department


def update_department(
    *, actor: Actor, department: Department, values: Mapping[str, Any], reason: str
) -> ChangeRequest | None:
    """Change a department; another parent brings other rules for its agents, and another head may decide where
    a rule asks them, so these wait for a second person.

    Returns the ChangeRequest of such a change (of a move where it is both), else None.
    """
    with transaction.atomic():
        department = lock_row(Department, department.pk)
        policies.require(
            policies.may(actor, "agents.change_department", f"change {department.name}", department)
        )
        policies.require_reason(reason)
        values = dict(values)
        parent = values.pop("parent", department.parent)
        head, of_head = values.get("manager"), None
        if head is not None and head != department.manager and actor.kind != ActorKind.SYSTEM:
            del values["manager"]
            of_head = leading.propose_head(actor=actor, department=department, manager=head, reason=reason)
        _write(actor, department, values, reason, "agents.department_changed")
        if parent == department.parent:
            return of_head
        department.parent = parent
        department.full_clean()
        return changes.propose_change(
            actor=actor,
            kind=MOVE_DEPARTMENT,
            target=department.as_ref(),
            payload={"parent": None if parent is None else str(parent.pk)},
            summary=f"Move {department.name} below {parent or 'nothing'}: other rules will bind its agents.",
            reason=reason,
        )


def create_role(*, actor: Actor, code: str, name: str, reason: str, **content: Any) -> Role:
    """Add a role, with the permission group that carries its rights. ``content``: any of ROLE_FIELDS."""
    policies.require(policies.may(actor, "agents.add_role", "add a role"))
    with transaction.atomic():
        group, _ = Group.objects.get_or_create(name=f"Role: {code}")
        role = Role(code=code, name=name, group=group, **content)
        return _created(actor, role, reason, "agents.role_created")


def update_role(*, actor: Actor, role: Role, values: Mapping[str, Any], reason: str) -> Role:
    """Change what a role says; what it may do changes through grants and policies only."""
    with transaction.atomic():
        role = lock_row(Role, role.pk)
        policies.require(policies.may(actor, "agents.change_role", f"change {role.name}", role))
        policies.require_reason(reason)
        allowed = {field: value for field, value in values.items() if field in ROLE_FIELDS}
        _write(actor, role, allowed, reason, "agents.role_changed")
        return role


def update_company(
    *, actor: Actor, name: str, reason: str, currency: str | None = None
) -> ChangeRequest | None:
    """Rename the company; another currency changes what every amount means, so a second person decides."""
    with transaction.atomic():
        company = lock_row(CompanySettings, "1")
        policies.require(policies.may(actor, "agents.change_companysettings", "change the company's settings"))
        policies.require_reason(reason)
        _write(actor, company, {"name": name}, reason, "agents.company_changed")
        if currency in (None, company.currency):
            return None
        previous, company.currency = company.currency, str(currency)
        company.full_clean()
        return changes.propose_change(
            actor=actor,
            kind=CHANGE_CURRENCY,
            target=_ref(company),
            payload={"currency": currency},
            summary=f"Change the company currency from {previous} to {currency}: "
            "every amount in rules and limits will be read in it.",
            reason=reason,
            target_version=previous,
        )


def set_exchange_rate(
    *, actor: Actor, currency: str, rate_millionths: int, valid_from: date, reason: str
) -> ExchangeRate | ChangeRequest:
    """Set what one unit of a currency is worth from a day on, in millionths of the company currency.

    A higher rate counts at once. A lower one lets more pass below every threshold, and a first one ends the
    hold for want of a rate: those wait for a second person, as a ChangeRequest. The portal itself
    (Actor.system) sets up directly.
    """
    with transaction.atomic():
        policies.require(policies.may(actor, "agents.add_exchangerate", "set an exchange rate"))
        rate = ExchangeRate(currency=currency, rate=rate_millionths, valid_from=valid_from)
        rate.full_clean()
        before = _rate_before(currency, valid_from)
        if actor.kind == ActorKind.SYSTEM or (before is not None and rate_millionths >= before):
            return _created(actor, rate, reason, "agents.exchange_rate_set")
        return changes.propose_change(
            actor=actor,
            kind=SET_RATE,
            target=Ref("agents.exchangerate", currency, currency),
            payload={"currency": currency, "rate": str(rate_millionths), "valid_from": valid_from.isoformat()},
            summary=f"Let 1 {currency} count as {_major(rate_millionths)} of company currency from "
            f"{valid_from} on (until now {_major(before)}): rules and limits will let more of it pass.",
            reason=reason,
            target_version=str(before),
        )


def _rate_before(currency: str, day: date) -> int | None:
    """Return the rate that a new one of that day would take the place of."""
    known = ExchangeRate.objects.filter(currency=currency, valid_from__lte=day).order_by("-valid_from")
    return known.values_list("rate", flat=True).first()


def _major(rate_millionths: int | None) -> str:
    if rate_millionths is None:
        return "no rate"
    return f"{rate_millionths // MILLION}.{rate_millionths % MILLION:06d}"


def register_change_kinds() -> None:
    """Tell the registry how this module's changes are applied."""
    registry.register_change_kind(MOVE_DEPARTMENT, _apply_move)
    registry.register_change_kind(SET_RATE, _apply_rate, _present_rate)
    registry.register_change_kind(
        CHANGE_CURRENCY, _apply_currency, lambda _change: lock_row(CompanySettings, "1").currency
    )


def _apply_move(actor: Actor, change_request: ChangeRequest) -> None:
    department = lock_row(Department, change_request.target_id)
    wanted = change_request.payload["parent"]
    parent = None if wanted is None else lock_row(Department, wanted)
    _write(actor, department, {"parent": parent}, change_request.reason, "agents.department_changed")


def _apply_currency(actor: Actor, change_request: ChangeRequest) -> None:
    company = lock_row(CompanySettings, "1")
    values = {"currency": change_request.payload["currency"]}
    _write(actor, company, values, change_request.reason, "agents.company_changed")


def _apply_rate(actor: Actor, change_request: ChangeRequest) -> None:
    wanted = change_request.payload
    rate = ExchangeRate(
        currency=wanted["currency"],
        rate=int(wanted["rate"]),
        valid_from=date.fromisoformat(wanted["valid_from"]),
    )
    _created(actor, rate, change_request.reason, "agents.exchange_rate_set")


def _present_rate(change_request: ChangeRequest) -> str:
    wanted = change_request.payload
    return str(_rate_before(wanted["currency"], date.fromisoformat(wanted["valid_from"])))


def _created(actor: Actor, thing: Any, reason: str, verb: str) -> Any:
    policies.require_reason(reason)
    with transaction.atomic():
        thing.full_clean()
        stamp(thing, actor=actor, reason=reason).save()
        sentence = f"{actor.label} added the {thing._meta.verbose_name} {thing}."
        record_event(actor=actor, verb=verb, subject=_ref(thing), sentence=sentence, reason=reason)
        return thing


def _write(actor: Actor, thing: Any, values: Mapping[str, Any], reason: str, verb: str) -> None:
    changed = [field for field, value in values.items() if getattr(thing, field) != value]
    if not changed:
        return
    for field in changed:
        setattr(thing, field, values[field])
    thing.full_clean()
    stamp(thing, actor=actor, reason=reason).save(update_fields=changed)
    sentence = f"{actor.label} changed {', '.join(changed)} of the {thing._meta.verbose_name} {thing}."
    record_event(actor=actor, verb=verb, subject=_ref(thing), sentence=sentence, reason=reason)


def _ref(thing: models.Model) -> Ref:
    return Ref(thing._meta.label_lower, str(thing.pk), str(thing))
