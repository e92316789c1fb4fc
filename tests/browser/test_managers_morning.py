"""A manager's morning: home, the bell, an agent found by name, a rule tried on the past and put in force."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from agents.models import Policy, Rule
from agents.services import lifecycle
from tests.browser.conftest import barriers, check_page, sign_in
from tests.browser.test_authority import shot
from tests.workflows.conftest import ask, hold_above, limit
from workflows.backtests.models import Backtest
from workflows.backtests.services import come_on
from workflows.notices.models import Reading
from workflows.tasks.selectors import database_now

pytestmark = [pytest.mark.browser, pytest.mark.full]
HOSTILE = '<img src=x onerror=alert(1)> <b hx-get="/live/" hx-trigger="load">x</b>'


def test_a_managers_morning(page: Page, portal, alice, dave, clerk, book):
    company = Policy.objects.get(code="company")
    hold_above(10_000, sentence="Invoices above 100.00 EUR need a person", note=HOSTILE)
    hold_above(5_000, name="Small ones", sentence=f"small invoices too {HOSTILE}", mode="shadow")
    rule = hold_above(2_000, name="Tiny ones", sentence="invoices above 20.00 EUR need a person", mode="draft")
    limit("daily", 20, name="Invoices a day")
    for number, minor in enumerate((1_000, 3_000, 6_000, 20_000)):
        ask(clerk, minor=minor, number=f"RE-{number}")
    now = database_now()
    Reading.objects.create(person=alice, here_at=now - timedelta(hours=9), read_at=now - timedelta(hours=9))
    lifecycle.pause_agent(actor=dave.as_actor(), agent=clerk, reason="It posts twice")
    sign_in(page, portal, alice)

    page.goto(f"{portal.url}/")
    expect(page.get_by_role("heading", name="What people did since you were here")).to_be_visible()
    expect(page.get_by_text("It posts twice").first).to_be_visible()
    check_page(page)
    shot(page, "home")

    page.get_by_role("link", name="News, unread:").click()
    expect(page.get_by_text("It posts twice")).to_be_visible()
    check_page(page)
    shot(page, "bell")
    page.get_by_role("button", name="Mark all as read").click()
    expect(page.get_by_role("heading", name="You have read everything")).to_be_visible()

    page.keyboard.press("Control+k")
    field = page.get_by_role("combobox")
    expect(field).to_be_focused()
    field.fill("robo")
    expect(page.get_by_role("option", name="Robo").first).to_be_visible()
    shot(page, "palette")
    assert barriers(page) == []
    page.keyboard.press("Escape")
    expect(field).to_be_hidden()
    page.keyboard.press("Control+k")
    field.fill("company rules")
    option = page.get_by_role("option", name="Company rules").first
    expect(option).to_be_visible()
    expect(option).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/policies/{company.pk}/")
    check_page(page)
    shot(page, "policy")

    own = page.locator(f"#rule-{rule.pk}")
    own.get_by_role("button", name="Try it on the last 30 days").click()
    expect(page.locator(f"#rule-{rule.pk}").get_by_text("Being tried")).to_be_visible()
    for _ in range(3):
        come_on(backtest_id=Backtest.objects.get().pk)
    expect(page.locator(f"#rule-{rule.pk}").get_by_text("Tried on past cases")).to_be_visible()
    page.locator(f"#rule-{rule.pk}").get_by_role("link", name="Put it in force").click()
    expect(page.get_by_text("It counts at once.")).to_be_visible()
    check_page(page)
    shot(page, "rule-mode")
    page.get_by_label("Why").fill("Small amounts add up")
    page.get_by_role("button", name="Put it in force").click()
    expect(page.get_by_text("The rule Tiny ones: Enforced.")).to_be_visible()
    assert Rule.objects.get(pk=rule.pk).mode == "enforced"

    page.get_by_role("link", name="What binds which operation").click()
    expect(page.get_by_text("Bound by nothing: grants alone decide")).to_be_visible()
    check_page(page)
    shot(page, "coverage")
    page.goto(f"{portal.url}/policies/")
    check_page(page)
    shot(page, "policies")
    page.goto(f"{portal.url}/search/?q=invoice")
    check_page(page)
    shot(page, "search")
    page.keyboard.press("Control+k")
    expect(page.get_by_text("Looked at lately")).to_be_visible()
