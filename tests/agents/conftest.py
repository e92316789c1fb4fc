from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from agents.models import Agent, Department, Policy, Role, Rule
from agents.services import credentials, policies
from tests.agents.authority import catalogue
from tests.company import robo


@pytest.fixture
def finance(seeded_draft: None) -> Department:
    """The department in which robo works."""
    return Department.objects.get(code="finance")


@pytest.fixture
def bookkeeper(seeded_draft: None) -> Role:
    """The role robo has."""
    return Role.objects.select_related("group").get(code="bookkeeper")


@pytest.fixture
def draft(seeded_draft: None) -> Agent:
    """An agent that was taken on and has not started work."""
    return robo()


@pytest.fixture
def working(draft: Agent) -> Agent:
    """The same agent at work."""
    draft.lifecycle = Agent.Lifecycle.ACTIVE
    draft.save(update_fields=["lifecycle"])
    return draft


@pytest.fixture
def credential(alice: Any, working: Agent) -> credentials.IssuedSecret:
    """A client id and a valid secret of the working agent."""
    return credentials.issue_client_secret(actor=alice.as_actor(), agent=working, reason="First secret")


@pytest.fixture
def operations() -> Iterator[None]:
    """What there is to grant and to rule: an invoice to post, a party to make."""
    with catalogue():
        yield


@pytest.fixture
def company_policy(alice: Any) -> Policy:
    """A policy for the whole company."""
    return policies.create_policy(
        actor=alice.as_actor(), code="money", name="Money", reason="Limits for everybody"
    )


@pytest.fixture
def threshold(alice: Any, company_policy: Policy) -> Rule:
    """Hold above 10,000.00 EUR."""
    content = {"name": "Large invoices", "operations": "erp.supplier_invoice.post"}
    content |= {"field": "amount", "comparison": "above", "value": "10000.00"}
    return policies.create_rule(
        actor=alice.as_actor(),
        policy=company_policy,
        content={**content, "verdict": "hold", "mode": "enforced"},
        reason="The board decided so",
    )
