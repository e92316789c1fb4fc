"""Which agent of a role gets a piece of work, and why no other: pure, over what was read of each."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

MOST_TOLD = 20


@dataclass(frozen=True, slots=True)
class Candidate:
    """One agent of the role. ``load``: open actions and claimed tasks. ``shut``: why it may not act at all now;
    ``refused``: why policy would deny it this very operation; both as (code, words), None: nothing is known."""

    id: str
    code: str
    name: str
    load: int = 0
    labels: frozenset[str] = frozenset()
    is_placed: bool = True
    shut: tuple[str, str] | None = None
    refused: tuple[str, str] | None = None

    def why_not(self, needs: Collection[str]) -> tuple[str, str] | None:
        """Return (code, words) of the first thing that keeps the work from this agent, or None."""
        if self.shut is not None:
            return self.shut
        if not self.is_placed:
            return "elsewhere", f"{self.name} works in another department"
        if lacking := sorted(set(needs) - self.labels):
            return "label_missing", f"{self.name} lacks the label {', '.join(lacking)}"
        return self.refused

    def is_only_refused(self, needs: Collection[str]) -> bool:
        """Tell whether nothing but policy keeps it from asking."""
        return self.refused is not None and replace(self, refused=None).why_not(needs) is None


@dataclass(frozen=True, slots=True)
class Sticky:
    """The work should go to the agent that did another step of the run; ``agent`` is '' if nobody did."""

    node: str
    agent: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """Who was chosen (None: nobody can take it), why in words, and who else was looked at and why not.

    ``kept``: it sticks to who did the other step; ``unstuck``: why it should and does not."""

    agent: Candidate | None
    because: str
    others: Sequence[dict[str, str]] = field(default_factory=tuple)
    kept: bool = False
    unstuck: str = ""

    def as_json(self, needs: Collection[str] = ()) -> dict[str, Any]:
        """Return it as a step keeps it and the API shows it."""
        return {"needs": sorted(needs), "others": list(self.others)}


def choose(
    candidates: Iterable[Candidate], *, needs: Collection[str] = (), sticky: Sticky | None = None
) -> Choice:
    """Choose the agent a step sticks to while it may work, else the one with the least to do; ties by code.

    If nothing but policy stands in the way of all of them, the least busy one asks all the same, so that the
    refusal is the gate's own and stands on record.
    """
    ranked = sorted(candidates, key=lambda one: (one.load, one.code))
    against = {one.code: one.why_not(needs) for one in ranked}
    able = [one for one in ranked if against[one.code] is None]
    kept = [one for one in able if sticky and one.code == sticky.agent]
    chosen = next(iter([*kept, *able]), None)
    asks = chosen or next((one for one in ranked if one.is_only_refused(needs)), None)
    others = tuple(
        _told(one, against[one.code], bool(kept), sticky) for one in ranked if one is not asks or chosen is None
    )[:MOST_TOLD]
    unstuck = _unstuck(sticky, against) if sticky and not kept else ""
    because = _because(chosen, asks, sticky if kept else None, unstuck, others)
    return Choice(asks, because, others, bool(kept), unstuck)


def nobody(others: Sequence[dict[str, str]]) -> str:
    """Return in words why nobody can take it."""
    if not others:
        return "Nobody can take this: no agent has the role."
    return f"Nobody can take this: {'; '.join(one['why'] for one in others)}."


def _told(one: Candidate, against: tuple[str, str] | None, kept: bool, sticky: Sticky | None) -> dict[str, str]:
    if against is None and kept and sticky:
        against = "not_the_same", f"{one.name} did not do {sticky.node}"
    code, why = against or ("busier", f"{one.name} has {one.load}")
    return {"agent": one.code, "name": one.name, "code": code, "why": why}


def _because(
    chosen: Candidate | None,
    asks: Candidate | None,
    sticky: Sticky | None,
    unstuck: str,
    others: Sequence[dict[str, str]],
) -> str:
    if asks is None:
        return nobody(others)
    if chosen is None:
        return f"Policy would deny it to everybody of the role; {asks.name} has the least to do and asks."
    if sticky:
        return f"{chosen.name} did {sticky.node} in this run and may work."
    words = f"{chosen.name} has the role and the least to do: {chosen.load} open"
    words = f"{unstuck} {words}" if unstuck else words
    if not others:
        return f"{words}; nobody else has the role."
    return f"{words} ({', '.join(one['why'] for one in others)})."


def _unstuck(sticky: Sticky, against: dict[str, tuple[str, str] | None]) -> str:
    if not sticky.agent:
        return f"No agent did {sticky.node} in this run."
    found = against.get(sticky.agent)
    why = found[1] if found else f"{sticky.agent} does not have the role any more"
    did = f", which did {sticky.node}" if sticky.node else ""
    return f"It should have gone to {sticky.agent}{did}: {why}."
