"""Content is erased by one function only, every proof still stands, and nothing of the texts is left."""

from __future__ import annotations

import subprocess
from datetime import timedelta

import psycopg
import pytest
from django.db import connection

from audit import envelope, notes, retention, selectors
from audit.models import Checkpoint as CheckpointRow
from audit.models import Erasure, Event, Leaf, LegalHold, Payload
from audit.services import erasing, keeping, stored_tree
from audit.services.sealing import Sealer, SignedBefore
from audit.standalone import verify_ledger as outside
from audit.vocabulary import Actor, Ref, Refusal
from autonomy.launch import place
from autonomy.launch.postgres import find_binaries
from tests import harness

SIGNER = notes.Signer.fresh("example.com/ledger")
PERSON = Actor.system("tests")
RULE = Ref("audit.retentionrule", "1", "tests: 396 days")
SECRET = "Zanzibar-secret"
REFUSED = psycopg.errors.InsufficientPrivilege


@pytest.fixture
def sealer(tmp_path):
    return Sealer(lambda: [SIGNER], SignedBefore(tmp_path / "ledger.key.last"))


@pytest.fixture
def sealed(live_db, record, number, seal, sealer):
    """Record so many events with secret words and payloads, and seal them."""

    def make(count=1, **more):
        events = [
            record(
                **{
                    "sentence": f"{SECRET} word {at}.",
                    "reason": f"{SECRET} reason {at}",
                    "payload": {"text": f"{SECRET} data {at}"},
                    **more,
                }
            )
            for at in range(count)
        ]
        finish(number, seal, sealer)
        return events

    return make


def finish(number, seal, sealer):
    while number():
        pass
    while seal(sealer):
        pass


@pytest.fixture
def later(monkeypatch):
    """Let so many days pass for whoever asks the database's clock."""
    now = selectors.database_now

    def later(days):
        monkeypatch.setattr(selectors, "database_now", lambda: now() + timedelta(days=days))

    return later


def erase(events, code):
    keys = [event.pk for event in events]
    return erasing.erase_content(
        actor=PERSON, data_class=retention.data_class(code), keys=keys, rule=RULE, reason="It is time."
    )


def recomputed() -> list[bytes]:
    """Return every leaf hash worked out from the columns and the commitments that are kept, by index."""
    columns = (*envelope.COLUMNS, *envelope.WORDS.values(), "words_salt")
    found = []
    rows = {
        row.pop("placement__position"): row for row in Event.objects.values("placement__position", *columns)
    }
    for leaf in Leaf.objects.order_by("index"):
        row = rows[leaf.index + 1]
        words, data = bytes(leaf.words_commitment), leaf.data_commitment
        if row["words_salt"]:
            assert envelope.commitment(row["words_salt"], envelope.words_text(row)) == words
        text = envelope.envelope_text(row, words, None if data is None else bytes(data))
        found.append(outside.leaf_hash(text.encode()))
    return found


def test_proofs_stand_after_a_thousand_payloads_and_words_are_gone(
    live_db, record, sealed, number, seal, sealer
):
    with live_db.connect() as other:
        other.execute(
            "INSERT INTO audit_event (id, verb, actor_kind, actor_id, actor_label, subject_kind, subject_id,"
            " subject_label, agent_id, action_id, run_id, system_id, department_id, correlation_id, decision,"
            " code, sentence, reason) SELECT gen_random_uuid(), 'tests.thing_done', 'system', 'x', %s,"
            " 'tests.x', n, %s, '', '', '', '', '', '', '', '', %s, %s FROM generate_series(1, 1000) n",
            [f"{SECRET} actor", f"{SECRET} subject", f"{SECRET} sentence", f"{SECRET} reason"],
        )
        other.execute(
            "INSERT INTO audit_payload (event_id, data) SELECT id, jsonb_build_object('x', %s::text)"
            " FROM audit_event",
            [f"{SECRET} data"],
        )
    finish(number, seal, sealer)
    before = [bytes(leaf.leaf_hash) for leaf in Leaf.objects.order_by("index")]
    events = list(Event.objects.order_by("pk"))
    assert SECRET in dump()
    erase(events, "ledger.payloads")
    told = erase(events, "ledger.words")
    assert not Payload.objects.exclude(event__verb="audit.content_erased").exists()
    assert set(Event.objects.exclude(verb__startswith="audit.").values_list("sentence", "actor_label")) == {
        ("", "")
    }
    assert told.payload.data["indexes"] == [[0, 999]]
    assert (told.payload.data["part"], told.payload.data["count"]) == ("words", 1000)
    finish(number, seal, sealer)
    assert recomputed()[:1000] == before
    row = CheckpointRow.objects.order_by("-tree_size").first()
    for index, leaf in enumerate(recomputed()):
        if index % 97 == 0:
            proof = stored_tree.tree().inclusion(index, row.tree_size)
            assert outside.is_included(leaf, index, row.tree_size, bytes(row.root), proof)
    assert dump().count(SECRET) == 0
    assert Erasure.objects.count() == 2000


