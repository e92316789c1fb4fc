from __future__ import annotations

import asyncio
import hashlib
import io
import os
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, connections, transaction
from django.db.models import Q
from django.middleware.csrf import get_token
from django.test import Client, override_settings

from audit.models import Event
from audit.vocabulary import Actor, Refusal
from autonomy.pace import within
from tests.workflows.conftest import new_agent, signed_in
from workflows.documents import registry
from workflows.documents.models import Delivery, Document
from workflows.documents.policies import plain_media_type, plain_name
from workflows.documents.selectors import folder, path_of, visible_to
from workflows.documents.services import open_document, open_verified, store_document

DOCUMENTS = "/api/v1/documents"


def store(user: Any, content: bytes = b"<invoice/>", **more: Any) -> Document:
    actor = user if isinstance(user, Actor) else user.as_actor()
    given = {"name": "invoice.xml", "media_type": "application/xml", "source": "upload", **more}
    return store_document(actor=actor, content=io.BytesIO(content), **given)


def verbs(document: Document) -> list[str]:
    return list(Event.objects.filter(subject_id=str(document.pk)).order_by("id").values_list("verb", flat=True))


def upload(client: Any, content: bytes, name: str = "a.xml", kind: str = "application/xml", **more: Any) -> Any:
    return client.generic("POST", f"{DOCUMENTS}?name={name}", content, content_type=kind, **more)


def test_the_same_bytes_are_one_document_whoever_brings_them(robo: Any, bob: Any) -> None:
    first, again, other = store(robo.user), store(robo.user, name="copy.xml"), store(bob, name="mine.xml")
    assert (first.is_new, again.is_new, other.is_new) == (True, False, False)
    assert {first.pk, again.pk, other.pk} == {Document.objects.get().pk}
    assert (first.sha256, first.size) == (hashlib.sha256(b"<invoice/>").hexdigest(), 10)
    assert path_of(first.sha256).read_bytes() == b"<invoice/>"
    assert verbs(first) == ["documents.document_stored"] * 2
    assert Delivery.objects.count() == 2
    assert list((folder() / "incoming").iterdir()) == []


@pytest.mark.django_db
def test_what_the_portal_brings_itself_has_no_uploader() -> None:
    found = store(Actor.system("watcher"), source="folder")
    assert (found.uploaded_by, found.source) == (None, "folder")


def test_a_document_is_for_those_who_brought_it_or_are_given_it_by_their_work(
    robo: Any, alice: Any, mallory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rival = new_agent(alice, "rival")
    mine, theirs = store(robo.user), store(rival.user, b"theirs")
    assert set(visible_to(robo.user)) == {mine}
    assert set(visible_to(alice)) == {mine, theirs}
    assert not visible_to(mallory).exists()
    monkeypatch.setattr(registry, "_readers", [lambda user: Q(pk=theirs.pk) if user == robo.user else None])
    assert set(visible_to(robo.user)) == {mine, theirs}
    assert not visible_to(mallory).exists()
    monkeypatch.setattr(registry, "_readers", [lambda user: Q()])
    with pytest.raises(ValueError, match="every document"):
        visible_to(robo.user)
    robo.user.is_active = False
    assert not visible_to(robo.user).exists()


def test_a_document_is_never_changed(bob: Any) -> None:
    found = store(bob)
    found.name = "other"
    with pytest.raises(ValidationError):
        found.save()
    with pytest.raises(ValidationError):
        found.delete()
    for table in ("documents_document", "documents_delivery"):
        for statement in (f"UPDATE {table} SET name = 'x'", f"DELETE FROM {table}"):
            with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(statement)


@pytest.mark.parametrize("harm", ["gone", "altered", "longer", "a folder"])
def test_damaged_bytes_are_not_given_out_and_an_upload_mends_them(bob: Any, harm: str) -> None:
    content = f"harm {harm}".encode()
    found = store(bob, content)
    path = path_of(found.sha256)
    path.chmod(0o600)
    if harm in ("gone", "a folder"):
        path.unlink()
    if harm == "altered":
        path.write_bytes(content.upper())
    if harm == "longer":
        path.write_bytes(content + b" ")
    if harm == "a folder":
        path.mkdir()
    answer = signed_in(bob).get(f"{DOCUMENTS}/{found.pk}/content")
    assert (answer.status_code, answer.json()["code"]) == (409, "document_damaged")
    assert "Upload the file again" in answer.json()["next"]
    assert verbs(found)[-1] == "documents.document_damaged"
    if harm == "a folder":
        path.rmdir()
    assert not store(bob, content).is_new
    assert open_verified(found).read() == content


def test_that_an_agent_read_a_document_is_on_record(robo: Any, bob: Any) -> None:
    found = store(robo.user)
    open_document(actor=bob.as_actor(), document=found).close()
    assert verbs(found) == ["documents.document_stored"]
    open_document(actor=robo.user.as_actor(), document=found).close()
    assert verbs(found) == ["documents.document_stored", "documents.document_read"]
    assert Event.objects.get(verb="documents.document_read").agent_id == str(robo.pk)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("invoice 7.xml", "invoice 7.xml"),
        ("../../etc/passwd", "passwd"),
        (r"C:\Users\x\invoice.xml", "invoice.xml"),
        ("a\x00b\r\nc\x1b.xml", "abc.xml"),
        ("\u202egnp.exe", "gnp.exe"),
        ("\ud800x", "x"),
        ("", "document"),
        ("..", "document"),
        ("a/", "document"),
        (".hidden", "hidden"),
        ("x" * 300 + ".xml", "x" * 196 + ".xml"),
        ("x" * 300, "x" * 200),
        ("Re\u0301chnung.pdf", "R\u00e9chnung.pdf"),
    ],
)
def test_a_name_is_a_name(said: str, kept: str) -> None:
    assert plain_name(said) == kept


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("application/xml; charset=utf-8", "application/xml"),
        ("Application/PDF", "application/pdf"),
        ("image/svg+xml", "image/svg+xml"),
        *[
            (bad, "application/octet-stream")
            for bad in ("", "xml", "a/b\r\nX: y", "a/b/c", "x" * 200 + "/y", "é/x")
        ],
    ],
)
def test_a_media_type_is_a_token_or_unknown(said: str, kept: str) -> None:
    assert plain_media_type(said) == kept


