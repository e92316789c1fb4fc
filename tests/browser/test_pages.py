"""Every page, as a person sees it: no barrier, no console error, no policy report, no sideways scroll."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.auth.models import Group
from playwright.sync_api import Page, expect

from agents.models import Rule
from agents.services import stops
from tests.browser.conftest import barriers, check_page, sign_in
from tests.company import PASSWORD
from tests.workflows.conftest import ask, hold_above

pytestmark = pytest.mark.browser
HOSTILE = '<img src=x onerror=alert(1)><div hx-get="/live/" hx-trigger="load">x</div>'


def test_a_person_signs_in_and_sees_the_home_page(page: Page, portal, mallory):
    mallory.password = PBKDF2PasswordHasher().encode(PASSWORD, "salt", iterations=1000)
    mallory.save(update_fields=["password"])
    page.goto(f"{portal.url}/inbox/?show=decided")
    assert barriers(page) == []
    page.get_by_label("User name").fill("mallory")
    page.get_by_label("Password").fill("not this")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/inbox/?show=decided")
    page.goto(portal.url)
    expect(page.get_by_text("You have no rights here yet")).to_be_visible()
    check_page(page)


@pytest.mark.full
def test_pages_with_work_on_them_have_no_barriers(page: Page, portal, bob, carol, clerk):
    bob.groups.add(*carol.groups.all())
    hold_above(1_000_000)
    held = ask(clerk, number="RE-2", minor=2_000_000, reason=HOSTILE, evidence=[HOSTILE])
    refused = ask(clerk, number="RE-3", minor=100)
    sign_in(page, portal, bob)
    for path in (
        "/",
        "/inbox/",
        f"/inbox/{held.approval_id}/",
        "/activity/",
        "/notifications/",
        f"/actions/{held.pk}/",
        f"/actions/{refused.pk}/",
        "/admin/actions/action/",
        f"/admin/actions/action/{held.pk}/change/",
        "/admin/approvals/approval/",
        f"/admin/approvals/approval/{held.approval_id}/change/",
        "/admin/audit/event/",
        "/admin/audit/event/export/",
        f"/agents/{clerk.pk}/contract/",
    ):
        answer = page.goto(portal.url + path)
        assert answer is not None
        assert answer.status == 200, path
        check_page(page)
    assert page.locator("img[src='x']").count() == 0


@pytest.mark.full
def test_the_menu_shows_and_hides_and_the_theme_is_chosen(page: Page, portal, carol):
    sign_in(page, portal, carol)
    page.goto(portal.url)
    page.get_by_role("button", name="Show or hide the menu").click()
    expect(page.locator("#nav-sidebar")).to_be_hidden()
    page.get_by_role("button", name="Show or hide the menu").click()
    page.locator("#user-menu").click()
    page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_class("dark")
    page.goto(f"{portal.url}/activity/")
    expect(page.locator("html")).to_have_class("dark")
    page.keyboard.press("Control+k")
    expect(page.get_by_role("combobox", name="Search agents")).to_be_focused()


@pytest.mark.full
def test_a_rule_is_tried_with_the_keyboard_and_the_page_comes_on_by_itself(
    page: Page, portal, processes, alice, clerk
):
    processes.start("worker")
    rule = hold_above(
        1_000_000, condition="", sentence="", field="amount", comparison="above", value="10000.00"
    )
    for number, minor in enumerate((100, 600_000, 2_000_000)):
        ask(clerk, number=f"RE-{number}", minor=minor)
    sign_in(page, portal, alice)
    page.goto(f"{portal.url}/admin/agents/rule/{rule.pk}/change/")
    page.get_by_role("link", name="Try it on what is on record").press("Enter")
    expect(page.get_by_text("Not tried yet")).to_be_visible()
    check_page(page)
    value = page.get_by_label("Try it with this value")
    value.fill("5000.00")
    value.press("Enter")
    expect(page.get_by_text("1 of 3 recorded actions would have been decided otherwise.")).to_be_visible()
    expect(page.get_by_role("heading", name="Went through, would wait for a person")).to_be_visible()
    check_page(page)
    page.get_by_role("link", name="Try another value or period").click()
    expect(page.get_by_role("link", name="5,000.00 EUR")).to_be_visible()
    check_page(page)


@pytest.mark.full
def test_a_manager_holds_what_new_agents_do_on_weekends_without_writing_a_condition(
    page: Page, portal, processes, alice, clerk
):
    """Over 500, by new agents, on weekends: two of finance must agree. Tried first, in force afterwards."""
    processes.start("worker")
    policy = hold_above(1_000_000).policy
    Group.objects.create(name="Finance")
    for number, minor in enumerate((100, 600_000)):
        ask(clerk, number=f"RE-{number}", minor=minor)
    sign_in(page, portal, alice)
    page.goto(f"{portal.url}/admin/agents/rule/add/?policy={policy.pk}")
    page.get_by_label("Name").fill("Weekends of new agents")
    page.get_by_label("Operations").fill("fake.invoice.post")
    page.get_by_label("Compare").select_option("amount")
    page.get_by_label("How", exact=True).select_option("above")
    page.get_by_label("With", exact=True).fill("500.00")
    page.get_by_text("Add further comparisons").click()
    for place, (field, comparison, value) in enumerate(
        (("agent.days", "below", "30"), ("clock.weekend", "equal", "yes")), 1
    ):
        row = page.get_by_role("group", name=f"Further comparison {place}")
        row.get_by_label("What").select_option(field)
        row.get_by_label("How of").select_option(comparison)
        row.get_by_label("With").fill(value)
    page.get_by_label("Who may approve").select_option(label="Finance")
    page.get_by_label("How many must approve").fill("2")
    page.get_by_label("Mode").select_option("draft")
    page.get_by_label("Reason").fill("New agents are watched on weekends")
    said = "A call with an amount above 500.00 EUR and days since the agent was taken on below 30 on a weekend"
    expect(page.get_by_text(f"{said} needs a person").first).to_be_visible()
    assert barriers(page) == []
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("link", name=said).click()
    page.get_by_role("link", name="Try it on what is on record").click()
    page.get_by_role("button", name="Try it").click()
    expect(page.get_by_text("of 2 recorded actions would have been decided otherwise.")).to_be_visible()
    rule = Rule.objects.get(name="Weekends of new agents")
    page.goto(f"{portal.url}/admin/agents/rule/{rule.pk}/change/")
    check_page(page)
    page.get_by_label("Mode").select_option("enforced")
    page.get_by_label("Reason").fill("It was tried, and it is as we want it")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("was changed successfully")).to_be_visible()
    rule.refresh_from_db()
    assert rule.condition == "amount > 50000 && agent.days < 30 && clock.weekend == true"
    assert (rule.mode, rule.quorum, rule.approver_group.name) == ("enforced", 2, "Finance")


@pytest.mark.full
def test_where_a_stop_has_arrived_is_read_again_while_one_looks(page: Page, portal, dave, alice, clerk):
    stop = stops.raise_stop(actor=dave.as_actor(), scope_kind="everything", reason="Something is wrong")
    sign_in(page, portal, dave)
    page.goto(f"{portal.url}/admin/agents/stop/{stop.pk}/change/")
    page.get_by_text("Containment", exact=True).click()
    expect(page.get_by_text(re.compile(r"As it was at \d\d:\d\d:\d\d UTC"))).to_be_visible()
    before = page.get_by_text("As it was at").inner_text()
    expect(page.get_by_text(before, exact=True)).to_have_count(0, timeout=15_000)
    assert barriers(page) == []
    stops.lift_stop(actor=alice.as_actor(), stop=stop, reason="It is well again")
    page.reload()
    check_page(page)


@pytest.mark.full
def test_what_an_agent_may_do_is_tried_with_the_keyboard(page: Page, portal, alice, clerk):
    hold_above(1_000_000)
    sign_in(page, portal, alice)
    page.goto(f"{portal.url}/console/?agent={clerk.pk}")
    page.get_by_role("link", name="What may it do?").press("Enter")
    page.get_by_label("What it would do").select_option(label="Post an invoice")
    page.get_by_role("button", name="Go on").press("Enter")
    page.get_by_label("Supplier").fill("S-1")
    page.get_by_label("Number").fill("RE-1")
    page.get_by_label("amount").fill("12,000.00")
    page.get_by_label("currency").fill("EUR")
    check_page(page)
    page.get_by_label("Supplier").fill("S-1")
    page.get_by_label("Number").fill("RE-1")
    page.get_by_label("amount").fill("12,000.00")
    page.get_by_label("currency").fill("EUR")
    page.get_by_label("currency").press("Enter")
    expect(page.get_by_text("It would wait for a person")).to_be_visible()
    assert barriers(page) == []
