from __future__ import annotations

import pytest
from django.contrib.auth.models import Group
from guardian.shortcuts import assign_perm

from agents.models import Agent, ChangeRequest, Measure, Policy, Role, Rule, Stop
from agents.selectors import (
    visible_agents,
    visible_change_requests,
    visible_measures,
    visible_policies,
    visible_rules,
    visible_stops,
)
from agents.services import stops
from audit.selectors import visible_events

pytestmark = pytest.mark.django_db


@pytest.fixture
def everything(working, dave):
    """One of each: for all, for robo, for somebody else."""
    for code, scope in (
        ("all", ("company", "")),
        ("ours", ("agent", str(working.pk))),
        ("theirs", ("agent", "x")),
    ):
        policy = Policy.objects.create(code=code, name=code, scope_kind=scope[0], scope_id=scope[1])
        Rule.objects.create(policy=policy, name=f"{code} enforced", sentence="x", mode="enforced")
        Rule.objects.create(policy=policy, name=f"{code} draft", sentence="x")
        Measure.objects.create(
            code=f"m_{code}", name=code, scope_kind=scope[0], scope_id=scope[1], mode="enforced"
        )
    other = Role.objects.create(code="other", name="Other", group=Group.objects.create(name="Role: other"))
    stops.raise_stop(actor=dave.as_actor(), scope_kind="agent", scope_id=str(working.pk), reason="A test")
    stops.raise_stop(actor=dave.as_actor(), scope_kind="role", scope_id=other.code, reason="A test")
    return working


SELECTORS = [
    visible_agents,
    visible_policies,
    visible_rules,
    visible_measures,
    visible_stops,
    visible_change_requests,
]


def test_somebody_without_rights_sees_nothing(everything, mallory):
    assert [selector(mallory).count() for selector in SELECTORS] == [0] * 6


@pytest.mark.parametrize("name", ["alice", "carol"])
def test_managers_and_auditors_see_everything(everything, request, name):
    somebody = request.getfixturevalue(name)
    counts = [selector(somebody).count() for selector in SELECTORS]
    models = [Agent, Policy, Rule, Measure, Stop, ChangeRequest]
    assert counts == [model.objects.count() for model in models]


def test_somebody_whose_account_is_closed_sees_nothing(everything, alice):
    alice.is_active = False
    alice.save(update_fields=["is_active"])
    assert [selector(alice).count() for selector in SELECTORS] == [0] * 6


def test_an_agent_sees_itself_and_what_binds_it(everything):
    user = everything.user
    assert [agent.pk for agent in visible_agents(user)] == [everything.pk]
    assert {policy.code for policy in visible_policies(user)} == {"company", "all", "ours"}
    assert {rule.name for rule in visible_rules(user)} == {"all enforced", "ours enforced"}
    assert {measure.code for measure in visible_measures(user)} == {"m_all", "m_ours"}
    assert [stop.scope_kind for stop in visible_stops(user)] == ["agent"]


def test_a_right_on_one_object_shows_that_one(everything, mallory):
    policy = Policy.objects.get(code="ours")
    assign_perm("agents.view_agent", mallory, everything)
    assign_perm("agents.view_policy", mallory, policy)
    assert list(visible_agents(mallory)) == [everything]
    assert list(visible_policies(mallory)) == [policy]
    assert visible_rules(mallory).count() == 2


def test_a_sponsor_sees_their_agent(everything, mallory):
    Agent.objects.update(sponsor=mallory)
    assert list(visible_agents(mallory)) == [everything]


def test_events_follow_what_they_are_about(everything, mallory, alice):
    assert not visible_events(mallory).exists()
    assert {"agents.agent_registered", "agents.stop_raised"} <= {event.verb for event in visible_events(alice)}
    assign_perm("agents.view_agent", mallory, everything)
    seen = {event.verb for event in visible_events(mallory)}
    assert "agents.agent_registered" in seen
    assert {event.agent_id for event in visible_events(mallory)} == {str(everything.pk)}
