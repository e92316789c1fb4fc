"""Every address that shows a page: no barrier in light and dark, no complaint, no sideways scroll."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests import world as worlds
from tests.browser.conftest import DESK, PHONE, SETTLED, TOO_WIDE, barriers, sign_in
from tests.walks import addresses

pytestmark = [pytest.mark.browser, pytest.mark.full]
KEPT = os.environ.get("SHOTS", "")


@pytest.fixture
def world(live_db, fake) -> worlds.World:
    """Everything once, in a database the portal reads."""
    return worlds.build(fake)


def told_by_one(pattern: str) -> bool:
    """Tell whether a page stands for all that are laid out by the same template: histories do."""
    return "history/" not in pattern or "agents/agent/" in pattern or not pattern.startswith("admin/")


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("part", ["pages", "admin"])
def test_each_page_is_fit_to_be_read(page: Page, portal: Any, world: worlds.World, part: str, complaints):
    sign_in(page, portal, world.people["root"])
    found: list[str] = []
    opened = 0
    for pattern, address in addresses(world):
        if pattern.startswith("admin/") != (part == "admin") or not told_by_one(pattern):
            continue
        if not shows_a_page(page, portal.url + address):
            complaints.clear()
            continue
        opened += 1
        problems = [f"{pattern}: {one}" for one in [*read(page, pattern), *complaints]]
        print("\n".join(problems), end="")  # a walk that is cut short has said what it saw
        found += problems
        complaints.clear()
    assert found == []
    assert opened > 70


def shows_a_page(page: Page, url: str) -> bool:
    """Open an address; return whether it answers with a page of its own."""
    answer = page.request.get(url, max_redirects=0)
    if answer.status != 200 or not answer.headers.get("content-type", "").startswith("text/html"):
        return False
    if not answer.text().lstrip().lower().startswith("<!doctype"):
        return False  # a part that a page asks for
    page.set_viewport_size(DESK)
    page.goto(url)
    page.evaluate(SETTLED)
    return True


def read(page: Page, pattern: str) -> list[str]:
    """Return what is wrong with a page that is open."""
    found = [f"light, {one}" for one in barriers(page)]
    keep(page, pattern, "light")
    page.evaluate("document.documentElement.classList.add('dark')")
    found += [f"dark, {one}" for one in barriers(page, {"type": "rule", "values": ["color-contrast"]})]
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
