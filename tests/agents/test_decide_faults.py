"""A thousand faults inside of the decision: whatever breaks, and however often, nothing is allowed by it."""

from __future__ import annotations

import inspect
import random
from contextlib import contextmanager
from importlib import import_module
from types import FunctionType
from unittest import mock

import pytest

from agents.decision import Verdict, decide
from tests.agents.facts import measure, reading, request, rule, snapshot

MODULES = [
    import_module(f"agents.decision.{name}")
    for name in ("binding", "cel", "context", "decide", "findings", "gates", "patterns", "wording")
]
FAULTS = 1000
ERRORS = (ValueError, KeyError, TypeError, RuntimeError, RecursionError, MemoryError, OSError, AssertionError)


def functions():
    """Return every function of the decision by where it is looked up; ``decide`` itself is what is asked."""
    found = []
    for module in MODULES:
        for name, value in vars(module).items():
            if name == "decide":
                continue
            if isinstance(value, FunctionType) and value.__module__.startswith("agents.decision"):
                found.append((module, name))
            if inspect.isclass(value) and value.__name__ == "Case" and module.__name__.endswith("findings"):
                found += [(value, at) for at, one in vars(value).items() if isinstance(one, FunctionType)]
    return found


PLACES = functions()


@contextmanager
def broken(place, error, first, times):
    """Let one function raise, from its ``first`` call on, so many times; tell how often it did."""
    owner, name = place
    real, calls, raised = getattr(owner, name), [0], [0]

    def breaking(*args, **kwargs):
        calls[0] += 1
        if calls[0] >= first and raised[0] < times:
            raised[0] += 1
            raise error("injected")
        return real(*args, **kwargs)

    with mock.patch.object(owner, name, breaking):
        yield raised


def questions():
    """Return calls that are allowed when nothing breaks, through every kind of rule and limit."""
    rules = (
        rule(),
        rule("rule-2", condition="args.supplier == 'OTHER'", verdict="deny"),
        rule("rule-3", mode="shadow", condition="true"),
        rule("rule-4", verdict="none", condition="true", note="Look twice", redact=("/supplier",)),
    )
    in_a_row = measure(
        measure_id="measure-2", code="failed", unit="failures", window="ever", key="agent.code", ceiling=3
    )
    loaded = snapshot(*rules, measures=(measure(ceiling=20), in_a_row))
    read = {"invoices_per_day": reading(settled=2), "failed": reading(code="failed", settled=1, ceiling=3)}
    asked = request(900_000, measures=read)
    assert decide(asked, loaded).verdict == Verdict.ALLOW
    return asked, loaded


@pytest.mark.parametrize("times", [1, 10_000], ids=["once", "from then on"])
def test_no_fault_lets_anything_pass(times):
    chance = random.Random(4711)
    hit = 0
    for number in range(FAULTS):
        asked, loaded = questions()
        place = PLACES[number % len(PLACES)]
        with broken(place, chance.choice(ERRORS), chance.randint(1, 3), times) as raised:
            decision = decide(asked, loaded)
        if raised[0]:
            hit += 1
            # A rule that decides nothing may break, too, and says so; the others are as they were.
            wrong = {result.rule_id for result in decision.rules if result.error}
            assert decision.verdict == Verdict.DENY or wrong == {"rule-3"}, (place, decision)
        else:
            assert decision.verdict == Verdict.ALLOW, (place, decision)
    assert hit > FAULTS / 4
