"""The story of one agent in a real browser: hired, held, approved, without a reload where none is needed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.demo.conftest import Company
from tests.harness import ROOT

pytestmark = pytest.mark.browser
PATIENCE = 30_000


def signed_in(browser: Browser, company: Company, name: str) -> Page:
    passwords = json.loads((company.data / "sign-ins.json").read_text())
    page = browser.new_context().new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(f"{company.url}/admin/login/")
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(passwords[name])
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/login" not in url)
    return page


def press(page: Page, button: str, submit: str, **answers: str) -> None:
    """Open the dialog behind a button of the page, fill it in and send it."""
    page.locator(f"[href*='/{button}'], [hx-get*='/{button}']").first.click()
    dialog = page.locator("#dialog")
    for name, value in answers.items():
        dialog.locator(f"[name={name}]").fill(value)
    dialog.get_by_role("button", name=submit).click()


def hire(page: Page, company: Company) -> dict[str, str]:
    """Register an agent, grant what it needs, set its limit and ask for its activation."""
    page.goto(f"{company.url}/admin/agents/agent/add/")
    for field, value in {"name": "Browser clerk", "code": "browser-clerk", "purpose": "Posts invoices"}.items():
        page.locator(f"[name={field}]").fill(value)
    for field, words in {"sponsor": "Alice Ahrens", "department": "Finance", "role": "Bookkeeper"}.items():
        page.locator(f"select[name={field}]").select_option(label=words, force=True)
    page.locator("select[name=autonomy]").select_option("by_contract", force=True)
    page.locator("[name=reason]").fill("We get 40 invoices a day")
    page.locator("[name=_save]").first.click()
    page.wait_for_url(re.compile(r"/admin/agents/agent/[0-9a-f-]{36}/change/"))
    address = page.url
    page.goto(
        company.url + str(page.locator("a[href*='/connectors/operation/for-agent/']").get_attribute("href"))
    )
    page.get_by_label("Post a supplier invoice").check()
    page.locator("[name=reason]").fill("Its job needs it")
    page.get_by_role("button", name="Grant").click()
    page.wait_for_url(address)
    page.goto(f"{company.url}/admin/agents/rule/add/")
    page.locator("[name=name]").fill("Large invoices")
    page.locator("[name=operations]").fill("erp.supplier_invoice.post")
    page.locator("[name=value]").fill("10000.00")
    for field, value in {
        "field": "amount",
        "comparison": "above",
        "verdict": "hold",
        "mode": "enforced",
    }.items():
        page.locator(f"select[name={field}]").select_option(value, force=True)
    page.locator("select[name=policy]").select_option(label="Company rules", force=True)
    page.locator("[name=reason]").fill("A person looks at what is large")
    page.locator("[name=_save]").first.click()
    page.wait_for_url(re.compile(r"/admin/agents/policy/[0-9a-f-]{36}/change/"))
    page.goto(address)
    press(page, "activate", "Ask for activation", reason="Ready to start work")
    expect(page.get_by_text("second person").first).to_be_visible()
    press(page, "issue", "Issue", reason="For its process")
    expect(page.locator("#dialog")).to_contain_text("aos_cs_", timeout=PATIENCE)
    shown = page.locator("#dialog").inner_text()
    secret = re.search(r"aos_cs_[\w-]+", shown)
    client = re.search(r"Client id\s+(\S+)", shown)
    assert secret, shown
    assert client, shown
    return {"AUTONOMY_CLIENT_ID": client[1], "AUTONOMY_CLIENT_SECRET": secret[0]}


def approve(page: Page, reason: str) -> None:
    typed = page.locator("[data-detail] [name=typed]")
    if typed.count():  # what is grave is approved by who types what it is
        asked = page.locator("[data-detail] label[for=vote-typed]").inner_text()
        typed.fill(asked.removeprefix("To approve it, type "))
    page.locator("[data-detail] [name=reason]").first.fill(reason)
    page.get_by_role("button", name="Approve").click()


def start(company: Company, credential: dict[str, str], wish: dict[str, Any]) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-I", str(ROOT / "examples" / "agent.py")],
        env={"AUTONOMY_URL": company.url, **credential},
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    process.stdin.write(json.dumps(wish) + "\n")
    process.stdin.close()
    process.stdin = None
    return process


@pytest.mark.full
def test_an_agent_is_hired_held_and_approved_in_the_browser(browser: Browser, company: Company) -> None:
    alice, bob = signed_in(browser, company, "alice"), signed_in(browser, company, "bob")
    credential = hire(alice, company)
    bob.goto(f"{company.url}/inbox/")
    bob.locator("[data-approval]", has_text="Browser clerk").click()
    approve(bob, "Its grants fit the job")
    expect(bob.locator("[data-approval]", has_text="Browser clerk")).to_have_count(0, timeout=PATIENCE)
    number = f"WEB-{time.time_ns()}"
    arguments = {
        "supplier": "SUP-001",
        "number": number,
        "date": time.strftime("%Y-%m-%d"),
        "total": {"minor": 1_250_000, "currency": "EUR"},
    }
    process = start(company, credential, {"operation": "erp.supplier_invoice.post", "arguments": arguments})
    row = bob.locator("[data-approval]", has_text=number)
    expect(row).to_be_visible(timeout=PATIENCE)
    row.click()
    expect(bob.locator("[data-detail]").get_by_text("10,000.00").first).to_be_visible()
    approve(bob, "Checked against the order")
    told = json.loads(process.communicate(timeout=90)[0])
    assert told["state"] == "confirmed", told
    (bill,) = company.erp.inspector.bills(number)
    assert (bill.state, str(bill.total)) == ("posted", "12500.00")
    alice.goto(f"{company.url}/actions/{told['action']}/")
    expect(alice.get_by_text("Checked against the order").first).to_be_visible()
