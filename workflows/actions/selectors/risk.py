"""How grave it is to approve something: one of three levels with its reasons, the same wherever it is said."""

from __future__ import annotations

from collections.abc import Iterator

from agents.models import Agent
from workflows.actions.models import Action
from workflows.approvals.models import Approval
from workflows.approvals.policies import may_go_together

HIGH, MEDIUM, LOW = "high", "medium", "low"
RISK_WORDS = {HIGH: "High risk", MEDIUM: "Medium risk", LOW: "Low risk"}


def risk_level(action: Action | None, approval: Approval) -> tuple[str, list[str]]:
    """Return the level and why it is so. A change of authority is medium: two people look at it."""
    if action is None:
        return MEDIUM, ["it changes what agents may do"]
    effect = action.operation.effect if action.operation else ""
    if not may_go_together(effect=effect, risk_tier=action.agent.risk_tier, quorum=approval.quorum):
        return HIGH, list(_grave(action)) or ["money that several people have to agree to"]
    if effect == "financial":
        return MEDIUM, ["it moves money"]
    if effect == "write" and action.operation and action.operation.undo_operation_id is None:
        return MEDIUM, ["it cannot be undone"]
    return LOW, ["it can be undone" if effect != "read" else "it only reads"]


def _grave(action: Action) -> Iterator[str]:
    if action.agent.risk_tier == Agent.RiskTier.HIGH:
        yield "the agent is of high risk"
    if action.operation is None:
        yield "nobody knows the operation"
    elif action.operation.effect == "destructive":
        yield "it destroys data"
