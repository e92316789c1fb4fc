"""Workflows as pictures in a real browser: read, drawn by mouse and by keyboard, approved, run."""

from __future__ import annotations

import os
import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESK, PHONE, barriers, check_page, sign_in
from tests.workflows.test_pages_runs import HOSTILE, fail
from tests.workflows.test_runs import approve, begun, claim, letters, publish, written
from workflows.runs import services
from workflows.runs.models import Workflow, WorkflowVersion

pytestmark = [pytest.mark.browser, pytest.mark.full]
OPEN = {"type": "object", "additionalProperties": False, "properties": {}}
TWO_AT_ONCE = [{"to": "one"}, {"to": "two"}]
# A name as hostile as a definition can hold.
PARALLEL: dict[str, Any] = {
    "both": {"kind": "parallel", "name": "Both at once", "branches": TWO_AT_ONCE, "join": "met"},
    "one": {"kind": "human", "name": HOSTILE[:110], "groups": ["Approvers"], "form": OPEN, "next": "met"},
    "two": {"kind": "wait", "name": "Sleep", "seconds": 60, "next": "met"},
    "met": {"kind": "join", "name": "Met", "next": "done"},
}


def shot(page: Page, name: str) -> None:
    """Keep a picture for who looks at the pages, where a place for them is named."""
    if folder := os.environ.get("SHOTS"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def box(page: Page, node: str) -> Any:
    return page.locator(f'a.graph-box[data-node="{node}"]')


@pytest.fixture
def workflow(clerk, alice, bob) -> Workflow:
    return publish(alice, bob)


def test_the_picture_of_a_run_is_read_and_goes_on_live(page: Page, portal, workflow, alice, dave, clerk):
    run = begun(alice, topic="<b>bolts</b>")
    sign_in(page, portal, dave)
    page.goto(f"{portal.url}/runs/{run.pk}/")
    expect(box(page, "read")).to_have_attribute("data-state", "waiting")
    page.get_by_role("button", name="Left to right").click()
    claimed = claim(clerk)
    expect(box(page, "read")).to_have_attribute("data-state", "running")
    expect(page.get_by_role("button", name="Left to right")).to_have_attribute("aria-pressed", "true")
    fail(clerk, claimed, HOSTILE)
    expect(box(page, "look")).to_have_attribute("data-state", "person")
    page.get_by_role("button", name=re.compile("Waits for a person 1")).click()
    expect(box(page, "read")).to_have_attribute("data-dim", "")
    expect(box(page, "look")).not_to_have_attribute("data-dim", "")
    page.get_by_role("button", name=re.compile("Waits for a person 1")).click()
    box(page, "look").focus()
    page.keyboard.press("Enter")
    expect(page.locator("tr[id^=step-]:focus")).to_contain_text("Look")
    shot(page, "run-light")
    check_page(page)
    page.emulate_media(color_scheme="dark")
    shot(page, "run-dark")
    page.set_viewport_size(PHONE)
    shot(page, "run-phone")


def test_versions_are_compared_in_one_picture(page: Page, portal, workflow, alice, bob):
    content = letters(read={"next": "both", "failed": "look"}, done={"outcome": "sent"})
    content["nodes"] |= PARALLEL
    content["nodes"]["met"]["next"] = "enter"
    text = written(content)
    services.propose_version(actor=alice.as_actor(), text=text, reason="we ask two at once")
    version = WorkflowVersion.objects.get(number=2)
    sign_in(page, portal, bob)
    page.goto(f"{portal.url}/workflows/{workflow.pk}/versions/{version.number}/")
    expect(box(page, "both")).to_have_attribute("data-state", "added")
    expect(box(page, "done")).to_have_attribute("data-state", "changed")
    assert page.locator("svg script, svg img").count() == 0
    shot(page, "diff-light")
    check_page(page)
    page.get_by_role("link", name="Open the question").click()
    page.get_by_role("link", name="The whole story").click()
    expect(page).to_have_url(re.compile(rf"/workflows/{workflow.pk}/versions/2/$"))
    sign_in(page, portal, alice)
    page.goto(f"{portal.url}/admin/runs/workflow/{workflow.pk}/change/")
    page.locator("a", has_text=re.compile(r"^\s*Picture\s*$")).first.click()
    expect(box(page, "read")).to_be_visible()
    shot(page, "admin-picture")
    assert barriers(page) == []


def test_a_workflow_is_drawn_by_mouse_mended_saved_approved_and_run(page: Page, portal, clerk, alice, bob):
    sign_in(page, portal, alice)
    page.goto(f"{portal.url}/workflows/new/")
    expect(box(page, "human")).to_be_visible()
    page.get_by_label("Short stable name").fill("ask-first")
    page.get_by_label("Name of the workflow").fill("Ask first")
    box(page, "human").click()
    page.get_by_label("Kind of step").select_option("human")
    page.get_by_role("button", name="Add a step").click()
    expect(box(page, "human_2")).to_be_visible()
    expect(page.locator("[data-editor-status]")).to_contain_text("to mend")
    shot(page, "editor-findings")
    # The finding leads to the step and to what is missing there.
    page.locator("[data-editor-findings] button").first.click()
    page.locator("[data-field=groups]").get_by_label("Managers").check()
    expect(page.locator("[data-editor-status]")).to_have_text("Checked: nothing is to be mended.")
    # A way is drawn from the handle of a step to another one; it asks for its condition.
    handle = box(page, "human").locator(".editor-handle").bounding_box()
    end = box(page, "end").bounding_box()
    page.mouse.move(handle["x"] + 14, handle["y"] + 14)
    page.mouse.down()
    page.mouse.move(end["x"] + end["width"] / 2, end["y"] + end["height"] / 2, steps=5)
    page.mouse.up()
    expect(page.locator("[data-editor-status]")).to_contain_text("to mend")
    expect(page.locator("[data-field=next] .editor-way")).to_have_count(2)
    page.locator("[data-field=next] .editor-way input").first.fill('steps.human.answer.verdict == "no"')
    page.keyboard.press("Tab")
    expect(page.locator("[data-editor-status]")).to_have_text("Checked: nothing is to be mended.")
    # Boxes are moved by hand; what is done does not change by it.
    before = box(page, "human_2").bounding_box()
    page.mouse.move(before["x"] + 40, before["y"] + 40)
    page.mouse.down()
    page.mouse.move(before["x"] + 140, before["y"] + 60, steps=5)
    page.mouse.up()
    assert abs(box(page, "human_2").bounding_box()["x"] - before["x"] - 100) < 30
    shot(page, "editor-light")
    assert barriers(page) == []
    page.emulate_media(color_scheme="dark")
    shot(page, "editor-dark")
    assert barriers(page) == []
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    shot(page, "editor-phone")
    page.set_viewport_size(DESK)
    page.get_by_label("Your reason").fill("Two people look at it")
    page.get_by_role("button", name="Propose this version").click()
    expect(page.get_by_text("waits for a second person")).to_be_visible()
    version = WorkflowVersion.objects.get(workflow__code="ask-first")
    assert set(version.layout.at) == {"human", "human_2", "end"}
    approve(bob)
    run = services.start_run(
        actor=alice.as_actor(), workflow_code="ask-first", input={"subject": "bolts"}, key="drawn-1"
    ).run
    services.tick()
    page.goto(f"{portal.url}/runs/{run.pk}/")
    expect(box(page, "human")).to_have_attribute("data-state", "person")


def test_a_workflow_is_drawn_with_the_keyboard_alone(page: Page, portal, workflow, alice):
    sign_in(page, portal, alice)
    page.goto(f"{portal.url}/workflows/{workflow.pk}/edit/")
    expect(box(page, "read")).to_be_visible()
    box(page, "read").focus()
    page.keyboard.press("Enter")
    expect(page.locator("[data-editor-panel-title]")).to_be_focused()
    page.get_by_label("Kind of step").focus()
    page.keyboard.type("Wait")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(box(page, "wait")).to_be_visible()
    expect(page.locator("[data-field=name] input")).to_be_focused()
    page.keyboard.type("Sleep over it")
    page.keyboard.press("Tab")
    expect(box(page, "wait")).to_contain_text("Sleep over it")
    expect(page.locator("[data-editor-text]")).to_have_value(re.compile("name: Sleep over it"))
    box(page, "wait").focus()
    page.keyboard.press("Alt+ArrowRight")
    expect(box(page, "wait")).to_be_focused()
    page.keyboard.press("Delete")
    expect(box(page, "wait")).to_have_count(0)
    page.get_by_role("button", name="Undo", exact=True).focus()
    page.keyboard.press("Enter")
    expect(box(page, "wait")).to_contain_text("Sleep over it")
    page.get_by_label("Your reason").focus()
    page.keyboard.type("Nobody decides in a hurry")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_text("waits for a second person")).to_be_visible()
    assert WorkflowVersion.objects.get(number=2).content["nodes"]["wait"]["name"] == "Sleep over it"


