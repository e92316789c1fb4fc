"""Whose key is used: the agent's own account first, then its role's, then the system's."""

from __future__ import annotations

import uuid

from django.db.models import Q

from agents.models import Agent
from connectors.exceptions import NotSent
from connectors.models import Account, System
from connectors.services.secrets import reveal_for_call
from connectors.vocabulary import Credential


def agent_of(agent_id: str) -> Agent | None:
    """Return the agent with this id, or whose user has it."""
    try:
        key = uuid.UUID(agent_id)
    except ValueError:
        return None
    return Agent.objects.filter(Q(pk=key) | Q(user_id=key)).first()


def account_for(system: System, agent: Agent | None) -> Account | None:
    """Return the account a call for this agent uses, or None when nobody set one up."""
    whose = Q(agent=None, role=None)
    if agent:
        whose |= Q(agent=agent) | Q(role=agent.role_id)
    found = Account.objects.select_related("secret", "system").filter(whose, system=system, is_enabled=True)
    return max(
        found, key=lambda account: (account.agent_id is not None, account.role_id is not None), default=None
    )


def credential_of(account: Account | None) -> Credential:
    """Return what to present, decrypted for this one call; no account at all means no credential."""
    if account is None:
        return Credential()
    if account.scheme == Account.Scheme.NONE:
        return Credential()
    return Credential(account.scheme, account.username, account.header_name, reveal_for_call(account))


def require_account(system: System, account: Account | None) -> None:
    """Raise NotSent when the system has accounts but none for this caller: nobody borrows another's key."""
    if account is None and Account.objects.filter(system=system).exists():
        raise NotSent(
            "account_missing",
            f"Nothing was sent to {system.name}: it has no account for this role. Add one there.",
        )
