"""Read-only questions about actions."""

from __future__ import annotations

from audit.selectors import Violation, violations
from workflows.actions.selectors.edits import Edit, changed, edits_of, hidden_in_action
from workflows.actions.selectors.risk import HIGH, LOW, MEDIUM, RISK_WORDS, risk_level
from workflows.actions.selectors.showing import (
    amount_words,
    approval_description,
    few_asked,
    in_doubt,
    sees_every_action,
    shapes_of,
    shown_arguments,
    visible_to,
)
from workflows.actions.selectors.standing import (
    agents_of_standing,
    asks_step_up,
    contract_words,
    covering,
    is_asked,
    most_days,
    standing_facts,
    standing_told,
    standing_words,
    state_of,
    visible_standing,
    visible_standing_ids,
)
from workflows.actions.selectors.under_way import calls_under_way, hit_by

__all__ = [
    "HIGH",
    "LOW",
    "MEDIUM",
    "RISK_WORDS",
    "Edit",
    "Violation",
    "agents_of_standing",
    "amount_words",
    "approval_description",
    "asks_step_up",
    "calls_under_way",
    "changed",
    "contract_words",
    "covering",
    "edits_of",
    "few_asked",
    "hidden_in_action",
    "hit_by",
    "in_doubt",
    "is_asked",
    "most_days",
    "risk_level",
    "sees_every_action",
    "shapes_of",
    "shown_arguments",
    "standing_facts",
    "standing_told",
    "standing_words",
    "state_of",
    "violations",
    "visible_standing",
    "visible_standing_ids",
    "visible_to",
]
