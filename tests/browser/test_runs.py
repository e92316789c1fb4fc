"""Runs and work for people in a real browser: live, with the keyboard, without a barrier."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, barriers, check_page, sign_in
from tests.workflows.test_pages_runs import FORM, HOSTILE, fail
from tests.workflows.test_runs import begun, claim, complete, letters, publish, step
from workflows.runs import services
from workflows.runs.choices import StepVerb
from workflows.tasks import services as tasks
from workflows.tasks.models import Task

pytestmark = pytest.mark.browser


@pytest.fixture
def workflow(clerk, alice, bob):
    return publish(
        alice, bob, letters(look={"form": FORM, "show": {"Topic": "input.topic"}, "exception": True})
    )


@pytest.fixture
def work(workflow, alice, clerk) -> Task:
    """What bob has to settle."""
    run = begun(alice, topic="<script>alert(1)</script>")
    fail(clerk, claim(clerk), HOSTILE)
    return step(run, "look").task


def test_a_run_is_followed_without_a_reload(page: Page, portal, workflow, alice, dave, clerk):
    run = begun(alice)
    sign_in(page, portal, dave)
    page.goto(f"{portal.url}/runs/{run.pk}/")
    expect(page.locator("[data-connection]")).to_have_text("Live")
    expect(page.get_by_role("cell", name="Offered to Bookkeeper")).to_be_visible()
    page.get_by_text("Asked: Topic bolts").click()
    page.locator("h2").first.click()
    task = claim(clerk)
    expect(page.get_by_role("cell", name="Robo", exact=True)).to_be_visible()
    expect(page.locator(".portal details[open]")).to_have_count(1)
    expect(page.locator("[data-connection]")).to_have_text("Live")
    expect(page.locator("#steer")).to_have_count(1)
    complete(clerk, task, kind="chat", pages=1)
    expect(page.get_by_text("Outcome: answered")).to_be_visible()
    expect(page.locator("#steer")).to_have_count(0)


@pytest.mark.full
def test_a_stopped_run_goes_on_with_a_reason(page: Page, portal, workflow, alice, dave, clerk):
    run = begun(alice)
    sign_in(page, portal, dave)
    page.goto(f"{portal.url}/runs/{run.pk}/")
    expect(page.locator("[data-connection]")).to_have_text("Live")
    complete(clerk, claim(clerk), kind="chat")
    expect(page.get_by_text("It waits for an operator:")).to_be_visible()
    expect(page.get_by_role("link", name="Go on", exact=True)).to_be_visible()
    page.goto(portal.url)
    page.locator("a", has_text="Cannot go on: ").click()
    page.get_by_role("link", name="Go on", exact=True).click()
    expect(page.get_by_text("Read it begins again, as attempt 2.")).to_be_visible()
    page.get_by_label("Your reason").fill("Asked the agent again")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_text("goes on.")).to_be_visible()
    run.refresh_from_db()
    assert run.state == "running"


@pytest.mark.full
def test_work_is_done_with_the_keyboard_and_errors_have_the_focus(page: Page, portal, work, bob, complaints):
    sign_in(page, portal, bob)
    page.goto(f"{portal.url}/inbox/")
    expect(page.locator("[data-approval]")).to_have_count(1)
    page.keyboard.press("j")
    expect(page.locator("[data-detail]")).to_have_attribute("data-detail", str(work.pk))
    page.keyboard.press("a")
    expect(page.get_by_role("button", name="Complete")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Correct what is marked below")
    expect(page.get_by_label("Pay", exact=True)).to_be_focused()
    assert barriers(page) == []
    # The browser reports every 422 in its console; this one is what the test asks for.
    assert [said for said in complaints if "422" not in said] == []
    complaints.clear()
    page.keyboard.press("Space")
    page.get_by_label(re.compile("^Note")).fill("We called them")
    page.get_by_role("button", name="Complete").click()
    expect(page.locator("[data-detail] .portal-note").first).to_contain_text("Done: ")
    expect(page.get_by_text("Nothing waits for you")).to_be_visible()
    work.refresh_from_db()
    assert (work.state, work.answer["verdict"]) == ("done", "pay")


@pytest.mark.full
def test_work_that_somebody_else_takes_says_so(page: Page, portal, work, bob, dave):
    dave.groups.set(bob.groups.all())
    sign_in(page, portal, bob)
    page.goto(f"{portal.url}/inbox/work/{work.pk}/")
    expect(page.locator("[data-connection]")).to_have_text("Live")
    page.get_by_label(re.compile("^Note")).fill("Half a sentence")
    tasks.claim_task(actor=dave.as_actor(), task_id=work.pk)
    expect(
        page.get_by_role("region", name="The request").get_by_text("This waits for you no longer")
    ).to_be_visible()
    expect(page.get_by_label(re.compile("^Note"))).to_have_value("Half a sentence")


@pytest.mark.full
def test_work_is_done_without_javascript(portal, work, bob, browser):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, portal, bob)
    page.goto(f"{portal.url}/inbox/")
    page.get_by_role("link", name=re.compile(re.escape(work.title[:20]))).click()
    page.get_by_role("button", name="Take it").click()
    expect(page.get_by_role("button", name="Give it back")).to_be_visible()
    page.get_by_label("Send back").check()
    page.get_by_label(re.compile("^Note")).fill("It is torn")
    page.get_by_label("Total, amount").fill("12.50")
    page.get_by_label("Total, currency").fill("EUR")
    page.get_by_role("button", name="Complete").click()
    expect(page.get_by_text("Nothing waits for you")).to_be_visible()
    work.refresh_from_db()
    assert work.answer["total"] == {"minor": 1250, "currency": "EUR"}
    context.close()


@pytest.mark.full
def test_a_workflow_is_written_in_the_browser(page: Page, portal, workflow, alice):
    sign_in(page, portal, alice)
    page.goto(f"{portal.url}/admin/runs/workflow/{workflow.pk}/change/")
    page.locator("a", has_text=re.compile(r"^\s*Definition\s*$")).first.click()
    text = page.locator("[name=definition]")
    expect(text).to_be_visible()
    text.fill(text.input_value().replace("role: bookkeeper", "role: pilot"))
    page.locator("[name=reason]").fill("A pilot reads faster")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("There is no role pilot")).to_have_count(2)
    assert barriers(page) == []
    text.fill(text.input_value().replace("role: pilot", "role: bookkeeper").replace("answered", "replied"))
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Not in force yet: version 2")).to_be_visible()


@pytest.mark.full
def test_the_pages_of_work_have_no_barriers(page: Page, portal, work, workflow, alice, bob, dave, carol, clerk):
    bob.groups.add(*carol.groups.all(), *dave.groups.all(), *alice.groups.all())
    run = begun(alice, key="second")
    complete(clerk, claim(clerk), kind="chat")
    services.tick()
    begun(alice, key="third")
    claim(clerk)
    sign_in(page, portal, bob)
    for path in (
        "/",
        "/inbox/",
        f"/inbox/work/{work.pk}/",
        "/runs/?show=all",
        f"/runs/{run.pk}/",
        f"/runs/{step(work.step.run, 'look').run_id}/",
        *(f"/runs/{run.pk}/{verb}/" for verb in ("retry", "pause", "priority", "cancel")),
        *(f"/runs/{work.step.run_id}/steps/{work.step.pk}/{verb}/" for verb in StepVerb.values),
        "/runs/start/",
        f"/workflows/{workflow.pk}/start/",
        "/admin/runs/workflow/",
        f"/admin/runs/workflow/{workflow.pk}/change/",
        f"/admin/runs/workflowversion/{workflow.current_id}/change/",
        f"/admin/runs/run/{run.pk}/change/",
    ):
        answer = page.goto(portal.url + path)
        assert answer is not None
        assert answer.status == 200, path
        check_page(page)
    page.set_viewport_size(PHONE)
    page.goto(f"{portal.url}/inbox/work/{work.pk}/")
    expect(page.get_by_role("button", name="Complete")).to_be_visible()
