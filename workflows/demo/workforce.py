"""The agents who work at Northwind from the first day, what they may do, and within which limits."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils import timezone

from agents.models import Agent, Department, Measure, Policy, Role
from agents.services import credentials, lifecycle, policies
from audit.vocabulary import Actor
from connectors import services as systems
from connectors.models import Operation
from workflows.approvals import services as approvals
from workflows.approvals.models import Approval
from workflows.demo.company import person
from workflows.demo.erp.server import write_private

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
)
CONTRACT_RULE = {
    "name": "Large invoices",
    "sentence": "Invoices above 2,500.00 EUR need a person.",
    "operations": "erp.supplier_invoice.post",
    "field": "amount",
    "comparison": "above",
    "value": "2500.00",
    "verdict": "hold",
    "mode": "enforced",
}
MEASURES: tuple[dict[str, Any], ...] = (
    {
        "code": "invoice_once",
        "name": "Each invoice of a supplier once",
        "operations": "erp.supplier_invoice.post",
        # However it is written: INV-7 and inv-7 are one invoice.
        "key": 'fold(args.supplier) + "/" + fold(args.number)',
        "window": Measure.Window.EVER,
        "ceiling": 1,
        "mode": "enforced",
    },
)
HOURLY = {
    "code": "ledger_clerk_hourly",
    "name": "Invoices of the ledger clerk in an hour",
    "operations": "erp.supplier_invoice.post",
    "window": Measure.Window.HOUR,
    "ceiling": 120,
    "mode": "enforced",
}


def set_up_workforce(*, actor: Actor, data: Path) -> None:
    """Create the sample agents with grants, contract and limits, activated by two people; keep what is."""
    for content in MEASURES:
        _limit(content)
    for facts in AGENTS:
        if not Agent.objects.filter(code=facts["code"]).exists():
            with transaction.atomic():
                _employ(facts)
    clerk = Agent.objects.get(code="ledger-clerk")
    _contract(clerk)
    _limit({**HOURLY, "scope_kind": "agent", "scope_id": str(clerk.pk)})
    for facts in AGENTS:
        _credential(Agent.objects.get(code=facts["code"]), data)


def credential_file(data: Path, code: str) -> Path:
    """Return where the credential of a demo agent is kept, mode 0600."""
    return data / "agents" / f"{code}.json"


def _employ(facts: dict[str, Any]) -> None:
    alice, bob = person("alice").as_actor(), person("bob").as_actor()
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
    change = lifecycle.activate_agent(actor=alice, agent=agent, reason="Ready to start work")
    question = Approval.objects.get(subject_kind="agents.changerequest", subject_id=str(change.pk))
    approvals.cast_vote(
        actor=bob,
        approval_id=question.pk,
        verdict="approve",
        reason="Its grants fit the job",
        digest=question.digest,
    )


def _contract(agent: Agent) -> None:
    code = f"{agent.code}-contract"
    if Policy.objects.filter(code=code).exists():
        return
    alice = person("alice").as_actor()
    with transaction.atomic():
        policy = policies.create_policy(
            actor=alice,
            code=code,
            name=f"Contract of {agent.name}",
            scope_kind="agent",
            scope_id=str(agent.pk),
            purpose="What this agent may do on its own.",
            reason="Every agent has a contract",
        )
        policies.create_rule(
            actor=alice, policy=policy, content=CONTRACT_RULE, reason="A person looks at what is large"
        )


def _limit(content: dict[str, Any]) -> None:
    if not Measure.objects.filter(code=content["code"]).exists():
        policies.create_measure(
            actor=person("alice").as_actor(), content=content, reason="Limits of the demo company"
        )


def _credential(agent: Agent, data: Path) -> None:
    path = credential_file(data, agent.code)
    # A credential of an earlier database opens nothing.
    if path.exists() and json.loads(path.read_text())["client_id"] == agent.oauth_application.client_id:
        return
    issued = credentials.issue_client_secret(
        actor=person("alice").as_actor(), agent=agent, reason="For the agent process of the demo company"
    )
    write_private(path, json.dumps({"client_id": issued.client_id, "client_secret": issued.secret}))
