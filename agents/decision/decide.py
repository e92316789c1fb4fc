from __future__ import annotations

from agents.decision.facts import Decision, DecisionRequest, Snapshot


def decide(request: DecisionRequest, snapshot: Snapshot) -> Decision:
    """Answer whether this may be done now; pure, never raises, denies by default, and rules only tighten."""
    raise NotImplementedError
