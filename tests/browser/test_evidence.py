"""An auditor chooses a period, downloads the pack, and opens it where there is no network."""

from __future__ import annotations

import os
from pathlib import Path
from zipfile import ZipFile

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from tests.browser.conftest import check_page, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.full]


def shot(page: Page, name: str) -> None:
    """Keep a picture where somebody who changes a page wants to look at it."""
    if folder := os.environ.get("SHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def test_an_auditor_builds_a_pack_and_reads_it_offline(page: Page, portal, carol, clerk, tmp_path, complaints):
    sign_in(page, portal, carol)
    page.goto(f"{portal.url}/")
    page.locator("summary", has_text="Records").click()
    page.get_by_role("link", name="Evidence packs").click()
    check_page(page)
    shot(page, "evidence")
    page.get_by_label("Last day").fill("2999-01-01")
    page.get_by_role("button", name="Build and download").click()
    expect(page.get_by_role("alert")).to_contain_text("is not over")
    # The browser tells of the answer 422 itself; nothing else is to be complained of.
    assert all("422" in one for one in complaints)
    complaints.clear()
    shot(page, "evidence-refused")
    today = timezone.localdate().isoformat()
    page.get_by_label("First day").fill(today)
    page.get_by_label("Last day").fill(today)
    with page.expect_download(timeout=120_000) as waited:
        page.get_by_role("button", name="Build and download").click()
    waited.value.save_as(tmp_path / "pack.zip")
    with ZipFile(tmp_path / "pack.zip") as archive:
        archive.extractall(tmp_path)
    page.context.set_offline(True)
    page.goto((tmp_path / "evidence.html").as_uri())
    expect(page.get_by_role("heading", name="Agents in the period")).to_be_visible()
    check_page(page)
    for width, scheme in ((390, "light"), (1280, "dark")):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        shot(page, f"evidence-{width}-{scheme}")
