"""One approver changes a request, another decides on it; its like is approved in future and ended again."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import barriers, check_page, sign_in
from tests.company import person
from tests.workflows.conftest import ask, hold_above
from workflows.actions.models import Action, StandingApproval

pytestmark = [pytest.mark.browser, pytest.mark.full]


def test_a_request_is_changed_and_its_like_approved_in_future(page: Page, portal, bob, clerk):
    erin = person("erin", "Approvers")
    hold_above(1_000_000)
    held = ask(clerk, number="RE-1", minor=2_000_000)
    sign_in(page, portal, bob)
    page.goto(f"{portal.url}/standing/")
    expect(page.get_by_text("Nothing is approved in advance")).to_be_visible()
    check_page(page)
    page.goto(f"{portal.url}/inbox/{held.approval_id}/")
    page.get_by_role("link", name="Change what is asked").click()
    check_page(page)
    page.get_by_label("Total, amount").fill("15,000.00")
    page.get_by_label("Why").fill("The invoice says fifteen thousand")
    page.get_by_role("button", name="Show the difference").click()
    expect(page.locator("ins")).to_have_text("15,000.00 EUR")
    assert barriers(page) == []
    page.get_by_role("button", name="Change it").click()
    expect(page.get_by_text("Another person decides on it now")).to_be_visible()
    new = Action.objects.get(replaces=held)
    assert new.arguments["total"] == {"minor": 1_500_000, "currency": "EUR"}
    page.context.clear_cookies()
    sign_in(page, portal, erin)
    page.goto(f"{portal.url}/inbox/{new.approval_id}/")
    expect(page.locator("del")).to_have_text("20,000.00 EUR")
    expect(page.locator("ins")).to_have_text("15,000.00 EUR")
    check_page(page)
    other = ask(clerk, number="RE-2", minor=1_200_000)
    page.goto(f"{portal.url}/inbox/{other.approval_id}/standing/")
    check_page(page)
    page.get_by_label("Supplier: S-1").check()
    page.get_by_label("Largest amount of one").fill("15,000.00")
    page.get_by_label("Why").fill("They send the same every week")
    page.get_by_role("button", name="Ask a second person").click()
    expect(page.get_by_text("a second person has to agree")).to_be_visible()
    page.context.clear_cookies()
    sign_in(page, portal, bob)
    page.goto(f"{portal.url}/inbox/")
    page.get_by_text("Approves in advance").first.click()
    expect(page.get_by_text("What it lets whom do")).to_be_visible()
    page.get_by_label("Your reason").fill("It is the same every week")
    page.get_by_role("button", name="Approve").click()
    expect(page.locator("[data-detail] .portal-note").first).to_contain_text("Approved")
    assert ask(clerk, number="RE-3", minor=1_200_000).state == "authorized"
    page.goto(f"{portal.url}/standing/")
    expect(page.get_by_text("1 of 10")).to_be_visible()
    check_page(page)
    page.get_by_text("End it").first.click()
    page.get_by_label("Why").fill("No longer wanted")
    page.get_by_role("button", name="End it now").click()
    expect(page.get_by_text("people are asked again")).to_be_visible()
    assert StandingApproval.objects.get().revoked_at is not None
