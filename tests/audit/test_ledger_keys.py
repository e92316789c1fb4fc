"""Keys that sign the ledger: made once, changed with overlap, each change an event; nothing half-done."""

from __future__ import annotations

import stat
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from audit import notes
from audit.models import Checkpoint as CheckpointRow
from audit.models import Event, SigningKey
from audit.notes import KeyFile, Signer
from audit.services import ledger_keys
from audit.services.fork_guard import KEY_KIND
from audit.services.sealing import Forked, Sealer, SignedBefore
from audit.standalone.verify_ledger import Checkpoint, VerifierKey
from audit.vocabulary import Refusal


@pytest.fixture
def file(tmp_path):
    return KeyFile(tmp_path / "ledger.key")


@pytest.fixture
def sealer(file):
    return Sealer(file.signers, SignedBefore(file.last))


@pytest.fixture
def sealed(file, sealer, record, number, seal):
    """Make a key and seal an event with it."""
    ledger_keys.make_key(file, "example.com/ledger")
    record()
    number()
    seal(sealer)
    return file


def command(*words):
    out = StringIO()
    call_command("ledger_key", *words, stdout=out, stderr=StringIO())
    return out.getvalue().splitlines()


def newest():
    return Checkpoint.parse(CheckpointRow.objects.order_by("-tree_size").first().note)


def test_a_key_is_made_once_and_its_secret_is_never_shown(live_db, file, monkeypatch):
    monkeypatch.setenv("LEDGER_KEY_FILE", str(file.path))
    (shown,) = command("new", "--name", "example.com/ledger")
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert VerifierKey.parse(shown) == file.signers()[0].verifier
    assert command("show") == [shown]
    with pytest.raises(CommandError, match="there already"):
        command("new", "--name", "example.com/ledger")
    with pytest.raises(CommandError, match="cannot be the name"):
        call_command("ledger_key", "--file", str(file.path) + "2", "new", "--name", "a b")


def test_a_signed_ledger_gets_no_first_key_again(live_db, sealed, tmp_path):
    with pytest.raises(Refusal, match="was signed by a key that is not here"):
        ledger_keys.make_key(KeyFile(tmp_path / "other.key"), "example.com/ledger")
    sealed.path.unlink()
    with pytest.raises(Refusal, match="or has been"):
        ledger_keys.make_key(sealed, "example.com/ledger")


def test_keys_are_changed_with_overlap(live_db, sealed, sealer, record, number, seal):
    (old,) = sealed.signers()
    added = ledger_keys.add_key(sealed)
    told = Event.objects.get(verb="audit.key_added")
    assert (told.subject_kind, told.subject_id) == (KEY_KIND, notes.id_of(added))
    assert told.payload.data["key"] == str(added)
    with pytest.raises(Refusal, match="two already"):
        ledger_keys.add_key(sealed)
    with pytest.raises(Refusal, match="no checkpoint that both keys signed"):
        ledger_keys.retire_key(sealed)
    number()
    seal(sealer)  # the running sealer has noticed the new key by itself
    assert newest().note.signed_by([old.verifier, added]) == [old.verifier, added]
    assert SigningKey.objects.count() == 2
    with pytest.raises(Refusal, match="is neither of"):
        ledger_keys.retire_key(sealed, "00000000")
    assert ledger_keys.retire_key(sealed) == old.verifier
    number()
    seal(sealer)
    assert newest().note.signed_by([old.verifier, added]) == [added]
    assert Event.objects.get(verb="audit.key_retired").subject_id == notes.id_of(old.verifier)
    with pytest.raises(Refusal, match="only key"):
        ledger_keys.retire_key(sealed)


