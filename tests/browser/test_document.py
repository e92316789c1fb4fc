"""A document is read in place: each way of showing one is without a barrier and says no more than words."""

from __future__ import annotations

import io

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import check_page, sign_in
from tests.workflows.test_document_page import PNG
from tests.workflows.test_document_text import INVOICE
from workflows.documents.services import store_document

pytestmark = [pytest.mark.browser, pytest.mark.full]
HOSTILE = b"<html><body onload=alert(1)><script>alert(1)</script></body></html>"
CONTENTS = {
    "invoice.xml": INVOICE.encode(),
    "page.html": HOSTILE,
    "order.json": b'{"number": "PO-1", "total": {"minor": 1250, "currency": "EUR"}}',
    "prices.csv": b"Name;Price\n" + b"A very long name of a bolt that is sold by the box;12.50\n" * 40,
    "letter.txt": b"Dear Sir or Madam,\n\n" + b"x" * 300 + "\u202e\ngoodbye".encode(),
    "photo.png": PNG,
    "scan.pdf": b"%PDF-1.7\n\x80\x81",
}


@pytest.mark.parametrize("name", CONTENTS)
def test_each_way_of_reading_one(page: Page, portal, alice, complaints, name):
    document = store_document(
        actor=alice.as_actor(),
        name=name,
        media_type="text/html",
        content=io.BytesIO(CONTENTS[name]),
        source="upload",
    )
    sign_in(page, portal, alice)
    page.goto(f"{portal.url}/documents/{document.pk}/")
    expect(page.get_by_role("heading", name=name)).to_be_visible()
    if name == "photo.png":
        assert page.locator("img.portal-document-picture").evaluate("picture => picture.naturalWidth") == 1
    check_page(page)
    assert complaints == []
