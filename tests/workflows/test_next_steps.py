"""Each code with which an action is refused or ends has a next step of its own. Read from the code itself."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from agents.decision import wording
from workflows.actions.choices import FINAL, State
from workflows.actions.policies.next_steps import NEXT, next_step_of

ROOT = Path(__file__).parents[2]
GATES = ROOT / "agents" / "decision" / "gates.py"
FINDINGS = ROOT / "agents" / "decision" / "findings.py"
DECIDE = ROOT / "agents" / "decision" / "decide.py"
SERVICES = ROOT / "workflows" / "actions" / "services"
# What a decision says that is no refusal, and what a rule refuses: its own sentence says what it asks for.
NOT_REFUSED = {"", "stop_hold", "held_by_rule", "no_rate", "limit_hold", "autonomy_hold", "allowed", "approved"}
# States an action passes through: they end nothing.
ON_ITS_WAY = {"dispatched", "in_doubt", "confirmed"}


def codes_of_decisions() -> set[str]:
    """Every code a gate or a finding refuses with."""
    found = set()
    for node in ast.walk(ast.parse(GATES.read_text())):
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple):
            first = node.value.elts[0]
            found |= {first.value} if isinstance(first, ast.Constant) else set()
    for node in ast.walk(ast.parse(DECIDE.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "_denial" and node.args:
            found |= {node.args[0].value} if isinstance(node.args[0], ast.Constant) else set()
    (priority,) = [
        node.value
        for node in ast.walk(ast.parse(FINDINGS.read_text()))
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_PRIORITY"
    ]
    found |= {key.value for key in priority.keys if isinstance(key, ast.Constant)}  # type: ignore[attr-defined]
    return {str(code) for code in found} - NOT_REFUSED


def codes_of_endings() -> set[str]:
    """Every code the services of actions move one with."""
    found = set()
    for path in SERVICES.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in (
                "move",
                "Move",
                "record_failed",
                "_end",
            ):
                found |= {
                    word.value.value
                    for word in node.keywords
                    if word.arg == "code" and isinstance(word.value, ast.Constant)
                }
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in (
                "_end_held",
                "_superseded",
                "_end",
            ):
                found |= {
                    it.value
                    for it in node.args
                    if isinstance(it, ast.Constant) and isinstance(it.value, str) and " " not in it.value
                }
    return {str(code) for code in found} - ON_ITS_WAY


def test_the_codes_are_found() -> None:
    assert {"no_grant", "agent_paused", "rule_error", "duplicate", "denied_by_rule"} <= codes_of_decisions()
    assert {"rejected", "approval_expired", "withdrawn", "operation_changed"} <= codes_of_endings()


@pytest.mark.parametrize("code", sorted(codes_of_decisions()))
def test_each_code_of_a_decision_has_a_next_step_of_its_own(code: str) -> None:
    assert code in wording._NEXT, "add it to agents/decision/wording.py"
    assert wording.next_after_denial(code).endswith(".")


@pytest.mark.parametrize("code", sorted(codes_of_endings()))
def test_each_code_of_an_ending_has_a_next_step_of_its_own(code: str) -> None:
    assert code in NEXT or code in wording._NEXT, "add it to workflows/actions/policies/next_steps.py"


@pytest.mark.parametrize("state", sorted(State))
def test_whatever_ends_without_an_effect_says_what_to_do(state: str) -> None:
    said = next_step_of(state, "a_code_nobody_knows")
    assert bool(said) == (state in FINAL and state != State.CONFIRMED)
