"""How sealing stands, said alike on the page, over the API and at the command line; and proofs of events."""

from __future__ import annotations

import base64
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from audit import notes, seals
from audit.models import Cosignature, Event, Outlet
from audit.registry import registered_invariants
from audit.selectors import violations
from audit.services.sealing import Sealer, SignedBefore
from audit.services.sealing_turns import Sealing
from audit.services.stored_tree import tile
from audit.standalone import verify_ledger as outside
from tests.audit.conftest import role
from workflows.pages.troubles import troubles_for

SIGNER = notes.Signer.fresh("example.com/ledger")


@pytest.fixture
def sealer(tmp_path):
    return Sealer(lambda: [SIGNER], SignedBefore(tmp_path / "last"))


@pytest.fixture
def sealed(live_db, record, number, seal, sealer):
    """Three sealed events."""
    for n in range(3):
        record(payload={"n": n})
    number()
    seal(sealer)


@pytest.fixture
def client_of():
    def client_of(user):
        client = APIClient()
        client.force_authenticate(user)
        return client

    return client_of


def status():
    out = StringIO()
    try:
        call_command("ledger_status", stdout=out)
    except SystemExit as end:
        return end.code, out.getvalue()
    return 0, out.getvalue()


def outlet(live_db, **values):
    with role(live_db, "sequencer"):
        Outlet.objects.update_or_create(name=values.pop("name"), defaults=values)


def test_the_newest_checkpoint_is_given_as_it_was_signed(live_db, sealed, auditor, client_of):
    with role(live_db, "sequencer"):
        Cosignature.objects.create(
            checkpoint=seals.newest_checkpoint(),
            kind="witness",
            source="w",
            content="— w aGVsbG8gd29ybGQ=".encode(),
        )
    answer = client_of(auditor).get("/api/v1/ledger/checkpoint", headers={"accept": "text/html"})
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    checkpoint = outside.Checkpoint.parse(answer.content.decode())
    assert checkpoint.size == 3
    assert checkpoint.note.signed_by([SIGNER.verifier]) == [SIGNER.verifier]
    assert [one.name for one in checkpoint.note.signatures] == ["example.com/ledger", "w"]


def test_an_event_is_proved_to_whoever_may_see_it(sealed, auditor, mallory, client_of):
    event = Event.objects.with_position().get(placement__position=2)
    text = client_of(auditor).get(f"/api/v1/ledger/proofs/{event.pk}").content.decode()
    head, _, note = text.partition("\n\n")
    kind, extra, index, *hashes = head.split("\n")
    assert (kind, index) == ("c2sp.org/tlog-proof@v1", "index 1")
    leaf = outside.leaf_hash(base64.b64decode(extra.removeprefix("extra ")))
    checkpoint = outside.Checkpoint.parse(note)
    proof = [base64.b64decode(one) for one in hashes]
    assert outside.is_included(leaf, 1, checkpoint.size, checkpoint.root, proof)
    mallory.user_permissions.add(auditor.user_permissions.get(codename="view_event"))
    answer = client_of(type(mallory).objects.get(pk=mallory.pk)).get(f"/api/v1/ledger/proofs/{event.pk}")
    assert (answer.status_code, answer.json()["code"]) == (404, "event_not_found")


def test_an_event_that_is_not_sealed_has_no_proof_yet(sealed, auditor, record, number, client_of):
    for event in (record(), record()):
        answer = client_of(auditor).get(f"/api/v1/ledger/proofs/{event.pk}")
        assert (answer.status_code, answer.json()["code"]) == (409, "not_sealed_yet")
        number()


def test_an_altered_event_is_not_proved(live_db, sealed, auditor, client_of):
    event = Event.objects.with_position().get(placement__position=2)
    with live_db.connect("owner") as owner:
        owner.execute("ALTER TABLE audit_event DISABLE TRIGGER USER")
        owner.execute("UPDATE audit_event SET code = 'other' WHERE id = %s", [event.pk])
        owner.execute("ALTER TABLE audit_event ENABLE ALWAYS TRIGGER audit_event_append_only")
    answer = client_of(auditor).get(f"/api/v1/ledger/proofs/{event.pk}")
    assert (answer.status_code, answer.json()["code"]) == (409, "event_altered")


