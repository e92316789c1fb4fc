from __future__ import annotations

from datetime import date

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, connection, transaction

from agents.models import (
    Agent,
    AuthorityVersion,
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
from agents.selectors import agent_facts, authority_now, authority_snapshot, to_company_minor
from tests.agents.authority import catalogue
from tests.agents.facts import GRANT

pytestmark = pytest.mark.django_db


def version() -> int:
    return AuthorityVersion.objects.get().version


@pytest.fixture
def company_rules(db) -> Policy:
    return Policy.objects.get(code="company")


def test_an_installation_starts_with_one_empty_policy_and_its_currency(db):
    snapshot = authority_snapshot()
    assert (snapshot.policies, snapshot.rules, snapshot.company_currency) == (1, (), "EUR")
    assert snapshot.version >= 1


def test_every_write_to_a_table_of_authority_bumps_the_version(working, company_rules, alice):
    writes = [
        lambda: Rule.objects.create(policy=company_rules, name="R", sentence="R", condition="true"),
        lambda: Rule.objects.update(quorum=2),
        lambda: Rule.objects.bulk_update([Rule(pk=Rule.objects.get().pk, note="x")], ["note"]),
        lambda: Rule.objects.bulk_create([Rule(policy=company_rules, name="S", sentence="S")]),
        lambda: Rule.objects.all().delete(),
        lambda: Policy.objects.update(name="Other"),
        lambda: Measure.objects.create(code="m", name="M"),
        lambda: Measure.objects.update(ceiling=3),
        lambda: Stop.objects.create(scope_kind="everything", reason="x", raised_by="x"),
        lambda: Stop.objects.update(reason="y"),
        lambda: Department.objects.update(name="F"),
        lambda: Role.objects.update(name="B"),
        lambda: Agent.objects.update(brake="paused"),
        lambda: Agent.objects.update(lifecycle="retired"),
        lambda: Agent.objects.update(autonomy="read_only"),
        lambda: Agent.objects.update(attest_by=date(2027, 1, 1)),
        lambda: CompanySettings.objects.update(currency="USD"),
        lambda: ExchangeRate.objects.create(currency="CHF", rate=1, valid_from=date(2026, 1, 1)),
        lambda: working.user.groups.add(Group.objects.create(name="G")),
        lambda: working.user.groups.clear(),
        lambda: User.groups.through.objects.all().delete(),
        lambda: User.objects.filter(pk=alice.pk).update(is_active=False),
        lambda: Group.objects.filter(name="Approvers").update(name="Signers"),
    ]
    for number, write in enumerate(writes):
        before = version()
        write()
        assert version() > before, f"write {number} gave authority without a new version"


def test_raw_sql_cannot_change_authority_without_a_new_version(working, company_rules):
    for statement in (
        "UPDATE agents_agent SET autonomy = 'by_contract'",
        "DELETE FROM agents_user_groups",
        "UPDATE agents_policy SET scope_kind = 'agent', scope_id = 'x'",
    ):
        before = version()
        with connection.cursor() as cursor:
            cursor.execute(statement)
        assert version() > before


def test_what_gives_no_authority_bumps_nothing(working):
    before = version()
    Agent.objects.update(purpose="Something else")
    User.objects.update(last_login=None)
    assert version() == before


def test_the_snapshot_is_kept_until_the_version_changes(company_rules, django_assert_num_queries):
    first = authority_snapshot()
    with django_assert_num_queries(1):
        assert authority_snapshot() is first
    Rule.objects.create(policy=company_rules, name="R", sentence="R", condition="true", mode="enforced")
    second = authority_snapshot()
    assert second.version > first.version
    assert [rule.name for rule in second.rules] == ["R"]


def test_what_was_read_in_a_transaction_that_rolled_back_is_never_used_again(company_rules):
    before = authority_snapshot()
    with transaction.atomic():
        Rule.objects.create(policy=company_rules, name="Ghost", sentence="G", condition="true")
        ghost = authority_snapshot()
        assert [rule.name for rule in ghost.rules] == ["Ghost"]
        transaction.set_rollback(True)
    Rule.objects.create(policy=company_rules, name="Real", sentence="R", condition="true")
    after = authority_snapshot()
    assert after.version == ghost.version == before.version + 1
    assert [rule.name for rule in after.rules] == ["Real"]


def test_without_the_version_row_authority_cannot_change_and_nothing_is_loaded(company_rules):
    AuthorityVersion.objects.all().delete()
    assert authority_snapshot().version == 0
    with pytest.raises(Exception, match="authority cannot change"), transaction.atomic():
        Policy.objects.update(name="x")


def test_grants_come_from_the_rooms_above(db):
    with catalogue(GRANT):
        Policy.objects.update(name="Company rules")
        assert authority_snapshot().grants == frozenset({GRANT})


def test_agent_facts_are_fresh_and_look_up_the_tree(working, finance, alice):
    top = Department.objects.create(code="top", name="Top")
    Department.objects.filter(pk=finance.pk).update(parent=top)
    facts = agent_facts(working)
    assert facts.department_ids == (str(finance.pk), str(top.pk))
    assert facts.department_code == "finance"
    assert str(working.role.group_id) in facts.group_ids
    assert facts.sponsor_active is True
    User.objects.filter(pk=alice.pk).update(is_active=False)
    Agent.objects.filter(pk=working.pk).update(brake="paused")
    facts = agent_facts(working)
    assert (facts.sponsor_active, facts.brake) == (False, "paused")


def test_what_moves_with_the_version_is_read_once_for_it(working, django_assert_num_queries):
    authority_now().agent(working)
    with django_assert_num_queries(1):
        found = authority_now().agent(working)
    assert found == agent_facts(working)


@pytest.mark.parametrize(
    "change",
    [
        lambda agent: Agent.objects.filter(pk=agent.pk).update(brake="paused"),
        lambda agent: Agent.objects.filter(pk=agent.pk).update(autonomy="read_only"),
        lambda agent: User.objects.filter(pk=agent.sponsor_id).update(is_active=False),
        lambda agent: User.objects.filter(pk=agent.user_id).update(is_active=False),
        lambda agent: agent.user.groups.clear(),
        lambda agent: agent.user.groups.add(Group.objects.create(name="More")),
        lambda agent: Department.objects.filter(pk=agent.department_id).update(code="elsewhere"),
    ],
)
def test_facts_of_an_agent_change_with_whatever_they_are_read_from(working, change):
    assert authority_now().agent(working) == agent_facts(working)
    change(working)
    assert authority_now().agent(working) == agent_facts(working)


def test_a_name_is_told_as_it_is_given_though_it_is_no_authority(working):
    authority_now().agent(working)
    Agent.objects.filter(pk=working.pk).update(name="Renamed")
    working.name = "Renamed"
    assert authority_now().agent(working).name == "Renamed"


def test_what_was_read_while_authority_changed_is_not_kept(working):
    authority = authority_now()
    Agent.objects.filter(pk=working.pk).update(brake="paused")
    assert authority.agent(working).brake == "paused"
    Agent.objects.filter(pk=working.pk).update(brake="none")
    assert authority.agent(working).brake == authority_now().agent(working).brake == "none"


def test_what_is_not_there_is_looked_for_again(working):
    found, asked = authority_now(), []
    assert found.kept("x", lambda: asked.append(1)) is None
    assert found.kept("x", lambda: asked.append(1)) is None
    assert asked == [1, 1]


def test_a_department_cannot_lie_below_itself(finance):
    below = Department.objects.create(code="below", name="Below", parent=finance)
    finance.parent = below
    with pytest.raises(Exception, match="cannot lie below itself"):
        finance.full_clean()


def test_money_is_converted_at_the_rate_of_the_day_and_rounded_up(db):
    ExchangeRate.objects.create(currency="USD", rate=920_000, valid_from=date(2026, 1, 1))
    ExchangeRate.objects.create(currency="USD", rate=900_000, valid_from=date(2026, 6, 1))
    ExchangeRate.objects.create(currency="JPY", rate=6_100, valid_from=date(2026, 1, 1))
    assert to_company_minor("EUR", 5, date(2026, 2, 1)) == 5
    assert to_company_minor("USD", 10_000, date(2026, 2, 1)) == 9_200
    assert to_company_minor("USD", 10_000, date(2026, 6, 1)) == 9_000
    assert to_company_minor("USD", 1, date(2026, 6, 1)) == 1
    assert to_company_minor("JPY", 100_000, date(2026, 6, 1)) == 61_000
    assert to_company_minor("USD", 1, date(2025, 6, 1)) is None
    assert to_company_minor("CHF", 1, date(2026, 6, 1)) is None


def test_the_database_itself_refuses_an_agent_with_a_password_or_a_page(working):
    for change in ({"password": "x"}, {"is_staff": True}, {"is_superuser": True}):
        with pytest.raises(IntegrityError), transaction.atomic():
            User.objects.filter(pk=working.user_id).update(**change)


def test_the_words_of_models_and_decision_agree(db):
    from agents.decision import Effect, Mode

    assert set(Rule.Mode.values) == set(Mode)
    assert set(Rule.Verdict.values) == {"deny", "hold", "none"}
    assert set(Effect) == {"read", "write", "financial", "destructive"}