def test_a_change_that_fails_changes_neither_file_nor_ledger(live_db, sealed, monkeypatch):
    before = sealed.path.read_text()

    def refuse(**_):
        raise RuntimeError("no")

    with monkeypatch.context() as broken:
        broken.setattr(ledger_keys, "record_event", refuse)
        with pytest.raises(RuntimeError):
            ledger_keys.add_key(sealed)
    assert sealed.path.read_text() == before
    assert not sealed.upcoming.exists()
    sealed.upcoming.mkdir()
    with monkeypatch.context() as broken:
        broken.setattr(ledger_keys, "_finish", lambda file: None)
        with pytest.raises(Refusal, match="cannot be written"):
            ledger_keys.add_key(sealed)
    assert sealed.path.read_text() == before
    assert not Event.objects.filter(verb="audit.key_added").exists()


@pytest.mark.parametrize("was_told", [True, False])
def test_a_change_that_was_killed_is_finished_or_dropped(live_db, sealed, monkeypatch, was_told):
    if was_told:
        monkeypatch.setattr(KeyFile, "put_in_place", lambda file: None)
        added = ledger_keys.add_key(sealed)
        monkeypatch.undo()
    else:
        added = Signer.fresh("example.com/ledger").verifier
        sealed.prepare([*sealed.signers(), Signer.fresh("example.com/ledger")])
    assert sealed.upcoming.exists()
    with pytest.raises(Refusal):
        ledger_keys.retire_key(sealed)
    assert not sealed.upcoming.exists()
    assert (added in [signer.verifier for signer in sealed.signers()]) is was_told


def test_a_key_that_nobody_told_of_signs_nothing(live_db, sealed, record, number, seal):
    stranger = Signer.fresh("example.com/ledger")
    record()
    number()
    with pytest.raises(Forked, match="no event tells of it"):
        seal(Sealer(lambda: [stranger], SignedBefore(sealed.last)))


def test_after_a_restore_it_goes_on_under_a_new_name(live_db, sealed, sealer, record, number, seal):
    (old,) = sealed.signers()
    text = notes.signed_checkpoint([old], 7, b"\1" * 32)
    sealed.last.write_text(text)
    record()
    number()
    sealer.forget()
    with pytest.raises(Forked, match="restored to an older state"):
        seal(sealer)
    with pytest.raises(Refusal, match="why was not said"):
        ledger_keys.go_on_restored(sealed, " ")
    key = ledger_keys.go_on_restored(sealed, "The disk broke.")
    told = Event.objects.get(verb="audit.ledger_restored")
    assert key.name == "example.com/ledger/2"
    assert (told.subject_id, told.reason) == (notes.id_of(key), "The disk broke.")
    assert (told.payload.data["old_size"], told.payload.data["old_root"]) == (7, "01" * 32)
    number()
    assert seal(sealer) == 2
    assert (newest().origin, newest().size) == ("example.com/ledger/2", 3)
    again = ledger_keys.go_on_restored(sealed, "The key is lost.")
    assert again.name == "example.com/ledger/3"


def test_names_of_restored_ledgers_are_counted():
    assert ledger_keys.next_name("a.example/b") == "a.example/b/2"
    assert ledger_keys.next_name("a.example/b/2") == "a.example/b/3"
    assert ledger_keys.next_name("a.example/b/9") == "a.example/b/10"
    assert ledger_keys.next_name("a.example/0") == "a.example/0/2"


def test_a_key_file_is_read_again_only_when_it_has_changed(file, monkeypatch):
    file.prepare([Signer.fresh("example.com/ledger")])
    file.put_in_place()
    first = file.signers()
    read = []
    monkeypatch.setattr(notes, "read_signers", lambda path: read.append(path) or [])
    assert file.signers() is first
    assert not read
    file.path.chmod(0o644)
    file.signers()
    assert read == [file.path]


def test_a_lost_or_open_key_is_said(file):
    with pytest.raises(notes.UnusableKey, match="No such file"):
        file.signers()
    file.prepare([Signer.fresh("example.com/ledger")])
    file.put_in_place()
    file.path.chmod(0o640)
    with pytest.raises(notes.UnusableKey, match="chmod 600"):
        file.signers()
