"""Which operations a rule speaks of, and whom its policy binds."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from functools import lru_cache

from agents.decision.facts import AgentFacts, OperationFacts

_PATTERN = re.compile(r"^[a-z0-9_*]+(\.[a-z0-9_*]+)*$")


@lru_cache(maxsize=2048)
def _compiled(pattern: str) -> re.Pattern[str]:
    if not _PATTERN.fullmatch(pattern):
        raise ValueError(f"{pattern!r} is no pattern of operation codes. Write e.g. erp.invoice.post or erp.*")
    return re.compile(re.sub(r"\*+", ".*", pattern.replace(".", r"\.")), re.DOTALL)


def pattern_matches(pattern: str, code: str) -> bool:
    """Tell whether a code fits a pattern; ``*`` stands for anything, dots included. Raises ValueError."""
    return _compiled(pattern).fullmatch(code) is not None


def operations_hit(
    pattern: str, effects: Collection[str], operations: Iterable[OperationFacts]
) -> list[OperationFacts]:
    """Return those that a rule speaks of; no effects: whatever they do. Raises ValueError for no pattern."""
    return [
        it for it in operations if pattern_matches(pattern, it.code) and (not effects or it.effect in effects)
    ]


def pattern_within(inner: str, outer: str) -> bool:
    """Tell whether every code that fits ``inner`` surely fits ``outer``; False when in doubt."""
    if inner == outer or outer == "*":
        return True
    if "*" not in inner:
        return pattern_matches(outer, inner)
    prefix = outer[:-1]
    return outer.endswith("*") and "*" not in prefix and inner.startswith(prefix)


def scope_binds(scope_kind: str, scope_id: str, agent: AgentFacts) -> bool:
    """Tell whether a policy of this scope binds the agent; raises ValueError for a scope nobody knows."""
    match scope_kind:
        case "company":
            return True
        case "department":
            return scope_id in agent.department_ids
        case "role":
            return scope_id == agent.role_id
        case "agent":
            return scope_id == agent.agent_id
    raise ValueError(f"the scope {scope_kind!r} is not known")
