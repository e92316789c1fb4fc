"""Stop wins, also in a race: a dispatch shares a lock with every stop that could hit it."""

from __future__ import annotations

from collections.abc import Sequence

from agents.decision.facts import AgentFacts, OperationFacts
from agents.models import Stop
from audit.vocabulary import Actor, Ref


def stop_scopes(agent: AgentFacts, operation: OperationFacts, *, workflow_id: str = "") -> list[Ref]:
    """Return every scope whose stop hits this call, from everything down to the operation."""
    raise NotImplementedError


def lock_and_check(scopes: Sequence[Ref]) -> None:
    """Share the lock of every scope until the transaction ends, then refuse if a stop or a brake is on.

    Raises Refusal ``stopped``, ``agent_paused``, ``agent_suspended`` or ``agent_not_active``.
    """
    raise NotImplementedError


def lock_scope(scope: Ref) -> None:
    """Wait until no dispatch of this scope is under way and keep new ones out until the transaction ends."""
    raise NotImplementedError


def raise_stop(*, actor: Actor, scope_kind: str, scope_id: str = "", reason: str) -> Stop:
    """Stop everything in a scope; when this returns and commits, no dispatch in it commits after."""
    raise NotImplementedError


def lift_stop(*, actor: Actor, stop: Stop, reason: str) -> Stop:
    """Lift a stop; what waited is decided again, nothing resumes by itself."""
    raise NotImplementedError
