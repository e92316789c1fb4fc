"""Pure answers about actions."""

from __future__ import annotations

from workflows.actions.policies.edits import (
    MOST_EDITS,
    Difference,
    differences,
    differences_in_words,
    hidden_in,
    patched,
)
from workflows.actions.policies.next_steps import next_step_of
from workflows.actions.policies.remedies import Remedy, remedy
from workflows.actions.policies.seen import seen_of, source_labels
from workflows.actions.policies.words import business_words, money_words, plain_text, redacted

__all__ = [
    "MOST_EDITS",
    "Difference",
    "Remedy",
    "business_words",
    "differences",
    "differences_in_words",
    "hidden_in",
    "money_words",
    "next_step_of",
    "patched",
    "plain_text",
    "redacted",
    "remedy",
    "seen_of",
    "source_labels",
]
