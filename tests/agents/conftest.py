from __future__ import annotations

from typing import Any

import pytest

from agents.models import Agent, Department, Role
from agents.services import credentials
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
