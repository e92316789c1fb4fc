"""An agent's record and its last days, counted from what it asked for, had in hand, and what came of it."""

from __future__ import annotations

from workflows.staffing.selectors.evidence import breach_counts, evidence_of
from workflows.staffing.selectors.health import MOST_COUNTED, Day, Health, health_of
from workflows.staffing.selectors.in_hand import (
    in_hand_of,
    workflows_for_role,
    workflows_of,
    workflows_using,
)

__all__ = [
    "MOST_COUNTED",
    "Day",
    "Health",
    "breach_counts",
    "evidence_of",
    "health_of",
    "in_hand_of",
    "workflows_for_role",
    "workflows_of",
    "workflows_using",
]
