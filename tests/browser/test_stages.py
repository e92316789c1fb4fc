"""Two stages and a second sign-in, as the people of both work them."""

from __future__ import annotations

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.auth.models import Group
from playwright.sync_api import Page, expect

from tests.browser.conftest import check_page, sign_in
from tests.company import PASSWORD, person
from tests.workflows.conftest import ask, hold_above
from workflows.approvals.models import Approval

pytestmark = pytest.mark.browser


@pytest.mark.full
def test_first_one_group_then_legal_who_signs_in_again(page: Page, portal, bob, clerk):
    lena = person("lena", "Legal")
    for one in (bob, lena):
        one.password = PBKDF2PasswordHasher().encode(PASSWORD, "salt", iterations=1000)
        one.save()
    hold_above(10_000, name="money")
    hold_above(10_000, name="law", approver_group=Group.objects.get(name="Legal"), stage=2, step_up=True)
    approval = ask(clerk, minor=2_000_000).approval
    address = f"{portal.url}/inbox/{approval.pk}/"
    sign_in(page, portal, lena)
    page.goto(address)
    expect(page.get_by_role("list", name="Who decides")).to_contain_text("waits for Approvers first")
    check_page(page)
    sign_in(page, portal, bob)
    page.goto(address)
    page.get_by_label("Your reason").fill("It matches the order")
    page.get_by_label("To approve it, type").fill("20,000.00 EUR")
    page.get_by_role("button", name="Confirm it is you").click()
    expect(page.get_by_label("Your password")).to_be_visible()
    check_page(page)
    page.get_by_label("Your password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page).to_have_url(address)
    expect(page.get_by_text("You confirmed that it is you")).to_be_visible()
    expect(page.get_by_label("Your reason")).to_have_value("It matches the order")
    expect(page.get_by_label("To approve it, type")).to_have_value("20,000.00 EUR")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("status").last).to_contain_text("It still needs another person")
    sign_in(page, portal, lena)
    page.goto(address)
    expect(page.get_by_role("list", name="Who decides")).to_contain_text("Bob approved, having signed in again")
    check_page(page)
    page.get_by_role("button", name="Confirm it is you").click()
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    page.get_by_label("Your reason").fill("The contract covers it")
    page.get_by_label("To approve it, type").fill("20000")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("status").last).to_contain_text("Approved: ")
    assert Approval.objects.get(pk=approval.pk).state == "approved"
