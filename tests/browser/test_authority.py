"""What a change lets whom do, as people read it before they save, import or agree."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from agents.models import ChangeRequest, Measure, Policy, Rule
from agents.services import policies
from tests.browser.conftest import check_page, sign_in
from workflows.approvals.models import Approval

pytestmark = [pytest.mark.browser, pytest.mark.full]
WHY = "The auditors asked for it"
LARGE = {
    "name": "Large invoices",
    "operations": "fake.invoice.post",
    "field": "amount",
    "comparison": "above",
    "value": "10000.00",
    "mode": "enforced",
}
FILE = """kind: policy
code: nights
name: Nights
binds: company
rules:
  - name: Nobody at night
    operations: '*'
    field: clock.hour
    comparison: below
    value: '6'
    verdict: deny
    mode: enforced
"""


def shot(page: Page, name: str) -> None:
    """Keep a picture where somebody who changes a page wants to look at it."""
    if folder := os.environ.get("SHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def test_what_a_change_lets_whom_do_is_read_before_it_is_saved_imported_and_agreed(
    page: Page, portal, alice, bob, clerk
):
    actor, company = alice.as_actor(), Policy.objects.get(code="company")
    rule = policies.create_rule(actor=actor, policy=company, content=LARGE, reason=WHY)
    content = {"code": "daily", "name": "Invoices a day", "operations": "*", "ceiling": 20, "mode": "enforced"}
    measure = policies.create_measure(actor=actor, content=content, reason=WHY)
    sign_in(page, portal, alice)
    page.goto(f"{portal.url}/admin/agents/rule/{rule.pk}/change/")
    page.get_by_label("With", exact=True).fill("20000.00")
    expect(
        page.get_by_text("up to 20,000.00 EUR without a person instead of up to 10,000.00 EUR")
    ).to_be_visible()
    expect(page.get_by_text("waits for a second person")).to_be_visible()
    shot(page, "rule")
    page.goto(f"{portal.url}/admin/agents/measure/{measure.pk}/change/")
    page.get_by_role("textbox", name="Ceiling").fill("30")
    expect(page.get_by_text("reach 30 a day instead of 20 a day")).to_be_visible()
    shot(page, "limit")
    policies.propose_rule_change(actor=actor, rule=rule, changes={"value": "20000.00"}, reason=WHY)
    page.goto(f"{portal.url}/admin/agents/policy/")
    page.get_by_role("link", name="import a file").click()
    check_page(page)
    page.get_by_label("The file (YAML)").fill(FILE)
    page.get_by_role("button", name="Look at what it changes").click()
    expect(page.get_by_text("Adds a refusal for")).to_be_visible()
    shot(page, "import")
    check_page(page)
    page.get_by_label("Why").fill("Nobody works at night")
    page.get_by_role("button", name="Import it").click()
    expect(page.get_by_text("Imported: 2 changed at once")).to_be_visible()
    assert Rule.objects.filter(name="Nobody at night").exists()
    assert Measure.objects.get().ceiling == 20
    sign_in(page, portal, bob)
    change = ChangeRequest.objects.get()
    approval = Approval.objects.get(subject_id=str(change.pk))
    for address in (f"/admin/agents/changerequest/{change.pk}/change/", f"/inbox/{approval.pk}/"):
        page.goto(portal.url + address)
        expect(page.get_by_text("up to 20,000.00 EUR without a person").first).to_be_visible()
        shot(page, address.strip("/").split("/")[0])
        check_page(page)
