"""Read-only questions about actions."""

from __future__ import annotations

from audit.selectors import Violation, violations
from workflows.actions.selectors.showing import (
    amount_words,
    approval_description,
    in_doubt,
    shapes_of,
    shown_arguments,
    visible_ids,
    visible_to,
)
from workflows.actions.selectors.under_way import calls_under_way, hit_by

__all__ = [
    "Violation",
    "amount_words",
    "approval_description",
    "calls_under_way",
    "hit_by",
    "in_doubt",
    "shapes_of",
    "shown_arguments",
    "violations",
    "visible_ids",
    "visible_to",
]
