"""The snapshot of all authority, and the facts of one agent, as the decision function reads them."""

from __future__ import annotations

from agents.decision.facts import AgentFacts, Snapshot
from agents.models import Agent


def authority_snapshot() -> Snapshot:
    """Return all authority at its present version; the version is read from the primary at every call."""
    raise NotImplementedError


def agent_facts(agent: Agent) -> AgentFacts:
    """Return what a decision reads about an agent, fresh from the database."""
    raise NotImplementedError
