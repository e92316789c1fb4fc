"""How freely an agent may use each operation it holds: alone, now and then after asking, or not at all.

Pure. It says beforehand, in one word, what the contract says in sentences; what becomes of one call is decided
on that call alone (``decide``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from agents.decision.facts import AgentFacts, Effect, Mode, OperationFacts, RuleFacts, Snapshot
from agents.decision.reach import reach_of_rule

_ALWAYS = ("", "true")


class How(StrEnum):
    """How freely one operation may be used, the freest first."""

    ALONE = "alone"
    SOMETIMES = "sometimes"
    ASKS = "asks"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Leave:
    """What an agent may do with one operation. ``why``: sentences of the rules that take part in it.

    ``groups``: who is asked where a rule holds it; '' stands for the ordinary approvers.
    """

    operation: OperationFacts
    how: How
    why: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    @property
    def reads(self) -> bool:
        """Tell whether it changes nothing over there."""
        return self.operation.effect == Effect.READ


def leaves_of(agent: AgentFacts, snapshot: Snapshot, held: Mapping[str, OperationFacts]) -> tuple[Leave, ...]:
    """Return how freely an agent may use each operation that it holds, by system and name."""
    speaking: dict[str, list[tuple[RuleFacts, bool]]] = {code: [] for code in held}
    for rule in snapshot.rules:
        if rule.mode == Mode.ENFORCED:
            reach = reach_of_rule(rule, agent, held)
            for code in reach.codes:
                speaking[code].append((rule, reach.broken))
    ordered = sorted(held.values(), key=lambda it: (it.system_code, it.name, it.code))
    return tuple(_leave(agent, it, speaking[it.code]) for it in ordered)


def _leave(agent: AgentFacts, operation: OperationFacts, speaking: Iterable[tuple[RuleFacts, bool]]) -> Leave:
    denies = [(rule, broken) for rule, broken in speaking if broken or rule.verdict == "deny"]
    holds = [rule for rule, broken in speaking if rule.verdict == "hold" and not broken]
    why = tuple(_said(rule) for rule in (*(rule for rule, _ in denies), *holds))
    groups = tuple(sorted({rule.approver_group for rule in holds}))
    if _writes(operation) and agent.autonomy not in ("by_contract", "hold_writes"):
        return Leave(operation, How.REFUSED, why, groups)
    if any(broken or _is_always(rule) for rule, broken in denies):
        return Leave(operation, How.REFUSED, why, groups)
    if _writes(operation) and (agent.autonomy == "hold_writes" or agent.on_probation):
        return Leave(operation, How.ASKS, why, tuple(sorted({"", *groups})))
    if any(_is_always(rule) for rule in holds):
        return Leave(operation, How.ASKS, why, groups)
    return Leave(operation, How.SOMETIMES if denies or holds else How.ALONE, why, groups)


def approvers_of(leaves: Iterable[Leave], ordinary: str) -> tuple[str, ...]:
    """Return the names of the groups that are asked; ``ordinary``: those who are asked where none is named."""
    return tuple(sorted({group or ordinary for leave in leaves for group in leave.groups}))


def _said(rule: RuleFacts) -> str:
    text = rule.sentence or rule.name
    return text[:1].upper() + text[1:]


def _writes(operation: OperationFacts) -> bool:
    return operation.effect != Effect.READ


def _is_always(rule: RuleFacts) -> bool:
    return rule.condition.strip() in _ALWAYS
