"""Does a change tighten or loosen? Tightening is instant; all else needs a second person."""

from __future__ import annotations

from enum import StrEnum

from agents.decision.facts import MeasureDefinition, RuleFacts


class Direction(StrEnum):
    """What a change does to the authority of agents."""

    NONE = "none"
    TIGHTENS = "tightens"
    LOOSENS = "loosens"


def direction_of_rule(old: RuleFacts | None, new: RuleFacts | None) -> Direction:
    """Compare a rule before (None: new) and after (None: removed); when unsure it loosens."""
    raise NotImplementedError


def direction_of_measure(old: MeasureDefinition | None, new: MeasureDefinition | None) -> Direction:
    """Compare a limit before (None: new) and after (None: removed); when unsure it loosens."""
    raise NotImplementedError