def test_bytes_go_up_and_come_down_as_they_are(robo: Any) -> None:
    content = bytes(range(256)) * 40
    agent = Client()
    agent.force_login(robo.user)
    up = upload(signed_in(robo.user), content, name="../%C3%A4rger.xml")
    assert up.status_code == 201
    told = up.json()
    assert set(told) == {"id", "sha256", "media_type", "size", "name", "source", "created_at"}
    assert (told["name"], told["size"], told["source"]) == ("ärger.xml", len(content), "upload")
    assert told["sha256"] == hashlib.sha256(content).hexdigest()
    assert upload(signed_in(robo.user), content).status_code == 200
    assert signed_in(robo.user).get(up["Location"]).json() == told
    found = signed_in(robo.user).get(DOCUMENTS, {"sha256": told["sha256"]}).json()["results"]
    assert found == [told]
    assert signed_in(robo.user).get(DOCUMENTS, {"sha256": "0" * 64}).json()["results"] == []
    assert signed_in(robo.user).get(DOCUMENTS, {"sha256": "x"}).status_code == 422
    down = signed_in(robo.user).get(f"{up['Location']}/content", headers={"Accept": "application/xml"})
    assert b"".join(down.streaming_content) == content
    assert down["Content-Type"] == "application/octet-stream"
    assert down["Content-Disposition"].startswith("attachment;")
    assert down["X-Content-Type-Options"] == "nosniff"
    assert down["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert down["Content-Length"] == str(len(content))


@pytest.mark.parametrize(
    ("content", "more", "status", "code"),
    [
        (b"", {}, 422, "document_empty"),
        (b"x" * 101, {}, 413, "document_too_large"),
        (b"abc", {"HTTP_TRANSFER_ENCODING": "chunked"}, 411, "length_required"),
    ],
)
@override_settings(DOCUMENT_MOST_BYTES=100)
def test_what_cannot_be_kept_is_refused_with_a_cure(
    bob: Any, content: bytes, more: dict[str, str], status: int, code: str
) -> None:
    answer = upload(signed_in(bob), content, **more)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["next"]
    assert not Document.objects.exists()


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "application/x-www-form-urlencoded"])
def test_a_form_is_no_document(bob: Any, kind: str) -> None:
    client = Client()
    client.force_login(bob)
    answer = upload(client, b"--x--", kind=kind)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    assert "whole body" in answer.json()["detail"]


def test_a_person_in_a_session_needs_the_token_of_the_page(bob: Any) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(bob)
    assert upload(client, b"<a/>").status_code == 403


def test_a_person_in_a_session_uploads_with_that_token(bob: Any) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(bob)
    client.get("/inbox/")
    token = client.cookies["csrftoken"].value
    answer = upload(client, b"<invoice/>", HTTP_X_CSRFTOKEN=token)
    assert (answer.status_code, answer.json()["size"]) == (201, 10)


