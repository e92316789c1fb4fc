"""The feed in a real browser: it follows, waits for whoever reads, is whole after a lost connection, ends."""

from __future__ import annotations

import os
import uuid

import pytest
from django.db import transaction
from playwright.sync_api import Page, expect

from audit.models import Event
from audit.services import record_event
from audit.vocabulary import Actor, Ref
from tests.browser.conftest import PHONE, check_page, sign_in, wait_until
from tests.company import new_agent

pytestmark = [pytest.mark.browser, pytest.mark.full]
HOSTILE = '<img src=x onerror=alert(1)><b hx-get="/x" hx-trigger="load">loud</b> \u202e'
POSITIONS = "[...document.querySelectorAll('[data-feed] > li')].map(row => Number(row.dataset.position))"
KEYS = "[...document.querySelectorAll('[data-feed] > li')].map(row => row.dataset.key)"
VERBS = ("actions.action_confirmed", "actions.action_failed", "agents.agent_paused", "runs.run_started")


def happen(agent, count, verb="", at_once=100):
    """Let so much happen about an agent."""
    for first in range(0, count, at_once):
        with transaction.atomic():
            for number in range(first, min(first + at_once, count)):
                record_event(
                    actor=Actor.system("engine"),
                    verb=verb or VERBS[number % len(VERBS)],
                    subject=Ref("agents.agent", str(agent.pk), agent.name),
                    sentence=f"Number {number} {HOSTILE}",
                    reason="It was due",
                    agent_id=str(agent.pk),
                    run_id=str(uuid.UUID(int=number % 5)),
                )


def keep(page: Page, name: str) -> None:
    """Keep a picture where ``SHOTS`` names a folder, for somebody to look at."""
    if folder := os.environ.get("SHOTS"):
        page.screenshot(path=f"{folder}/{name}.png")


def is_whole(page: Page, count: int) -> None:
    """Wait until the page shows exactly the newest events, each once."""
    last = str(Event.objects.order_by("-id").values_list("pk", flat=True)[0])
    wait_until(page, f"{KEYS}[0] === '{last}'", seconds=120)
    wait_until(page, f"{KEYS}.length === {count}")
    keys = page.evaluate(KEYS)
    assert len(set(keys)) == len(keys), "a row is there twice"
    assert keys == [str(key) for key in Event.objects.order_by("-id").values_list("pk", flat=True)[:count]]


def test_the_feed_follows_waits_and_narrows_down(page: Page, portal, carol):
    agent = new_agent(carol, "feeder")
    other = new_agent(carol, "other")
    happen(agent, 130)
    sign_in(page, portal, carol)
    page.goto(f"{portal.url}/activity/")
    expect(page.locator("[data-connection]")).to_have_text("Live")
    rows = page.locator("[data-feed] > li")
    expect(rows).to_have_count(60)
    keep(page, "feed-light")

    happen(agent, 3)
    expect(rows).to_have_count(63)
    expect(rows.first).to_contain_text("Number 2 <img src=x")
    more = page.locator("[data-feed-more]")
    page.locator("[data-feed-older]").scroll_into_view_if_needed()
    wait_until(page, f"{POSITIONS}.length > 100")
    happen(agent, 12)
    expect(more).to_have_text("12 new: show")
    more.evaluate("button => button.click()")
    expect(more).to_be_hidden()
    page.evaluate("document.querySelector('[data-feed-top]').scrollIntoView()")
    expect(rows.first).to_contain_text("Number 11")

    pause = page.locator("[data-feed-pause]")
    pause.click()
    happen(agent, 1)
    expect(more).to_have_text("1 new: show")
    keep(page, "feed-paused")
    pause.click()
    expect(more).to_be_hidden()

    page.goto(f"{portal.url}/activity/?agent=other&severity=trouble")
    expect(page.locator("[data-feed-empty]")).to_be_visible()
    expect(page.locator("[data-connection]")).to_have_text("Live")
    happen(agent, 2)
    happen(other, 4)
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text("Trouble")
    check_page(page)
    page.emulate_media(color_scheme="dark")
    keep(page, "feed-dark")
    page.goto(f"{portal.url}/activity/")
    page.set_viewport_size(PHONE)
    expect(page.locator("[data-connection]")).to_have_text("Live")
    keep(page, "feed-phone")


def test_no_gap_and_no_row_twice_when_the_connection_is_lost_in_a_burst(page: Page, portal, carol, complaints):
    agent = new_agent(carol, "feeder")
    happen(agent, 20)
    sign_in(page, portal, carol)
    page.goto(f"{portal.url}/activity/?show=steps")
    expect(page.locator("[data-connection]")).to_have_text("Live")
    page.context.set_offline(True)
    happen(agent, 40)
    page.context.set_offline(False)
    portal.kill("portal")
    happen(agent, 200)
    portal.start("portal")
    happen(agent, 100)
    is_whole(page, len(page.evaluate(KEYS)) and Event.objects.count())
    portal.kill("portal")
    happen(agent, 2_000)
    portal.start("portal")
    happen(agent, 3_000)
    is_whole(page, 500)
    expect(page.locator("[data-connection]")).to_have_text("Live")
    # The browser says itself that a portal which was killed does not answer.
    complaints[:] = [said for said in complaints if "net::ERR_" not in said and "WebSocket" not in said]


@pytest.mark.parametrize("taken", ["group", "session"])
def test_the_page_says_that_a_right_was_taken_away_and_what_to_do(page: Page, portal, carol, taken):
    sign_in(page, portal, carol)
    page.goto(f"{portal.url}/activity/")
    connection = page.locator("[data-connection]")
    expect(connection).to_have_text("Live")
    if taken == "group":
        carol.groups.clear()
    else:
        carol.set_password("another one 4711")
        carol.save(update_fields=["password"])
    words = "Your rights have changed" if taken == "group" else "Signed out"
    expect(connection).to_contain_text(words)
    expect(connection).to_contain_text("reload")
