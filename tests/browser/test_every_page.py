"""Every address that shows a page: no barrier in light and dark, no complaint, no sideways scroll."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests import world as worlds
from tests.benchmarks.pages import addresses
from tests.browser.conftest import DESK, PHONE, SETTLED, TOO_WIDE, barriers, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.full]
KEPT = os.environ.get("SHOTS", "")


@pytest.fixture
def world(live_db, fake) -> worlds.World:
    """Everything once, in a database the portal reads."""
    return worlds.build(fake)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("reader", ["root"])
def test_each_page_is_fit_to_be_read(page: Page, portal: Any, world: worlds.World, reader: str, complaints):
    sign_in(page, portal, world.people[reader])
    found: list[str] = []
    opened = 0
    for pattern, address in addresses(world):
        if not shows_a_page(page, portal.url + address):
            complaints.clear()
            continue
        opened += 1
        found += [f"{pattern}: {one}" for one in [*read(page, pattern), *complaints]]
        complaints.clear()
    assert found == []
    assert opened > 150


def shows_a_page(page: Page, url: str) -> bool:
    """Open an address; return whether it answers with a page of its own."""
    answer = page.request.get(url, max_redirects=0)
    if answer.status != 200 or not answer.headers.get("content-type", "").startswith("text/html"):
        return False
    if not answer.text().lstrip().lower().startswith("<!doctype"):
        return False  # a part that a page asks for
    page.set_viewport_size(DESK)
    page.emulate_media(color_scheme="light")
    page.goto(url)
    page.evaluate(SETTLED)
    return True


def read(page: Page, pattern: str) -> list[str]:
    """Return what is wrong with a page that is open."""
    found = [f"light, {one}" for one in barriers(page)]
    keep(page, pattern, "light")
    page.emulate_media(color_scheme="dark")
    page.reload()
    page.evaluate(SETTLED)
    found += [f"dark, {one}" for one in barriers(page)]
    page.set_viewport_size(PHONE)
    wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if wider > 0:
        found.append(f"scrolls sideways by {wider} px on a phone: {page.evaluate(TOO_WIDE)}")
    keep(page, pattern, "phone")
    return found


def keep(page: Page, pattern: str, how: str) -> None:
    """Keep a picture where somebody wants to look at them."""
    if KEPT:
        name = "".join(sign if sign.isalnum() else "-" for sign in pattern)
        page.screenshot(path=Path(KEPT) / f"{name}-{how}.png", full_page=how == "light")