def dump() -> str:
    """Return all that is in the database, as the PostgreSQL that is shipped writes it out."""
    here = place.Place(harness.ROOT, harness.ROOT, place.service_user())
    url = harness.url("owner", connection.settings_dict["NAME"])
    command = [find_binaries(here) / "pg_dump", "--data-only", url]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout


def test_an_event_that_is_not_sealed_keeps_its_content(live_db, record, number):
    event = record(payload={"a": 1})
    with pytest.raises(Exception, match="not sealed yet"):
        erase([event], "ledger.payloads")
    number()
    with pytest.raises(Exception, match="not sealed yet"):
        erase([event], "ledger.words")
    assert Payload.objects.get(event=event).data == {"a": 1}


def test_nothing_is_erased_without_a_new_event_that_tells_of_it(live_db, sealed, number, seal, sealer):
    (event,) = sealed()
    told = erase(sealed(), "ledger.payloads")
    finish(number, seal, sealer)
    with live_db.connect("owner") as owner, live_db.connect() as app:
        for who in (owner, app):
            for cause in (event.pk, told.pk, None):
                with pytest.raises(REFUSED, match="no new event"), who.transaction():
                    who.execute("SELECT audit_erase(%s, %s, 'words')", [cause, [event.pk]])


def test_only_a_part_is_erased(live_db, sealed, record):
    (event,) = sealed()
    told = record(verb="audit.content_erased")
    with live_db.connect() as app:
        for part in ("both", "", None):
            with pytest.raises(REFUSED, match="no part"), app.transaction():
                app.execute("SELECT audit_erase(%s, %s, %s)", [told.pk, [event.pk], part])


def test_nothing_is_erased_that_its_event_does_not_name(live_db, sealed, record, number, seal, sealer):
    events = sealed(3)
    for payload in (
        None,
        {"part": "words", "indexes": [[0, 2]]},
        {"part": "data", "indexes": [[0, 0], [2, 2]]},
        {"part": "data", "indexes": []},
    ):
        told = record(verb="audit.content_erased", payload=payload)
        with live_db.connect() as app, pytest.raises(REFUSED, match="does not tell of all of it"):
            app.execute("SELECT audit_erase(%s, %s, 'data')", [told.pk, [event.pk for event in events]])
    told = record(verb="audit.content_erased", payload={"part": "data", "indexes": [[0, 1], [2, 2]]})
    with live_db.connect() as app:
        app.execute("SELECT audit_erase(%s, %s, 'data')", [told.pk, [event.pk for event in events]])
    assert not Payload.objects.filter(event__in=events).exists()


def test_what_the_ledger_says_of_itself_stays(live_db, sealed, number, seal, sealer):
    told = erase(sealed(), "ledger.words")
    finish(number, seal, sealer)
    with pytest.raises(Exception, match="says of itself"):
        erase([told], "ledger.payloads")


def test_the_sequencer_erases_nothing_and_makes_no_room_for_it(live_db, sealed, record):
    (event,) = sealed()
    told = record(verb="audit.content_erased")
    with live_db.connect("sequencer") as sequencer:
        for statement in (
            f"SELECT audit_erase('{told.pk}', ARRAY['{event.pk}']::uuid[], 'words')",
            "SELECT audit_drop_empty_partitions()",
            f"INSERT INTO audit_erasure (event_id, part, cause_id) VALUES ('{event.pk}', 'data', '{told.pk}')",
        ):
            with pytest.raises(REFUSED), sequencer.transaction():
                sequencer.execute(statement)


BLANK = "sentence = '', reason = '', actor_label = '', subject_label = '', words_salt = ''"


STATEMENTS = [
    "DELETE FROM audit_payload",
    "DELETE FROM {partition}",
    "UPDATE {partition} SET data = '{{}}'",
    "TRUNCATE {partition}",
    f"UPDATE audit_event SET {BLANK}",
    "UPDATE audit_event SET sentence = ''",
    f"UPDATE audit_event SET {BLANK}, verb = 'tests.other_done'",
]


@pytest.mark.parametrize("role", ["app", "sequencer", "owner", "superuser with ordinary triggers off"])
def test_no_statement_erases_without_the_row_that_says_so(live_db, sealed, role):
    sealed()
    before = contents()
    (partition,) = holding(live_db)
    with superuser() if role.startswith("superuser") else live_db.connect(role) as other:
        if role.startswith("superuser"):
            other.execute("SET session_replication_role = replica")
        for flag in ("", "on"):
            other.execute("SELECT set_config('audit.erasing', %s, false)", [flag])
            for statement in STATEMENTS:
                with pytest.raises(REFUSED), other.transaction():
                    other.execute(statement.format(partition=partition))
    assert contents() == before


