"""A manager takes a role from a template, and copies an agent into another department."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from agents.models import Agent, ChangeRequest, Department, Role, Rule
from tests.browser.conftest import DESK, check_page, sign_in
from tests.browser.test_authority import shot

pytestmark = [pytest.mark.browser, pytest.mark.full]
WHY = "Accounts payable needs a clerk"


def test_a_role_is_taken_from_a_template_and_an_agent_is_copied(page: Page, portal, alice, bob, clerk):
    Department.objects.create(code="logistics", name="Logistics", manager=alice)
    sign_in(page, portal, alice)
    page.goto(f"{portal.url}/admin/agents/role/")
    shot(page, "roles-list")
    page.get_by_role("link", name="Take a role from a template").click()
    shot(page, "templates")
    check_page(page)
    page.get_by_role("link", name="Accounts payable clerk", exact=True).click()
    expect(page.get_by_text("An amount above 5,000.00 EUR needs a person.")).to_be_visible()
    expect(page.get_by_text("This company has no group of people")).to_be_visible()
    shot(page, "template")
    check_page(page)
    page.get_by_label("Who is asked as Finance approvers").select_option("Approvers")
    page.get_by_label("Who is asked as Finance controllers").select_option("Managers")
    page.get_by_label("Why").fill(WHY)
    page.get_by_role("button", name="Take it").click()
    expect(page.get_by_text("Taken from the template finance-clerk, version 1.")).to_be_visible()
    shot(page, "role")
    assert Role.objects.filter(code="finance-clerk").exists()
    assert Rule.objects.filter(policy__code="finance-clerk-rules", mode="enforced").exists()
    page.get_by_role("link", name="What differs from it").click()
    expect(page.get_by_text("What would become different")).to_be_visible()
    shot(page, "template-again")
    page.goto(f"{portal.url}/admin/agents/agent/{clerk.pk}/change/")
    page.locator("li[x-ref] > a", has_text="More").click()
    page.locator("nav > a", has_text="Copy to a department").click()
    dialog = page.locator("#dialog")
    expect(dialog).to_be_visible()
    shot(page, "copy")
    dialog.locator("[name=name]").fill("Robo L")
    dialog.locator("[name=code]").fill("robo-l")
    dialog.locator("[name=department]").select_option(label="Logistics")
    dialog.locator("[name=sponsor]").select_option(label="Alice")
    dialog.locator("[name=reason]").fill("Logistics has the same work")
    shot(page, "copy")
    # Also where the window is lower than the dialog, which then scrolls.
    page.set_viewport_size({"width": 390, "height": 600})
    dialog.get_by_role("button", name="Copy").click()
    page.set_viewport_size(DESK)
    expect(page.get_by_text("Not copied:").first).to_be_visible()
    shot(page, "copied")
    made = Agent.objects.get(code="robo-l")
    assert ChangeRequest.objects.filter(target_label__startswith="Robo L and").count() == 1
    page.goto(f"{portal.url}/admin/agents/agent/{made.pk}/change/")
    expect(page.get_by_text("Copied from Robo")).to_be_attached()
    page.get_by_text("Authority", exact=True).first.click()
    shot(page, "copy-file")
