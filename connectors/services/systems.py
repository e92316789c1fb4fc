"""Installing enterprise systems and the accounts used there."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from agents.models import Agent, Role
from agents.policies import may, require, require_reason
from agents.services.history import stamp
from audit.services import record_event
from audit.vocabulary import Actor
from connectors.models import Account, System
from connectors.registry import tell_system_back
from connectors.services.secrets import drop_secret, set_secret
from connectors.vocabulary import Origin


def save_system(*, actor: Actor, reason: str, system: System | None = None, **fields: Any) -> System:
    """Install a system, or change one; where it leads and what it may reach is checked before it is kept.

    A system that a person moves to another scheme, host or port forgets the secrets of its accounts: they were
    written for the old place, and who can change an address must not be able to have them sent to a new one.
    """
    with transaction.atomic():
        verb = "change" if system else "install"
        require(may(actor, f"connectors.{'change' if system else 'add'}_system", f"{verb} a system"))
        require_reason(reason)
        held = System.objects.select_for_update().get(pk=system.pk) if system else System()
        known, was_off = _origin(held) if system else None, not held.is_enabled
        for name, value in fields.items():
            setattr(held, name, value)
        held.full_clean()
        stamp(held, actor=actor, reason=reason).save()
        if known and known != _origin(held) and actor.kind != "system":
            _forget_secrets(actor, held, reason)
        record_event(
            actor=actor,
            verb="connectors.system_changed" if system else "connectors.system_installed",
            subject=held.as_ref(),
            sentence=f"{actor.label} {'changed' if system else 'installed'} the system {held.name}.",
            system_id=str(held.pk),
            reason=reason,
            payload={"fields": sorted(fields)},
        )
        if system and was_off and held.is_enabled:
            tell_system_back(held.pk)
    return held


def _origin(system: System) -> str:
    return str(Origin.of_url(system.base_url))


def _forget_secrets(actor: Actor, system: System, reason: str) -> None:
    for account in system.accounts.select_for_update(of=("self",)).exclude(secret=None):
        drop_secret(actor=actor, account=account, reason=reason)


def set_system_enabled(*, actor: Actor, system: System, enabled: bool, reason: str) -> System:
    """Switch a system off or on; off, nothing is called there from the next call on."""
    return save_system(actor=actor, reason=reason, system=system, is_enabled=enabled)


def save_account(
    *,
    actor: Actor,
    system: System,
    name: str,
    reason: str,
    role: Role | None = None,
    agent: Agent | None = None,
    secret: str = "",
    account: Account | None = None,
    **fields: Any,
) -> Account:
    """Set up whose key is used at a system; ``secret`` is written if given and can never be read again."""
    with transaction.atomic():
        verb = "change" if account else "add"
        require(may(actor, f"connectors.{verb}_account", f"{verb} an account"))
        require_reason(reason)
        held = Account.objects.select_for_update(of=("self",)).get(pk=account.pk) if account else Account()
        held.system, held.name, held.role, held.agent = system, name, role, agent
        for key, value in fields.items():
            setattr(held, key, value)
        held.full_clean()
        stamp(held, actor=actor, reason=reason).save()
        record_event(
            actor=actor,
            verb="connectors.account_changed" if account else "connectors.account_added",
            subject=held.as_ref(),
            sentence=f"{actor.label} {'changed' if account else 'added'} the account {held}.",
            system_id=str(system.pk),
            reason=reason,
        )
        if secret:
            held = set_secret(actor=actor, account=held, secret=secret, reason=reason)
    return held
