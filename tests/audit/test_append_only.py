"""The ledger refuses change four times over: model, queryset, database role, trigger."""

from __future__ import annotations

import uuid

import psycopg
import pytest
from django.db import InternalError, ProgrammingError, connection, models, transaction
from django.db.models.sql import UpdateQuery

from audit.models import Event, Payload, PendingEvent, Position
from audit.vocabulary import Refusal

TABLES = {
    "audit_event": "sentence = 'x'",
    "audit_payload": "data = '{}'",
    "audit_position": "position = 99",
    "audit_leaf": "leaf_hash = '\\x00'",
    "audit_tile": "hashes = '\\x00'",
    "audit_checkpoint": "note = 'x'",
    "audit_signingkey": "first_size = 7",
    "audit_cosignature": "content = '\\x00'",
    "audit_erasure": "part = 'data'",
}
INSERT_EVENT = (
    "INSERT INTO audit_event (id, occurred_at, verb, actor_kind, actor_id, actor_label, subject_kind,"
    " subject_id, subject_label, agent_id, action_id, run_id, system_id, department_id, correlation_id,"
    " decision, code, sentence, reason) VALUES (%s, '2001-01-01', 'tests.x_done',"
    " 'system', 'x', '', 'x', '', '', '', '', '', '', '', '', '', '', 'x', '')"
)
STATEMENTS = [
    *[f"UPDATE {table} SET {change}" for table, change in TABLES.items()],
    *[f"UPDATE {table} SET {change} WHERE false" for table, change in TABLES.items()],
    *[f"DELETE FROM {table}" for table in TABLES],
    *[f"TRUNCATE {table} CASCADE" for table in TABLES],
    *[f"MERGE INTO {table} t USING (SELECT 1) s ON true WHEN MATCHED THEN DELETE" for table in TABLES],
    "INSERT INTO audit_position (position, event_id) SELECT position, event_id FROM audit_position "
    "ON CONFLICT (position) DO UPDATE SET position = 77",
    "UPDATE audit_pendingevent SET id = id + 100",
    "TRUNCATE audit_pendingevent",
    "DELETE FROM audit_pendingevent",
]


@pytest.mark.parametrize(
    "change",
    [
        lambda event: event.save(),
        lambda event: event.save(update_fields=["sentence"]),
        lambda event: event.delete(),
        lambda event: Event.objects.update(sentence="x"),
        lambda event: Event.objects.filter(pk=event.pk).update(sentence="x"),
        lambda event: Event.objects.filter(pk=event.pk).delete(),
        lambda event: Event.objects.filter(pk=event.pk)._raw_delete("default"),
        lambda event: Event.objects.bulk_update([event], ["sentence"]),
        lambda event: Event.objects.bulk_create(
            [event], update_conflicts=True, unique_fields=["id"], update_fields=["sentence"]
        ),
        lambda event: Event.objects.bulk_create([event], ignore_conflicts=True),
        lambda event: Event._base_manager.filter(pk=event.pk).update(sentence="x"),
        lambda event: Event._default_manager.filter(pk=event.pk).update(sentence="x"),
        lambda event: event.payload.delete(),
        lambda event: event.payload.save(),
        lambda event: Payload.objects.all().delete(),
        lambda event: Position.objects.update(position=models.F("position") + 1),
    ],
)
def test_django_refuses_to_change_a_fact(db, record, change):
    event = record(payload={"a": 1})
    with pytest.raises(Refusal, match="append-only"):
        change(event)
    assert Event.objects.get().sentence == "A thing was done."
    assert Payload.objects.get().data == {"a": 1}


def test_a_second_event_cannot_take_the_place_of_another(db, record):
    event = record()
    usurper = Event(
        pk=event.pk, verb=event.verb, actor_kind="system", actor_id="x", subject_kind="x", sentence="x"
    )
    with pytest.raises(Exception, match="duplicate key"), transaction.atomic():
        usurper.save(force_insert=False)


def test_a_query_built_past_our_guards_meets_the_database(db, record):
    event = record()
    query = UpdateQuery(Event)
    query.add_update_values({"sentence": "x"})
    with pytest.raises((ProgrammingError, InternalError)), transaction.atomic():
        query.get_compiler("default").execute_sql("no results")
    assert Event.objects.get(pk=event.pk).sentence == "A thing was done."


@pytest.mark.parametrize("role", ["owner", "app", "sequencer"])
def test_no_database_role_changes_the_ledger(live_db, record, number, role):
    record(payload={"a": 1})
    number()
    record()
    before = contents(live_db)
    with live_db.connect(role) as connection:
        for statement in STATEMENTS:
            with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
                connection.execute(statement)
    assert contents(live_db) == before


def test_the_triggers_hold_where_ordinary_triggers_are_switched_off(live_db, record, number):
    record(payload={"a": 1})
    number()
    with live_db.connect("owner") as connection:
        always = connection.execute(
            "SELECT count(*) FILTER (WHERE tgenabled = 'A'), count(*) FROM pg_trigger"
            " WHERE NOT tgisinternal AND tgrelid::regclass::text LIKE 'audit_%'"
        ).fetchone()
    assert always[0] == always[1] > 7


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO audit_position (position, event_id) SELECT 7, id FROM audit_event",
        "INSERT INTO audit_pendingevent (event_id) SELECT id FROM audit_event",
        "ALTER TABLE audit_event DISABLE TRIGGER ALL",
        "DROP TABLE audit_payload",
        "SET session_replication_role = replica",
        "CREATE TABLE audit_copy (id int)",
    ],
)
def test_the_application_can_neither_number_nor_disarm(live_db, record, statement):
    record()
    with live_db.connect() as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)


def test_the_application_cannot_claim_another_time(live_db, record):
    with live_db.connect() as connection:
        connection.execute(INSERT_EVENT, [uuid.uuid4()])
    assert Event.objects.get().occurred_at.year > 2001
    assert PendingEvent.objects.count() == 1


def test_the_application_may_read_every_other_table(live_db):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
            " AND relname NOT LIKE 'audit_%' AND NOT has_table_privilege(oid, 'SELECT')"
        )
        assert cursor.fetchall() == []


def contents(live_db):
    with live_db.connect("owner") as connection:
        return [
            connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()
            for table in (*TABLES, "audit_pendingevent")
        ]
