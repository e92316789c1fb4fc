"""An empty company, a manager without an engineer, and a browser: from nothing to a run that is done."""

from __future__ import annotations

import re
import time
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from agents.models import Agent, Role
from connectors.models import Operation, System
from tests.browser.conftest import barriers, sign_in
from tests.browser.test_authority import shot
from tests.company import person
from tests.fakes import FakeSystem
from workflows.actions.models import Action
from workflows.runs.models import Run, Workflow

pytestmark = [pytest.mark.browser, pytest.mark.full]
WHY = "We begin with invoices"
OPENAPI = """openapi: 3.0.3
paths:
  /invoices:
    get:
      operationId: findInvoices
      summary: Find invoices
      parameters:
        - {name: number, in: query, schema: {type: string}}
  /scans:
    post:
      summary: Upload a scan
      requestBody: {required: true, content: {multipart/form-data: {}}}
"""


@pytest.fixture
def people(live_db) -> tuple[Any, Any, Any]:
    """All there is: somebody who manages, who may do everything, and two who approve."""
    root = person("root", "Managers")
    root.is_superuser, root.first_name = True, "Rita"
    root.save()
    return root, person("bob"), person("eve", "Approvers")


def go_on(page: Page, name: str = "Save and go on") -> None:
    """Press a button, and wait for the page it leads to: what is looked at next is that one."""
    with page.expect_navigation():
        page.get_by_role("button", name=name, exact=True).click()


def follow(page: Page, name: str, *, exact: bool = False) -> None:
    """Follow a link, and wait for the page it leads to."""
    with page.expect_navigation():
        page.get_by_role("link", name=name, exact=exact).first.click()


def look(page: Page, name: str) -> None:
    """Look for barriers in a page as it stands, and keep a picture."""
    assert barriers(page) == [], name
    shot(page, name)


def connect(page: Page, portal: Any, fake: FakeSystem, complaints: list[str]) -> None:
    """Guide 1: the address and the key are wrong at first; one operation is described by hand."""
    page.goto(portal.url)
    expect(page.get_by_text("Where to begin")).to_be_visible()
    look(page, "guide-0-home")
    follow(page, "Connect a system")
    look(page, "guide-1-kind")
    follow(page, "web interface")
    go_on(page)
    expect(page.get_by_text("Nothing was saved yet.")).to_be_visible()
    complaints.clear()  # the browser says of every 422 that it is one
    look(page, "guide-1-place-wrong")
    page.get_by_label("What do people call it?").fill("Invoice book")
    page.get_by_label("Its address").fill(f"{fake.url}/")
    page.get_by_label("What is read to test it").fill("/health")
    page.get_by_label("Why, for the record").fill(WHY)
    go_on(page, "Back")
    follow(page, "web interface")
    expect(page.get_by_label("What do people call it?")).to_have_value("Invoice book")
    look(page, "guide-1-place")
    go_on(page)
    expect(page.get_by_label("Why, for the record")).to_have_value(WHY)
    look(page, "guide-1-key")
    page.get_by_label("Key or password").fill("wrong-key-0123456789")
    go_on(page)
    go_on(page, "Test now")
    expect(page.get_by_text("The address leads into a private network.")).to_be_visible()
    look(page, "guide-1-test-private")
    follow(page, "Place")
    page.get_by_label("Inside our own network").check()
    go_on(page)
    go_on(page)
    go_on(page, "Test again")
    expect(page.get_by_text("does not take this key")).to_be_visible()
    shot(page, "guide-1-test-key")
    go_on(page, "Back")
    page.get_by_label("Key or password").fill(fake.key)
    go_on(page)
    go_on(page, "Test again")
    expect(page.get_by_text("It works.")).to_be_visible()
    look(page, "guide-1-test")
    follow(page, "Go on", exact=True)
    look(page, "guide-1-operations")
    follow(page, "From its description")
    look(page, "guide-1-description")
    page.get_by_label("Paste the description").fill(OPENAPI)
    go_on(page, "Read it")
    expect(page.get_by_text("Cannot be taken as it is described")).to_be_visible()
    page.get_by_label("Find invoices").check()
    look(page, "guide-1-offers")
    go_on(page, "Publish what is ticked")
    follow(page, "One by hand")
    look(page, "guide-1-by-hand")
    page.get_by_label("What does it do?").fill("Post an invoice")
    page.get_by_label("It moves or commits money").check()
    page.get_by_label("How is it asked?").select_option("POST")
    page.get_by_label("At which page below the address?").fill("/invoices")
    for at, (name, kind) in enumerate((("supplier", "text"), ("number", "code"), ("amount", "money")), start=1):
        page.get_by_label(f"Field {at}, its name over there").fill(name)
        page.get_by_label(f"Field {at}, what it is").select_option(kind)
        page.get_by_label(f"Field {at} is always needed").check()
    page.get_by_label("What of the answer is kept?").fill("id, state")
    look(page, "guide-1-by-hand-filled")
    go_on(page, "Publish it")
    expect(page.get_by_text("Ready to be granted")).to_be_visible()
    look(page, "guide-1-published")
    follow(page, "That is enough, go on")
    expect(page.get_by_text("Invoice book works.")).to_be_visible()
    granted = page.get_by_role("region", name="Ready to be granted")
    expect(granted).to_contain_text("Post an invoice")
    expect(granted).to_contain_text("Moves money")
    look(page, "guide-1-done")
    assert System.objects.get(name="Invoice book").code == "invoice-book"
    assert Operation.objects.count() == 2


