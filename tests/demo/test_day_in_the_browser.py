"""A day at the office in a real browser: an invoice is held, read, approved and booked; the workflow changes.

Three agents, the portal and Tryton run as processes of their own. What people see comes to them: once a page is
open, nothing here loads it again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.demo.conftest import Company
from tests.demo.test_browser import approve, signed_in
from tests.processes import Processes
from workflows.demo.crew import Crew
from workflows.demo.invoices import generator

pytestmark = [pytest.mark.browser, pytest.mark.full]
WORKFLOW = "Invoice to ledger"
# A run passes three agents and the ERP twice; on a busy machine that takes a while.
A_RUN = 60_000
WAS = '- {when: steps.check.answer.verdict == "exception", to: settle}'
SMALLER = WAS + "\n      - {when: steps.read.answer.total.minor > 100000, to: settle}"


@pytest.fixture
def office(company: Company, processes: Processes) -> Iterator[Company]:
    """The demo company with its clock and its three agents at work."""
    processes.start("beat")
    crew = Crew(company.url, company.data)
    crew.start()
    yield company
    crew.stop()


@pytest.fixture
def invoice(tmp_path: Path) -> Callable[[str, int], tuple[Path, dict[str, Any]]]:
    """Give the first invoice of a case that is at least so large, with its line of the manifest."""
    files = generator.write(tmp_path / "post", int(time.time()))["files"]

    def find(case: str, at_least: int = 0) -> tuple[Path, dict[str, Any]]:
        entry = next(it for it in files if it["case"] == case and it["total"] > at_least and not it["reject"])
        return tmp_path / "post" / entry["file"], entry

    return find


def bring(page: Page, company: Company, path: Path) -> None:
    """Start the workflow by hand with a document; the page of the run opens."""
    page.goto(f"{company.url}/runs/")
    page.get_by_role("link", name=re.compile("^Start")).first.click()
    page.get_by_role("link", name=re.compile(WORKFLOW)).first.click()
    page.locator("input[type=file]").set_input_files(path)
    page.get_by_role("button", name="Start the run").click()
    page.wait_for_url(re.compile(r"/runs/[0-9a-f-]{36}/"))


def step(page: Page, name: str) -> Any:
    return page.locator("tr", has=page.get_by_role("rowheader", name=name))


def waiting(page: Page, words: str) -> Any:
    return page.locator("[data-approval]", has_text=words)


def test_a_held_invoice_is_approved_and_the_next_run_follows_the_new_version(
    browser: Browser, office: Company, invoice: Callable[..., tuple[Path, dict[str, Any]]]
) -> None:
    alice, bob = signed_in(browser, office, "alice"), signed_in(browser, office, "bob")
    bob.goto(f"{office.url}/inbox/")
    expect(bob.locator("[data-connection]")).to_have_text("Live")

    path, large = invoice("over_threshold", 1_000_000)
    bring(alice, office, path)
    expect(waiting(bob, large["number"])).to_be_visible(timeout=A_RUN)
    waiting(bob, large["number"]).click()
    expect(bob.locator("[data-detail]").get_by_text("10,000.00").first).to_be_visible()
    expect(step(alice, "Book it")).to_contain_text("Waiting for a person", timeout=A_RUN)
    assert office.erp.inspector.bills(large["number"]) == []

    # The first invoice waits for a person while the workflow changes under its feet.
    manager = signed_in(browser, office, "alice")
    propose(manager, office)
    bob.goto(f"{office.url}/inbox/")
    waiting(bob, "Invoice to ledger").filter(has_text="ersion").first.click()
    approve(bob, "Small ones are looked at from now on")
    expect(bob.locator("[data-detail] .portal-note").first).to_contain_text("Approved")

    path, small = invoice("ordinary", 100_000)
    bring(manager, office, path)
    expect(manager.locator(".portal-run-facts")).to_contain_text("version 2")
    expect(step(manager, "Settle it")).to_contain_text("Waits for somebody", timeout=A_RUN)
    # A list that somebody works on does not move under their hands: a button brings in what is new.
    bob.get_by_role("button", name="new: show").click(timeout=A_RUN)
    expect(waiting(bob, small["number"])).to_be_visible()

    waiting(bob, large["number"]).click()
    expect(bob.locator("[data-detail]")).to_contain_text(large["number"])
    approve(bob, "Checked against the order")
    expect(alice.get_by_text("Outcome: posted")).to_be_visible(timeout=A_RUN)
    expect(step(alice, "Book it")).to_contain_text("Done")
    expect(alice.locator(".portal-run-facts")).to_contain_text("version 1")
    alice.get_by_role("link", name="Decisions", exact=True).click()
    expect(alice.get_by_text("Checked against the order").first).to_be_visible()
    (bill,) = office.erp.inspector.bills(large["number"])
    assert (bill.state, round(bill.total * 100)) == ("posted", large["total"])
    assert office.erp.inspector.bills(small["number"]) == []


def propose(page: Page, company: Company) -> None:
    """Propose a version by which a person settles what is above 1,000.00."""
    page.goto(f"{company.url}/admin/runs/workflow/")
    page.get_by_role("link", name=WORKFLOW).first.click()
    page.locator("nav a", has_text="Definition").click()
    field = page.locator("[name=definition]")
    text = field.input_value()
    assert WAS in text
    field.fill(text.replace(WAS, SMALLER))
    page.locator("[name=reason]").fill("We want to see what costs more than 1,000 euros")
    page.locator("[name=_save]").first.click()
    expect(page.get_by_text("waits for a second person").first).to_be_visible()
