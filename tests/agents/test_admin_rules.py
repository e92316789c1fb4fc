"""Rules and limits in the admin: written in words, tightened at once, loosened by two."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from agents.admin import previews
from agents.decision.facts import GrantFacts
from agents.models import Agent, ChangeRequest, Department, Measure, Policy, Rule
from agents.services import policies
from tests.agents.admin_pages import RULE, adding, do, errors, listing, page, signed_in
from tests.agents.authority import catalogue

pytestmark = pytest.mark.usefixtures("operations")


class TestRules:
    def test_a_manager_sets_hold_above_ten_thousand(self, alice: Any, company_policy: Policy) -> None:
        answer = signed_in(alice).post(adding(Rule), {**RULE, "policy": str(company_policy.pk)})
        assert answer.status_code == 302, errors(answer)
        rule = Rule.objects.get()
        assert rule.condition == "amount > 1000000"
        assert rule.sentence == "An amount above 10,000.00 EUR needs a person"
        assert (rule.verdict, rule.mode) == ("hold", "enforced")

    def test_down_to_five_thousand_at_once_and_back_by_two_people(
        self, alice: Any, bob: Any, threshold: Rule
    ) -> None:
        client = signed_in(alice)
        answer = client.post(
            page(threshold), {**RULE, "value": "5000.00", "sentence": threshold.sentence}, follow=True
        )
        assert "was changed successfully" in answer.content.decode(), errors(answer)
        threshold.refresh_from_db()
        assert threshold.condition == "amount > 500000"
        assert threshold.sentence == "An amount above 5,000.00 EUR needs a person"

        answer = client.post(
            page(threshold), {**RULE, "value": "10000.00", "sentence": threshold.sentence}, follow=True
        )
        text = answer.content.decode()
        assert "waits for a second person" in text
        assert "changed successfully" not in text
        threshold.refresh_from_db()
        assert threshold.condition == "amount > 500000"

        change = ChangeRequest.objects.get()
        do(signed_in(bob), change, "apply")
        threshold.refresh_from_db()
        assert threshold.condition == "amount > 1000000"
        assert threshold.sentence == "An amount above 10,000.00 EUR needs a person"

    def test_further_comparisons_are_joined_and_can_only_be_dropped_where_that_tightens(
        self, alice: Any, company_policy: Policy
    ) -> None:
        further = {
            "also-0-joined": "and",
            "also-0-field": "agent.days",
            "also-0-comparison": "below",
            "also-0-value": "30",
            "also-2-joined": "or",
            "also-2-field": "clock.weekend",
            "also-2-comparison": "equal",
            "also-2-value": "yes",
        }
        client = signed_in(alice)
        answer = client.post(adding(Rule), {**RULE, **further, "policy": str(company_policy.pk)})
        assert answer.status_code == 302, errors(answer)
        rule = Rule.objects.get()
        assert rule.condition == "(amount > 1000000 && agent.days < 30) || clock.weekend == true"
        assert 'value="30"' in client.get(page(rule)).content.decode()
        without_or = {name: value for name, value in further.items() if "-2-" not in name}
        text = client.post(page(rule), {**RULE, **without_or}, follow=True).content.decode()
        assert "waits for a second person" in text
        without_and = {name: value for name, value in further.items() if "-0-" not in name}
        assert client.post(page(rule), {**RULE, **without_and}).status_code == 302
        rule.refresh_from_db()
        assert rule.condition == "amount > 1000000 || clock.weekend == true"

    def test_a_further_comparison_that_is_half_typed_comes_back_on_the_form(
        self, alice: Any, company_policy: Policy
    ) -> None:
        form = {**RULE, "policy": str(company_policy.pk), "also-0-joined": "and", "also-0-field": "agent.days"}
        answer = signed_in(alice).post(adding(Rule), form)
        assert "A further comparison is not complete" in errors(answer)
        assert not Rule.objects.exists()

    def test_a_value_that_makes_no_sense_comes_back_on_the_form(
        self, alice: Any, company_policy: Policy
    ) -> None:
        form = {**RULE, "policy": str(company_policy.pk), "value": "lots"}
        answer = signed_in(alice).post(adding(Rule), form)
        assert answer.status_code == 200
        assert "was not published" in errors(answer)
        assert not Rule.objects.exists()

    @pytest.mark.parametrize("stage", ["0", "6", "-1", "99999999999999", "two", "1.5"])
    def test_a_stage_there_is_not_comes_back_on_the_form(
        self, alice: Any, company_policy: Policy, stage: str
    ) -> None:
        form = {**RULE, "policy": str(company_policy.pk), "stage": stage}
        answer = signed_in(alice).post(adding(Rule), form)
        assert (answer.status_code, Rule.objects.exists()) == (200, False)
        assert "stage" in errors(answer)

    def test_stage_and_second_sign_in_are_set_on_the_form(self, alice: Any, company_policy: Policy) -> None:
        form = {**RULE, "policy": str(company_policy.pk), "stage": "3", "step_up": "on"}
        assert signed_in(alice).post(adding(Rule), form).status_code == 302
        rule = Rule.objects.get()
        assert (rule.stage, rule.step_up) == (3, True)

    def test_the_preview_shows_sentence_and_condition_and_saves_nothing(self, alice: Any, dave: Any) -> None:
        address = reverse("admin:agents_rule_preview")
        text = signed_in(alice).post(address, RULE).content.decode()
        assert "An amount above 10,000.00 EUR needs a person" in text
        assert "amount &gt; 1000000" in text
        for wrong in ({"value": "x"}, {"operations": "((("}, {"field": "args.nowhere"}, {"comparison": "nope"}):
            answer = signed_in(alice).post(address, {**RULE, **wrong})
            assert answer.status_code == 200
            assert "Not complete yet" in answer.content.decode()
        assert not Rule.objects.exists()
        assert signed_in(alice).get(address).status_code == 403

    def test_the_form_says_what_it_lets_whom_do_and_whether_a_second_person_is_asked(
        self, alice: Any, threshold: Rule, working: Agent
    ) -> None:
        client, address = signed_in(alice), reverse("admin:agents_rule_preview")
        typed = {
            **RULE,
            "rule": str(threshold.pk),
            "sentence": threshold.sentence,
            "condition": threshold.condition,
        }
        grant = GrantFacts("grant-1", "erp.supplier_invoice.post", "user", str(working.user_id))
        with catalogue(grant):
            higher = client.post(address, {**typed, "value": "20000.00", "reason": ""}).content.decode()
            lower = client.post(address, {**typed, "value": "5000.00"}).content.decode()
            same = client.post(address, {**typed, "value": "10000.00"}).content.decode()
            new = client.post(address, {**RULE, "name": "More", "policy": str(threshold.policy_id)})
            limit = client.post(reverse("admin:agents_measure_preview"), TestLimits.FORM).content.decode()
            policy = reverse("admin:agents_policy_preview")
            moved = client.post(
                policy, {"policy": str(threshold.policy_id), "scope": f"department:{working.department_id}"}
            ).content.decode()
        assert "up to 20,000.00 EUR without a person instead of up to 10,000.00 EUR" in higher
        assert previews.WAITS in higher
        assert "only up to 5,000.00 EUR" in lower
        assert previews.AT_ONCE in lower
        assert "What it lets whom do" not in same
        assert "Adds a hold for Robo" in new.content.decode()
        assert "Limits Robo: Invoices posted a day, at most 5 a day" in limit
        assert "For agents at work today that is the same." in moved
        assert previews.WAITS in moved
        assert not ChangeRequest.objects.exists()
        assert not Measure.objects.exists()

    def test_a_rule_written_by_hand(self, alice: Any, company_policy: Policy) -> None:
        form = {**RULE, "policy": str(company_policy.pk), "field": "", "comparison": "", "value": ""}
        answer = signed_in(alice).post(adding(Rule), {**form, "condition": 'agent.risk_tier == "high"'})
        assert answer.status_code == 302, errors(answer)
        assert Rule.objects.get().condition == 'agent.risk_tier == "high"'

    def test_removing_an_enforced_rule_waits(self, alice: Any, threshold: Rule) -> None:
        do(signed_in(alice), threshold, "remove")
        assert Rule.objects.exists()
        assert ChangeRequest.objects.get().kind == policies.REMOVE_RULE

    def test_removing_a_draft_does_not(self, alice: Any, company_policy: Policy) -> None:
        content = {"name": "Idea", "field": "amount", "comparison": "above", "value": "1.00", "mode": "draft"}
        rule = policies.create_rule(
            actor=alice.as_actor(), policy=company_policy, content=content, reason="An idea"
        )
        assert do(signed_in(alice), rule, "remove")["HX-Redirect"] == page(company_policy)
        assert not Rule.objects.exists()

    def test_a_reader_is_told_what_the_rule_says_and_nothing_else(self, carol: Any, threshold: Rule) -> None:
        text = signed_in(carol).get(page(threshold)).content.decode()
        assert threshold.sentence in text
        assert reverse("admin:agents_rule_preview") not in text

    def test_an_approver_reads_rules_and_changes_none(self, bob: Any, threshold: Rule) -> None:
        client = signed_in(bob)
        assert client.get(page(threshold)).status_code == 200
        assert client.post(page(threshold), {**RULE, "value": "1.00"}).status_code == 403

    def test_narrowing_whom_a_policy_binds_waits(
        self, alice: Any, threshold: Rule, finance: Department
    ) -> None:
        policy = threshold.policy
        form = {"scope": f"department:{finance.pk}", "reason": "Only finance posts"}
        answer = signed_in(alice).post(page(policy), form, follow=True)
        assert "waits for a second person" in answer.content.decode(), errors(answer)
        policy.refresh_from_db()
        assert policy.scope_kind == "company"


class TestLimits:
    FORM = {
        "code": "posted",
        "name": "Invoices posted a day",
        "scope": "company:",
        "operations": "*",
        "amount": "1",
        "unit": "count",
        "window": "day",
        "ceiling": "5",
        "on_exceed": "deny",
        "mode": "enforced",
        "reason": "A first limit",
    }

    def test_lower_at_once_and_higher_by_two_people(self, alice: Any, bob: Any) -> None:
        client = signed_in(alice)
        answer = client.post(adding(Measure), self.FORM)
        assert answer.status_code == 302, errors(answer)
        measure = Measure.objects.get()
        client.post(page(measure), {**self.FORM, "ceiling": "3"})
        measure.refresh_from_db()
        assert measure.ceiling == 3
        answer = client.post(page(measure), {**self.FORM, "ceiling": "9"}, follow=True)
        assert "waits for a second person" in answer.content.decode(), errors(answer)
        measure.refresh_from_db()
        assert measure.ceiling == 3
        do(signed_in(bob), ChangeRequest.objects.get(), "apply")
        measure.refresh_from_db()
        assert measure.ceiling == 9

    def test_money_is_written_as_people_write_it(self, alice: Any, bob: Any) -> None:
        client = signed_in(alice)
        form = {
            **self.FORM,
            "code": "",
            "unit": "money",
            "amount": "",
            "operations": "erp.supplier_invoice.post",
        }
        answer = client.post(adding(Measure), {**form, "ceiling": "ten thousand"})
        assert "is not an amount in EUR. Write it as 10000.00." in errors(answer)
        answer = client.post(adding(Measure), {**form, "ceiling": "10,000"})
        assert answer.status_code == 302, errors(answer)
        measure = Measure.objects.get()
        assert (measure.ceiling, measure.amount) == (1_000_000, "amount")
        assert measure.code == "invoices_posted_a_day"
        assert "10,000.00 EUR" in client.get(listing(Measure)).content.decode()
        text = client.get(page(measure)).content.decode()
        assert 'value="10,000.00"' in text
        answer = client.post(page(measure), {**form, "ceiling": "10000.00", "name": "Money a day"}, follow=True)
        measure.refresh_from_db()
        assert (measure.name, measure.ceiling) == ("Money a day", 1_000_000), errors(answer)
        read = signed_in(bob).get(page(measure)).content.decode()
        assert "10,000.00 EUR" in read
        assert "1000000" not in read

    def test_a_code_that_no_rule_could_read_is_refused_in_words(self, alice: Any, db: None) -> None:
        answer = signed_in(alice).post(adding(Measure), {**self.FORM, "code": "Posted-today"})
        assert "Use small letters, digits and underscores" in errors(answer)
        assert "Constraint" not in errors(answer)
