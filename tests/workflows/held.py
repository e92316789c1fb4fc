"""A task that an agent has, for the tests of passing it on and of asking about it."""

from __future__ import annotations

from typing import Any

import pytest

from agents.models import Agent
from tests.workflows.conftest import new_agent
from tests.workflows.test_runs import begun, publish
from workflows.tasks import services
from workflows.tasks.models import Task


@pytest.fixture
def rita(robo: Agent, alice: Any) -> Agent:
    """Another agent of the same role."""
    return new_agent(alice, "rita")


@pytest.fixture
def task(clerk: Agent, rita: Agent, alice: Any, bob: Any) -> Task:
    """The first step of a run, which robo has."""
    publish(alice, bob)
    begun(alice)
    (found,) = services.claim_next(actor=clerk.user.as_actor())
    return found


def code(answer: Any) -> tuple[int, str]:
    """Return the status and the code of an answer over HTTP."""
    return answer.status_code, answer.json().get("code", "")
