"""What a retired or trimmed agent loses here: grants of its own, and the accounts that nobody else uses."""

from __future__ import annotations

from collections.abc import Iterable

from agents.models import Agent
from agents.registry import HandoverItem
from agents.services import stops
from agents.services.history import stamp
from audit.services import record_event
from audit.vocabulary import Actor, Ref
from connectors.models import Account, Operation
from connectors.models.operations import USE_OPERATION
from connectors.services.grants import take_grants


def withdraw_grants(actor: Actor, agent: Agent, operations: Iterable[str] | None, reason: str) -> int:
    """Take grants of the agent itself: those on some operations, or all (None), with its own accounts.

    For a service that has asked whether the actor may. Returns how many grants were taken.
    """
    stops.lock_scope(Ref("agent", str(agent.pk), agent.name))
    found = _granted(agent)
    if operations is not None:
        found = [operation for operation in found if operation.code in set(operations)]
    else:
        _switch_off_accounts(actor, agent, reason)
    return sum(take_grants(actor, operation, agent, reason) for operation in found)


def access_left(agent: Agent) -> Iterable[HandoverItem]:
    """Return the grants and accounts that are an agent's own; they end with it and block nothing."""
    if granted := _granted(agent):
        label = f"{len(granted)} {'grant' if len(granted) == 1 else 'grants'} of its own"
        yield HandoverItem("connectors.grants", "grant", label, "Taken away at once.")
    for account in Account.objects.filter(agent=agent, is_enabled=True).select_related("system"):
        yield HandoverItem(
            f"account:{account.pk}",
            "account",
            f"its account {account.name} at {account.system.name}",
            "Switched off here. Have it closed at the system as well.",
        )


def _granted(agent: Agent) -> list[Operation]:
    mine = Operation.objects.filter(
        operationuserobjectpermission__user_id=agent.user_id,
        operationuserobjectpermission__permission__codename=USE_OPERATION,
    )
    return list(mine.distinct().order_by("code"))


def _switch_off_accounts(actor: Actor, agent: Agent, reason: str) -> None:
    for account in Account.objects.select_for_update(of=("self",)).filter(agent=agent, is_enabled=True):
        account.is_enabled = False
        stamp(account, actor=actor, reason=reason).save(update_fields=["is_enabled"])
        record_event(
            actor=actor,
            verb="connectors.account_changed",
            subject=Ref("connectors.account", str(account.pk), str(account)),
            sentence=f"The account {account} was switched off: {agent.name} has been retired.",
            reason=reason,
            agent_id=str(agent.pk),
            system_id=str(account.system_id),
        )