def test_tiles_are_given_as_far_as_they_are_signed(sealed, auditor, client_of):
    client = client_of(auditor)
    answer = client.get("/api/v1/ledger/tile/0/000.p/2")
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer.content == tile(0, 0)[:64]
    for wrong in (
        "0/000",
        "0/000.p/4",
        "1/000.p/1",
        "0/001.p/1",
        "0/000.p/0",
        "0/0",
        "6/000",
        "x",
        "0/٠٠٠.p/1",
    ):
        answer = client.get(f"/api/v1/ledger/tile/{wrong}")
        assert (answer.status_code, answer.json()["code"]) == (404, "no_such_tile"), wrong


def test_nothing_is_given_to_who_may_not_read_the_ledger(sealed, mallory, client_of):
    event = Event.objects.first()
    for address in ("checkpoint", "tile/0/000.p/1", f"proofs/{event.pk}"):
        assert client_of(mallory).get(f"/api/v1/ledger/{address}").status_code == 403
    web = Client()
    web.force_login(mallory)
    assert web.get("/admin/audit/event/seals/").status_code == 403


def test_all_is_well_or_it_says_what_is_not(live_db, sealed, sealer, auditor, record, number):
    code, said = status()
    assert (code, "All is well." in said, str(SIGNER.verifier) in said) == (0, True, True)
    now = timezone.now()
    late = {
        "kind": "folder",
        "reached": 1,
        "last_error": "No room",
        "failing_since": now - timedelta(minutes=2),
    }
    outlet(live_db, name="folder:/copies", **late)
    outlet(live_db, name="witness.example", kind="witness", reached=3, failing_since=now)
    (problem,) = seals.standing().problems
    assert (problem.title, problem.detail) == ("folder:/copies takes nothing", "No room")
    assert [line.lag for line in seals.standing().outlets] == [2, 0]
    assert troubles_for(auditor) == []  # no sequencer ever told how its sealing goes
    with role(live_db, "sequencer"):
        Sealing(None).begin()
    code, said = status()
    assert (code, "WRONG: The ledger is not sealed" in said) == (1, True)
    assert "The ledger is not sealed" in [trouble.title for trouble in troubles_for(auditor)]
    auditor.user_permissions.clear()
    assert troubles_for(type(auditor).objects.get(pk=auditor.pk)) == []


def test_what_is_not_sealed_for_a_minute_is_told(live_db, sealed, record, number, monkeypatch):
    record()
    assert seals.standing().problems == ()
    monkeypatch.setattr(seals, "BEHIND", timedelta(0))
    assert "start the sequencer" in seals.standing().problems[0].detail
    number()
    assert seals.standing().unsealed == 1
    outlet(live_db, name="sealer", kind="sealer")
    assert "does not keep up" in seals.standing().problems[0].detail


def test_the_page_shows_the_seals_to_auditors(live_db, sealed, auditor):
    outlet(live_db, name="folder:/copies", kind="folder", reached=3, last_ok_at=timezone.now())
    web = Client()
    web.force_login(auditor)
    page = web.get("/admin/audit/event/seals/").content.decode()
    for words in ("3 events", str(SIGNER.verifier).replace("+", "+"), "folder:/copies", "example.com/ledger"):
        assert words in page
    assert 'href="/admin/audit/event/seals/"' in page
    assert web.post("/admin/audit/event/seals/").status_code == 405


def test_a_seal_that_cannot_be_is_found(live_db, record, number, seal, sealer):
    for _ in range(300):
        record()
    number()
    seal(sealer)
    assert [one for one in violations() if one.invariant == "I27"] == []
    with live_db.connect("owner") as owner:
        for table in ("audit_leaf", "audit_tile", "audit_position"):
            owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        owner.execute("UPDATE audit_leaf SET leaf_hash = decode(repeat('00', 32), 'hex') WHERE index = 7")
        owner.execute("DELETE FROM audit_leaf WHERE index = 299")
    assert sorted(one.id for one in violations() if one.invariant == "I27") == ["300", "tile 0"]
    with live_db.connect("owner") as owner:
        owner.execute("DELETE FROM audit_leaf WHERE index = 280")
        owner.execute("DELETE FROM audit_tile")
        owner.execute("DELETE FROM audit_position WHERE position > 290")
    assert "I27" in registered_invariants()
    found = sorted(one.id for one in violations() if one.invariant == "I27")
    assert found == ["298", "298", "300", "tile 0"]
