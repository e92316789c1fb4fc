from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from audit.vocabulary import Refusal
from connectors.models import Account
from connectors.services import execute, save_account
from connectors.services.accounts import account_for
from tests.connectors.conftest import PORTAL, authorized
from tests.fakes import FakeSystem, arguments

WHY = "set up for a test"


@pytest.mark.django_db
def test_the_own_account_wins_over_that_of_the_role_and_the_system(book: dict[str, Any], robot: Any) -> None:
    system = book["system"]
    assert account_for(system, robot) == account_for(system, None) == book["account"]
    of_role = save_account(actor=PORTAL, system=system, name="role", role=robot.role, reason=WHY)
    assert account_for(system, robot) == of_role
    own = save_account(actor=PORTAL, system=system, name="own", agent=robot, reason=WHY)
    assert account_for(system, robot) == own
    save_account(
        actor=PORTAL, system=system, account=own, name="own", agent=robot, is_enabled=False, reason=WHY
    )
    assert account_for(system, robot) == of_role
    assert account_for(system, None) == book["account"]


@pytest.mark.django_db
def test_the_key_of_the_role_is_the_one_presented(book: dict[str, Any], robot: Any, fake: FakeSystem) -> None:
    fake.key = "key-of-the-role"
    role = robot.role
    save_account(actor=PORTAL, system=book["system"], name="r", role=role, secret=fake.key, reason=WHY)
    for agent_id in (str(robot.pk), str(robot.user_id)):
        given = arguments(agent_id[:8])
        passed = authorized(book["post"], given, agent_id=agent_id)
        result = execute(actor=PORTAL, authorization_id=passed.pk, arguments=given, stop_scopes=[])
        assert result.outcome == "confirmed"


@pytest.mark.django_db
def test_nobody_borrows_the_key_of_another(book: dict[str, Any], robot: Any, fake: FakeSystem) -> None:
    Account.objects.filter(pk=book["account"].pk).update(role=robot.role)
    passed = authorized(book["post"], arguments())
    result = execute(actor=PORTAL, authorization_id=passed.pk, arguments=arguments(), stop_scopes=[])
    assert (result.outcome, result.error_code) == ("failed", "account_missing")
    assert not fake.requests


@pytest.mark.django_db
def test_one_account_per_holder(book: dict[str, Any], robot: Any) -> None:
    for holder in ({}, {"role": robot.role}, {"agent": robot}):
        Account.objects.get_or_create(system=book["system"], **holder, defaults={"name": "first"})
    for holder in ({}, {"role": robot.role}, {"agent": robot}, {"role": robot.role, "agent": robot}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Account.objects.create(system=book["system"], name="second", **holder)


@pytest.mark.django_db
def test_people_without_the_right_change_no_account(book: dict[str, Any], carol: Any, robot: Any) -> None:
    for user in (carol, robot.user):
        with pytest.raises(Refusal):
            save_account(actor=user.as_actor(), system=book["system"], name="mine", role=robot.role, reason=WHY)
