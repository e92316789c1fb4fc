"""A file in a watched folder starts a run, once, whatever happens in between."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from audit.models import Event
from audit.vocabulary import Refusal
from tests.workflows.test_runs import letters, publish
from workflows.documents.models import Document
from workflows.runs.models import Run, RunDocument
from workflows.runs.services import set_enabled
from workflows.triggers.models import WatchedFolder
from workflows.triggers.services import folders as services

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("hints")]


@pytest.fixture
def folder(clerk: Any, alice: Any, bob: Any, settings: Any, tmp_path: Path) -> WatchedFolder:
    settings.INCOMING_DIR = tmp_path / "incoming"
    settings.DATA_DIR = tmp_path
    content = letters(read={"give": {"document": "input.document"}}, done={"output": {}})
    content["input"] = {
        "type": "object",
        "additionalProperties": False,
        "required": ["document"],
        "properties": {
            "document": {"type": "string", "format": "document", "maxLength": 40},
            "topic": {"type": "string", "maxLength": 40},
        },
    }
    workflow = publish(alice, bob, content)
    return services.save_folder(
        actor=alice.as_actor(),
        values={"name": "Scanned mail", "folder": "mail", "workflow": workflow},
        reason="the scanner puts them there",
    )


def drop(folder: WatchedFolder, name: str, content: bytes = b"Dear Sirs", age: float = 10) -> Path:
    path = services.path_of(folder) / name
    path.write_bytes(content)
    long_ago = time.time() - age
    os.utime(path, (long_ago, long_ago))
    return path


def test_a_file_becomes_a_document_and_starts_a_run(folder: WatchedFolder) -> None:
    path = drop(folder, "letter.xml")
    assert services.take_in_all() == 1
    run, document = Run.objects.get(), Document.objects.get()
    assert (run.key, run.input) == (document.sha256, {"document": str(document.pk)})
    assert RunDocument.objects.get().document == document
    assert (document.name, document.source) == ("letter.xml", "folder")
    assert not path.exists()
    assert (path.parent / "taken" / "letter.xml").exists()


def test_the_same_content_is_the_same_run(folder: WatchedFolder) -> None:
    for name in ("a.xml", "b.xml", "a.xml"):
        drop(folder, name)
        services.take_in_all()
    assert Run.objects.count() == 1
    taken = services.path_of(folder) / "taken"
    assert sorted(path.name for path in taken.iterdir()) == ["a-2.xml", "a.xml", "b.xml"]


def test_a_crash_before_the_file_is_put_aside_doubles_nothing(
    folder: WatchedFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(folder, "letter.xml")
    with monkeypatch.context() as patch:
        patch.setattr(services, "_put_aside", lambda *_: None)
        services.take_in_all()
    assert services.take_in_all() == 1
    assert Run.objects.count() == Document.objects.count() == 1


def test_what_is_still_written_hidden_or_a_link_is_left(folder: WatchedFolder, tmp_path: Path) -> None:
    drop(folder, "young.xml", age=0)
    drop(folder, ".hidden")
    secret = tmp_path / "secret"
    secret.write_text("password")
    (services.path_of(folder) / "link.xml").symlink_to(secret)
    assert services.take_in_all() == 0
    assert Document.objects.count() == 0


def test_what_is_refused_is_put_aside_with_the_reason(folder: WatchedFolder) -> None:
    drop(folder, "empty.xml", b"")
    services.take_in_all()
    aside = services.path_of(folder) / "refused"
    assert "no bytes" in (aside / "empty.xml.why.txt").read_text()
    assert Event.objects.filter(verb="triggers.file_refused").count() == 1


def test_what_cannot_start_now_stays_where_it_is(folder: WatchedFolder, alice: Any) -> None:
    path = drop(folder, "letter.xml")
    set_enabled(actor=alice.as_actor(), workflow=folder.workflow, enabled=False, reason="holidays now")
    assert services.take_in_all() == 0
    assert path.exists()
    set_enabled(actor=alice.as_actor(), workflow=folder.workflow, enabled=True, reason="back again")
    assert services.take_in_all() == 1


def test_only_managers_say_what_is_watched_and_only_below_the_incoming_folder(
    folder: WatchedFolder, alice: Any, bob: Any
) -> None:
    with pytest.raises(Refusal, match="may not change"):
        services.save_folder(actor=bob.as_actor(), values={}, reason="for a test", folder=folder)
    for bad in ("../etc", "/etc", "a/b", ""):
        with pytest.raises(ValidationError):
            services.save_folder(
                actor=alice.as_actor(), values={"folder": bad}, reason="for a test", folder=folder
            )


def _why(folder: WatchedFolder, name: str) -> str:
    return (services.path_of(folder) / "refused" / f"{name}.why.txt").read_text()


def test_files_are_put_nowhere_but_below_the_folder(folder: WatchedFolder, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in (services.TAKEN, services.REFUSED):
        (services.path_of(folder) / name).symlink_to(elsewhere)
    drop(folder, "sitecustomize.py")
    drop(folder, "empty.xml", b"")
    services.take_in_all()
    assert list(elsewhere.iterdir()) == []


def test_the_reason_beside_a_file_overwrites_nothing(folder: WatchedFolder, tmp_path: Path) -> None:
    books = tmp_path / "books"
    books.write_text("precious")
    aside = services.path_of(folder) / services.REFUSED
    aside.mkdir()
    (aside / "empty.xml.why.txt").symlink_to(books)
    drop(folder, "empty.xml", b"")
    services.take_in_all()
    assert books.read_text() == "precious"
    assert (aside / "empty.xml").exists()


def test_a_file_of_somebody_else_is_not_taken_by_a_second_name(folder: WatchedFolder, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("password")
    os.link(secret, services.path_of(folder) / "letter.xml")
    long_ago = time.time() - 10
    os.utime(secret, (long_ago, long_ago))
    services.take_in_all()
    assert Document.objects.count() == 0
    assert "second name" in _why(folder, "letter.xml")


def test_what_is_swapped_for_a_pipe_or_a_link_holds_nobody_up(
    folder: WatchedFolder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    where = services.path_of(folder)
    where.mkdir(parents=True, exist_ok=True)
    os.mkfifo(where / "pipe.xml")
    (where / "link.xml").symlink_to(tmp_path)
    late = drop(folder, "letter.xml")
    # As if both had been plain files when the folder was listed.
    found = [where / "pipe.xml", where / "link.xml", late]
    monkeypatch.setattr(services, "_whole_files", lambda _: iter(found))
    assert services.take_in_all() == 1
    assert Run.objects.count() == 1


def test_what_nobody_can_read_holds_nobody_up(folder: WatchedFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    path = drop(folder, "locked.xml", age=20)
    drop(folder, "letter.xml")
    opened = os.open

    def denied(name: Any, *args: Any, **kwargs: Any) -> int:
        if str(name) == str(path):
            raise PermissionError(13, "Permission denied", str(name))
        return opened(name, *args, **kwargs)

    monkeypatch.setattr(services.os, "open", denied)
    assert services.take_in_all() == 1
    assert "could not be read" in _why(folder, "locked.xml")


@pytest.mark.parametrize("name", ["x" * 251 + ".xml", "two\nlines.xml", "\udcff\u202egnp.xml", "-rf"])
def test_no_name_holds_the_folder_up(folder: WatchedFolder, name: str) -> None:
    for content in (b"first", b"second", b""):
        drop(folder, name, content)
        services.take_in_all()
    drop(folder, "letter.xml")
    assert services.take_in_all() == 1
    assert Run.objects.count() == 3
    assert all(document.name.isprintable() for document in Document.objects.all())


def test_a_file_that_is_replaced_while_it_is_read_is_read_again(
    folder: WatchedFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = drop(folder, "letter.xml", b"first")
    begin = services.start_run

    def replaced(**given: Any) -> Any:
        path.unlink()
        drop(folder, "letter.xml", b"second")
        return begin(**given)

    with monkeypatch.context() as patch:
        patch.setattr(services, "start_run", replaced)
        services.take_in_all()
    services.take_in_all()
    assert Run.objects.count() == 2


def test_a_file_that_still_grows_is_left_until_it_is_whole(
    folder: WatchedFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = drop(folder, "letter.xml", b"half")
    keep = services.store_document

    def growing(**given: Any) -> Any:
        path.write_bytes(b"half and half")
        return keep(**given)

    with monkeypatch.context() as patch:
        patch.setattr(services, "store_document", growing)
        assert services.take_in_all() == 0
    assert path.exists()
    assert Run.objects.count() == 0


def test_a_folder_in_the_place_of_taken_holds_nobody_up(folder: WatchedFolder) -> None:
    (services.path_of(folder) / services.TAKEN).write_text("a file in the way")
    drop(folder, "letter.xml")
    services.take_in_all()
    services.take_in_all()
    assert Run.objects.count() == 1
