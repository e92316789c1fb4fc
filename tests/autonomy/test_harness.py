from __future__ import annotations

import threading
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection


def _count() -> int:
    return get_user_model().objects.count()


def test_the_tests_connect_as_the_application_role(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user, current_setting('is_superuser')")
        assert cursor.fetchone() == ("aos_test_app", "off")


@pytest.mark.parametrize("turn", [1, 2])
def test_a_database_test_leaves_nothing_behind(db: None, alice: Any, turn: int) -> None:
    assert _count() == 1


def test_the_cast_is_complete(alice: Any, bob: Any, carol: Any, dave: Any, mallory: Any, robo: Any) -> None:
    assert [
        list(person.groups.values_list("name", flat=True)) for person in (alice, bob, carol, dave, mallory)
    ] == [
        ["Managers"],
        ["Approvers"],
        ["Auditors"],
        ["Operators"],
        [],
    ]
    assert robo.user.kind == "agent"


@pytest.mark.parametrize("turn", [1, 2])
def test_a_live_database_is_fresh_and_seen_by_threads(live_db: Any, alice: Any, turn: int) -> None:
    seen: list[int] = []
    thread = threading.Thread(target=lambda: (seen.append(_count()), connection.close()))
    thread.start()
    thread.join()
    assert seen == [1]
    with live_db.connect() as other:
        assert other.execute("SELECT count(*) FROM agents_user").fetchone() == (1,)


def test_after_a_live_database_the_rolled_back_one_is_empty(db: None) -> None:
    assert _count() == 0
