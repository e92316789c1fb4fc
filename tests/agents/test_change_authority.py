"""What a proposal says it lets whom do: kept with it, true when it is applied, and flagged once it is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from agents import registry
from agents.decision.authority import Authority
from agents.decision.facts import GrantFacts
from agents.models import Agent, ChangeRequest, Department, Policy, Rule
from agents.selectors import foreseen, present_authority
from agents.services import changes, lifecycle, organisation, policies
from tests.agents.authority import catalogue

pytestmark = pytest.mark.django_db
WHY = "The auditors asked for it"
LIMIT = {"code": "per_day", "name": "Invoices", "operations": "erp.*", "ceiling": 20, "mode": "enforced"}


@pytest.fixture(autouse=True)
def may_post(working: Agent) -> Iterator[None]:
    group = str(working.role.group_id)
    with catalogue(GrantFacts("grant-1", "erp.supplier_invoice.post", "group", group)):
        yield


@pytest.fixture
def threshold(alice: Any) -> Rule:
    return policies.create_rule(
        actor=alice.as_actor(),
        policy=Policy.objects.get(code="company"),
        content={
            "name": "Large invoices",
            "operations": "erp.*",
            "effects": ["financial"],
            "field": "amount",
            "comparison": "above",
            "value": "10000",
            "mode": "enforced",
        },
        reason=WHY,
    )


def higher(alice: Any, rule: Rule) -> ChangeRequest:
    outcome = policies.propose_rule_change(
        actor=alice.as_actor(), rule=rule, changes={"value": "20000"}, reason=WHY
    )
    assert outcome.change_request is not None
    return outcome.change_request


def test_the_second_person_reads_what_it_lets_whom_do_and_is_told_when_that_has_changed(
    threshold: Rule, working: Agent, alice: Any, bob: Any
) -> None:
    waiting = higher(alice, threshold)
    lets = (
        "Lets Robo post a supplier invoice up to 20,000.00 EUR without a person instead of up to 10,000.00 EUR."
    )
    held = "Everything that Robo would write still waits for a person."
    assert waiting.authority == [lets, held]
    client = Client()
    client.force_login(bob)
    address = reverse("admin:agents_changerequest_change", args=[waiting.pk])
    text = client.get(address).content.decode()
    assert lets in text
    assert "Today it would mean" not in text
    versions = waiting.history.values_list("pk", flat=True)
    earlier = reverse("admin:agents_changerequest_simple_history", args=[waiting.pk, versions[0]])
    assert lets in client.get(earlier).content.decode()
    Agent.objects.update(name="Rob")
    assert lets.replace("Robo", "Rob") in foreseen(waiting).now, (
        "a name is read anew, though it is no authority"
    )
    Agent.objects.update(name="Robo", autonomy="by_contract")
    assert foreseen(waiting).has_moved
    assert "Today it would mean" in client.get(address).content.decode()
    [read] = client.get("/api/v1/change-requests?state=pending").json()["results"]
    assert (read["authority"], read["authority_now"]) == ([lets, held], [lets])
    Rule.objects.all().delete()
    assert foreseen(waiting).is_gone
    assert "no longer exists" in client.get(address).content.decode()


def test_what_is_foreseen_is_what_applying_does(threshold: Rule, working: Agent, alice: Any, bob: Any) -> None:
    """The sentences are only as true as this: each kind is foreseen, applied, and the two are the same."""
    actor = alice.as_actor()
    measure = policies.create_measure(actor=actor, content=LIMIT, reason=WHY)
    sales = organisation.create_department(actor=actor, code="sales", name="Sales", reason=WHY)
    reader = organisation.create_role(actor=actor, code="reader", name="Reader", reason=WHY)
    proposals = [
        policies.propose_measure_change(
            actor=actor, measure=measure, changes={"ceiling": 30}, reason=WHY
        ).change_request,
        higher(alice, threshold),
        lifecycle.set_autonomy(actor=actor, agent=working, autonomy="by_contract", reason=WHY),
        lifecycle.propose_reassignment(
            actor=actor, agent=working, changes_wanted={"role": reader, "risk_tier": "low"}, reason=WHY
        ),
        organisation.update_department(
            actor=actor,
            department=Department.objects.get(pk=working.department_id),
            values={"parent": sales},
            reason=WHY,
        ),
        organisation.update_company(actor=actor, name="Northwind", currency="USD", reason=WHY),
    ]
    for proposal in proposals:
        assert proposal is not None
        assert proposal.authority, proposal.kind
        # What waits for the same agent or rule is about its state now: it is proposed on what stands.
        proposal.target_version = _state(proposal)
        proposal.save(update_fields=["target_version"])
        _applied_as_foreseen(proposal, bob)
    moved = policies.propose_policy_move(
        actor=actor, policy=threshold.policy, scope_kind="role", scope_id=str(reader.pk), reason=WHY
    ).change_request
    removed = policies.remove_rule(actor=actor, rule=Rule.objects.get(), reason=WHY).change_request
    Agent.objects.update(lifecycle="draft")
    started = lifecycle.activate_agent(actor=actor, agent=working, reason=WHY)
    for proposal in (moved, removed, started):
        assert proposal is not None
        proposal.target_version = _state(proposal)
        proposal.save(update_fields=["target_version"])
        _applied_as_foreseen(proposal, bob)


def _state(proposal: ChangeRequest) -> str:
    current = registry.change_kind(proposal.kind)[1]
    return current(proposal) if current else ""


def _applied_as_foreseen(proposal: ChangeRequest, bob: Any) -> None:
    foresee = registry.foresight(proposal.kind)
    assert foresee is not None
    expected = foresee(proposal, present_authority())
    changes.apply_change(actor=bob.as_actor(), change_request=proposal, reason=WHY)
    assert _plain(expected) == _plain(present_authority()), proposal.kind


def _plain(authority: Authority) -> Any:
    snapshot = authority.snapshot
    return (
        {agent.agent_id: agent for agent in authority.agents},
        # The words and the version follow when it is written; what decides must be the same.
        {rule.rule_id: replace(rule, version=0) for rule in snapshot.rules},
        {measure.measure_id: replace(measure, version=0) for measure in snapshot.measures},
        {(grant.operation, grant.holder_kind, grant.holder_id) for grant in snapshot.grants},
        snapshot.company_currency,
    )


def test_every_kind_of_change_that_gives_authority_is_foreseen() -> None:
    """What is left out says nothing about what agents may do, or says all of it in its summary."""
    silent = {
        "agents.terms.change",
        "agents.department.head",
        "agents.exchange_rate.set",
        "actions.standing.give",  # no snapshot has it; it says in words of its own what it lets whom do
        "approvals.delegation.give",
        # What is kept or erased lets nobody do anything.
        "audit.content.erase",
        "audit.hold.end",
        "audit.retention.shorten",
        "agents.throttle.loosen",
        "agents.user.manager",
        "connectors.operation",
        "runs.workflow_version",
    }
    kinds = {kind for kind in registry._change_kinds if not kind.startswith("tests.")}
    assert {kind for kind in kinds if registry.foresight(kind) is None} == silent
