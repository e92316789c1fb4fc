"""A manager's day with one agent, and the files of an agent, a role and a system without a barrier."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from agents.models import Agent, ChangeRequest
from agents.services import changes
from tests.browser.conftest import DESK, PHONE, check_page, sign_in
from tests.workflows.conftest import ask, hold_above, limit

pytestmark = [pytest.mark.browser, pytest.mark.full]
HOSTILE = "<img src=x onerror=alert(1)>"


def seen(page: Page, name: str) -> None:
    """Keep pictures of the page, light, dark and on a phone, where somebody asked for them."""
    folder = os.environ.get("SHOTS")
    if not folder:
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        page.reload()
        page.screenshot(path=str(Path(folder) / f"{name}-{theme}.png"), full_page=True)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(PHONE)
    page.screenshot(path=str(Path(folder) / f"{name}-phone.png"), full_page=True)
    page.set_viewport_size(DESK)


def test_the_files_have_no_barriers(page: Page, portal, alice, clerk, book):
    hold_above(1_000_000)
    limit("a_day", 3, name="Invoices a day")
    for number in range(3):
        ask(clerk, number=f"RE-{number}", minor=100, reason=HOSTILE)
    sign_in(page, portal, alice)
    for name, path in (
        ("agent", f"/agents/{clerk.pk}/"),
        ("life", f"/agents/{clerk.pk}/life/?verb=pause"),
        ("history", f"/agents/{clerk.pk}/history/?show=all"),
        ("role", f"/roles/{clerk.role_id}/"),
        ("system", f"/systems/{book['system'].pk}/"),
        ("agents", "/admin/agents/agent/"),
        ("roles", "/admin/agents/role/"),
        ("systems", "/admin/connectors/system/"),
    ):
        answer = page.goto(portal.url + path)
        assert answer is not None
        assert answer.status == 200, path
        page.set_viewport_size(DESK)
        seen(page, name)
        check_page(page)
    assert page.locator("img[src='x']").count() == 0


def test_a_managers_day_with_one_agent(page: Page, portal, alice, bob, clerk):
    Agent.objects.filter(pk=clerk.pk).update(lifecycle="draft")
    limit("a_day", 20, name="Invoices a day")
    sign_in(page, portal, alice)
    page.goto(f"{portal.url}/admin/agents/agent/")
    page.get_by_role("link", name="Robo").first.click()
    expect(page.get_by_role("heading", name="What it may do")).to_be_visible()
    page.get_by_role("link", name="Life and verbs").click()
    page.get_by_text("Let it start work").first.click()
    page.get_by_label("Why it is needed").fill("The team needs a bookkeeper")
    page.get_by_role("button", name="Let it start work").click()
    expect(page.get_by_text("Waits for a second person:").first).to_be_visible()
    _agree(bob)
    page.get_by_role("link", name="File", exact=True).click()
    expect(page.get_by_text("On probation", exact=False).first).to_be_visible()
    page.get_by_role("link", name="Invoices a day").click()
    page.get_by_label("Ceiling", exact=True).first.fill("10")
    page.get_by_label("Reason").fill("Ten are enough")
    page.get_by_role("button", name="Save", exact=True).click()
    page.goto(f"{portal.url}/agents/{clerk.pk}/")
    expect(page.get_by_text("at most 10 per day")).to_be_visible()
    page.get_by_role("link", name="History", exact=True).click()
    expect(page.get_by_text("Ten are enough")).to_be_visible()
    page.get_by_role("link", name="Life and verbs").click()
    page.get_by_label("Why it has proved itself").fill("It made no mistake")
    page.get_by_role("button", name="Propose it").click()
    expect(page.get_by_text("Waits for a second person:").first).to_be_visible()
    _agree(bob)
    page.reload()
    page.get_by_label("Why it is retired").fill("The job is over")
    page.get_by_role("button", name="Retire Robo for good").click()
    expect(page.get_by_text("Robo is retired")).to_be_visible()
    assert Agent.objects.get(pk=clerk.pk).lifecycle == "retired"


def _agree(bob) -> None:
    change = ChangeRequest.objects.get(state="pending")
    changes.apply_change(actor=bob.as_actor(), change_request=change, reason="I read its file")
