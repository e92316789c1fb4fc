"""CEL conditions: compile once, evaluate against one typed context."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def evaluate(expression: str, context: Mapping[str, Any]) -> Any:
    """Return the value of a CEL expression; raises ``ConditionError`` with a plain reason."""
    raise NotImplementedError
