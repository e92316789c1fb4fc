"""Pure answers about actions."""

from __future__ import annotations

from workflows.actions.policies.next_steps import next_step_of
from workflows.actions.policies.remedies import Remedy, remedy
from workflows.actions.policies.words import business_words, money_words, plain_text, redacted

__all__ = [
    "Remedy",
    "business_words",
    "money_words",
    "next_step_of",
    "plain_text",
    "redacted",
    "remedy",
]
