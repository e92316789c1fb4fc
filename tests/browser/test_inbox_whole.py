"""The inbox with the keyboard alone, on a phone, and in every state: without a barrier in light and dark."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from agents.models import Agent, SavedView
from tests.browser.conftest import PHONE, check_page, sign_in
from tests.workflows.conftest import ask, hold_above
from workflows.approvals.models import Approval, Vote
from workflows.approvals.services import cast_vote, claim
from workflows.tasks.models import Snooze, Task

pytestmark = [pytest.mark.browser, pytest.mark.full]


@pytest.fixture
def held(clerk):
    """Four requests that wait for bob."""
    hold_above(1_000_000)
    return [ask(clerk, number=f"RE-{number}", minor=2_000_000 + number) for number in (1, 2, 3, 4)]


def shown(page: Page, name: str) -> None:
    """Keep a picture where somebody wants to look at it."""
    if folder := os.environ.get("SHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def opened(page: Page):
    return page.locator("[data-detail]")


def test_everything_is_done_with_the_keyboard_alone(page: Page, portal, bob, dave, held):
    dave.groups.set(bob.groups.all())
    sign_in(page, portal, bob)
    page.goto(f"{portal.url}/")
    page.keyboard.press("g")
    page.keyboard.press("i")
    expect(page).to_have_url(f"{portal.url}/inbox/")
    rows = page.locator("[data-approval]")
    expect(rows).to_have_count(4)
    # I have it, and give it back.
    page.keyboard.press("j")
    expect(opened(page)).to_have_attribute("data-detail", str(held[0].approval_id))
    page.keyboard.press("c")
    expect(page.get_by_role("button", name="Give it back")).to_be_visible()
    expect(rows.first).to_contain_text("You have it")
    assert Task.objects.get(approval=held[0].approval_id).claimed_by == bob
    page.keyboard.press("c")
    expect(page.get_by_role("button", name="I have it")).to_be_visible()
    # Two that are alike, together.
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.get_by_text("2 chosen")).to_be_visible()
    shown(page, "chosen")
    page.keyboard.press("x")
    page.keyboard.press("k")
    page.keyboard.press("x")
    # Handed on, with the keyboard.
    page.keyboard.press("d")
    expect(page.get_by_role("checkbox", name=str(dave))).to_be_focused()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.type("You know this supplier")
    page.get_by_role("button", name="Hand it on").focus()
    page.keyboard.press("Enter")
    expect(opened(page)).to_contain_text("is asked now, too")
    # Put off: it leaves the list, and nobody decided anything.
    page.locator("[data-approval] a").first.focus()
    page.keyboard.press("s")
    expect(page.get_by_role("button", name="For an hour")).to_be_focused()
    page.keyboard.press("Enter")
    expect(rows).to_have_count(3)
    assert Snooze.objects.get().person == bob
    # The reason, what kind it is, and the verdict.
    page.keyboard.press("n")
    page.keyboard.press("r")
    expect(page.locator("#vote-reason")).to_be_focused()
    page.keyboard.type("It was paid last week")
    page.keyboard.press("Escape")
    page.keyboard.press("a")
    expect(page.locator("[data-decide=approve]")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(opened(page).locator(".portal-note").first).to_contain_text("Rejected: ")
    expect(rows).to_have_count(2)
    expect(page.locator("[data-approval] a").first).to_be_focused()
    page.keyboard.press("n")
    page.keyboard.press("m")
    expect(page).to_have_url(f"{portal.url}/inbox/{held[2].approval_id}/edit/")
    page.go_back()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("In the inbox")
    shown(page, "keys")
    page.keyboard.press("Escape")


def test_a_key_waits_for_the_request_that_is_on_its_way_though_the_list_changes_meanwhile(
    page: Page, portal, bob, clerk, held
):
    sign_in(page, portal, bob)
    page.goto(f"{portal.url}/inbox/")
    expect(page.locator("[data-connection]")).to_have_text("Live")
    asked: list[Any] = []
    page.route(re.compile(str(held[0].approval_id)), lambda route: asked.append(route))
    page.keyboard.press("j")
    ask(clerk, number="RE-9", minor=2_000_009)
    expect(page.locator("[data-inbox-more]")).to_be_visible()
    page.keyboard.press("u")
    expect(page.locator("[data-approval]")).to_have_count(5)
    expect(page.locator("[data-approval] a").first).to_be_focused()
    page.keyboard.press("r")
    asked[0].continue_()
    expect(page.locator("#vote-reason")).to_be_focused()
    expect(opened(page)).to_have_attribute("data-detail", str(held[0].approval_id))


def test_single_keys_can_be_switched_off(page: Page, portal, bob, held):
    sign_in(page, portal, bob)
    page.goto(f"{portal.url}/settings/")
    check_page(page)
    shown(page, "settings")
    page.get_by_label("Single keys do something").uncheck()
    page.get_by_role("button", name="Save").click()
    page.goto(f"{portal.url}/inbox/")
    page.keyboard.press("j")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(opened(page)).to_have_count(0)
    page.locator("[data-approval] a").first.focus()
    page.keyboard.press("Enter")
    expect(opened(page)).to_have_count(1)


def test_filters_are_kept_under_a_name(page: Page, portal, bob, held):
    sign_in(page, portal, bob)
    page.goto(f"{portal.url}/inbox/")
    page.get_by_text("Filters and views").click()
    page.get_by_label("Risk").select_option("high")
    page.get_by_role("button", name="Filter", exact=True).click()
    expect(page.get_by_text("Nothing fits these filters")).to_be_visible()
    page.get_by_label("Keep these filters as").fill("Grave ones")
    page.get_by_role("button", name="Keep", exact=True).click()
    expect(page.get_by_role("link", name="Grave ones")).to_be_visible()
    assert SavedView.objects.get().query == "show=mine&risk=high"
    check_page(page)
    shown(page, "filters")


def test_a_request_is_without_a_barrier_in_every_state(page: Page, portal, bob, dave, held):
    dave.groups.set(bob.groups.all())
    sign_in(page, portal, bob)
    address = f"{portal.url}/inbox/{held[0].approval_id}/"
    page.goto(address)
    check_page(page)
    shown(page, "detail")
    page.emulate_media(color_scheme="dark")
    page.reload()
    shown(page, "detail-dark")
    page.emulate_media(color_scheme="light")
    claim(actor=dave.as_actor(), approval_id=held[0].approval_id)
    page.goto(address)
    expect(page.get_by_role("button", name="Take it over")).to_be_visible()
    expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    check_page(page)
    shown(page, "claimed")
    approval = Approval.objects.get(pk=held[0].approval_id)
    said = {"verdict": Vote.Verdict.REJECT, "reason": "Twice the same", "digest": approval.digest}
    cast_vote(actor=dave.as_actor(), approval_id=approval.pk, **said)
    page.goto(address)
    expect(page.get_by_text("Already rejected")).to_be_visible()
    check_page(page)
    page.goto(f"{portal.url}/inbox/?show=decided")
    expect(page.locator("[data-approval]")).to_have_count(1)
    check_page(page)
    shown(page, "decided")
    for shelf in ("groups", "delegated", "snoozed", "others"):
        page.goto(f"{portal.url}/inbox/?show={shelf}")
        check_page(page, both_themes=False)
    page.set_viewport_size(PHONE)
    page.goto(f"{portal.url}/inbox/")
    shown(page, "phone-list")
    page.goto(f"{portal.url}/inbox/{held[1].approval_id}/")
    page.screenshot(path=f"{os.environ['SHOTS']}/phone-fold.png") if os.environ.get("SHOTS") else None
    shown(page, "phone-detail")
    expect(page.get_by_role("button", name="Approve")).to_be_in_viewport()


def test_what_is_grave_is_typed_before_it_is_approved(page: Page, portal, bob, held, complaints):
    Agent.objects.update(risk_tier="high")
    sign_in(page, portal, bob)
    page.goto(f"{portal.url}/inbox/{held[0].approval_id}/")
    page.get_by_label("Your reason").fill("It matches the order")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("alert")).to_contain_text("Type “20,000.01 EUR”")
    expect(page.get_by_label("To approve it, type")).to_be_focused()
    shown(page, "grave")
    page.get_by_label("To approve it, type").fill("20000.01")
    page.get_by_role("button", name="Approve").click()
    expect(opened(page).locator(".portal-note").first).to_contain_text("Approved: ")
    assert [one for one in complaints if "422" not in one] == []
    complaints.clear()
