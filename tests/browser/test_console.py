"""The day of an operator at the console in a real browser: watch, redirect, override, pause, stop, go on."""

from __future__ import annotations

import os
import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESK, PHONE, barriers, check_page, sign_in
from tests.workflows.conftest import ask, hold_above, new_agent
from tests.workflows.test_pages import HOSTILE
from tests.workflows.test_runs import begun, claim, publish
from workflows.runs.models import Run
from workflows.tasks.models import Instruction, Task

pytestmark = [pytest.mark.browser, pytest.mark.full]
WHY = "Its answers look odd"
SHORT_HOSTILE = '<b hx-get="/live/">x</b>'


@pytest.fixture
def workflow(clerk: Any, alice: Any, bob: Any) -> Any:
    return publish(alice, bob)


def shot(page: Page, name: str) -> None:
    """Keep pictures where ``SHOTS`` names a folder, for somebody to look at."""
    if folder := os.environ.get("SHOTS"):
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            page.wait_for_timeout(200)
            page.screenshot(path=f"{folder}/{name}-{theme}.png", full_page=True)
        page.emulate_media(color_scheme="light")
        page.set_viewport_size(PHONE)
        page.screenshot(path=f"{folder}/{name}-phone.png", full_page=True)
        page.set_viewport_size(DESK)


def open_console(page: Page, portal: Any, query: str = "") -> None:
    page.set_viewport_size(DESK)
    page.goto(f"{portal.url}/console/{query}")
    expect(page.locator("[data-connection]").first).to_have_text("Live")


def test_an_operators_day(
    page: Page, portal: Any, workflow: Any, alice: Any, dave: Any, clerk: Any, complaints: list[str]
) -> None:
    rival = new_agent(alice, "rival")
    sign_in(page, portal, dave)
    open_console(page, portal)
    agents, feed = page.locator("#console-agents"), page.locator("[data-feed]")
    expect(agents.get_by_text("Idle").first).to_be_visible()

    # Watch: the list and the feed follow; paused, both stand still and say how much is new.
    run = begun(alice)
    claim(clerk)
    expect(feed.get_by_text(re.compile("took the task")).first).to_be_visible()
    expect(agents.locator("[data-standing=working] .portal-console-name")).to_be_visible()
    page.get_by_role("button", name="Pause updates").click()
    begun(alice, key="second")
    expect(page.locator("[data-feed-more]")).to_be_visible()
    page.get_by_role("button", name="Resume updates").click()
    page.mouse.move(0, 0)
    expect(page.locator("[data-feed-more]")).to_be_hidden()

    # Look at a run, beside what happens.
    agents.get_by_role("link", name=run.label).click()
    expect(page.locator("#chosen-run")).to_have_text(run.label)
    shot(page, "console")
    assert barriers(page) == []

    # Tell the agent something about its task.
    page.get_by_role("link", name="Redirect Robo").first.click()
    page.get_by_label(re.compile("What you tell it")).fill("Leave Acme for tomorrow.")
    page.get_by_label("About").select_option(index=1)
    page.get_by_label(re.compile("Your reason")).fill(WHY)
    shot(page, "redirect")
    assert barriers(page) == []
    page.get_by_role("button", name="Tell it").click()
    expect(page.get_by_text("not read yet")).to_be_visible()
    assert Instruction.objects.get().text == "Leave Acme for tomorrow."

    # Give its work to another agent: the verb of the step, with its effect first.
    page.get_by_role("link", name="Redirect Robo").first.click()
    page.get_by_role("link", name=re.compile("Give it to somebody else")).first.click()
    page.get_by_label(re.compile("Who is to do it")).select_option(label=rival.name)
    page.get_by_role("button", name="Show what it would change").click()
    page.get_by_label(re.compile("Your reason")).fill(WHY)
    page.get_by_role("button", name="Give it to them").click()
    expect(page.get_by_text("was given to somebody else")).to_be_visible()

    # Override: a step that an agent has is marked failed by hand.
    second = claim(clerk)
    open_console(page, portal)
    page.get_by_role("link", name="Override Robo").click()
    shot(page, "override")
    page.get_by_role("link", name=re.compile("Mark it failed")).click()
    expect(page.get_by_text("has it and loses it")).to_be_visible()
    page.get_by_label(re.compile("Your reason")).fill(WHY)
    page.get_by_role("button", name="Mark it failed").click()
    expect(page.get_by_text("is marked as failed")).to_be_visible()
    assert Task.objects.get(pk=second.pk).state == "failed"

    # Pause it.
    open_console(page, portal)
    page.get_by_role("link", name="Pause Robo").click()
    expect(page.get_by_text("every call is refused, and it is told why")).to_be_visible()
    page.get_by_label("At once; what it has is taken back and offered to others").check()
    page.get_by_label(re.compile("Your reason")).fill(WHY)
    shot(page, "pause")
    assert barriers(page) == []
    page.get_by_role("button", name="Pause it").click()
    expect(page.get_by_text("Robo is paused.")).to_be_visible()

    # Stop everything: who is affected first, then the word.
    page.get_by_role("link", name="Stop everything").click()
    expect(page.get_by_text("2 agents are stopped")).to_be_visible()
    page.get_by_label(re.compile("Type STOP")).fill("go")
    page.get_by_label(re.compile("Your reason")).fill(WHY)
    page.get_by_role("button", name="Stop everything now").click()
    expect(page.get_by_text("Type the word STOP.")).to_be_visible()
    # The browser reports every refused form in its console; this one is what the test asks for.
    assert [said for said in complaints if "422" not in said] == []
    complaints.clear()
    page.get_by_label(re.compile("Type STOP")).fill("STOP")
    shot(page, "stop")
    assert barriers(page) == []
    page.get_by_role("button", name="Stop everything now").click()
    expect(page.get_by_text("nothing starts any more")).to_be_visible()
    expect(page.locator(".portal-console-stopped")).to_contain_text("A manager lets it go on")
    shot(page, "stopped")

    # A manager lets it go on, stage by stage.
    sign_in(page, portal, alice)
    for words in ("Let agents read", "Let them work|Let agents work", "Lift this stop"):
        open_console(page, portal)
        page.locator(".portal-console-stopped").get_by_role("link", name=re.compile(words)).click()
        page.get_by_label(re.compile("Your reason")).fill("It is well again")
        page.get_by_role("button", name=re.compile(words)).click()
        expect(page).to_have_url(re.compile("/console/$"))
    expect(page.locator(".portal-console-stopped")).to_have_count(0)
    assert Run.objects.count() == 2


