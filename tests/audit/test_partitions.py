"""Payloads lie by months: made ahead, closed to everybody, dropped when they are over and empty."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest
from django.utils import timezone

from audit.models import Payload
from tests.audit.test_append_only import INSERT_EVENT
from tests.audit.test_erasing import REFUSED

MONTHS = "SELECT relname FROM pg_class WHERE relname ~ '^audit_payload_[0-9]{6}$' ORDER BY 1"


def of_month(year, month):
    """Return an id as UUIDv7 makes them, of the 15th of a month."""
    at = int(datetime(year, month, 15, tzinfo=UTC).timestamp() * 1000)
    return uuid.UUID(int=(at << 80) | (7 << 76) | (2 << 62) | 42)


def at_once(live_db, role="app"):
    """Connect as a role; each statement is committed by itself."""
    connection = live_db.connect(role)
    connection.autocommit = True
    return connection


def put(connection, key):
    with connection.transaction():
        connection.execute(INSERT_EVENT, [key])
        connection.execute("INSERT INTO audit_payload (event_id, data) VALUES (%s, '{}')", [key])


def lies_in(live_db, key):
    with live_db.connect("owner") as owner:
        return owner.execute(
            "SELECT tableoid::regclass::text FROM audit_payload WHERE event_id = %s", [key]
        ).fetchone()[0]


def months(live_db):
    with live_db.connect("owner") as owner:
        return [row[0] for row in owner.execute(MONTHS)]


def test_months_are_there_ahead_and_ids_of_another_kind_have_their_place(live_db, record):
    now = timezone.now()
    names = [
        f"audit_payload_{now.year + at // 12}{at % 12 + 1:02}" for at in range(now.month - 1, now.month + 3)
    ]
    assert months(live_db)[-4:] == names
    assert lies_in(live_db, record(payload={"a": 1}).pk) == names[0]
    with at_once(live_db) as app:
        for key in (uuid.uuid4(), uuid.UUID(int=1), of_month(2019, 3)):
            put(app, key)
            assert lies_in(live_db, key) == "audit_payload_other"


def test_a_month_that_is_over_and_empty_goes_and_nothing_with_it(live_db):
    with at_once(live_db, "sequencer") as sequencer, at_once(live_db) as app:
        assert sequencer.execute("SELECT audit_make_partitions('2024-01-10')").fetchone()[0] > 20
        put(app, of_month(2024, 2))
        assert lies_in(live_db, of_month(2024, 2)) == "audit_payload_202402"
        before = months(live_db)
        app.execute("SELECT audit_drop_empty_partitions()")
        kept = months(live_db)
        assert kept[0] == "audit_payload_202402"
        assert kept[1:] == before[-4:]
        assert Payload.objects.count() == 1
        # A month that was dropped is not made again where rows of it lie already; the row is not lost.
        put(app, of_month(2024, 1))
        assert lies_in(live_db, of_month(2024, 1)) == "audit_payload_other"
        sequencer.execute("SELECT audit_make_partitions('2024-01-10')")
        assert "audit_payload_202401" not in months(live_db)
        assert Payload.objects.count() == 2


def test_nobody_works_with_a_month_itself_and_each_refuses_as_the_whole_does(live_db):
    with at_once(live_db, "sequencer") as sequencer:
        sequencer.execute("SELECT audit_make_partitions('2024-01-10')")
    with live_db.connect("owner") as owner:
        unguarded = owner.execute(
            "SELECT c.relname FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid"
            " WHERE i.inhparent = 'audit_payload'::regclass AND (SELECT count(*) FROM pg_trigger t"
            " WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled = 'A') <> 4"
        ).fetchall()
        assert unguarded == []
    for role in ("app", "sequencer"):
        with live_db.connect(role) as other:
            for statement in (
                "SELECT * FROM audit_payload_202401",
                "INSERT INTO audit_payload_202401 (event_id, data) VALUES (gen_random_uuid(), '{}')",
                "DELETE FROM audit_payload_202401",
                "DROP TABLE audit_payload_202401",
                "ALTER TABLE audit_payload DETACH PARTITION audit_payload_202401",
                "SELECT audit_guard_partition('audit_payload_202401')",
            ):
                with pytest.raises(REFUSED), other.transaction():
                    other.execute(statement)


def test_whoever_reads_payloads_does_not_stop_the_clock(live_db):
    with at_once(live_db, "sequencer") as sequencer:
        sequencer.execute("SELECT audit_make_partitions('2024-01-10')")
    with at_once(live_db) as reader, at_once(live_db) as app, reader.transaction():
        reader.execute("SELECT count(*) FROM audit_payload")
        assert app.execute("SELECT audit_drop_empty_partitions()").fetchone()[0] == 0
    assert "audit_payload_202401" in months(live_db)