def test_a_body_that_breaks_off_is_refused(bob: Any) -> None:
    with pytest.raises(Refusal) as refused:
        store(bob, b"abc", size=9)
    assert (refused.value.code, Document.objects.count()) == ("document_cut_off", 0)


def test_bytes_above_the_limit_are_refused_as_they_come_and_leave_nothing(bob: Any) -> None:
    with override_settings(DOCUMENT_MOST_BYTES=300_000), pytest.raises(Refusal) as refused:
        store(bob, b"x" * 700_000)
    assert refused.value.code == "document_too_large"
    assert list((folder() / "incoming").iterdir()) == []


def test_a_large_document_is_never_in_memory_as_a_whole(bob: Any) -> None:
    class Endless:
        left = 24 * 1024 * 1024

        def read(self, size: int, /) -> bytes:
            piece = os.urandom(min(size, self.left))
            self.left -= len(piece)
            return piece

    tracemalloc.start()
    try:
        found = store_document(
            actor=bob.as_actor(), name="big", media_type="", content=Endless(), source="upload"
        )
        down = signed_in(bob).get(f"{DOCUMENTS}/{found.pk}/content")
        assert sum(len(piece) for piece in down.streaming_content) == found.size
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 4 * 1024 * 1024


def test_twins_at_once_are_one_document(live_db: Any, bob: Any, robo: Any) -> None:
    together = threading.Barrier(8)

    def bring(number: int) -> Document:
        try:
            together.wait(10)
            return store(bob if number % 2 else robo.user, b"twin" * 50_000, name=f"{number}.xml")
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(bring, range(8)))
    assert len({document.pk for document in found}) == 1
    assert [document.is_new for document in found].count(True) == 1
    assert Document.objects.count() == 1
    assert Delivery.objects.count() == 2
    assert len(verbs(found[0])) == 2


def test_left_overs_of_a_killed_upload_are_dropped(bob: Any) -> None:
    incoming = folder() / "incoming"
    incoming.mkdir(parents=True, exist_ok=True)
    old, fresh = incoming / "old", incoming / "fresh"
    for path in (old, fresh):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    store(bob)
    assert (old.exists(), fresh.exists()) == (False, True)
    fresh.unlink()


def test_documents_lie_in_the_data_folder_for_the_portal_alone(bob: Any) -> None:
    found = path_of(store(bob).sha256)
    assert found.is_relative_to(settings.DATA_DIR)
    assert found.stat().st_mode & 0o077 == 0
    assert found.parent.stat().st_mode & 0o077 == 0


def test_who_sends_or_fetches_too_slowly_frees_the_thread() -> None:
    async def never() -> Any:
        await asyncio.sleep(60)

    async def story() -> tuple[Any, float]:
        began = asyncio.get_running_loop().time()
        receive, send = within(0.2, never, lambda message: never())
        ended = await receive()
        for _ in range(3):
            await send({"type": "http.response.body", "body": b"x"})
        return ended, asyncio.get_running_loop().time() - began

    ended, seconds = asyncio.run(story())
    assert ended == {"type": "http.disconnect"}
    assert seconds < 5


def test_a_large_body_goes_through_the_front_door_in_pieces(live_db: Any, bob: Any) -> None:
    from autonomy import asgi

    signed = Client()
    signed.force_login(bob)
    page = signed.get("/inbox/")
    token = signed.cookies["csrftoken"].value if "csrftoken" in signed.cookies else get_token(page.wsgi_request)
    cookies = {name: morsel.value for name, morsel in signed.cookies.items()} | {"csrftoken": token}
    sent = 0

    async def pieces() -> Any:
        nonlocal sent
        for _ in range(96):
            sent += 1
            yield b"x" * (256 * 1024)

    async def upload_all(length: int) -> httpx.Response:
        transport = httpx.ASGITransport(app=asgi.http)
        headers = {"X-CSRFToken": token, "Content-Length": str(length), "Content-Type": "application/pdf"}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://testserver", cookies=cookies
        ) as client:
            return await client.post(f"{DOCUMENTS}?name=big.pdf", content=pieces(), headers=headers, timeout=60)

    answer = asyncio.run(upload_all(24 * 1024 * 1024))
    assert (answer.status_code, answer.json()["size"]) == (201, 24 * 1024 * 1024), answer.content
    sent = 0
    answer = asyncio.run(upload_all(26 * 1024 * 1024))
    assert (answer.status_code, answer.json()["code"]) == (413, "document_too_large")
    assert sent < 96
