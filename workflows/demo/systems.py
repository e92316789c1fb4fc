"""Northwind's ERP as the portal sees it: where it is, whose key is used there, what may be asked of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agents.models import Role
from audit.vocabulary import Actor
from connectors.models import Account, Operation, System
from connectors.services import publish_operation
from connectors.services.systems import save_account, save_system
from workflows.demo.erp import server
from workflows.demo.operations import OPERATIONS

REASON = "Setting up the demo company"
FACTS = ("name", "description", "effect", "idempotent", "money_path", "reference_field", "label_template")
# What the driver may need to know of the books; keys stay in the accounts.
BOOKS = ("company", "accounts", "journal_expense", "payment_term", "payment_term_dated")


def set_up_erp(*, actor: Actor, keys: Mapping[str, Any], port: int) -> System:
    """Create or correct the system, its accounts and its operations; ``keys`` is the ERP's keys.json."""
    system = _system(actor, keys, port)
    for role in Role.objects.filter(code__in=keys["keys"]):
        _account(actor, system, role, keys["keys"][role.code])
    for code, content in OPERATIONS.items():
        _operation(actor, system, code, content)
    return system


def _system(actor: Actor, keys: Mapping[str, Any], port: int) -> System:
    origin = server.base_url(port)
    wanted: dict[str, Any] = {
        "base_url": f"{origin}/{keys['database']}",
        "allowed_hosts": [origin],
        "config": {name: keys[name] for name in BOOKS},
        # One writer at a time over there: more calls at once would only wait, and some for too long.
        "max_concurrent": 2,
        "read_timeout": 30,
        "total_timeout": 60,
    }
    known = System.objects.filter(code="erp").first()
    if known is None:
        return save_system(
            actor=actor,
            reason=REASON,
            code="erp",
            name="Tryton ERP",
            category=System.Category.ERP,
            kind="tryton",
            environment=System.Environment.TEST,
            private_networks=["127.0.0.1/32"],
            **wanted,
        )
    if any(getattr(known, name) != value for name, value in wanted.items()):
        return save_system(actor=actor, reason="The ERP of the demo company moved", system=known, **wanted)
    return known


def _account(actor: Actor, system: System, role: Role, key: str) -> None:
    if not Account.objects.filter(system=system, role=role).exists():
        save_account(
            actor=actor,
            system=system,
            name=role.name,
            role=role,
            scheme=Account.Scheme.BEARER,
            secret=key,
            reason=REASON,
        )


def _operation(actor: Actor, system: System, code: str, content: Mapping[str, Any]) -> None:
    known = Operation.objects.select_related("current_revision").filter(code=code).first()
    published = known.current_revision if known else None
    if published and (published.input_schema, published.mapping) == (
        content["input_schema"],
        content["mapping"],
    ):
        return
    facts = {name: content[name] for name in FACTS if name in content}
    if finder := content.get("lookup"):
        facts["lookup_operation"] = Operation.objects.get(code=finder)
    publish_operation(
        actor=actor,
        system=system,
        code=code,
        input_schema=content["input_schema"],
        mapping=content["mapping"],
        reason=REASON,
        **facts,
    )
