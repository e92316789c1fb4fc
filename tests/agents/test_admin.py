"""What a manager does in the admin, what a stranger cannot, and what an object permission opens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from guardian.shortcuts import assign_perm

from agents.admin import previews
from agents.decision.facts import GrantFacts
from agents.models import (
    Agent,
    ChangeRequest,
    ClientSecret,
    CompanySettings,
    Department,
    ExchangeRate,
    Measure,
    Policy,
    Role,
    Rule,
    Stop,
    User,
)
from agents.services import lifecycle, policies, stops
from audit.models import Event
from tests.agents.authority import catalogue

OURS = [Agent, ChangeRequest, ClientSecret, CompanySettings, Department, ExchangeRate]
OURS += [Measure, Policy, Role, Rule, Stop, User]


@pytest.fixture(autouse=True)
def operations() -> Iterator[None]:
    """What there is to grant and to rule: an invoice to post, a party to make."""
    with catalogue():
        yield


def signed_in(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def page(obj: Any, verb: str = "change") -> str:
    return reverse(f"admin:agents_{obj._meta.model_name}_{verb}", args=[obj.pk])


def listing(model: Any) -> str:
    return reverse(f"admin:agents_{model._meta.model_name}_changelist")


def adding(model: Any) -> str:
    return reverse(f"admin:agents_{model._meta.model_name}_add")


def do(client: Client, obj: Any, verb: str, **data: Any) -> Any:
    """Fill in the dialog of an action and send it."""
    return client.post(
        page(obj, verb),
        {"_form_submitted": "1", "reason": "Because it is needed", **data},
        headers={"hx-request": "true"},
    )


def said(client: Client, obj: Any) -> str:
    """Return the messages that wait for this person, as the next page shows them."""
    return " ".join(str(message) for message in client.get(page(obj)).context["messages"])


def errors(answer: Any) -> str:
    return str(answer.context["adminform"].form.errors) if answer.context else ""


REGISTRATION = {
    "name": "Clerk",
    "code": "clerk",
    "purpose": "Posts invoices.",
    "reached_by": "polls",
    "autonomy": "by_contract",
    "risk_tier": "medium",
    "reason": "Help for the team",
}


@pytest.fixture
def company_policy(alice: Any) -> Policy:
    """A policy for the whole company."""
    return policies.create_policy(
        actor=alice.as_actor(), code="money", name="Money", reason="Limits for everybody"
    )


@pytest.fixture
def threshold(alice: Any, company_policy: Policy) -> Rule:
    """Hold above 10,000.00 EUR."""
    content = {"name": "Large invoices", "operations": "erp.supplier_invoice.post"}
    content |= {"field": "amount", "comparison": "above", "value": "10000.00"}
    return policies.create_rule(
        actor=alice.as_actor(),
        policy=company_policy,
        content={**content, "verdict": "hold", "mode": "enforced"},
        reason="The board decided so",
    )


@pytest.fixture
def everything(alice: Any, working: Agent, threshold: Rule, credential: Any) -> list[Any]:
    """One object of every kind that has a page."""
    actor = alice.as_actor()
    waiting = policies.propose_rule_change(
        actor=actor, rule=threshold, changes={"value": "20000.00"}, reason="Fewer questions"
    ).change_request
    stop = stops.raise_stop(actor=actor, scope_kind="agent", scope_id=str(working.pk), reason="Looks odd")
    measure = policies.create_measure(
        actor=actor,
        content={"code": "posted", "name": "Posted a day", "ceiling": 5, "mode": "draft"},
        reason="A first limit",
    )
    rate = ExchangeRate.objects.create(currency="USD", rate=920_000, valid_from="2026-01-01")
    found = [working, waiting, ClientSecret.objects.get(), CompanySettings.objects.get(), working.department]
    return [*found, rate, measure, threshold.policy, working.role, threshold, stop, alice]


class TestEveryPage:
    def test_a_manager_opens_every_list_and_every_page(self, alice: Any, everything: list[Any]) -> None:
        client = signed_in(alice)
        for obj in everything:
            assert client.get(listing(type(obj)), follow=True).status_code == 200, obj
            assert client.get(page(obj)).status_code == 200, obj
            if hasattr(type(obj), "history"):
                assert client.get(page(obj, "history")).status_code == 200, obj

    def test_an_auditor_reads_all_and_changes_nothing(self, carol: Any, everything: list[Any]) -> None:
        client = signed_in(carol)
        for obj in everything:
            assert client.get(page(obj)).status_code == 200, obj
            assert client.post(page(obj), {"name": "x", "reason": "Because I can"}).status_code == 403, obj
        for model in OURS:
            assert client.get(adding(model)).status_code == 403, model

    def test_somebody_without_a_right_opens_nothing(self, mallory: Any, everything: list[Any]) -> None:
        client = signed_in(mallory)
        for obj in everything:
            assert client.get(listing(type(obj))).status_code == 403, obj
            # An object that one may not see answers like one that does not exist.
            assert client.get(page(obj)).status_code in (302, 403), obj
            assert client.get(adding(type(obj))).status_code == 403, obj

    def test_nothing_can_be_deleted(self, admin_user: Any, everything: list[Any]) -> None:
        client = signed_in(admin_user)
        for obj in everything:
            assert client.post(page(obj, "delete"), {"post": "yes"}).status_code == 403, obj

    def test_every_action_asks_for_a_reason_in_a_dialog(self) -> None:
        for model in OURS:
            model_admin = admin.site._registry[model]
            for name in model_admin._extract_action_names(model_admin.actions_detail):  # type: ignore[attr-defined]
                method = getattr(model_admin, name)
                assert method.dialog["form_class"].base_fields["reason"].required, (model, name)

    def test_a_get_request_changes_nothing(self, alice: Any, working: Agent) -> None:
        signed_in(alice).get(page(working, "pause"))
        working.refresh_from_db()
        assert working.brake == "none"

    def test_stock_pages_that_change_rights_are_gone(self) -> None:
        registered = {model._meta.label_lower for model in admin.site._registry}
        assert "auth.group" not in registered
        assert not [label for label in registered if label.startswith(("oauth2_provider.", "guardian."))]
        assert not registered & {"agents.oauthapplication", "agents.accesstoken", "agents.refreshtoken"}


@pytest.mark.parametrize("model", [Agent, Department, Role, Policy, Rule, Measure, Stop, ChangeRequest, User])
def test_a_list_costs_the_same_however_long_it_is(
    alice: Any, everything: list[Any], finance: Department, bookkeeper: Role, model: Any
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client = signed_in(alice)
    client.get(listing(model))
    with CaptureQueriesContext(connection) as few:
        client.get(listing(model))
    for number in range(4):
        make_one_more(alice, model, number)
    with CaptureQueriesContext(connection) as many:
        client.get(listing(model))
    assert len(many) <= len(few), [query["sql"] for query in many]


def make_one_more(alice: Any, model: Any, number: int) -> None:
    actor, code = alice.as_actor(), f"more-{number}"
    if model in (Agent, User, Department, Role):
        department = Department.objects.create(code=code, name=code, manager=alice)
        role = Role.objects.create(code=code, name=code, group=Group.objects.create(name=code))
        lifecycle.register_agent(
            actor=actor,
            name=code,
            code=code,
            purpose="More.",
            sponsor=alice,
            department=department,
            role=role,
            reason="One more of it",
        )
    policy = policies.create_policy(actor=actor, code=code, name=code, reason="One more of it")
    content = {"name": code, "field": "amount", "comparison": "above", "value": "1.00", "mode": "draft"}
    rule = policies.create_rule(actor=actor, policy=policy, content=content, reason="One more of it")
    policies.propose_rule_change(actor=actor, rule=rule, changes={"value": "2.00"}, reason="One more of it")
    measure = {"code": f"more_{number}", "name": code, "mode": "draft"}
    policies.create_measure(actor=actor, content=measure, reason="One more of it")
    stops.raise_stop(actor=actor, scope_kind="everything", reason="One more of it")


class TestAgents:
    def test_a_manager_registers_an_agent(self, alice: Any, finance: Department, bookkeeper: Role) -> None:
        client = signed_in(alice)
        places = {"sponsor": str(alice.pk), "department": str(finance.pk), "role": str(bookkeeper.pk)}
        answer = client.post(adding(Agent), {**REGISTRATION, **places}, follow=True)
        said = answer.content.decode()
        assert "was added. It is a draft. Next: grant it operations" in said, errors(answer)
        assert answer.redirect_chain[-1][0] == page(agent := Agent.objects.get(code="clerk"))
        assert agent.lifecycle == "draft"
        assert agent.user.is_agent
        assert not agent.user.has_usable_password()
        assert agent.oauth_application.client_id
        assert agent.history.first().history_user == alice
        assert agent.history.first().history_change_reason == "Help for the team"
        assert Event.objects.filter(verb="agents.agent_registered", agent_id=str(agent.pk)).exists()

    def test_a_code_that_is_taken_comes_back_on_the_form(
        self, alice: Any, finance: Department, bookkeeper: Role
    ) -> None:
        User.objects.create(username="agent.clerk")
        places = {"sponsor": str(alice.pk), "department": str(finance.pk), "role": str(bookkeeper.pk)}
        answer = signed_in(alice).post(adding(Agent), {**REGISTRATION, **places})
        assert answer.status_code == 200
        assert "already exists" in errors(answer)
        assert not Agent.objects.filter(code="clerk").exists()
        refused = Event.objects.get(verb="audit.change_refused")
        assert (refused.actor_label, refused.subject_kind) == ("Alice", "agents.agent")

    def test_a_code_left_empty_is_made_from_the_name(
        self, alice: Any, finance: Department, bookkeeper: Role
    ) -> None:
        places = {"sponsor": str(alice.pk), "department": str(finance.pk), "role": str(bookkeeper.pk)}
        form = {**REGISTRATION, **places, "name": "Invoice clerk 7", "code": ""}
        assert signed_in(alice).post(adding(Agent), form).status_code == 302
        assert Agent.objects.filter(code="invoice-clerk-7").exists()

    def test_an_agent_cannot_be_a_sponsor(self, alice: Any, working: Agent) -> None:
        places = {"department": str(working.department_id), "role": str(working.role_id)}
        answer = signed_in(alice).post(
            adding(Agent), {**REGISTRATION, **places, "sponsor": str(working.user_id)}
        )
        assert "Select a valid choice" in errors(answer)

    def test_the_file_shows_its_tabs(
        self, alice: Any, working: Agent, credential: Any, threshold: Rule
    ) -> None:
        text = signed_in(alice).get(page(working)).content.decode()
        for expected in ("Identity", "Authority", "Contract", "Credentials", "Trail"):
            assert expected in text
        assert "10,000.00 EUR" in text
        assert credential.client_id in text
        assert credential.secret not in text
        assert "registered Robo" in text

    def test_a_reason_is_asked_for(self, alice: Any, working: Agent) -> None:
        client = signed_in(alice)
        assert do(client, working, "pause", reason="no").status_code == 200
        working.refresh_from_db()
        assert working.brake == "none"

    def test_pausing_and_lifting(self, alice: Any, dave: Any, working: Agent) -> None:
        assert do(signed_in(dave), working, "pause")["HX-Redirect"] == page(working)
        working.refresh_from_db()
        assert working.brake == "paused"
        assert do(signed_in(dave), working, "lift_brake").status_code == 403
        assert do(signed_in(alice), working, "lift_brake")["HX-Redirect"]
        working.refresh_from_db()
        assert working.brake == "none"

    def test_who_answers_for_an_agent_may_pause_it_and_no_other(
        self, alice: Any, mallory: Any, working: Agent, finance: Department, bookkeeper: Role
    ) -> None:
        other = lifecycle.register_agent(
            actor=alice.as_actor(),
            name="Other",
            code="other",
            purpose="Else.",
            sponsor=alice,
            department=finance,
            role=bookkeeper,
            reason="Another one",
        )
        working.sponsor = mallory
        working.save(update_fields=["sponsor"])
        client = signed_in(mallory)
        assert client.get(page(working)).status_code == 200
        text = client.get(listing(Agent)).content.decode()
        assert "Robo" in text
        assert "Other" not in text
        assert do(client, working, "pause")["HX-Redirect"]
        assert do(client, other, "pause").status_code in (403, 404)
        working.refresh_from_db()
        assert working.brake == "paused"
        assert do(client, working, "lift_brake").status_code == 403

    def test_an_object_permission_opens_one_agent(
        self, alice: Any, mallory: Any, working: Agent, finance: Department, bookkeeper: Role
    ) -> None:
        hidden = lifecycle.register_agent(
            actor=alice.as_actor(),
            name="Hidden",
            code="hidden",
            purpose="Else.",
            sponsor=alice,
            department=finance,
            role=bookkeeper,
            reason="Another one",
        )
        assign_perm("agents.view_agent", mallory, working)
        client = signed_in(mallory)
        text = client.get(listing(Agent)).content.decode()
        assert "Robo" in text
        assert "Hidden" not in text
        assert client.get(page(working)).status_code == 200
        assert client.get(page(hidden)).status_code in (302, 403)
        assert client.post(page(working), {"name": "Mine", "reason": "Because I can"}).status_code == 403
        assert do(client, working, "pause").status_code == 403

    def test_a_change_permission_on_one_agent_lets_its_file_be_changed(
        self, mallory: Any, working: Agent
    ) -> None:
        assign_perm("agents.view_agent", mallory, working)
        assign_perm("agents.change_agent", mallory, working)
        form = {
            "name": "Robo",
            "purpose": "Something new.",
            "reached_by": "polls",
            "reason": "A clearer purpose",
        }
        answer = signed_in(mallory).post(page(working), form)
        assert answer.status_code == 302, errors(answer)
        working.refresh_from_db()
        assert working.purpose == "Something new."

    def test_governed_fields_are_not_in_the_form_of_a_working_agent(self, alice: Any, working: Agent) -> None:
        answer = signed_in(alice).get(page(working))
        assert set(answer.context["adminform"].form.fields) == {*lifecycle.UNGOVERNED, "reason"}

    def test_activation_takes_two_people(self, alice: Any, bob: Any, draft: Agent) -> None:
        do(signed_in(alice), draft, "activate")
        change = ChangeRequest.objects.get(kind=lifecycle.ACTIVATE)
        draft.refresh_from_db()
        assert draft.lifecycle == "draft"
        assert do(signed_in(alice), change, "apply")["HX-Redirect"]
        draft.refresh_from_db()
        assert draft.lifecycle == "draft"
        refused = Event.objects.get(verb="audit.change_refused")
        assert (refused.code, refused.subject_id) == ("same_person", str(change.pk))
        assert do(signed_in(bob), change, "apply")["HX-Redirect"]
        draft.refresh_from_db()
        assert draft.lifecycle == "active"

    def test_a_secret_is_shown_once_with_what_to_do_with_it(self, alice: Any, working: Agent) -> None:
        client = signed_in(alice)
        answer = do(client, working, "issue_secret", days="30")
        text = answer.content.decode()
        secret = text.split("client_secret=")[1].split(" ")[0]
        assert secret.startswith("aos_cs_")
        assert "/oauth/token" in text
        assert "no-store" in answer["Cache-Control"]
        assert answer["HX-Retarget"] == "#dialog"
        assert secret not in client.get(page(working)).content.decode()
        for row in [*Event.objects.values(), *ClientSecret.objects.values(), *ClientSecret.history.values()]:
            assert secret not in str(row)

    def test_revoking_one_secret_and_all(self, alice: Any, working: Agent, credential: Any) -> None:
        client = signed_in(alice)
        first = ClientSecret.objects.get()
        assert do(client, first, "revoke")["HX-Redirect"]
        do(client, working, "issue_secret", days="30")
        do(client, working, "revoke_secrets")
        assert not ClientSecret.objects.filter(revoked_at=None).exists()

    def test_retiring(self, alice: Any, working: Agent, credential: Any) -> None:
        do(signed_in(alice), working, "retire")
        working.refresh_from_db()
        assert working.lifecycle == "retired"
        assert not working.user.is_active
        assert not ClientSecret.objects.filter(revoked_at=None).exists()

    def test_more_autonomy_waits_and_less_does_not(self, alice: Any, working: Agent) -> None:
        client = signed_in(alice)
        text = client.get(page(working)).content.decode()
        assert "Robo does by itself what its contract allows; until now it has everything" in text
        do(client, working, "autonomy", autonomy="by_contract")
        working.refresh_from_db()
        assert working.autonomy == "hold_writes"
        assert ChangeRequest.objects.get().kind == lifecycle.LOOSEN_AUTONOMY
        do(client, working, "autonomy", autonomy="read_only")
        working.refresh_from_db()
        assert working.autonomy == "read_only"


RULE = {
    "name": "Large invoices",
    "operations": "erp.supplier_invoice.post",
    "field": "amount",
    "comparison": "above",
    "value": "10000.00",
    "verdict": "hold",
    "quorum": "1",
    "stage": "1",
    "mode": "enforced",
    "reason": "The board decided so",
}


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


class TestStops:
    def test_an_operator_stops_everything_and_a_manager_lifts_it(
        self, alice: Any, dave: Any, working: Agent
    ) -> None:
        client = signed_in(dave)
        preview = client.post(reverse("admin:agents_stop_affected"), {"scope": "everything:"})
        assert "Robo" in preview.content.decode()
        answer = client.post(adding(Stop), {"scope": "everything:", "reason": "Something is wrong"})
        assert answer.status_code == 302, errors(answer)
        stop = Stop.objects.get()
        assert stop.is_active
        assert "Robo" in client.get(page(stop)).content.decode()
        assert do(client, stop, "lift").status_code == 403
        assert do(signed_in(alice), stop, "lift")["HX-Redirect"]
        stop.refresh_from_db()
        assert not stop.is_active

    def test_a_stop_comes_back_in_stages(self, alice: Any, dave: Any, working: Agent) -> None:
        stop = stops.raise_stop(actor=dave.as_actor(), scope_kind="everything", reason="Something is wrong")
        assert "Stop it again" not in signed_in(dave).get(page(stop)).content.decode()
        for verb, stage in (("let_read", "look"), ("hold_writes", "held")):
            assert do(signed_in(dave), stop, verb).status_code == 403
            assert do(signed_in(alice), stop, verb)["HX-Redirect"]
            stop.refresh_from_db()
            assert stop.stage == stage
        assert "A person approves every write" in signed_in(dave).get(page(stop)).content.decode()
        assert do(signed_in(dave), stop, "tighten")["HX-Redirect"]
        stop.refresh_from_db()
        assert stop.stage == "stop"

    def test_where_it_has_arrived_is_read_again_by_itself(
        self, alice: Any, dave: Any, carol: Any, mallory: Any, working: Agent
    ) -> None:
        stop = stops.raise_stop(actor=dave.as_actor(), scope_kind="everything", reason="Something is wrong")
        again = reverse("admin:agents_stop_containment", args=[stop.pk])
        assert f'data-refresh="{again}"' in signed_in(carol).get(page(stop)).content.decode()
        text = signed_in(carol).get(again).content.decode()
        assert "data-unsettled" in text
        assert re.search(r"As it was at \d\d:\d\d:\d\d UTC", text)
        assert "has not called since" in text
        assert signed_in(mallory).get(again).status_code == 403
        assert signed_in(carol).get(again.replace(str(stop.pk), str(working.pk))).status_code == 404
        stops.lift_stop(actor=alice.as_actor(), stop=stop, reason="It is well again")
        assert "data-refresh" not in signed_in(carol).get(page(stop)).content.decode()

    def test_its_button_says_what_it_does(self, dave: Any, db: None) -> None:
        form = signed_in(dave).get(adding(Stop)).content.decode()
        assert "Stop it now" in form
        assert not re.search(r">\s*Save\s*<", form)

    def test_only_what_exists_can_be_stopped(self, dave: Any, db: None) -> None:
        answer = signed_in(dave).post(adding(Stop), {"scope": "agent:nobody", "reason": "Something is wrong"})
        assert answer.status_code == 200
        assert not Stop.objects.exists()

    def test_an_approver_stops_nothing(self, bob: Any, db: None) -> None:
        answer = signed_in(bob).post(adding(Stop), {"scope": "everything:", "reason": "Something is wrong"})
        assert answer.status_code == 403


class TestChangeRequests:
    @pytest.fixture
    def waiting(self, alice: Any, threshold: Rule) -> ChangeRequest:
        found = policies.propose_rule_change(
            actor=alice.as_actor(), rule=threshold, changes={"value": "20000.00"}, reason="Fewer questions"
        ).change_request
        assert found is not None
        return found

    def test_the_proposer_is_offered_to_withdraw_and_others_to_decide(
        self, alice: Any, bob: Any, waiting: ChangeRequest
    ) -> None:
        own = signed_in(alice).get(page(waiting)).content.decode()
        assert page(waiting, "withdraw") in own
        assert page(waiting, "apply") not in own
        other = signed_in(bob).get(page(waiting)).content.decode()
        assert page(waiting, "apply") in other
        assert page(waiting, "withdraw") not in other

    def test_a_proposal_is_written_in_words(self, bob: Any, waiting: ChangeRequest) -> None:
        text = signed_in(bob).get(page(waiting)).content.decode()
        assert "Waiting for a second person" in text
        for raw in ("(&#x27;pending", "agents.rule.change", "[&#x27;"):
            assert raw not in text

    def test_what_waits_is_said_on_the_page_it_would_change(
        self, alice: Any, waiting: ChangeRequest, threshold: Rule
    ) -> None:
        text = signed_in(alice).get(page(threshold)).content.decode()
        assert "it waits for a second person" in text
        assert page(waiting) in text

    def test_rejecting_and_withdrawing(
        self, alice: Any, bob: Any, waiting: ChangeRequest, threshold: Rule
    ) -> None:
        do(signed_in(bob), waiting, "reject")
        waiting.refresh_from_db()
        assert (waiting.state, waiting.approver) == ("rejected", bob)
        again = policies.propose_rule_change(
            actor=alice.as_actor(), rule=threshold, changes={"value": "20000.00"}, reason="Once more please"
        ).change_request
        do(signed_in(alice), again, "withdraw")
        again.refresh_from_db()
        assert again.state == "withdrawn"

    def test_nobody_else_withdraws_it(self, bob: Any, waiting: ChangeRequest) -> None:
        do(signed_in(bob), waiting, "withdraw")
        waiting.refresh_from_db()
        assert waiting.state == "pending"


class TestPeople:
    def test_the_installer_makes_an_account_with_rights(self, admin_user: Any, db: None) -> None:
        group = Group.objects.get(name="Approvers")
        form = {
            "username": "erin",
            "first_name": "Erin",
            "usable_password": "true",
            "password1": "a long enough sentence",
            "password2": "a long enough sentence",
            "groups": [str(group.pk)],
            "reason": "Joined the team",
        }
        answer = signed_in(admin_user).post(adding(User), form)
        assert answer.status_code == 302, errors(answer)
        erin = User.objects.get(username="erin")
        assert erin.check_password("a long enough sentence")
        assert [it.name for it in erin.groups.all()] == ["Approvers"]
        assert erin.history.last().history_change_reason == "Joined the team"
        assert Event.objects.filter(verb="agents.person_changed", subject_id=str(erin.pk)).exists()

    def test_a_manager_sees_accounts_and_changes_none(self, alice: Any, bob: Any) -> None:
        client = signed_in(alice)
        assert client.get(page(bob)).status_code == 200
        assert client.post(page(bob), {"username": "robert", "reason": "Because I can"}).status_code == 403
        assert client.get(adding(User)).status_code == 403
        assert client.get(f"/admin/agents/user/{bob.pk}/password/").status_code == 403

    def test_nobody_gives_rights_to_themselves(self, admin_user: Any) -> None:
        group = Group.objects.get(name="Approvers")
        form = {"username": admin_user.username, "is_active": "on", "groups": [str(group.pk)]}
        answer = signed_in(admin_user).post(page(admin_user), {**form, "reason": "I could use it"})
        assert answer.status_code == 200
        assert "nobody gives rights to themselves" in errors(answer)
        assert not admin_user.groups.exists()

    def test_the_identity_of_an_agent_is_read_only(self, admin_user: Any, working: Agent) -> None:
        client = signed_in(admin_user)
        assert client.get(page(working.user)).status_code == 200
        form = {"username": "robo", "is_active": "on", "reason": "Because I can"}
        assert client.post(page(working.user), form).status_code == 403
        assert client.get(f"/admin/agents/user/{working.user_id}/password/").status_code == 403


class TestOrganisation:
    def test_departments_and_roles(self, alice: Any, db: None) -> None:
        client = signed_in(alice)
        department = {"code": "sales", "name": "Sales", "reason": "We sell things"}
        assert client.post(adding(Department), department).status_code == 302
        role = {"code": "seller", "name": "Seller", "reason": "We sell things"}
        assert client.post(adding(Role), role).status_code == 302
        assert Role.objects.get().group.name == "Role: seller"
        client.post(page(Role.objects.get()), {**role, "expected_performance": "Every offer within a day"})
        assert Role.objects.get().expected_performance == "Every offer within a day"
        client.post(page(Department.objects.get()), {**department, "name": "Selling"})
        assert Department.objects.get().name == "Selling"

    def test_moving_a_department_waits(self, alice: Any, bob: Any, finance: Department) -> None:
        above = Department.objects.create(code="board", name="Board")
        client = signed_in(alice)
        form = {"name": "Finance", "parent": str(above.pk), "reason": "New organisation"}
        assert "waits for a second person" in client.post(page(finance), form, follow=True).content.decode()
        finance.refresh_from_db()
        assert finance.parent is None
        do(signed_in(bob), ChangeRequest.objects.get(), "apply")
        finance.refresh_from_db()
        assert finance.parent == above

    def test_the_company_currency_waits(self, alice: Any, bob: Any) -> None:
        company = CompanySettings.objects.get()
        client = signed_in(alice)
        form = {"name": "Northwind Pumps GmbH", "currency": "CHF", "reason": "We moved to Bern"}
        assert "waits for a second person" in client.post(page(company), form, follow=True).content.decode()
        company.refresh_from_db()
        assert (company.name, company.currency) == ("Northwind Pumps GmbH", "EUR")
        do(signed_in(bob), ChangeRequest.objects.get(), "apply")
        company.refresh_from_db()
        assert company.currency == "CHF"

    def test_exchange_rates_are_written_as_people_do(self, alice: Any, db: None) -> None:
        ExchangeRate.objects.create(currency="USD", rate=910_000, valid_from="2025-01-01")
        form = {"currency": "usd", "rate": "0.92", "valid_from": "2026-01-01", "reason": "From the bank"}
        answer = signed_in(alice).post(adding(ExchangeRate), form)
        assert answer.status_code == 302, errors(answer)
        rate = ExchangeRate.objects.get(valid_from="2026-01-01")
        assert (rate.currency, rate.rate) == ("USD", 920_000)
        assert "0.920000" in signed_in(alice).get(page(rate)).content.decode()

    def test_nobody_makes_large_amounts_small_alone(self, alice: Any, bob: Any) -> None:
        client = signed_in(alice)
        form = {"currency": "USD", "rate": "0.92", "valid_from": "2026-01-01", "reason": "From the bank"}
        assert (
            "waits for a second person" in client.post(adding(ExchangeRate), form, follow=True).content.decode()
        )
        assert not ExchangeRate.objects.exists()
        do(signed_in(bob), ChangeRequest.objects.get(), "apply")
        tiny = {**form, "rate": "0.000001", "valid_from": "2026-02-01"}
        assert (
            "waits for a second person" in client.post(adding(ExchangeRate), tiny, follow=True).content.decode()
        )
        assert [rate.rate for rate in ExchangeRate.objects.all()] == [920_000]
        assert not LogEntry.objects.filter(content_type__model="exchangerate").exists()
