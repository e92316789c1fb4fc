"""The day of an operator: what stopped is dealt with together, a run is followed and taken along."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import barriers, check_page, sign_in
from tests.workflows.conftest import hold_above
from tests.workflows.test_pages_runs import HOSTILE
from tests.workflows.test_runs import begun, claim, complete, letters, publish
from workflows.pages.run_tabs import TABS
from workflows.runs.models import Run

pytestmark = [pytest.mark.browser, pytest.mark.full]


def keep(page: Page, name: str) -> None:
    """Keep a picture where somebody asked for them."""
    if folder := os.environ.get("SHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


@pytest.fixture
def stopped(clerk, alice, bob) -> list[Run]:
    """Three runs that stopped for the same reason."""
    publish(alice, bob, letters())
    runs = []
    for number in range(3):
        runs.append(begun(alice, key=f"letter-{number}", topic="<script>alert(1)</script>"))
        complete(clerk, claim(clerk), kind="chat")
    return runs


def test_an_operator_deals_with_what_stopped_together(page: Page, portal, stopped, dave):
    sign_in(page, portal, dave)
    page.goto(f"{portal.url}/runs/")
    page.get_by_role("link", name="What needs an operator, by its cause").click()
    expect(page.get_by_text("3 cases")).to_be_visible()
    check_page(page)
    keep(page, "incidents")
    page.get_by_role("button", name="Choose all of these").click()
    page.get_by_role("button", name="Try again…", exact=True).click()
    expect(page.get_by_text("begins again, as attempt 2.")).to_have_count(3)
    assert barriers(page) == []
    keep(page, "incidents-sheet")
    page.get_by_role("checkbox").nth(2).uncheck()
    page.get_by_label("Your reason, for all of these").fill("The agent was mended")
    page.get_by_role("button", name="Try again: those chosen").click()
    expect(page.get_by_text("2 of 2 were done.")).to_be_visible()
    assert barriers(page) == []
    keep(page, "incidents-done")
    page.get_by_role("link", name="Back to what needs an operator").click()
    expect(page.get_by_text("1 case", exact=True)).to_be_visible()
    assert Run.objects.filter(state="running").count() == 2


def test_a_run_is_followed_through_its_tabs(page: Page, portal, clerk, alice, bob, dave, carol, fake):
    hold_above(10_000)
    publish(alice, bob, letters())
    run = begun(alice, topic=HOSTILE[:40])
    complete(clerk, claim(clerk), kind="order")
    dave.groups.add(*carol.groups.all(), *bob.groups.all())
    sign_in(page, portal, dave)
    page.goto(f"{portal.url}/runs/{run.pk}/")
    expect(page.get_by_text("Waiting for Approvers")).to_be_visible()
    for tab in TABS:
        page.goto(f"{portal.url}/runs/{run.pk}/?tab={tab}")
        expect(page.locator(".portal-tabs [aria-current=page]")).to_have_count(1)
        check_page(page)
        keep(page, f"run-{tab}")
    page.emulate_media(media="print")
    page.goto(f"{portal.url}/runs/{run.pk}/?tab=timeline")
    expect(page.locator("#steer")).to_be_hidden()
    expect(page.locator(".portal-timeline")).to_be_visible()
    keep(page, "run-print")
    page.emulate_media(media="screen")
    page.goto(f"{portal.url}/runs/{run.pk}/evidence/")
    check_page(page)
    keep(page, "evidence")
    with page.expect_download() as taken:
        page.get_by_role("link", name="Take it along as PDF").click()
    assert taken.value.suggested_filename.endswith(".pdf")


def test_a_link_to_a_step_leads_to_it_and_lists_can_be_narrowed(page: Page, portal, stopped, dave):
    sign_in(page, portal, dave)
    run = stopped[0]
    step = run.steps.get(node="read")
    page.goto(f"{portal.url}/runs/{run.pk}/#step-{step.pk}")
    expect(page.locator(f"#step-{step.pk}")).to_be_in_viewport()
    page.get_by_role("link", name="Link to ").first.click()
    assert page.url.endswith(f"#step-{step.pk}")
    page.goto(f"{portal.url}/runs/")
    page.locator("summary", has_text="Filters and order").click()
    page.get_by_label("Words or id").fill(str(run.pk))
    page.get_by_role("button", name="Show these").click()
    expect(page.locator(".portal-runs tbody tr")).to_have_count(1)
    check_page(page)
    keep(page, "runs")
