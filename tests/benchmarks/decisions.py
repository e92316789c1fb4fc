"""How long a decision takes with many rules loaded: the pure function, in this process, no decision remembered.

A tenth of the rules speaks of the operation asked for, each with a condition over two fields; the others are
about other operations. Every question is new: other arguments, another agent of a hundred.
"""

from __future__ import annotations

import random
import time
from dataclasses import replace
from statistics import quantiles

from agents.decision import Decision, RuleFacts, Snapshot, Verdict, decide
from tests.agents.facts import by_hand, invoice, request, robo, snapshot

LOADED = (10, 100, 1000)
QUESTIONS = 3000
# A tenth matches: the others speak of nine other operations.
OPERATIONS = ("erp.supplier_invoice.post", *(f"system{n}.record.change" for n in range(9)))
SUPPLIERS = 500


def p99_ms(loaded: int, *, questions: int = QUESTIONS, seed: int = 1) -> float:
    """Return the 99th percentile of milliseconds of one decision with so many rules loaded."""
    chance = random.Random(seed)
    authority = snapshot(*(_rule(number, chance) for number in range(loaded)))
    asked = [_question(chance) for _ in range(questions)]
    for question in asked[: questions // 10]:  # compiles the conditions: that happens once
        _checked(decide(question, authority))
    took = []
    for question in asked:
        began = time.perf_counter()
        decided = decide(question, authority)
        took.append((time.perf_counter() - began) * 1000)
        _checked(decided)
    _require_all(authority, asked, loaded)
    return quantiles(took, n=100)[98]


def _rule(number: int, chance: random.Random) -> RuleFacts:
    return by_hand(
        f"amount > {chance.randint(10_000, 90_000_000)} && args.supplier == 'S-{chance.randrange(SUPPLIERS)}'",
        rule_id=f"rule-{number}",
        name=f"Rule {number}",
        operations=OPERATIONS[number % len(OPERATIONS)],
        verdict="hold" if number % 20 else "deny",
    )


def _question(chance: random.Random) -> object:
    minor = chance.randint(1_000, 100_000_000)
    return request(
        minor,
        arguments=invoice(minor, supplier=f"S-{chance.randrange(SUPPLIERS)}"),
        agent=replace(robo(), agent_id=f"agent-{chance.randrange(100)}"),
    )


def _checked(decided: Decision) -> None:
    if decided.code in ("internal_error", "rule_error"):
        raise RuntimeError(f"A decision could not be made: {decided.sentence}")


def _require_all(authority: Snapshot, asked: list, loaded: int) -> None:
    """What is fast and wrong is no result: every rule about the operation was evaluated, and some decided."""
    decided = [decide(question, authority) for question in asked[:200]]
    if any(len(one.rules) != loaded // len(OPERATIONS) for one in decided):
        raise RuntimeError("A rule was not asked.")
    if loaded >= 1000 and all(one.verdict == Verdict.ALLOW for one in decided):
        raise RuntimeError("No rule ever decided.")
