"""What a pack says of the ledger itself: sealed and whole, or the first entry that is not what was sealed."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest
from django.utils import timezone

from audit import notes
from audit.evidence import Scope
from audit.models import Checkpoint, Event
from audit.services.evidence.verifying import check_period, seals_of
from audit.services.sealing import Sealer, SignedBefore

SIGNER = notes.Signer.fresh("example.com/ledger")


@pytest.fixture
def sealer(tmp_path):
    return Sealer(lambda: [SIGNER], SignedBefore(tmp_path / "ledger.key.last"))


def scope_of(since, until=None):
    return Scope(since, until or timezone.now() + timedelta(minutes=1))


def results(scope):
    return {check.name: check.passed for check in check_period(scope)}


@pytest.fixture
def since(live_db):
    return timezone.now() - timedelta(minutes=1)


def test_what_is_not_numbered_or_not_sealed_is_said(since, record, number):
    assert results(scope_of(since - timedelta(days=9), since - timedelta(days=8))) == {"Entries": None}
    record()
    assert results(scope_of(since))["Every entry has its number"] is False
    number()
    found = results(scope_of(since))
    assert (found["Every entry has its number"], found["Every entry is sealed"]) == (True, None)


def test_a_sealed_period_is_worked_out_again_up_to_its_signature(since, record, number, seal, sealer):
    for payload in (None, {"a": 1.5, "b": "ü"}):
        record(payload=payload)
    number()
    seal(sealer)
    middle = Checkpoint.objects.get().signed_at + timedelta(microseconds=1)
    for payload in ({"n": 2**60}, None, {"x": []}):
        record(payload=payload, risk={"tier": "high"})
    number()
    seal(sealer)
    found = results(scope_of(middle))
    assert set(found.values()) == {True}
    assert {"What was there before the period", "What the entries say"} <= set(found)
    seals = seals_of(scope_of(middle))
    assert (seals.start.tree_size, seals.end.tree_size, seals.whole.tree_size) == (2, 5, 5)
    assert (seals.first, seals.last, seals.entries) == (3, 5, 3)
    assert set(results(scope_of(since)).values()) == {True}


def erase(live_db, event, part):
    """Erase a part of an event as the application does: an event that tells of it, then the function."""
    with live_db.connect("app") as connection:
        connection.execute(
            "INSERT INTO audit_event (id, verb, actor_kind, actor_id, actor_label, subject_kind, subject_id,"
            " subject_label, sentence, reason, agent_id, action_id, run_id, system_id, department_id,"
            " correlation_id, decision, code) VALUES (%s, 'audit.content_erased', 'system', 'tests', '', 'x',"
            " '', '', 'erased', '', '', '', '', '', '', '', '', '')",
            [told := Event().pk],
        )
        connection.execute(
            "INSERT INTO audit_payload (event_id, data) SELECT %s, jsonb_build_object('part', %s::text,"
            " 'indexes', jsonb_build_array(jsonb_build_array(position - 1, position - 1)))"
            " FROM audit_position WHERE event_id = %s",
            [told, part, event.pk],
        )
        connection.execute("SELECT audit_erase(%s, %s, %s)", [told, [event.pk], part])


@pytest.mark.parametrize("part", ["data", "words"])
def test_what_was_erased_still_proves(live_db, since, record, number, seal, sealer, part):
    event = record(payload={"a": 1}, reason="because")
    record()
    number()
    seal(sealer)
    erase(live_db, event, part)
    number()
    seal(sealer)
    assert set(results(scope_of(since)).values()) == {True}


TAMPERINGS = (
    "UPDATE audit_event SET code = 'other' WHERE id = %s",
    "UPDATE audit_event SET sentence = 'another sentence' WHERE id = %s",
    "UPDATE audit_event SET words_salt = '', sentence = '' WHERE id = %s",
    "UPDATE audit_payload SET data = '{}' WHERE event_id = %s",
    "DELETE FROM audit_payload WHERE event_id = %s",
)


def tamper(live_db, statement, *keys):
    """Do what the owner of the tables could do, and the ledger has to find."""
    tables = ["audit_event", "audit_payload", "audit_checkpoint"]
    with psycopg.connect(live_db.url("owner")) as connection:
        parts = connection.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = ANY (%s::regclass[])", [tables]
        ).fetchall()
        for table in (*tables, *(part for (part,) in parts)):
            connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        assert connection.execute(statement, keys).rowcount == 1


def test_the_first_entry_that_was_altered_is_named(live_db, since, record, number, seal, sealer):
    events = [record(payload={"a": 1}) for _ in range(len(TAMPERINGS) + 1)]
    number()
    seal(sealer)
    for at, statement in reversed(list(enumerate(TAMPERINGS))):
        tamper(live_db, statement, events[at].pk)
        found = {check.name: check for check in check_period(scope_of(since))}["What the entries say"]
        assert (found.passed, found.detail) == (False, f"Entry {at + 1} is not what was sealed."), statement


def test_a_seal_that_nobody_signed_is_said(live_db, since, record, number, seal, sealer):
    record()
    number()
    seal(sealer)
    tamper(live_db, "UPDATE audit_checkpoint SET note = replace(note, 'example.com', 'example.org')")
    assert results(scope_of(since))["Seal first that covers all of it: signature"] is False
