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
from workflows.triggers import services
from workflows.triggers.models import WatchedFolder

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
