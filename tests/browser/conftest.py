"""What the tests of the pages ask of a real browser on the real front door."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.test import Client
from playwright.sync_api import Page, expect

from tests.processes import Processes
from tests.workflows.conftest import book, clerk, fake, robo

__all__ = ["book", "clerk", "fake", "robo"]

WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1440, "height": 900}
# A busy machine hashes a password for seconds; what is right arrives long before this in peace.
expect.set_options(timeout=20_000)
TOO_WIDE = """[...document.querySelectorAll('body *')]
    .filter(element => element.getBoundingClientRect().right > innerWidth + 1)
    .slice(0, 8).map(element => element.outerHTML.slice(0, 160))"""
SETTLED = "document.fonts.ready.then(() => true)"


@pytest.fixture(autouse=True)
def complaints(page: Page) -> Iterator[list[str]]:
    """Everything the browser complains about, policy reports included; a test ends with none."""
    found: list[str] = []
    page.on("console", lambda said: found.append(f"{said.type}: {said.text}") if said.type == "error" else None)
    page.on("pageerror", lambda error: found.append(f"page: {error}"))
    yield found
    assert found == []


def sign_in(page: Page, portal: Processes, user: Any) -> None:
    """Give the browser a session of this person."""
    client = Client()
    client.force_login(user)
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": portal.url}])


def wait_until(page: Page, is_so: str, seconds: float = 30) -> None:
    """Ask the page until something is so. Playwright would need ``eval`` for it, which the policy forbids."""
    end = time.monotonic() + seconds
    while not page.evaluate(is_so):
        assert time.monotonic() < end, f"not so within {seconds} seconds: {is_so}"
        page.wait_for_timeout(100)


def check_page(page: Page, *, both_themes: bool = True) -> None:
    """No barrier by WCAG 2.2 AA in light and dark, and no sideways scroll on a phone."""
    for theme in ("light", "dark") if both_themes else ("light",):
        page.emulate_media(color_scheme=theme)
        page.reload()
        page.evaluate(SETTLED)
        assert barriers(page) == [], f"{page.url} in {theme}"
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(PHONE)
    wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wider <= 0, f"{page.url} scrolls sideways by {wider} px on a phone: {page.evaluate(TOO_WIDE)}"
    assert barriers(page) == [], f"{page.url} on a phone"
    page.set_viewport_size(DESK)


def barriers(page: Page, only: Any = WCAG) -> list[str]:
    """Return what axe finds, as ``rule: element``; by WCAG 2.2 AA, or by some rules alone."""
    found = Axe().run(page, options={"runOnly": only}).response["violations"]
    return [f"{rule['id']}: {node['html'][:200]}" for rule in found for node in rule["nodes"]]
