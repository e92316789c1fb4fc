"""The pure core: plain facts and a snapshot in, a decision out. No Django, no I/O (architecture, section 4)."""

from __future__ import annotations

from agents.decision.decide import decide
from agents.decision.facts import (
    AgentFacts,
    ApprovalFacts,
    Decision,
    DecisionRequest,
    Effect,
    Escalation,
    GrantFacts,
    MeasureDefinition,
    MeasureFacts,
    Mode,
    MoneyFacts,
    NextLevel,
    Obligations,
    OperationFacts,
    RuleFacts,
    RuleResult,
    Snapshot,
    Stage,
    StopFacts,
    Verdict,
)

__all__ = [
    "AgentFacts",
    "ApprovalFacts",
    "Decision",
    "DecisionRequest",
    "Effect",
    "Escalation",
    "GrantFacts",
    "MeasureDefinition",
    "MeasureFacts",
    "Mode",
    "MoneyFacts",
    "NextLevel",
    "Obligations",
    "OperationFacts",
    "RuleFacts",
    "RuleResult",
    "Snapshot",
    "Stage",
    "StopFacts",
    "Verdict",
    "decide",
]