def agree(page: Page, portal: Any, somebody: Any, back: Any, name: str = "Approve") -> None:
    """Let somebody else decide what waits for them first, and come back."""
    here = page.url
    page.goto("about:blank")  # a page that asks on its own would ask as somebody else
    sign_in(page, portal, somebody)
    page.goto(f"{portal.url}/inbox/")
    page.locator(".portal-inbox-list a").first.click()
    page.get_by_label("Your reason").fill("I have read it")
    page.get_by_role("button", name=name).first.click()
    expect(page.locator("[role=status], .portal-note").filter(has_text=DECIDED).first).to_be_visible()
    sign_in(page, portal, back)
    page.goto(here)


DECIDED = re.compile("pproved|Done|decided|applied", re.IGNORECASE)


def register(page: Page, portal: Any, root: Any, bob: Any) -> None:
    """Guide 2: a job, a department and an agent are new; its program is seen while the page waits."""
    follow(page, "Register an agent")
    look(page, "guide-2-job")
    page.get_by_label("A new job").check()
    page.get_by_label("Title of the new job").fill("Payer")
    page.get_by_label("What somebody in it does").fill("Posts what was agreed to.")
    page.get_by_label("Why, for the record").fill(WHY)
    go_on(page, "Go on")
    look(page, "guide-2-who")
    page.get_by_label("Its name").fill("Payer 1")
    page.get_by_label("What is it for?").fill("Posts invoices that people agreed to.")
    expect(page.get_by_text("Where does it work?")).to_have_count(1)
    page.get_by_label("Where does it work?").fill("Finance")
    page.get_by_label("It works alone within its contract").check()
    go_on(page)
    look(page, "guide-2-may")
    page.get_by_label("Post an invoice").check()
    page.get_by_label("Find invoices").check()
    go_on(page)
    look(page, "guide-2-key")
    go_on(page, "Issue a key and show it once")
    secret = page.locator("#issued-secret").inner_text()
    client_id = page.locator("code[data-copy]").nth(1).inner_text()
    look(page, "guide-2-key-shown")
    follow(page, "I have copied it, go on")
    look(page, "guide-2-start")
    go_on(page, "Ask that it starts work")
    expect(page.get_by_text("One of these can agree: Bob")).to_be_visible()
    look(page, "guide-2-waits")
    agree(page, portal, bob, root)
    expect(page.get_by_text("It is at work.")).to_be_visible()
    expect(page.get_by_text("Waiting for its program.")).to_be_visible()
    answer = httpx.post(
        f"{portal.url}/oauth/token", data={"grant_type": "client_credentials"}, auth=(client_id, secret),
        trust_env=False,
    )  # fmt: skip
    assert answer.status_code == 200
    expect(page.get_by_text("Its program was seen.")).to_be_visible()
    look(page, "guide-2-seen")
    assert Role.objects.get().name == "Payer"


