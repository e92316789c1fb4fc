"""Next levels, calendars and how approvals go, as people meet them: no barrier, light, dark, on a phone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from agents.models import Calendar, Policy, Rule
from tests.browser.conftest import check_page, sign_in
from tests.workflows.conftest import ask, hold_above
from tests.workflows.test_clocks import levels
from workflows.approvals.services import cast_vote

pytestmark = [pytest.mark.browser, pytest.mark.full]
SHOTS = None


def shot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)


def test_a_manager_sets_next_levels_and_an_approver_reads_them(page: Page, portal, alice, bob, clerk):
    sign_in(page, portal, alice)
    page.goto(f"{portal.url}/admin/agents/rule/add/?policy={Policy.objects.get(code='company').pk}")
    page.get_by_label("Name").fill("Large")
    page.get_by_label("Minutes until next level 1").fill("60")
    page.get_by_label("Whom next level 1 asks").select_option("sponsor")
    shot(page, "rule")
    rule = hold_above(
        1_000_000, clock="working", levels=levels((60, "sponsor"), (120, "manager"), (480, "head"))
    )
    page.goto(f"{portal.url}/admin/agents/rule/{rule.pk}/change/")
    shot(page, "rule_change")
    check_page(page)
    approval = ask(clerk, minor=2_000_000).approval
    sign_in(page, portal, bob)
    page.goto(f"{portal.url}/inbox/{approval.pk}/")
    expect(page.locator("[data-detail]")).to_contain_text("the agent's sponsor")
    shot(page, "inbox")
    check_page(page)
    assert Rule.objects.count() == 1


def test_calendars_and_how_approvals_go(page: Page, portal, alice, bob, clerk):
    hold_above(1_000_000)
    sign_in(page, portal, alice)
    page.goto(f"{portal.url}/approvals/load/")
    expect(page.locator("main")).to_contain_text("Nothing was decided in this period")
    for number in range(6):
        approval = ask(clerk, number=f"RE-{number}", minor=2_000_000).approval
        given = {"verdict": "approve", "reason": "looks right to me", "digest": approval.digest}
        cast_vote(actor=bob.as_actor(), approval_id=approval.pk, **given)
    page.reload()
    expect(page.locator("main")).to_contain_text("Without opening")
    shot(page, "load")
    check_page(page)
    page.goto(f"{portal.url}/admin/agents/calendar/{Calendar.objects.get().pk}/change/")
    shot(page, "calendar")
    check_page(page)
