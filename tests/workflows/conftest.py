"""A company with one agent, one system that is really reached over HTTP, and the grant between them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from agents.models import Agent, User
from autonomy import clock
from connectors.services import grant_operation
from tests import company
from tests.company import TESTS, new_agent
from tests.fakes import FakeSystem, arguments
from workflows.actions import dispatch as actions
from workflows.actions.selectors import violations
from workflows.actions.services import Ask, request_action
from workflows.actions.services import sweeping as action_sweeping
from workflows.runs import dispatch as runs
from workflows.runs.services import sweeping as run_sweeping
from workflows.triggers import dispatch as triggers
from workflows.triggers import services as trigger_services

__all__ = ["TESTS", "new_agent"]
# Found by the sweep that comes without being asked for.
NOT_ASKED_FOR = {"repaired"}


@pytest.fixture(autouse=True)
def nothing_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a duty of the clock does in any of these tests, the clock would have rung for it."""
    for module, job in ((action_sweeping, actions.SWEEP), (run_sweeping, runs.SWEEP)):
        monkeypatch.setattr(module, "_guarded", _held_to_its_condition(module._guarded, job))
    for name, job in (("fire_due", triggers.FIRE), ("react", triggers.REACT)):
        duty = partial(_held_to_its_condition(_plainly, job), name, getattr(trigger_services, name))
        monkeypatch.setattr(trigger_services, name, duty)


def _plainly(name: str, duty: Callable[[], int]) -> int:
    return duty()


def _held_to_its_condition(
    guarded: Callable[[str, Callable[[], int]], int], job: str
) -> Callable[[str, Callable[[], int]], int]:
    def asked_first(name: str, duty: Callable[[], int]) -> int:
        # Where others commit meanwhile, what is due may come between.
        is_alone = connection.in_atomic_block
        would_ring = not is_alone or _would_ring(job)
        done = guarded(name, duty)
        assert would_ring or not done or name in NOT_ASKED_FOR, f"the clock would not ring for: {name}"
        return done

    return asked_first


def _would_ring(job: str) -> bool:
    """Ask as the clock does, but for what is due within a second: it is later when the duty asks."""
    condition = clock.conditions()[job]
    later = condition.replace("statement_timestamp()", "(statement_timestamp() + interval '1 second')")
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {later}")
        return bool(cursor.fetchone()[0])


@pytest.fixture
def fake() -> Iterator[FakeSystem]:
    """Somebody else's system, on a real port."""
    with FakeSystem() as running:
        yield running


@pytest.fixture
def book(seeded_company: None, fake: FakeSystem) -> dict[str, Any]:
    """The fake, installed, with its two operations published."""
    return company.book(fake.url)


@pytest.fixture
def robo(seeded_company: None) -> Agent:
    """Robo is an agent; alice answers for it. It holds no grant yet."""
    return company.robo()


@pytest.fixture
def clerk(seeded_granted: None, robo: Agent, book: dict[str, Any]) -> Agent:
    """Robo, with leave to post invoices."""
    return robo


def grant(agent: Agent, operation: Any) -> None:
    """Let an agent use an operation, as the set-up of a company does."""
    grant_operation(actor=TESTS, operation=operation, agent=agent, reason="set up for a test")


def ask(agent: Agent, *, key: str = "", number: str = "RE-1", minor: int = 12_300, **more: Any) -> Any:
    """Ask for an invoice as the agent; return the action."""
    return request_action(
        actor=agent.user.as_actor(),
        agent=agent,
        key=key or str(uuid.uuid4()),
        ask=Ask(operation="fake.invoice.post", arguments=arguments(number, minor), **more),
    )


def hold_above(minor: int, **more: Any) -> Any:
    """Add the company rule that holds invoices above an amount, as a manager would."""
    from agents.models import Policy
    from agents.services import policies

    content = {
        "name": f"above {minor}",
        "sentence": f"invoices above {minor / 100:,.2f} EUR need a person",
        "operations": "*.invoice.post",
        "condition": f"amount > {minor}",
        "verdict": "hold",
        "mode": "enforced",
        **more,
    }
    return policies.create_rule(
        actor=TESTS, policy=Policy.objects.get(code="company"), content=content, reason="set up for a test"
    )


def limit(code: str, ceiling: int, **more: Any) -> Any:
    """Add an enforced limit on invoices."""
    from agents.services import policies

    content = {
        "code": code,
        "name": code,
        "operations": "*.invoice.post",
        "window": "day",
        "ceiling": ceiling,
        "mode": "enforced",
        **more,
    }
    return policies.create_measure(actor=TESTS, content=content, reason="set up for a test")


def signed_in(user: User) -> APIClient:
    """Return a client signed in as a person or an agent."""
    client = APIClient()
    client.force_authenticate(user)
    return client


def body(number: str = "RE-1", minor: int = 12_300, **more: Any) -> dict[str, Any]:
    """Return the body of a request for an invoice."""
    return {"operation": "fake.invoice.post", "arguments": arguments(number, minor), **more}


@pytest.fixture
def holds() -> Iterator[None]:
    """After the test, every invariant holds."""
    yield
    assert violations() == []


@pytest.fixture
def inline_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run what would run in the pool in this thread, so that it sees the test's own transaction."""
    from concurrent.futures import Future

    from connectors import services

    def run(system: Any, work: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(work())
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to the future
            future.set_exception(error)
        return future

    monkeypatch.setattr(services, "run_bounded", run)


@pytest.fixture
def hints(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Collect the hints to workers instead of sending them."""
    from workflows.actions import dispatch

    sent: list[tuple[str, str]] = []
    monkeypatch.setattr(dispatch, "_send", lambda job, about, **_: sent.append((job, str(about))))
    return sent