def contents():
    return (
        list(Event.objects.values_list("sentence", "verb", "reason")),
        list(Payload.objects.values_list("data", flat=True)),
    )


def superuser():
    return harness.superuser(connection.settings_dict["NAME"])


def holding(live_db) -> list[str]:
    with live_db.connect("owner") as owner:
        return [row[0] for row in owner.execute("SELECT DISTINCT tableoid::regclass::text FROM audit_payload")]


PARTIAL = [
    "sentence = '', reason = ''",
    f"{BLANK}, verb = 'tests.other_done'",
    f"{BLANK}, occurred_at = now()",
    f'{BLANK}, risk = \'{{"a": "b"}}\'',
    "words_salt = ''",
    "sentence = 'Another.', reason = '', actor_label = '', subject_label = '', words_salt = ''",
]


def test_words_go_all_together_and_nothing_else_with_them(live_db, sealed, record):
    (event,) = sealed()
    told = record(verb="audit.content_erased")
    with live_db.connect("owner") as owner:
        owner.execute(
            "INSERT INTO audit_erasure (event_id, part, cause_id) VALUES (%s, 'words', %s)", [event.pk, told.pk]
        )
        owner.execute("SELECT set_config('audit.erasing', 'on', false)")
        for change in PARTIAL:
            with pytest.raises(REFUSED), owner.transaction():
                owner.execute(f"UPDATE audit_event SET {change} WHERE id = '{event.pk}'")
    assert Event.objects.get(pk=event.pk).sentence == event.sentence


def test_no_payload_is_put_in_the_place_of_an_erased_one(live_db, sealed, number, seal, sealer, record):
    events = sealed(2)
    erase(events[:1], "ledger.payloads")
    bare = record()
    finish(number, seal, sealer)
    (partition,) = holding(live_db)
    insert = "INSERT INTO {} (event_id, data) VALUES (%s, '{{}}')"
    for role, table in (("app", "audit_payload"), ("owner", "audit_payload"), ("owner", partition)):
        for event in (events[0], bare):
            with live_db.connect(role) as other, pytest.raises(REFUSED, match="in the ledger already"):
                other.execute(insert.format(table), [event.pk])


def test_nothing_under_a_hold_is_erased_by_anybody(live_db, sealed, record, later):
    held, free = sealed(2, run_id="run-1"), sealed(2)
    hold = hold_on(scope="run", target_id="run-1")
    for code in ("ledger.payloads", "ledger.words"):
        with pytest.raises(Exception, match="under a legal hold"):
            erase(held, code)
    later(400)
    erasing.erase_expired()
    assert {event.sentence != "" for event in Event.objects.filter(run_id="run-1")} == {True}
    assert not Event.objects.filter(pk__in=[event.pk for event in free]).exclude(sentence="").exists()
    with live_db.connect("owner") as owner:
        for statement in (
            "DELETE FROM audit_legalhold",
            "TRUNCATE audit_legalhold CASCADE",
            "UPDATE audit_legalhold SET target_id = 'run-2'",
        ):
            with pytest.raises(REFUSED), owner.transaction():
                owner.execute(statement)
    one = str(hold.pk)
    with live_db.connect() as app, pytest.raises(psycopg.errors.CheckViolation):
        app.execute(
            "UPDATE audit_legalhold SET ended_at = now(), ended_by_id = %s, agreed_by_id = %s", [one, one]
        )
    keeping.end_hold(actor=PERSON, user=None, asked_by="another", hold=hold, reason="The case is closed.")
    erasing.erase_expired()
    assert not Event.objects.filter(run_id="run-1").exclude(sentence="").exists()


SCOPES = [
    {"scope": "agent", "target_id": "a"},
    {"scope": "action", "target_id": "a"},
    {"scope": "department", "target_id": "a"},
    {"scope": "object", "target_kind": "tests.thing", "target_id": "1"},
    {"scope": "period", "begins_on": "2020-01-01", "ends_on": "2099-12-31"},
]


def test_every_scope_of_a_hold_holds(live_db, sealed, later):
    (event,) = sealed(1, agent_id="a", action_id="a", department_id="a")
    words = retention.data_class("ledger.words")
    later(400)
    for what in SCOPES:
        hold = hold_on(**what)
        with pytest.raises(Exception, match="under a legal hold"):
            erase([event], "ledger.words")
        assert erasing.erase_expired() == 0
        assert not erasing.stock(words, retention.Reach(holds=retention.holds())).count
        keeping.end_hold(actor=PERSON, user=None, asked_by="another", hold=hold, reason="It is over.")
    assert erasing.erase_expired() == 2


