"""The agents who work at Northwind from the first day, what they may do, and within which limits."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils import timezone

from agents.models import Agent, ChangeRequest, Department, Measure, Policy, Role
from agents.services import credentials, lifecycle, policies, probation
from audit.vocabulary import Actor
from connectors import services as systems
from connectors.models import Operation
from workflows.approvals import services as approvals
from workflows.approvals.models import Approval
from workflows.demo.company import person
from workflows.demo.erp.server import write_private

POST = "erp.supplier_invoice.post"
AGENTS: tuple[dict[str, Any], ...] = (
    {
        "code": "ledger-clerk",
        "name": "Ledger clerk",
        "purpose": "Enters the supplier invoices of the day into the ERP.",
        "department": "finance",
        "role": "bookkeeper",
        "autonomy": Agent.Autonomy.BY_CONTRACT,
        "risk_tier": Agent.RiskTier.MEDIUM,
        "operations": ("erp.party.find", "erp.supplier_invoice.find", "erp.supplier_invoice.post"),
    },
    {
        "code": "books-reader",
        "name": "Books reader",
        "purpose": "Answers questions about suppliers and their invoices.",
        "department": "finance",
        "role": "reader",
        "autonomy": Agent.Autonomy.READ_ONLY,
        "risk_tier": Agent.RiskTier.LOW,
        "operations": ("erp.party.find", "erp.supplier_invoice.find"),
    },
    {
        "code": "invoice-reader",
        "name": "Invoice reader",
        "purpose": "Turns invoices as they arrive into data, or says why one cannot be read.",
        "department": "accounts-payable",
        "role": "reader",
        "autonomy": Agent.Autonomy.READ_ONLY,
        "risk_tier": Agent.RiskTier.LOW,
        "operations": (),
    },
    {
        "code": "invoice-checker",
        "name": "Invoice checker",
        "purpose": "Checks invoices against their own sums, the order, earlier invoices and the known account.",
        "department": "accounts-payable",
        "role": "checker",
        "autonomy": Agent.Autonomy.READ_ONLY,
        "risk_tier": Agent.RiskTier.LOW,
        "operations": ("erp.party.find", "erp.purchase_order.find", "erp.supplier_invoice.find"),
    },
    {
        "code": "invoice-bookkeeper",
        "name": "Invoice bookkeeper",
        "purpose": "Posts checked invoices, and asks for the suppliers that are not in the ERP yet.",
        "department": "accounts-payable",
        "role": "bookkeeper",
        "autonomy": Agent.Autonomy.BY_CONTRACT,
        "risk_tier": Agent.RiskTier.HIGH,
        "operations": ("erp.party.find", "erp.supplier_invoice.find", "erp.party.create", POST),
    },
    {
        "code": "supplier-clerk",
        "name": "Supplier clerk",
        "purpose": "Looks whether a new supplier is there already, creates it, puts its account on file.",
        "department": "purchasing",
        "role": "buyer",
        "autonomy": Agent.Autonomy.BY_CONTRACT,
        "risk_tier": Agent.RiskTier.MEDIUM,
        "operations": (
            *("erp.party.find", "erp.supplier_account.find"),
            *("erp.party.create", "erp.supplier_account.add"),
        ),
    },
)
NEW_SUPPLIERS = {
    "name": "New suppliers",
    "sentence": "New suppliers need a person.",
    "operations": "erp.party.create",
    "note": "Is this a company we want to pay? Look at its name, tax number and account.",
}
# Rules of a department hold for whoever works there, however the work reaches them.
POLICIES: tuple[dict[str, Any], ...] = (
    {
        "code": "ledger-clerk-contract",
        "name": "Contract of Ledger clerk",
        "purpose": "What this agent may do on its own.",
        "agent": "ledger-clerk",
        "rules": (
            {
                "name": "Large invoices",
                "sentence": "Invoices above 2,500.00 EUR need a person.",
                "operations": POST,
                "field": "amount",
                "comparison": "above",
                "value": "2500.00",
            },
        ),
    },
    {
        "code": "invoice-bookkeeper-contract",
        "name": "Contract of Invoice bookkeeper",
        "purpose": "What this agent may do on its own.",
        "agent": "invoice-bookkeeper",
        "rules": (
            {
                "name": "Large invoices",
                "sentence": "Invoices above 10,000.00 EUR need a person.",
                "operations": POST,
                "field": "amount",
                "comparison": "above",
                "value": "10000.00",
            },
        ),
    },
    {
        "code": "accounts-payable-rules",
        "name": "Accounts payable",
        "purpose": "A person decides what no order, known supplier or known account covers.",
        "department": "accounts-payable",
        "rules": (
            {
                "name": "Invoices without an order",
                "sentence": "Invoices without an order need a person.",
                "operations": POST,
                "condition": "!has(args.order)",
                "note": "Did anybody order this? It is booked to be coded.",
            },
            {
                "name": "New bank accounts",
                "sentence": "Invoices to be paid at a new account need a person.",
                "operations": POST,
                "condition": "has(args.new_account)",
                "note": "Ask the supplier, at a number that you know, whether this account is theirs.",
            },
            NEW_SUPPLIERS,
        ),
    },
    {
        "code": "purchasing-rules",
        "name": "Purchasing",
        "purpose": "Whom the company buys from is a person's to decide.",
        "department": "purchasing",
        "rules": (
            NEW_SUPPLIERS,
            {
                "name": "New bank accounts",
                "sentence": "New accounts of suppliers need a person.",
                "operations": "erp.supplier_account.add",
                "note": "Ask the supplier, at a number that you know, whether this account is theirs.",
            },
        ),
    },
)
MEASURES: tuple[dict[str, Any], ...] = (
    {
        "code": "invoice_once",
        "name": "Each invoice of a supplier once",
        "operations": POST,
        # However it is written: INV-7 and inv-7 are one invoice.
        "key": 'fold(args.supplier) + "/" + fold(args.number)',
        "window": Measure.Window.EVER,
        "ceiling": 1,
    },
    {
        "code": "supplier_once",
        "name": "Each tax number is one supplier",
        "operations": "erp.party.create",
        "key": 'has(args.tax_number) ? fold(args.tax_number) : "none"',
        # Without a tax number nobody can tell; such a one counts for nothing.
        "amount": "has(args.tax_number) ? 1 : 0",
        "window": Measure.Window.EVER,
        "ceiling": 1,
    },
    {
        "code": "ledger_clerk_hourly",
        "name": "Invoices of the ledger clerk in an hour",
        "operations": POST,
        "window": Measure.Window.HOUR,
        "ceiling": 120,
        "agent": "ledger-clerk",
    },
    {
        "code": "payables_hourly",
        "name": "Invoices of accounts payable in an hour",
        "operations": POST,
        "window": Measure.Window.HOUR,
        "ceiling": 60,
        "on_exceed": Measure.OnExceed.HOLD,
        "department": "accounts-payable",
    },
    {
        "code": "payables_daily",
        "name": "Amount posted by accounts payable in a day",
        "operations": POST,
        "amount": "amount",
        "unit": Measure.Unit.MONEY,
        "window": Measure.Window.DAY,
        "ceiling": 500_000_00,
        "on_exceed": Measure.OnExceed.HOLD,
        "department": "accounts-payable",
    },
)


def set_up_workforce(*, actor: Actor, data: Path) -> None:
    """Create the sample agents with grants, contracts and limits, activated by two people; keep what is."""
    for facts in AGENTS:
        if not Agent.objects.filter(code=facts["code"]).exists():
            with transaction.atomic():
                _employ(facts)
    for content in MEASURES:
        _limit(content)
    for content in POLICIES:
        _policy(content)
    for facts in AGENTS:
        _credential(Agent.objects.get(code=facts["code"]), data)


def credential_file(data: Path, code: str) -> Path:
    """Return where the credential of a demo agent is kept, mode 0600."""
    return data / "agents" / f"{code}.json"


def _employ(facts: dict[str, Any]) -> None:
    alice = person("alice").as_actor()
    agent = lifecycle.register_agent(
        actor=alice,
        name=facts["name"],
        code=facts["code"],
        purpose=facts["purpose"],
        sponsor=person("alice"),
        deputy=person("dave"),
        department=Department.objects.get(code=facts["department"]),
        role=Role.objects.get(code=facts["role"]),
        autonomy=facts["autonomy"],
        risk_tier=facts["risk_tier"],
        provider="none",
        model="a plain program",
        version="1",
        attest_by=timezone.now().date() + timedelta(days=180),
        reason="The first agents of the demo company",
    )
    for code in facts["operations"]:
        systems.grant_operation(
            actor=alice, operation=Operation.objects.get(code=code), agent=agent, reason="Its job needs it"
        )
    _agree(
        lifecycle.activate_agent(actor=alice, agent=agent, reason="Ready to start work"),
        "Its grants fit the job",
    )
    wish = "It has proved itself in the trial month before this demonstration"
    _agree(probation.propose_promotion(actor=alice, agent=agent, reason=wish), "Seen in the trial month")


def _agree(change: ChangeRequest, reason: str) -> None:
    """Let bob approve what alice proposed."""
    question = Approval.objects.get(subject_kind="agents.changerequest", subject_id=str(change.pk))
    approvals.cast_vote(
        actor=person("bob").as_actor(),
        approval_id=question.pk,
        verdict="approve",
        reason=reason,
        digest=question.digest,
    )


def _policy(content: dict[str, Any]) -> None:
    if Policy.objects.filter(code=content["code"]).exists():
        return
    alice = person("alice").as_actor()
    facts = {name: content[name] for name in ("code", "name", "purpose")}
    with transaction.atomic():
        policy = policies.create_policy(
            actor=alice, **facts, **_scope(content), reason="Rules of the demo company"
        )
        for rule in content["rules"]:
            policies.create_rule(
                actor=alice,
                policy=policy,
                content={"verdict": "hold", "mode": "enforced", **rule},
                reason="A person looks at it first",
            )


def _limit(content: dict[str, Any]) -> None:
    if Measure.objects.filter(code=content["code"]).exists():
        return
    own = {name: value for name, value in content.items() if name not in ("agent", "department")}
    policies.create_measure(
        actor=person("alice").as_actor(),
        content={"mode": "enforced", **own, **_scope(content)},
        reason="Limits of the demo company",
    )


def _scope(content: dict[str, Any]) -> dict[str, str]:
    """Return whom a policy or a limit binds: one agent, a department, or everybody."""
    if code := content.get("agent"):
        return {"scope_kind": "agent", "scope_id": str(Agent.objects.get(code=code).pk)}
    if code := content.get("department"):
        return {"scope_kind": "department", "scope_id": str(Department.objects.get(code=code).pk)}
    return {"scope_kind": "company"}


def _credential(agent: Agent, data: Path) -> None:
    path = credential_file(data, agent.code)
    # A credential of an earlier database opens nothing.
    if path.exists() and json.loads(path.read_text())["client_id"] == agent.oauth_application.client_id:
        return
    issued = credentials.issue_client_secret(
        actor=person("alice").as_actor(), agent=agent, reason="For the agent process of the demo company"
    )
    write_private(path, json.dumps({"client_id": issued.client_id, "client_secret": issued.secret}))
