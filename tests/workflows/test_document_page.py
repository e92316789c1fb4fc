"""A document is read where its facts are, by who may see it; a picture is sent as nothing but a picture."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from workflows.documents.models import Document
from workflows.documents.selectors import path_of
from workflows.documents.services import store_document

pytestmark = pytest.mark.django_db
PNG = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"
    b"\x00\x00\x00\rIDATx\x9cc\xf8\xcf\xc0\xf0\x1f\x00\x05\x00\x01\xff\x89\x99=\x1d\x00\x00\x00\x00IEND\xaeB`\x82"
)


@pytest.fixture(autouse=True)
def own_folder(settings: Any, tmp_path: Any) -> None:
    settings.DATA_DIR = tmp_path


def stored(user: Any, content: bytes, name: str = "invoice.xml") -> Document:
    return store_document(
        actor=user.as_actor(),
        name=name,
        media_type="application/xml",
        content=io.BytesIO(content),
        source="upload",
    )


def answer(client: Client, document: Document, what: str = "document") -> Any:
    return client.get(reverse(what, args=[document.pk]))


def test_whoever_may_see_it_reads_it_and_its_words_stay_words(client: Client, alice: Any) -> None:
    document = stored(
        alice, b"<invoice><number>RE-1</number><note>&lt;script&gt;x&lt;/script&gt;</note></invoice>"
    )
    client.force_login(alice)
    page = answer(client, document).content.decode()
    assert '<th scope="row">Number</th><td>RE-1</td>' in page
    assert "&lt;script&gt;x&lt;/script&gt;" in page
    assert document.sha256 in page


def test_to_others_it_is_not_there(client: Client, alice: Any, mallory: Any) -> None:
    document = stored(alice, PNG, "a.png")
    client.force_login(mallory)
    assert [answer(client, document, what).status_code for what in ("document", "document-picture")] == [
        404
    ] * 2


def test_a_picture_is_sent_locked_up_and_nothing_else_is_sent_as_one(client: Client, alice: Any) -> None:
    client.force_login(alice)
    sent = answer(client, stored(alice, PNG, "a.html"), "document-picture")
    assert (sent.status_code, sent["Content-Type"]) == (200, "image/png")
    assert (sent["X-Content-Type-Options"], sent["Content-Security-Policy"]) == (
        "nosniff",
        "default-src 'none'; sandbox",
    )
    assert b"".join(sent.streaming_content) == PNG
    assert answer(client, stored(alice, b"<svg/>", "a.png"), "document-picture").status_code == 404


def test_one_that_was_altered_is_not_shown_and_says_so(client: Client, alice: Any) -> None:
    document = stored(alice, b"what was brought")
    path_of(document.sha256).chmod(0o600)
    path_of(document.sha256).write_bytes(b"what was put there")
    client.force_login(alice)
    found = answer(client, document)
    assert found.status_code == 409
    assert b"what was put there" not in found.content
    assert 'role="alert"' in found.content.decode()
