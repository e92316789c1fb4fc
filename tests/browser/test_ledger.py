"""The ledger as people read it in a real browser: list, event, stories, downloads, on a desk and on a phone."""

from __future__ import annotations

import os
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, check_page, sign_in
from tests.workflows.conftest import ask, hold_above
from tests.workflows.test_runs import begun, claim, complete, letters, publish
from workflows.approvals.models import Approval
from workflows.approvals.services import cast_vote

pytestmark = [pytest.mark.browser, pytest.mark.full]
HOSTILE = "<img src=x onerror=alert(1)>=1+1"
LEDGER = "/admin/audit/event/"


@pytest.fixture
def held(clerk, bob):
    hold_above(1_000_000)
    action = ask(clerk, number="RE-2", minor=2_000_000, reason=HOSTILE, evidence=[HOSTILE])
    approval = Approval.objects.get(pk=action.approval_id)
    cast_vote(
        actor=bob.as_actor(), approval_id=approval.pk, verdict="approve", reason=HOSTILE, digest=approval.digest
    )
    return action


def picture(page: Page, name: str) -> None:
    """Keep what is seen, for who asks for it: light, dark and on a phone."""
    if folder := os.environ.get("LEDGER_PICTURES"):
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            page.reload()
            page.screenshot(path=f"{folder}/{name}-{theme}.png", full_page=True)
        page.emulate_media(color_scheme="light")
        size = page.viewport_size
        page.set_viewport_size(PHONE)
        page.screenshot(path=f"{folder}/{name}-phone.png", full_page=True)
        page.set_viewport_size(size)


def test_the_ledger_is_read_without_a_barrier(page: Page, portal, held, carol, alice, bob, clerk, complaints):
    publish(alice, bob, letters())
    run = begun(alice)
    complete(clerk, claim(clerk), kind="chat", pages=1)
    sign_in(page, portal, carol)
    object_of = urlencode({"kind": "actions.action", "object": held.pk})
    for name, path in (
        ("list", LEDGER),
        ("filtered", f"{LEDGER}?decision=hold&{object_of}"),
        ("empty", f"{LEDGER}?q=nobodywrotethis"),
        ("refused", f"{LEDGER}?since=yesterday"),
        ("story-action", f"/ledger/story/action/{held.pk}/"),
        ("story-run", f"/ledger/story/run/{run.pk}/"),
    ):
        page.goto(portal.url + path)
        picture(page, name)
        if name != "refused":
            check_page(page)
        else:
            # The browser tells of the answer 422 itself; nothing else is to be complained of.
            assert all("422" in one for one in complaints)
            complaints.clear()
    page.goto(f"{portal.url}{LEDGER}?verb=approvals.vote_cast")
    page.locator("#result_list th a").first.click()
    expect(page.get_by_text("How it is sealed")).to_be_visible()
    picture(page, "event")
    check_page(page)
    page.get_by_role("link", name="The story of this action").click()
    expect(page.get_by_role("heading", name="What happened")).to_be_visible()
    assert page.locator("img[src='x']").count() == 0
    page.goto(f"{portal.url}{LEDGER}?{object_of}")
    with page.expect_download() as found:
        page.get_by_role("link", name="CSV").click()
    assert found.value.suggested_filename.endswith(".csv")