def test_what_somebody_is_at_is_not_replaced_under_them(
    page: Page, portal: Any, workflow: Any, alice: Any, clerk: Any
) -> None:
    sign_in(page, portal, alice)
    open_console(page, portal)
    held: list[Any] = []

    def hold_first(route: Any) -> None:
        held.append(route)
        if len(held) > 1:
            route.continue_()

    page.route("**/console/agents/**", hold_first)
    begun(alice)
    claim(clerk)
    while not held:
        page.wait_for_timeout(50)
    page.get_by_role("link", name="Pause Robo").focus()
    with page.expect_response("**/console/agents/**"):
        held[0].continue_()
    page.wait_for_timeout(300)
    expect(page.get_by_role("link", name="Pause Robo")).to_be_focused()
    page.locator("h1").first.click()
    page.evaluate("document.activeElement.blur()")
    expect(page.locator("[data-standing=working] .portal-console-name")).to_be_visible()


def test_its_pages_have_no_barriers(
    page: Page, portal: Any, workflow: Any, alice: Any, dave: Any, clerk: Any
) -> None:
    hold_above(1_000_000)
    ask(clerk, minor=2_000_000, reason=HOSTILE)
    run = begun(alice, topic=SHORT_HOSTILE)
    task = claim(clerk)
    sign_in(page, portal, alice)
    for path in (
        "/console/",
        f"/console/?agent={clerk.pk}&run={run.pk}",
        "/console/?state=failing",
        "/console/stop/",
        f"/console/agents/{clerk.pk}/pause/",
        f"/console/agents/{clerk.pk}/redirect/",
        f"/console/agents/{clerk.pk}/override/",
        f"/console/runs/{run.pk}/steps/{task.step.pk}/fail/",
    ):
        answer = page.goto(portal.url + path)
        assert answer is not None
        assert answer.status == 200, path
        check_page(page)
    page.set_viewport_size(PHONE)
    page.goto(f"{portal.url}/console/")
    expect(page.locator("#console-agents")).to_be_visible()
    expect(page.locator("#console-feed")).to_be_hidden()
    for name, part in (("Feed", "#console-feed"), ("Needs a person", "#console-side")):
        page.get_by_role("link", name=name, exact=True).click()
        expect(page.locator(part)).to_be_visible()
        expect(page.locator("#console-agents")).to_be_hidden()
        assert barriers(page) == []
