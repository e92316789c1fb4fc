"""The pages of policies: rules as sentences, what was tried, versions in words, what binds which operation."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from agents.decision.versions_compared import version_difference
from agents.models import ChangeRequest, Policy, PolicyVersion, Rule
from agents.services import changes, policies
from tests.company import person
from tests.workflows.conftest import ask, hold_above, limit
from workflows.backtests.models import Backtest

WHY = "The auditor asked for it"
HOSTILE = '<script>alert(1)</script><b hx-get="/x">'


def browser(user):
    client = Client()
    client.force_login(user)
    return client


def text(answer):
    return " ".join(answer.content.decode().split())


def page(user, name, *args, query=""):
    return browser(user).get(reverse(name, args=args) + query)


@pytest.fixture
def company(clerk):
    return Policy.objects.get(code="company")


@pytest.fixture
def root_manager(clerk):
    return person("ruth", "Managers")


def rule_of(minor, **more):
    return hold_above(minor, name=f"rule {minor}", **more)


def test_rules_are_sentences_in_the_order_they_decide(alice, company):
    rule_of(1, sentence="drafts come last", mode="draft")
    rule_of(2, sentence="asks come second")
    rule_of(3, sentence="denials come first", verdict="deny")
    shown = text(page(alice, "policy", company.pk))
    places = [shown.index(words) for words in ("Denials come first", "Asks come second", "Drafts come last")]
    assert places == sorted(places)
    for words in ("Deny", "Ask", "Draft: decides nothing", "One person of those who may approve must agree."):
        assert words in shown


def test_a_rule_without_cases_says_so_and_one_in_shadow_what_it_would_have_done(alice, clerk, company):
    rule_of(10_000, mode="shadow")
    shown = text(page(alice, "policy", company.pk))
    assert "No case yet" in shown
    ask(clerk, minor=20_000, number="RE-1")
    ask(clerk, minor=5_000, number="RE-2")
    shown = text(page(alice, "policy", company.pk))
    assert "In shadow so far: it would have applied to 1 of the newest 2 calls." in shown


def test_who_agreed_and_what_changed_is_said_of_each_version(alice, root_manager, company):
    rule = rule_of(10_000)
    outcome = policies.propose_rule_change(
        actor=alice.as_actor(), rule=rule, changes={"condition": "amount > 20000"}, reason=WHY
    )
    changes.apply_change(
        actor=root_manager.as_actor(), change_request=outcome.change_request, reason="The numbers support it"
    )
    newest = PolicyVersion.objects.filter(policy=company).order_by("-number").first()
    assert newest.change_request == ChangeRequest.objects.get()
    shown = text(page(alice, "policy", company.pk))
    assert f"Proposed by {alice}, agreed to by {root_manager}." in shown
    assert "condition: amount &gt; 10000 becomes amount &gt; 20000" in shown


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (None, {"rules": []}, []),
        ({"scope": ["company", ""], "rules": []}, {"scope": ["role", "1"], "rules": []}, ["moved"]),
        (
            {"rules": [{"rule_id": "1", "name": "a", "sentence": "", "mode": "draft"}]},
            {"rules": [{"rule_id": "1", "name": "a", "sentence": "", "mode": "enforced"}]},
            ["changed"],
        ),
        ({"rules": [{"rule_id": "1", "name": "a", "mode": "draft"}]}, {"rules": []}, ["removed"]),
    ],
)
def test_versions_are_compared_in_words(before, after, said):
    assert [one.what for one in version_difference(before, after)] == said


def test_it_is_tried_in_place_and_put_in_force_with_a_reason(alice, clerk, company):
    ask(clerk, minor=20_000)
    rule = rule_of(10_000, mode="draft")
    answer = browser(alice).post(reverse("rule-try", args=[rule.pk]), {"days": "30"})
    assert answer["Location"] == f"{reverse('policy', args=[company.pk])}#rule-{rule.pk}"
    assert Backtest.objects.get().rule == rule
    assert "Being tried" in text(page(alice, "policy", company.pk))
    shown = text(page(alice, "rule-mode", rule.pk, query="?to=enforced"))
    assert "It counts at once." in shown
    assert "Adds" in shown
    address = reverse("rule-mode", args=[rule.pk])
    assert browser(alice).post(address, {"to": "enforced", "reason": ""}).status_code == 422
    assert Rule.objects.get(pk=rule.pk).mode == "draft"
    assert browser(alice).post(address, {"to": "enforced", "reason": WHY}).status_code == 302
    assert Rule.objects.get(pk=rule.pk).mode == "enforced"


def test_what_loosens_waits_for_a_second_person(alice, company):
    rule = rule_of(10_000)
    shown = text(page(alice, "rule-mode", rule.pk, query="?to=shadow"))
    assert "waits for a second person" in shown
    browser(alice).post(reverse("rule-mode", args=[rule.pk]), {"to": "shadow", "reason": WHY})
    assert Rule.objects.get(pk=rule.pk).mode == "enforced"
    assert "A change waits" in text(page(alice, "policy", company.pk))
    assert "1 change waits" in text(page(alice, "policies"))


def test_only_who_publishes_changes_and_only_who_sees_looks(bob, mallory, carol, company):
    rule = rule_of(10_000, mode="draft")
    assert page(bob, "policy", company.pk).status_code == 200
    assert page(bob, "rule-mode", rule.pk, query="?to=enforced").status_code == 403
    assert (
        browser(bob).post(reverse("rule-mode", args=[rule.pk]), {"to": "enforced", "reason": WHY}).status_code
        == 403
    )
    assert "Put it in force" not in text(page(carol, "policy", company.pk))
    for name, args in (
        ("policy", [company.pk]),
        ("policies", []),
        ("policy-coverage", []),
        ("rule-mode", [rule.pk]),
    ):
        assert page(mallory, name, *args).status_code == 404


def test_coverage_names_what_binds_an_operation_and_what_nothing_binds(alice, company, book):
    rule_of(10_000, sentence="large invoices need a person")
    limit("daily", 20, name="Invoices a day")
    shown = text(page(alice, "policy-coverage"))
    assert "Large invoices need a person" in shown
    assert "Invoices a day" in shown or "invoices a day" in shown
    assert "Bound by nothing" in shown
    open_only = text(page(alice, "policy-coverage", query="?show=open"))
    assert "fake.invoice.find" in open_only
    assert "fake.invoice.post" not in open_only


def test_tables_come_as_files_without_formulas(alice, company):
    rule_of(10_000, sentence="=HYPERLINK(evil)")
    sheet = page(alice, "policy", company.pk, query="?as=rules.csv").content.decode()
    assert "'=HYPERLINK(evil)" in sheet
    for name, args, query in (
        ("policy", [company.pk], "?as=versions.csv"),
        ("policies", [], "?as=csv"),
        ("policy-coverage", [], "?as=csv"),
    ):
        answer = page(alice, name, *args, query=query)
        assert answer["Content-Type"].startswith("text/csv")


def test_hostile_words_stay_words(alice, company):
    rule_of(10_000, sentence=HOSTILE, note=HOSTILE)
    for name, args in (("policy", [company.pk]), ("policy-coverage", [])):
        shown = page(alice, name, *args).content.decode()
        assert "<script>alert" not in shown
        assert "<b hx-get" not in shown


def test_many_rules_and_policies_cost_as_many_questions_as_one(alice, clerk, company):
    client = browser(alice)

    def asked(address):
        with CaptureQueriesContext(connection) as found:
            assert client.get(address).status_code == 200
        return len(found)

    rule_of(10_000)
    ask(clerk, minor=20_000)
    addresses = [reverse("policy", args=[company.pk]), reverse("policies"), reverse("policy-coverage")]
    for address in addresses:
        asked(address)
    before = [asked(address) for address in addresses]
    for number in range(3):
        rule_of(20_000 + number)
        policies.create_policy(
            actor=alice.as_actor(), name=f"P{number}", code=f"p{number}", purpose="", scope_kind="company",
            scope_id="", reason=WHY,
        )  # fmt: skip
        ask(clerk, minor=30_000, number=f"RE-{number}")
    for address in addresses:
        asked(address)
    assert [asked(address) for address in addresses] == before


def test_the_admin_and_the_page_lead_to_each_other(alice, company):
    rule = rule_of(10_000)
    address = reverse("policy", args=[company.pk])
    assert address in text(page(alice, "admin:agents_policy_change", company.pk))
    assert f"{address}#rule-{rule.pk}" in text(page(alice, "admin:agents_rule_change", rule.pk))
    assert reverse("policies") in text(page(alice, "admin:agents_policy_changelist"))
    shown = text(page(alice, "policy", company.pk))
    assert reverse("admin:agents_policy_change", args=[company.pk]) in shown
    assert reverse("admin:agents_rule_change", args=[rule.pk]) in shown
