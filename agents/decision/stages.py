"""Who decides one after the other: the stages of all rules that apply, added up.

Adding a voice never takes a stage, a group or a person away. So a duty that asks nobody by itself (no hold, no
group) speaks of whoever is asked, at every stage: tied to one, somebody else's rule could draw it elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from agents.decision.facts import ORDINARY_APPROVERS, Stage
from agents.decision.findings import Finding
from agents.decision.speech import people, series

MOST_STAGES = 5


def stages_of(findings: Sequence[Finding]) -> tuple[Stage, ...]:
    """Return the stages at which people are asked, in order; none when nobody is."""
    everywhere = max((one.duties.quorum for one in findings if not one.asks), default=1)
    numbers = sorted({one.stage for one in findings if one.asks})
    return tuple(
        _stage(number, [one for one in findings if one.asks and one.stage == number], everywhere)
        for number in numbers
    )


def _stage(number: int, asking: Sequence[Finding], least: int) -> Stage:
    groups = {group for one in asking for group in one.duties.approver_groups}
    # Whoever names a group asks for it as well, never in place of the people that another hold asks.
    if groups and any(not one.duties.approver_groups for one in asking):
        groups.add(ORDINARY_APPROVERS)
    return Stage(number, tuple(sorted(groups)), max(least, *(one.duties.quorum for one in asking)))


def stages_in_words(stages: Iterable[tuple[int, str]]) -> str:
    """Return who decides, by (how many, of whom): ``first two people of Finance, then one person of Legal``."""
    told = [f"{people(quorum)} of {who}" for quorum, who in stages]
    if len(told) < 2:
        return series(told)
    return f"first {told[0]}, " + ", ".join(f"then {one}" for one in told[1:])
