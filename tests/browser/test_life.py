"""The life of an agent in a browser: no barrier, by keyboard, and a certificate to print."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from agents.models import Agent, Certificate
from agents.services import lifecycle, probation
from tests.browser.conftest import check_page, sign_in
from tests.workflows.conftest import TESTS, ask, hold_above

pytestmark = [pytest.mark.browser, pytest.mark.full]
HOSTILE = "<img src=x onerror=alert(1)>"


def seen(page: Page, name: str) -> None:
    """Keep a picture of the page where somebody asked for one."""
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)


def test_the_sponsor_confirms_an_agent_and_a_manager_retires_it(page: Page, portal, alice, clerk):
    probation.demote_agent(actor=alice.as_actor(), agent=clerk, to="probation", reason=HOSTILE)
    hold_above(100)
    ask(clerk, number="RE-2", minor=2_000, reason=HOSTILE)
    sign_in(page, portal, alice)
    page.goto(f"{portal.url}/agents/{clerk.pk}/life/")
    check_page(page)
    seen(page, "life")
    page.emulate_media(color_scheme="dark")
    seen(page, "life-dark")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 390, "height": 844})
    seen(page, "life-phone")
    page.set_viewport_size({"width": 1440, "height": 900})
    page.get_by_label("I have read its record").check()
    page.get_by_label("Why it is still needed").fill("It posts what nobody else does")
    page.get_by_role("button", name="Confirm Robo").click()
    expect(page.get_by_text("You have confirmed Robo until")).to_be_visible()
    page.get_by_label("What becomes of it").select_option("left")
    page.get_by_label("Why", exact=True).fill("Nobody wants it any more")
    page.get_by_label("Why it is retired").fill("The job is over")
    page.get_by_role("button", name="Retire Robo for good").click()
    expect(page.get_by_text("Robo is retired")).to_be_visible()
    assert Agent.objects.get(pk=clerk.pk).lifecycle == "retired"
    kept = Certificate.objects.get(kind="retirement")
    page.goto(f"{portal.url}/certificates/{kept.pk}/")
    check_page(page)
    seen(page, "certificate")
    assert page.locator("img[src='x']").count() == 0


def test_the_admin_pages_of_employment_have_no_barriers(page: Page, portal, alice, clerk):
    lifecycle.start_probation(clerk, 30)
    clerk.save()
    probation.demote_agent(actor=TESTS, agent=clerk, to="read_only", reason="set up for a test")
    sign_in(page, portal, alice)
    for path in (
        "/admin/agents/lifecycleterms/",
        "/admin/agents/lifecycleterms/add/",
        "/admin/agents/certificate/",
        f"/admin/agents/agent/{clerk.pk}/change/",
        "/admin/agents/agent/?probation=yes",
    ):
        answer = page.goto(portal.url + path)
        assert answer is not None
        assert answer.status == 200, path
        check_page(page)
        seen(page, path.strip("/").replace("/", "-").replace("?", "-")[:40])
