"""What one call adds to one limit, and under which key: pure, for the services and for trying a limit out."""

from __future__ import annotations

import hashlib
from typing import Any

from agents.decision import cel
from agents.decision.facts import MeasureDefinition
from agents.decision.money import INT64_MAX

RECORDS, RUNNING, FAILURES = "records", "running", "failures"
LONGEST_KEY = 300


def counted_by(measure: MeasureDefinition, context: Any) -> tuple[str, int]:
    """Return (key as it is stored, whole number of zero or more); raises ``cel.ConditionError``."""
    key = cel.evaluate(measure.key, context) if measure.key.strip() else ""
    amount = cel.evaluate(measure.amount, context)
    if isinstance(key, bool) or not isinstance(key, str | int):
        raise cel.ConditionError("its key is not a text")
    if isinstance(amount, bool) or not isinstance(amount, int) or not 0 <= amount <= INT64_MAX:
        raise cel.ConditionError("its amount is not a whole number of zero or more")
    return stored_key(str(key)), amount


def stored_key(key: str) -> str:
    """Return a key that fits: what is longer, or cannot be stored, by its SHA-256."""
    clean = key.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if len(clean) <= LONGEST_KEY and clean == key:
        return key
    return "sha256:" + hashlib.sha256(key.encode()).hexdigest()


def why_not_countable(unit: str, window: str, amount: str) -> tuple[str, str] | None:
    """Return (field, message) where a unit cannot be counted in this window, or by this amount."""
    if unit == RUNNING and window != "ever":
        return "window", "What is under way is counted until it ends. Choose For ever."
    if unit == FAILURES and window in ("call", "rolling"):
        return (
            "window",
            "Failures in a row need a counter that stays. Choose For ever, or a calendar window.",
        )
    if unit in (RUNNING, FAILURES) and amount.strip() != "1":
        return "amount", "Each call is one. Leave it empty."
    return None
