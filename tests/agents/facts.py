"""Small builders of decision facts, for tests of the pure core."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from agents.decision import (
    AgentFacts,
    DecisionRequest,
    GrantFacts,
    MeasureDefinition,
    MeasureFacts,
    MoneyFacts,
    OperationFacts,
    RuleFacts,
    Snapshot,
)

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["supplier", "number", "total", "urgent", "lines"],
    "properties": {
        "supplier": {"type": "string"},
        "number": {"type": "string"},
        "total": {
            "type": "object",
            "required": ["minor", "currency"],
            "properties": {"minor": {"type": "integer"}, "currency": {"type": "string"}},
        },
        "urgent": {"type": "boolean"},
        "weight": {"type": "string", "format": "decimal"},
        "days": {"type": "integer"},
        "iban": {"type": "string"},
        "lines": {
            "type": "array",
            "items": {"type": "object", "properties": {"price": {"type": "string", "format": "decimal"}}},
        },
    },
}
NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


def post_invoice(**changes: Any) -> OperationFacts:
    facts = OperationFacts(
        code="erp.supplier_invoice.post",
        revision=1,
        schema_hash="0" * 64,
        name="Post a supplier invoice",
        system_id="sys-1",
        system_code="tryton",
        category="erp",
        environment="production",
        effect="financial",
        idempotent=False,
        money_path="/total",
        input_schema=SCHEMA,
    )
    return replace(facts, **changes)


def create_party(**changes: Any) -> OperationFacts:
    schema = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
    facts = post_invoice(code="erp.party.create", name="Create a party", effect="write", money_path="")
    return replace(facts, **{"input_schema": schema, **changes})


def robo(**changes: Any) -> AgentFacts:
    facts = AgentFacts(
        agent_id="agent-1",
        user_id="user-1",
        name="Robo",
        code="robo",
        department_ids=("finance", "company"),
        role_id="role-1",
        group_ids=frozenset({"7"}),
        lifecycle="active",
        autonomy="by_contract",
        brake="none",
        risk_tier="medium",
        attest_by=date(2027, 1, 1),
        sponsor_active=True,
        role_code="bookkeeper",
        department_code="finance",
        sponsor_id="sponsor-1",
    )
    return replace(facts, **changes)


def invoice(minor: int = 1_250_000, currency: str = "EUR", **changes: Any) -> dict[str, Any]:
    return {
        "supplier": "ACME",
        "number": "INV-7",
        "total": {"minor": minor, "currency": currency},
        "urgent": False,
        "lines": [],
        **changes,
    }


def request(
    minor: int = 1_250_000, currency: str = "EUR", rate: int | None = 1, **changes: Any
) -> DecisionRequest:
    asked = DecisionRequest(
        agent=robo(),
        operation_code="erp.supplier_invoice.post",
        operation=post_invoice(),
        arguments=invoice(minor, currency),
        now=NOW,
        money=MoneyFacts(currency, minor, None if rate is None else minor * rate),
    )
    return replace(asked, **changes)


def rule(rule_id: str = "rule-1", **changes: Any) -> RuleFacts:
    facts = RuleFacts(
        rule_id=rule_id,
        policy_id="policy-1",
        policy_code="company",
        scope_kind="company",
        scope_id="",
        name="Large invoices",
        sentence="Invoices above 10,000.00 EUR need a person.",
        operations="erp.*",
        effects=("financial",),
        condition="amount > 1000000",
        verdict="hold",
        mode="enforced",
        version=1,
        field="amount",
        comparison="above",
        value="10000.00",
    )
    return replace(facts, **changes)


def by_hand(condition: str, rule_id: str = "rule-1", **changes: Any) -> RuleFacts:
    return rule(rule_id, condition=condition, field="", comparison="", value="", **changes)


def measure(measure_id: str = "measure-1", **changes: Any) -> MeasureDefinition:
    facts = MeasureDefinition(
        measure_id=measure_id,
        code="invoices_per_day",
        name="Invoices posted",
        scope_kind="company",
        scope_id="",
        operations="erp.supplier_invoice.post",
        key="",
        amount="1",
        unit="count",
        window="day",
        window_seconds=None,
        ceiling=20,
        on_exceed="deny",
        mode="enforced",
        version=1,
    )
    return replace(facts, **changes)


def reading(**changes: Any) -> MeasureFacts:
    facts = MeasureFacts("invoices_per_day", "Invoices posted", "count", "", 1, 0, 0, 20)
    return replace(facts, **changes)


GRANT = GrantFacts("grant-1", "erp.supplier_invoice.post", "group", "7")


def snapshot(*rules: RuleFacts, **changes: Any) -> Snapshot:
    return replace(
        Snapshot(version=5, company_currency="EUR", policies=1, rules=rules, grants=frozenset({GRANT})),
        **changes,
    )
