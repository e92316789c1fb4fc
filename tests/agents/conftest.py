from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group

from agents.models import Agent, Department, Role
from agents.services import credentials, lifecycle


@pytest.fixture
def finance(any_db: None) -> Department:
    """The department in which robo works."""
    return Department.objects.create(code="finance", name="Finance")


@pytest.fixture
def bookkeeper(any_db: None) -> Role:
    """The role robo has."""
    group = Group.objects.create(name="Role: bookkeeper")
    return Role.objects.create(code="bookkeeper", name="Bookkeeper", group=group)


@pytest.fixture
def draft(alice: Any, finance: Department, bookkeeper: Role) -> Agent:
    """An agent that was taken on and has not started work."""
    return lifecycle.register_agent(
        actor=alice.as_actor(),
        name="Robo",
        code="robo",
        purpose="Posts supplier invoices.",
        sponsor=alice,
        department=finance,
        role=bookkeeper,
        reason="The team needs a bookkeeper",
    )


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
