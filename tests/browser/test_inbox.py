"""A queue is cleared with the keyboard alone; what is held appears by itself; two people decide once."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import PHONE, sign_in
from tests.workflows.conftest import ask, hold_above
from workflows.approvals.models import Approval, Vote
from workflows.approvals.services import cast_vote
from workflows.pages.waiting import ON_A_PAGE

pytestmark = pytest.mark.browser


@pytest.fixture
def held(clerk, bob):
    """Three requests that wait for bob."""
    hold_above(1_000_000)
    return [ask(clerk, number=f"RE-{number}", minor=2_000_000 + number) for number in (1, 2, 3)]


def test_a_queue_is_cleared_with_the_keyboard_alone(page: Page, portal, bob, held):
    sign_in(page, portal, bob)
    page.goto(f"{portal.url}/inbox/")
    rows = page.locator("[data-approval]")
    expect(rows).to_have_count(3)
    page.keyboard.press("j")
    expect(page.locator("[data-detail]")).to_have_attribute("data-detail", str(held[0].approval_id))
    page.keyboard.press("j")
    expect(page.locator("[data-detail]")).to_have_attribute("data-detail", str(held[1].approval_id))
    page.keyboard.press("k")
    expect(page.locator("[data-detail]")).to_have_attribute("data-detail", str(held[0].approval_id))
    page.keyboard.press("r")
    page.keyboard.type("The order does not exist")
    page.keyboard.press("Escape")
    page.keyboard.press("a")
    expect(page.get_by_role("button", name="Approve")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("[data-detail] .portal-note")).to_contain_text("Rejected: ")
    expect(page.locator("#portal-status")).to_contain_text("Rejected: ")
    expect(rows).to_have_count(2)
    expect(page.locator("[data-approval] a").first).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("[data-detail]")).to_have_attribute("data-detail", str(held[1].approval_id))
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    rejected = Approval.objects.get(pk=held[0].approval_id)
    assert (rejected.state, rejected.reason) == ("rejected", "The order does not exist")


@pytest.mark.full
def test_after_a_decision_the_next_request_is_not_skipped(page: Page, portal, bob, held):
    sign_in(page, portal, bob)
    page.goto(f"{portal.url}/inbox/")
    page.keyboard.press("j")
    page.get_by_label("Your reason").fill("The order does not exist")
    page.get_by_role("button", name="Reject").click()
    expect(page.locator("[data-approval]")).to_have_count(2)
    page.keyboard.press("j")
    expect(page.locator("[data-detail]")).to_have_attribute("data-detail", str(held[1].approval_id))
    page.keyboard.press("j")
    expect(page.locator("[data-detail]")).to_have_attribute("data-detail", str(held[2].approval_id))
    page.goto(f"{portal.url}/inbox/?show=decided")
    expect(page.locator("[data-approval]")).to_have_count(1)
    expect(page.locator("[data-approval]")).to_contain_text("Rejected")


@pytest.mark.full
def test_on_a_phone_the_way_on_is_beside_the_word_that_it_is_done(page: Page, portal, bob, held):
    sign_in(page, portal, bob)
    page.set_viewport_size(PHONE)
    page.goto(f"{portal.url}/inbox/{held[0].approval_id}/")
    page.get_by_label("Your reason").fill("It matches the order")
    page.get_by_role("button", name="Approve").click()
    onwards = page.get_by_role("button", name="Next request")
    expect(onwards).to_be_focused()
    expect(onwards).to_be_in_viewport()
    onwards.click()
    expect(page.locator("[data-detail]")).to_have_attribute("data-detail", str(held[1].approval_id))
    page.get_by_role("link", name="All requests").click()
    expect(page.locator("[data-approval]")).to_have_count(2)


@pytest.mark.full
def test_what_somebody_else_decided_says_so_and_keeps_what_was_typed(page: Page, portal, bob, dave, held):
    dave.groups.set(bob.groups.all())
    sign_in(page, portal, bob)
    page.goto(f"{portal.url}/inbox/{held[0].approval_id}/")
    expect(page.locator("[data-connection]")).to_have_text("Live")
    page.get_by_label("Your reason").fill("Looks right to me")
    approval = Approval.objects.get(pk=held[0].approval_id)
    cast_vote(
        actor=dave.as_actor(),
        approval_id=approval.pk,
        verdict=Vote.Verdict.REJECT,
        reason="Twice the same invoice",
        digest=approval.digest,
    )
    expect(
        page.get_by_role("region", name="The request").get_by_text("This waits for you no longer")
    ).to_be_visible()
    expect(page.get_by_label("Your reason")).to_have_value("Looks right to me")
    expect(page.get_by_label("Your reason")).to_be_focused()


@pytest.mark.full
def test_what_is_held_appears_without_a_reload(page: Page, portal, bob, clerk):
    hold_above(1_000_000)
    sign_in(page, portal, bob)
    page.goto(f"{portal.url}/inbox/")
    expect(page.get_by_text("Nothing waits for you")).to_be_visible()
    expect(page.locator("[data-connection]")).to_have_text("Live")
    ask(clerk, number="RE-9", minor=3_000_000)
    expect(page.locator("[data-approval]")).to_have_count(1)
    expect(page.locator(".portal-badge[data-count=inbox]")).to_have_text("1")


@pytest.mark.full
def test_what_comes_with_older_news_does_not_move_the_list(page: Page, portal, bob, dave, clerk, held):
    """What was counted before may be older than the rows that come: only they say what is new."""
    dave.groups.set(bob.groups.all())
    sign_in(page, portal, bob)
    page.goto(f"{portal.url}/inbox/")
    expect(page.locator("[data-connection]")).to_have_text("Live")
    page.keyboard.press("j")
    expect(page.locator("[data-detail]")).to_have_attribute("data-detail", str(held[0].approval_id))
    came = []

    def meanwhile(route: Route) -> None:
        if not came:
            came.append(ask(clerk, number="RE-9", minor=3_000_000))
        route.continue_()

    page.route("**/inbox/rows/**", meanwhile)
    gone = Approval.objects.get(pk=held[2].approval_id)
    cast_vote(
        actor=dave.as_actor(),
        approval_id=gone.pk,
        verdict=Vote.Verdict.REJECT,
        reason="Twice the same invoice",
        digest=gone.digest,
    )
    more = page.get_by_role("button", name="1 new: show")
    expect(more).to_be_visible()
    rows = page.locator("[data-approval]")
    expect(rows).to_have_count(2)
    expect(rows.locator("a").first).to_be_focused()
    page.keyboard.press("u")
    expect(rows).to_have_count(3)
    expect(rows.filter(has_text="RE-9")).to_be_visible()
    expect(more).to_be_hidden()


@pytest.mark.full
def test_what_stands_further_down_than_the_first_page_is_not_called_gone(
    page: Page, portal, bob, dave, clerk, held
):
    """A list that somebody has gone on in is read anew from its beginning: that says nothing of its end."""
    for number in range(4, ON_A_PAGE + 4):
        ask(clerk, number=f"RE-{number}", minor=2_000_000 + number)
    dave.groups.set(bob.groups.all())
    sign_in(page, portal, bob)
    page.goto(f"{portal.url}/inbox/")
    expect(page.locator("[data-connection]")).to_have_text("Live")
    rows = page.locator("[data-approval]")
    expect(rows).to_have_count(ON_A_PAGE)
    page.get_by_role("link", name="Show more").click()
    expect(rows).to_have_count(ON_A_PAGE + 3)
    rows.last.locator("a").click()
    expect(page.locator("[data-detail]")).to_be_visible()
    first = Approval.objects.get(pk=rows.first.get_attribute("data-approval"))
    cast_vote(
        actor=dave.as_actor(),
        approval_id=first.pk,
        verdict=Vote.Verdict.REJECT,
        reason="Twice the same invoice",
        digest=first.digest,
    )
    expect(rows).to_have_count(ON_A_PAGE + 2)
    expect(page.locator("[data-gone]")).to_be_hidden()
    expect(rows.last).to_have_attribute("aria-current", "true")


@pytest.mark.full
def test_a_second_decision_changes_nothing_and_says_so(page: Page, portal, bob, dave, held, complaints):
    dave.groups.set(bob.groups.all())
    approval = Approval.objects.get(pk=held[0].approval_id)
    sign_in(page, portal, bob)
    page.goto(f"{portal.url}/inbox/{approval.pk}/")
    cast_vote(
        actor=dave.as_actor(),
        approval_id=approval.pk,
        verdict=Vote.Verdict.REJECT,
        reason="Twice the same invoice",
        digest=approval.digest,
    )
    page.get_by_label("Your reason").fill("Looks right to me")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("alert")).to_contain_text("already rejected")
    assert Vote.objects.filter(approval=approval).count() == 1
    # The browser reports every 409 in its console; this one is what the test asks for.
    assert [said for said in complaints if "409" not in said] == []
    complaints.clear()


@pytest.mark.full
def test_activity_shows_every_event_once_and_by_itself(page: Page, portal, carol, clerk):
    sign_in(page, portal, carol)
    page.goto(f"{portal.url}/activity/?show=steps")
    expect(page.locator("[data-connection]")).to_have_text("Live")
    before = page.locator("[data-feed] > li").count()
    ask(clerk, number="RE-20", minor=100)
    expect(page.locator("[data-feed] > li")).not_to_have_count(before)
    positions = page.eval_on_selector_all(
        "[data-feed] > li", "rows => rows.map(row => Number(row.dataset.position))"
    )
    assert positions == sorted(set(positions), reverse=True)


def test_nobody_decides_on_the_request_before_while_another_one_is_on_its_way(page: Page, portal, bob, held):
    sign_in(page, portal, bob)
    page.goto(f"{portal.url}/inbox/")
    rows = page.locator("[data-approval] a")
    rows.nth(0).click()
    expect(page.locator("#vote-form")).to_be_visible()
    kept = []
    page.route("**/detail/", lambda route: kept.append(route))
    rows.nth(1).click()
    pane = page.locator("#inbox-detail")
    expect(pane).to_have_attribute("aria-busy", "true")
    assert pane.evaluate("pane => pane.inert")
    kept[0].continue_()
    expect(pane).not_to_have_attribute("aria-busy", "true")
    assert not pane.evaluate("pane => pane.inert")


def test_what_one_has_put_off_oneself_is_not_called_decided_by_somebody(page: Page, portal, bob, held):
    sign_in(page, portal, bob)
    page.goto(f"{portal.url}/inbox/")
    page.locator("[data-approval] a").nth(0).click()
    page.locator("#fold-snooze summary").click()
    page.get_by_role("button", name="For an hour").click()
    expect(page.get_by_role("button", name="Next request")).to_be_visible()
    expect(page.locator("[data-gone]")).to_be_hidden()


def test_the_colours_follow_the_system_without_a_reload(page: Page, portal, bob):
    sign_in(page, portal, bob)
    page.emulate_media(color_scheme="light")
    page.goto(f"{portal.url}/inbox/")
    expect(page.locator("html:not(.dark)")).to_be_attached()
    page.emulate_media(color_scheme="dark")
    expect(page.locator("html.dark")).to_be_attached()
    page.emulate_media(color_scheme="light")
    expect(page.locator("html:not(.dark)")).to_be_attached()
