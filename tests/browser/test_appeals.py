"""A manager answers an appeal, sees what is contested again and again, tries it, and takes it up."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from agents.models import ChangeRequest
from tests.browser.conftest import check_page, sign_in
from tests.browser.test_authority import shot
from tests.company import new_agent
from tests.workflows.conftest import ask, grant, hold_above, limit
from workflows.appeals.services import contest_action

pytestmark = [pytest.mark.browser, pytest.mark.full]


def test_a_contested_rule_is_answered_tried_and_taken_up(page: Page, portal, alice, clerk, book):
    hold_above(
        10_000,
        name="No large invoices",
        sentence="",
        condition="",
        field="amount",
        comparison="above",
        value="100.00",
        verdict="deny",
    )
    other = new_agent(alice, "second")
    grant(other, book["post"])
    for agent, minor in ((clerk, 10_400), (clerk, 11_000), (other, 12_300)):
        action = ask(agent, minor=minor, number=f"RE-{minor}")
        said = "The order says so: <b>look</b> at page two. " * 8
        contest_action(actor=agent.user.as_actor(), action_id=action.pk, reason=said)
    sign_in(page, portal, alice)
    page.goto(f"{portal.url}/inbox/")
    page.get_by_role("link", name="Second contests a denial").click()
    expect(page.get_by_text("Nobody has checked it")).to_be_visible()
    check_page(page)
    shot(page, "appeal")
    page.get_by_label("The agent may ask again: it is decided anew").check()
    page.get_by_label("Why").fill("Ask for what the order says")
    page.get_by_role("button", name="Answer").click()
    page.locator("summary", has_text="Rules and limits").click()
    page.get_by_role("link", name="Contested rules").click()
    expect(page.get_by_text("Compare with 130.00 EUR instead of 100.00 EUR")).to_be_visible()
    check_page(page)
    shot(page, "contested")
    page.get_by_label("Why").fill("Prices rose this year")
    page.get_by_role("button", name="Propose it").click()
    expect(page.get_by_text("It waits for a second person.")).to_be_visible()
    expect(page.get_by_text("A person took it up")).to_be_visible()
    assert ChangeRequest.objects.get().payload["value"] == "130.00"
    check_page(page)


def test_a_limit_of_failures_is_made_in_words_and_tried(page: Page, portal, alice, clerk):
    per_day = limit("per_day", 20)
    sign_in(page, portal, alice)
    page.goto(f"{portal.url}/admin/agents/measure/{per_day.pk}/change/")
    page.get_by_role("link", name="Try it on what is on record").click()
    page.get_by_label("Try it with this ceiling").fill("5")
    check_page(page)
    shot(page, "limit-backtest")
    page.goto(f"{portal.url}/admin/agents/measure/add/")
    shot(page, "limit-add")
