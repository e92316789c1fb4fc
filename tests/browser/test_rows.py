"""The lines of a list are typed into a table: with a script, without one, with the keyboard and on a phone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from connectors.policies.schemas import MONEY
from tests.browser.conftest import barriers, check_page, sign_in
from tests.workflows.test_pages_runs import fail
from tests.workflows.test_runs import begun, claim, letters, publish, step
from workflows.tasks.models import Task

pytestmark = [pytest.mark.browser, pytest.mark.full]
FORM = {
    "type": "object",
    "additionalProperties": False,
    "required": ["lines"],
    "properties": {
        "lines": {
            "type": "array",
            "minItems": 1,
            "maxItems": 5,
            "description": "What is booked where.",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["words", "amount"],
                "properties": {
                    "words": {"type": "string", "maxLength": 60, "title": "What it is for"},
                    "count": {"type": "integer", "minimum": 1, "description": "How many pieces."},
                    "amount": MONEY,
                    "kind": {"enum": ["part", "labour"]},
                },
            },
        }
    },
}
WANTED = {
    "lines": [
        {"words": "Bolts", "count": 2, "amount": {"minor": 1250, "currency": "EUR"}},
        {"words": "Hours", "amount": {"minor": 8000, "currency": "EUR"}, "kind": "labour"},
    ]
}


@pytest.fixture
def work(clerk, alice, bob) -> Task:
    """What bob has to settle: how an invoice is split."""
    publish(alice, bob, letters(look={"form": FORM, "exception": True}))
    run = begun(alice)
    fail(clerk, claim(clerk), "It cannot be read")
    return step(run, "look").task


def cell(page: Page, line: int, name: str):
    return page.get_by_label(f"Lines, line {line}: {name}", exact=True)


def test_lines_are_added_and_taken_away(page: Page, portal, work, bob, complaints):
    sign_in(page, portal, bob)
    page.goto(f"{portal.url}/inbox/work/{work.pk}/")
    cell(page, 1, "What it is for").fill("Bolts")
    cell(page, 1, "Count").fill("2")
    cell(page, 1, "Amount, amount").fill("12.50")
    cell(page, 2, "What it is for").fill("A mistake")
    add = page.get_by_role("button", name="Add a line")
    add.press("Enter")
    expect(cell(page, 3, "What it is for")).to_be_focused()
    page.keyboard.type("Hours")
    cell(page, 3, "Amount, amount").fill("80")
    cell(page, 3, "Kind").select_option("labour")
    page.get_by_role("button", name="Take away line 2").click()
    expect(cell(page, 2, "What it is for")).to_have_value("Hours")
    expect(cell(page, 2, "What it is for")).to_be_focused()
    for _ in range(3):
        add.click()
    expect(add).to_be_disabled()
    assert barriers(page) == []
    page.get_by_role("button", name="Complete").click()
    expect(page.get_by_role("button", name="Complete")).to_have_count(0)
    work.refresh_from_db()
    assert work.answer == WANTED
    assert complaints == []


def test_without_a_script_empty_lines_wait_and_mistakes_are_said_at_their_cell(portal, work, bob, browser):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, portal, bob)
    page.goto(f"{portal.url}/inbox/work/{work.pk}/")
    cell(page, 1, "What it is for").fill("Bolts")
    cell(page, 1, "Count").fill("0")
    cell(page, 1, "Amount, amount").fill("12.50")
    cell(page, 2, "What it is for").fill("Hours")
    cell(page, 2, "Amount, amount").fill("80")
    cell(page, 2, "Kind").select_option("labour")
    expect(page.get_by_role("button", name="Add a line")).to_be_hidden()
    page.get_by_role("button", name="Complete").click()
    expect(page.get_by_text("Correct what is marked in line 1.")).to_be_visible()
    expect(cell(page, 1, "Count")).to_have_attribute("aria-invalid", "true")
    cell(page, 1, "Count").fill("2")
    page.get_by_role("button", name="Complete").click()
    expect(page.get_by_role("button", name="Complete")).to_have_count(0)
    work.refresh_from_db()
    assert work.answer == WANTED
    context.close()


def test_in_each_theme_and_on_a_phone_nothing_is_in_the_way(page: Page, portal, work, bob, complaints):
    sign_in(page, portal, bob)
    page.goto(f"{portal.url}/inbox/work/{work.pk}/")
    check_page(page)
    assert complaints == []
