from __future__ import annotations

import os
from typing import Any

import psycopg
import pytest
from django.core.checks import run_checks
from django.db import connections

from autonomy import checks


def found(call: Any) -> set[str]:
    return {message.id for message in call(None)}


def test_the_test_installation_itself_is_clean() -> None:
    assert [message for message in run_checks() if (message.id or "").startswith("autonomy.")] == []


def test_every_finding_says_what_to_do(settings: Any) -> None:
    settings.CONNECTOR_KEKS = []
    settings.SECRET_KEY = "short"
    settings.ALLOWED_HOSTS = ["*"]
    settings.DEBUG = True
    settings.REDIS_URL = "redis://elsewhere:6379/0"
    messages = [message for message in run_checks() if (message.id or "").startswith("autonomy.")]
    assert {message.id for message in messages} == {
        "autonomy.E001",
        "autonomy.E003",
        "autonomy.E004",
        "autonomy.E005",
        "autonomy.W001",
        "autonomy.W002",
    }
    assert all(message.hint for message in messages)


@pytest.mark.parametrize("key", ["not base64 at all", "c2hvcnQ="])
def test_a_key_that_is_not_32_bytes_is_an_error(settings: Any, key: str) -> None:
    settings.CONNECTOR_KEKS = [*settings.CONNECTOR_KEKS, key]
    assert found(checks.check_connector_keys) == {"autonomy.E002"}


def test_debug_on_ones_own_machine_is_nobodys_business(settings: Any) -> None:
    settings.DEBUG = True
    assert found(checks.check_exposure) == set()


def test_the_application_role_passes_and_a_superuser_does_not(live_db: Any) -> None:
    assert list(checks.check_database(None, databases=["default"])) == []
    superuser = psycopg.conninfo.conninfo_to_dict(os.environ["TEST_DATABASE_SERVER"])
    connections.close_all()
    connections["default"].settings_dict.update(USER=superuser["user"], PASSWORD=superuser.get("password", ""))
    assert {message.id for message in checks.check_database(None, databases=["default"])} == {"autonomy.E007"}


@pytest.mark.parametrize(
    ("seconds", "effects", "ids"),
    [
        (300, ["destructive", "financial"], set()),
        (0, [], {"autonomy.E008"}),
        (86_400, [], {"autonomy.E008"}),
        (300, ["destroy"], {"autonomy.E009"}),
    ],
)
def test_a_slip_of_the_pen_does_not_switch_the_second_sign_in_off(
    settings: Any, seconds: int, effects: list[str], ids: set[str]
) -> None:
    settings.STEP_UP_SECONDS, settings.STEP_UP_EFFECTS = seconds, effects
    assert found(checks.check_step_up) == ids