def hold_on(**what):
    return keeping.place_hold(actor=PERSON, user=None, reason="Evidence in a case.", **what)


def test_rules_erase_in_batches_what_is_older_and_go_on_where_they_were(live_db, sealed, monkeypatch, later):
    monkeypatch.setattr(erasing, "MOST_AT_ONCE", 3)
    sealed(4)
    assert erasing.erase_expired() == 0
    later(397)
    assert sum(one.count for one in erasing.expired()) == 8
    assert erasing.erase_expired(most=2) == 2
    assert erasing.erase_expired() == 6
    assert erasing.erase_expired() == 0
    told = Event.objects.filter(verb="audit.content_erased")
    assert [event.payload.data["count"] for event in told.order_by("pk")] == [2, 2, 3, 1]
    assert set(told.values_list("code", flat=True)) == {"ledger.payloads", "ledger.words"}


def test_the_nearest_rule_counts(live_db, sealed, later, monkeypatch):
    monkeypatch.setattr(retention, "_departments", [lambda: {"top": "", "team": "top", "other": ""}])
    sealed(1, department_id="team")
    sealed(1, department_id="other")
    sealed(1)
    write("ledger.words", "top", 500)
    write("ledger.words", "", 200)
    later(300)
    assert {one.rule: one.count for one in erasing.expired() if one.data_class.code == "ledger.words"} == {
        "ledger.words of top: 500 days": 0,
        "ledger.words of the company: 200 days": 2,
    }
    assert erasing.expired_if("ledger.words", "team", 250).count == 1
    erasing.erase_expired()
    (kept,) = Event.objects.exclude(verb__startswith="audit.").exclude(sentence="")
    assert kept.department_id == "team"


def write(code, department, days):
    return keeping.write_rule(
        actor=PERSON, user=None, data_class=code, department=(department, department), days=days, reason="So."
    )


def test_nothing_is_kept_shorter_than_the_law_says(live_db):
    for days in (182, 0, -1):
        with pytest.raises(Refusal, match="183 days"):
            write("ledger.words", "", days)
    with live_db.connect("owner") as owner, pytest.raises(psycopg.errors.CheckViolation):
        owner.execute(
            "INSERT INTO audit_retentionrule (id, data_class, department_id, department_label, days)"
            " VALUES (gen_random_uuid(), 'ledger.words', '', '', 182)"
        )
    with pytest.raises(Refusal, match="no class of data"):
        write("ledger.nothing", "", 400)


def test_open_work_keeps_its_events(live_db, sealed, later, monkeypatch):
    from django.db.models import Q

    monkeypatch.setattr(retention, "_in_use", {"tests": lambda: Q(run_id="open")})
    sealed(1, run_id="open")
    sealed(1, run_id="over")
    later(400)
    erasing.erase_expired()
    assert Event.objects.exclude(verb__startswith="audit.").exclude(sentence="").get().run_id == "open"


def test_an_erased_event_says_when_and_under_which_rule(live_db, sealed):
    (event,) = sealed()
    assert not event.erased
    erase([event], "ledger.words")
    for shown in (Event.objects.get(pk=event.pk), Event.objects.with_position().get(pk=event.pk)):
        assert shown.told.startswith("Erased on ")
        assert shown.told.endswith("under: tests: 396 days")
        assert list(shown.erased) == ["words"]


def test_on_request_everything_about_an_object_goes(live_db, sealed):
    sealed(2, subject=Ref("tests.thing", "7", "Seven"))
    sealed(1)
    subject = Ref("tests.thing", "7")
    told = Ref("agents.changerequest", "1", "request 1")
    assert sum(one.count for one in erasing.about(subject)) == 4
    assert erasing.erase_about(actor=PERSON, subject=subject, reason="Asked for.", told=told) == 4
    assert Event.objects.filter(subject_id="7").exclude(sentence="").count() == 0
    assert Event.objects.exclude(verb__startswith="audit.").exclude(sentence="").count() == 1
    with pytest.raises(Refusal, match="erased already"):
        erasing.erase_about(actor=PERSON, subject=subject, reason="Asked for.", told=told)


def test_a_hold_is_never_more_than_it_says(live_db):
    with pytest.raises(Exception, match="period needs"):
        hold_on(scope="period")
    with pytest.raises(Exception, match="needs its id"):
        hold_on(scope="run")
    with pytest.raises(Exception, match="needs its kind"):
        hold_on(scope="object", target_id="1")
    assert not LegalHold.objects.exists()
