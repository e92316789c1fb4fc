"""A box that finds one of very many: by keyboard and mouse, in a dialog, in a filter, and without a script."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from agents.models import Policy, Stop
from audit.offers import MOST_LISTED
from tests.browser.conftest import DESK, barriers, check_page, sign_in
from tests.company import new_agent

pytestmark = [pytest.mark.browser, pytest.mark.full]
WHY = "Too many of them"


@pytest.fixture(autouse=True)
def many(clerk: Any, alice: Any) -> None:
    """More agents than a list shows."""
    for at in range(MOST_LISTED):
        new_agent(alice, f"clone-{at:03}")


def test_what_is_stopped_is_found_by_keyboard_and_by_mouse(page: Page, portal: Any, dave: Any) -> None:
    sign_in(page, portal, dave)
    page.set_viewport_size(DESK)
    page.goto(f"{portal.url}/admin/agents/stop/add/")
    box = page.locator("#id_scope")
    box.press_sequentially("clone-01")
    found = page.get_by_role("option")
    expect(found).to_have_count(10)
    expect(page.get_by_role("group", name="Agents")).to_be_visible()
    assert barriers(page) == []
    box.press("ArrowDown")
    box.press("ArrowDown")
    expect(found.nth(1)).to_have_attribute("aria-selected", "true")
    assert barriers(page) == []
    box.press("Enter")
    expect(box).to_have_value("Clone-011 (clone-011), agent")
    expect(found).to_have_count(0)
    expect(page.get_by_text("Clone-011").first).to_be_visible()  # whom it would hit, read from what was chosen

    box.fill("clone-02")
    page.get_by_role("option", name="Clone-025").click()
    expect(box).to_have_value("Clone-025 (clone-025), agent")
    box.fill("nobody of this name")
    expect(page.get_by_text("Nothing is called that.")).to_be_visible()
    box.fill("clone-03")
    expect(found.first).to_be_visible()
    box.press("Escape")
    expect(found).to_have_count(0)
    box.fill("clone-025")
    page.locator("#id_reason").fill(WHY)
    page.get_by_role("button", name="Stop it now").click()
    expect(page.get_by_text("Clone-025").first).to_be_visible()
    assert Stop.objects.get().scope_label == "Clone-025"


def test_the_form_has_no_barrier(page: Page, portal: Any, alice: Any) -> None:
    sign_in(page, portal, alice)
    page.goto(f"{portal.url}/admin/agents/policy/add/")
    check_page(page)
    page.goto(f"{portal.url}/admin/agents/certificate/")
    check_page(page)


def test_in_a_dialog_an_operation_is_given_to_who_was_found(
    page: Page, portal: Any, alice: Any, book: Any
) -> None:
    sign_in(page, portal, alice)
    page.set_viewport_size(DESK)
    page.goto(f"{portal.url}/admin/connectors/operation/{book['post'].pk}/change/")
    page.locator("li > a", has_text=re.compile(r"^\s*key\s+Grant\s*$")).click()
    dialog = page.locator("#dialog")
    box = dialog.locator("[name=agent]")
    box.fill("clone-077")
    page.get_by_role("option", name="Clone-077").click()
    expect(box).to_have_value("Clone-077 (clone-077)")
    assert barriers(page) == []
    dialog.locator("[name=reason]").fill(WHY)
    dialog.get_by_role("button", name="Grant").click()
    expect(page.get_by_text("Another person has to agree before Clone-077")).to_be_visible()


def test_without_a_script_what_was_typed_comes_back_with_what_it_may_mean(
    portal: Any, alice: Any, browser: Browser
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, portal, alice)
    page.goto(f"{portal.url}/admin/agents/policy/add/")
    page.locator("#id_name").fill("Clone seven")
    page.locator("#id_scope").fill("clone-007 clone")
    page.locator("#id_reason").fill(WHY)
    page.get_by_role("button", name="Save").first.click()
    expect(page.get_by_text("Clone-007 (clone-007), agent").first).to_be_visible()
    page.locator("#id_scope").fill("clone-007")
    page.get_by_role("button", name="Save").first.click()
    expect(page.get_by_text("Clone seven").first).to_be_visible()
    assert Policy.objects.get(name="Clone seven").scope_kind == "agent"
    context.close()
