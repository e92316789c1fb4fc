"""What tests of authority need: operations in the catalogue, a grant, a clean registry afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from agents import registry
from agents.decision import DecisionRequest, GrantFacts
from agents.models import Agent
from agents.selectors import agent_facts, money_facts
from tests.agents.facts import NOW, create_party, invoice, post_invoice

OPERATIONS = {operation.code: operation for operation in (post_invoice(), create_party())}


@contextmanager
def catalogue(*grants: GrantFacts) -> Iterator[None]:
    """Fill the registries of this room for a while, as the rooms above do in production."""
    kept = list(registry._find_operation), list(registry._list_operations), list(registry._grant_providers)
    registry.register_operation_catalogue(OPERATIONS.get, lambda: list(OPERATIONS.values()))
    registry._grant_providers[:] = [lambda: grants]
    try:
        yield
    finally:
        registry._find_operation[:], registry._list_operations[:], registry._grant_providers[:] = kept


def asked(agent: Agent, minor: int = 100_00, currency: str = "EUR", **arguments: Any) -> DecisionRequest:
    """Return the request to post an invoice, as the action services build it."""
    operation = post_invoice()
    given = invoice(minor, currency, **arguments)
    return DecisionRequest(
        agent=agent_facts(agent),
        operation_code=operation.code,
        operation=operation,
        arguments=given,
        now=NOW,
        money=money_facts(operation, given, NOW.date()),
    )
