"""What a manager does in the admin, what a stranger cannot, and what an object permission opens."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group

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
from tests.agents.admin_pages import adding, do, errors, listing, page, signed_in

OURS = [
    *(Agent, ChangeRequest, ClientSecret, CompanySettings, Department, ExchangeRate),
    *(Measure, Policy, Role, Rule, Stop, User),
]


pytestmark = pytest.mark.usefixtures("operations")


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
