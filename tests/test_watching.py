"""The watch over changes without an event sees what it is for, and nothing that was undone."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest
from django.contrib.auth.models import Group
from django.db import connection, transaction

from audit.services import record_event
from audit.vocabulary import Actor, Ref
from tests.test_every_change_is_recorded import UNCHANGED
from tests.test_permission_matrix import table
from tests.test_permission_matrix_admin import questions
from tests.watching import EXEMPT, Watch, Write, all_recorded, everything_watched, jobs, watched, writes_of


def record() -> None:
    record_event(
        actor=Actor.system("tests"), verb="audit.change_refused", subject=Ref("x.y", "1"), sentence="It did."
    )


def silent(watch: Watch) -> set[str]:
    return watch.unrecorded(EXEMPT)


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ('SELECT "a" FROM "b" FOR UPDATE OF "b"', []),
        ("SELECT 1 FROM b FOR NO KEY UPDATE SKIP LOCKED", []),
        ('INSERT INTO "a" ("b") VALUES (1) ON CONFLICT ("b") DO UPDATE SET "b" = 2', [Write("insert", "a")]),
        ('UPDATE "a" SET "b" = 1', [Write("update", "a", "b")]),
        ("UPDATE a AS old SET c = 1 FROM given", [Write("update", "a", "c")]),
        ("UPDATE a s\n   SET c = 1", [Write("update", "a", "c")]),
        ('DELETE FROM "a" WHERE 1', [Write("delete", "a")]),
        ("TRUNCATE a", [Write("truncate", "a")]),
        ("INSERT INTO a SELECT 1;\nINSERT INTO b SELECT 1", [Write("insert", "a"), Write("insert", "b")]),
        ("WITH x AS (DELETE FROM a RETURNING 1) SELECT * FROM x", [Write("delete", "a")]),
    ],
)
def test_what_a_statement_writes_is_known(sql: str, found: list[Write]) -> None:
    assert writes_of(sql) == found


@pytest.mark.django_db
def test_a_change_is_silent_unless_its_own_transaction_has_an_event() -> None:
    with watched() as watch:
        Group.objects.create(name="alone")
    assert silent(watch) == {"auth_group"}
    with watched() as watch, transaction.atomic():
        Group.objects.create(name="told")
        record()
    assert (silent(watch), watch.changed(EXEMPT), watch.recorded()) == (set(), True, True)
    with watched() as watch:
        with transaction.atomic():
            Group.objects.create(name="before")
        with transaction.atomic():
            record()
    assert silent(watch) == {"auth_group"}, "an event of another transaction may be there without the change"


@pytest.mark.django_db
def test_what_was_undone_or_changed_no_row_is_no_change() -> None:
    with watched() as watch:
        with contextlib.suppress(ZeroDivisionError), transaction.atomic():
            Group.objects.create(name="undone")
            raise ZeroDivisionError
        with transaction.atomic():
            Group.objects.create(name="undone")
            transaction.set_rollback(True)
        Group.objects.filter(name="nobody").update(name="somebody")
        Group.objects.filter(name="nobody").delete()
    assert not watch.changed(EXEMPT)
    with watched() as watch, transaction.atomic():
        with contextlib.suppress(ZeroDivisionError), transaction.atomic():
            record()
            raise ZeroDivisionError
        Group.objects.create(name="kept")
    assert silent(watch) == {"auth_group"}, "the event was undone"


@pytest.mark.django_db
def test_bulk_and_raw_statements_are_seen() -> None:
    with watched() as watch:
        Group.objects.bulk_create([Group(name="one"), Group(name="two")])
    assert silent(watch) == {"auth_group"}
    with watched() as watch, connection.cursor() as cursor:
        cursor.execute("UPDATE auth_group SET name = name || '.' WHERE name = %s", ["one"])
    assert silent(watch) == {"auth_group.name"}
    with pytest.raises(AssertionError, match="auth_group"), all_recorded():
        Group.objects.create(name="three")


def test_what_is_called_is_told_by_name() -> None:
    told: list[str] = []
    with everything_watched(lambda name, watch: told.append(name)):
        next(job for job in jobs() if job.name.endswith("run_each"))([])
    assert told == ["job workflows.actions.jobs.run_each"]


def test_each_exemption_has_its_reason_and_no_entry_is_left_over() -> None:
    assert all(len(reason) > 15 for reason in {**EXEMPT, **UNCHANGED}.values())
    entries = {f"{method} {route}" for part in ("api", "pages") for route, _, method in table(part)}
    entries |= {f"admin {name}" for name, _, _ in questions()}
    assert set(UNCHANGED) <= entries
    for reason in UNCHANGED.values():
        for named in re.findall(r"tests/[\w/]+\.py", reason):
            assert (Path(__file__).parents[1] / named).exists(), named