def write(page: Page) -> None:
    """Guide 3: it may post small invoices alone, asks for large ones, and no more than twenty a day."""
    follow(page, "Write its contract")
    look(page, "guide-3-rules")
    row = page.get_by_role("group", name="Post an invoice")
    row.get_by_label("Ask above an amount").check()
    row.get_by_label("above how much").fill("1000.00")
    page.get_by_label("Why, for the record").fill(WHY)
    go_on(page)
    look(page, "guide-3-limits")
    page.get_by_label("At most").fill("20")
    go_on(page, "Add this limit")
    follow(page, "That is enough, go on")
    look(page, "guide-3-force")
    go_on(page, "Put it into force")
    look(page, "guide-3-sign")
    go_on(page, "Sign it")
    expect(page.get_by_text("Signed by")).to_be_visible()
    look(page, "guide-3-signed")


def begin(page: Page, portal: Any, root: Any, bob: Any, eve: Any) -> None:
    """Guide 4: a template is filled in and approved, and its first run ends at the real system."""
    follow(page, "Next: start a workflow")
    look(page, "guide-4-which")
    follow(page, "Ask, agree, do")
    look(page, "guide-4-fill")
    page.get_by_label("What do people call this work?").fill("Pay a supplier")
    page.get_by_label("What is it good for?").fill("Every invoice is paid within two days.")
    page.get_by_label("What is done in the end?").select_option(label="Post an invoice (Invoice book)")
    page.get_by_label("In whose name?").select_option(label="Payer")
    go_on(page, "Propose it")
    expect(page.get_by_text("It waits for a second person.")).to_be_visible()
    look(page, "guide-4-waits")
    agree(page, portal, bob, root)
    expect(page.get_by_text("It is approved and in force.")).to_be_visible()
    look(page, "guide-4-approved")
    follow(page, "Go on", exact=True)
    look(page, "guide-4-begin")
    follow(page, "At fixed times")
    look(page, "guide-4-schedule")
    follow(page, "First run")
    look(page, "guide-4-run")
    follow(page, "Start the first run")
    page.get_by_role("textbox", name="Supplier").fill("Acme")
    page.get_by_role("textbox", name="Number").fill("RE-1")
    page.get_by_label("Amount, amount").fill("120.00")
    page.get_by_label("Amount, currency").fill("EUR")
    look(page, "guide-4-start")
    go_on(page, "Start the run")
    expect(page.get_by_text("Agree to it").first).to_be_visible()
    shot(page, "guide-4-running")
    settle(page, portal, root, bob, eve)
    expect(page.locator("main .portal-tags").first).to_contain_text("Done", timeout=60_000)
    shot(page, "guide-4-ran")


def settle(page: Page, portal: Any, root: Any, bob: Any, eve: Any) -> None:
    """Bob agrees in his inbox; what the agent on probation then asks for is his wish too: Eve approves it."""
    here = page.url
    page.goto("about:blank")
    sign_in(page, portal, bob)
    page.goto(f"{portal.url}/inbox/")
    page.locator(".portal-inbox-list a").first.click()
    page.get_by_label("Go ahead").check()
    page.get_by_role("button", name="Complete").first.click()
    expect(page.locator(".portal-note, [role=status]").filter(has_text=DECIDED).first).to_be_visible()
    shot(page, "guide-4-agreed")
    wait_for(lambda: Action.objects.filter(state="held").exists())
    page.goto(f"{portal.url}/inbox/")
    expect(page.get_by_text("Nothing waits for you")).to_be_visible()
    agree(page, portal, eve, root)
    page.goto(here)


def wait_for(it: Any) -> None:
    """Wait until something is so, as long as a busy machine may need."""
    end = time.monotonic() + 90
    while not it():
        assert time.monotonic() < end
        time.sleep(0.5)


@pytest.mark.timeout(900)
def test_from_nothing_to_a_run_that_is_done(page: Page, people, portal, complaints):
    root, bob, eve = people
    portal.start("worker", "beat")
    with FakeSystem() as fake:
        sign_in(page, portal, root)
        connect(page, portal, fake, complaints)
        register(page, portal, root, bob)
        write(page)
        begin(page, portal, root, bob, eve)
        assert fake.count() == 1
    assert Run.objects.get().workflow == Workflow.objects.get(name="Pay a supplier")
    assert Agent.objects.get().lifecycle == "active"
    page.goto(f"{portal.url}/guides/")
    look(page, "guide-5-all-done")
