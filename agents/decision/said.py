"""One sentence about a change of authority, and how agents are named in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agents.decision.facts import AgentFacts, OperationFacts
from agents.decision.speech import sentence, series

MOST_NAMED = 3
NOTHING = "Nothing changes for anybody today"


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence; ``is_looser``: it lets more pass than before."""

    text: str
    is_looser: bool = False


def looser(text: str) -> Said:
    """Return what lets more pass, as one sentence."""
    return Said(sentence(text), is_looser=True)


def tighter(text: str) -> Said:
    """Return what lets less pass, or neither more nor less, as one sentence."""
    return Said(sentence(text))


def who(agents: Iterable[AgentFacts]) -> str:
    """Name a few agents, and count many: ``12 agents (Robo, Clerk, Reader and 9 others)``."""
    names = sorted({agent.agent_id: agent.name for agent in agents}.values(), key=str.casefold)
    if len(names) <= MOST_NAMED:
        return series(names)
    rest = len(names) - MOST_NAMED
    others = "1 other" if rest == 1 else f"{rest:,} others"
    return f"{len(names):,} agents ({', '.join(names[:MOST_NAMED])} and {others})"


def deeds(codes: Iterable[str], operations: Mapping[str, OperationFacts]) -> str:
    """Name a few operations as what is done, and count many: ``post a supplier invoice``."""
    found = sorted({operations[code].name if code in operations else code for code in codes}, key=str.casefold)
    if len(found) > MOST_NAMED:
        return f"use {len(found):,} operations ({', '.join(found[:MOST_NAMED])} and others)"
    return series(name[:1].lower() + name[1:] for name in found)


def shown(value: Any) -> str:
    """Return a value of a fact in words, for a field that has none of its own."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return " ".join(shown(each) for each in value.values() if each not in ("", None)) or "nothing"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(shown, value)) or "nothing"
    return "nothing" if value in (None, "") else str(value)
