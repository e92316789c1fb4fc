from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group

from agents.models import Agent, Department, Role, User
from audit.vocabulary import Actor
from connectors.models import Authorization
from connectors.policies.digests import canonical_digest
from connectors.services.authorizations import mint_authorization
from tests import company
from tests.fakes import FakeSystem

PORTAL = Actor.system("tests")


@pytest.fixture
def fake() -> Iterator[FakeSystem]:
    """Somebody else's system, on a real port."""
    with FakeSystem() as running:
        yield running


@pytest.fixture
def book(seeded_company: None, fake: FakeSystem) -> dict[str, Any]:
    """The fake, installed, with its two operations published."""
    return company.book(fake.url)


def authorized(
    operation: Any, arguments: dict[str, Any], *, action_id: str = "action-1", seconds: int = 60, **more: Any
) -> Authorization:
    """Mint the pass that the action services would mint."""
    number = operation.current_revision.number
    return mint_authorization(
        action_id=action_id,
        operation=operation,
        revision=number,
        arguments_digest=canonical_digest(operation.code, number, arguments),
        ttl=timedelta(seconds=seconds),
        **more,
    )


@pytest.fixture
def robot(alice: Any) -> Agent:
    """An active agent with a role of its own."""
    group = Group.objects.create(name="role: bookkeeper-t")
    role = Role.objects.create(code="bookkeeper-t", name="Bookkeeper", group=group)
    user = User(username="agent-t", kind=User.Kind.AGENT)
    user.set_unusable_password()
    user.save()
    user.groups.add(group)
    return Agent.objects.create(
        user=user,
        name="Robo T",
        code="robo-t",
        purpose="posts invoices",
        sponsor=alice,
        department=Department.objects.create(code="fin-t", name="Finance"),
        role=role,
        lifecycle=Agent.Lifecycle.ACTIVE,
    )