def test_text_and_picture_say_the_same_and_a_conflict_loses_nothing(
    page: Page, portal, workflow, alice, bob, complaints
):
    sign_in(page, portal, alice)
    page.goto(f"{portal.url}/workflows/{workflow.pk}/edit/")
    expect(box(page, "read")).to_be_visible()
    text = page.locator("[data-editor-text]")
    text.fill("# why we do it\n" + text.input_value().replace("name: Read it", "name: Read it twice"))
    expect(box(page, "read")).to_contain_text("Read it twice")
    expect(page.locator("[data-editor-status]")).to_contain_text("comments")
    text.fill(text.input_value() + "\nnot: [yaml")
    expect(page.locator("[data-editor-status]")).to_contain_text("cannot be read")
    text.fill(text.input_value().replace("\nnot: [yaml", ""))
    services.propose_version(
        actor=bob.as_actor() if bob.has_perm("runs.change_workflow") else alice.as_actor(),
        text=written(letters(done={"outcome": "sent"})),
        reason="somebody was faster",
    )
    page.get_by_label("Your reason").fill("Read with care")
    page.get_by_role("button", name="Propose this version").click()
    expect(page.get_by_role("alert")).to_contain_text("somebody wrote version 2")
    assert "Read it twice" in text.input_value()
    assert "# why we do it" in text.input_value()
    assert barriers(page) == []
    assert [said for said in complaints if "409" not in said] == []
    complaints.clear()


def test_the_text_area_alone_is_enough(portal, workflow, alice, browser):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, portal, alice)
    page.goto(f"{portal.url}/workflows/{workflow.pk}/edit/")
    page.get_by_label("Definition as YAML").fill(written(letters(done={"outcome": "sent"})))
    page.get_by_label("Your reason").fill("By hand")
    page.get_by_role("button", name="Propose this version").click()
    assert WorkflowVersion.objects.filter(number=2, state="proposed").exists()
    assert page.get_by_text("What it changes against version 1").count() == 1
    context.close()
