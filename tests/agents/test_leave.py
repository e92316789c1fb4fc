"""How freely an agent may use each operation, told beforehand; plain functions, no database."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agents.decision.facts import AgentFacts, OperationFacts, RuleFacts, Snapshot
from agents.decision.leave import How, approvers_of, leaves_of

AGENT = AgentFacts(
    agent_id="a",
    user_id="u",
    name="Robo",
    code="robo",
    department_ids=("d",),
    role_id="r",
    group_ids=frozenset({"g"}),
    lifecycle="active",
    autonomy="by_contract",
    brake="none",
    risk_tier="medium",
    attest_by=None,
    sponsor_active=True,
)
READ = OperationFacts("erp.find", 1, "h", "Find", "s", "erp", "erp", "sandbox", "read", True)
POST = OperationFacts("erp.post", 1, "h", "Post", "s", "erp", "erp", "sandbox", "financial", True, "/total")
HELD = {it.code: it for it in (READ, POST)}


def rule(**more: object) -> RuleFacts:
    given = {
        "rule_id": "1",
        "policy_id": "p",
        "policy_code": "company",
        "scope_kind": "company",
        "scope_id": "",
        "name": "large ones",
        "sentence": "large ones need a person",
        "operations": "erp.post",
        "effects": (),
        "condition": "amount > 100",
        "verdict": "hold",
        "mode": "enforced",
        "version": 1,
    }
    return RuleFacts(**{**given, **more})  # type: ignore[arg-type]


def how(agent: AgentFacts, *rules: RuleFacts) -> dict[str, How]:
    return {it.operation.code: it.how for it in leaves_of(agent, Snapshot(rules=rules), HELD)}


@pytest.mark.parametrize(
    ("more", "rules", "said"),
    [
        ({}, (), How.ALONE),
        ({}, (rule(),), How.SOMETIMES),
        ({}, (rule(condition=""),), How.ASKS),
        ({}, (rule(verdict="deny"),), How.SOMETIMES),
        ({}, (rule(verdict="deny", condition="true"),), How.REFUSED),
        ({}, (rule(mode="shadow", condition=""),), How.ALONE),
        ({}, (rule(scope_kind="role", scope_id="other", condition=""),), How.ALONE),
        ({}, (rule(operations="not a pattern!", condition=""),), How.REFUSED),
        ({"autonomy": "hold_writes"}, (), How.ASKS),
        ({"on_probation": True}, (), How.ASKS),
        ({"autonomy": "read_only"}, (), How.REFUSED),
    ],
)
def test_an_operation_that_writes_is_as_free_as_what_speaks_of_it_lets_it(more, rules, said):
    assert how(replace(AGENT, **more), *rules)["erp.post"] == said


def test_reading_is_free_whatever_holds_writes():
    assert how(replace(AGENT, autonomy="read_only"), rule())["erp.find"] == How.ALONE


def test_who_is_asked_is_named_and_the_ordinary_ones_where_no_rule_names_any():
    probation = leaves_of(
        replace(AGENT, on_probation=True), Snapshot(rules=(rule(approver_group="Finance"),)), HELD
    )
    assert approvers_of(probation, "Approvers") == ("Approvers", "Finance")
    assert probation[-1].why == ("Large ones need a person",)
