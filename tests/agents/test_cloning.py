"""An agent copied into another department: its authority is agreed to anew, the original stays as it is."""

from __future__ import annotations

from typing import Any

import pytest
from django.forms.models import model_to_dict

from agents.models import (
    Agent,
    ChangeRequest,
    ClientSecret,
    ContractSignature,
    Department,
    Measure,
    Policy,
    Rule,
    Throttle,
)
from agents.registry import agent_file_panels
from agents.selectors import agent_facts, authority_snapshot, foreseen
from agents.selectors.clones import difference_to_original
from agents.services import changes, lifecycle, organisation, policies, throttles
from agents.services.cloning import Cloned, clone_agent
from audit.models import Event
from audit.vocabulary import Refusal
from tests.company import person, robo

WHY = "Logistics has the same work"


@pytest.fixture
def logistics(seeded_granted: None, alice: Any) -> Department:
    found = organisation.create_department(
        actor=alice.as_actor(), code="logistics", name="Logistics", reason=WHY
    )
    lena = person("lena", "Managers")
    lena.department = found
    lena.save()
    return found


@pytest.fixture
def bound(seeded_granted: None, alice: Any) -> Policy:
    """Rules, a limit and a throttle of robo alone."""
    me = {"scope_kind": "agent", "scope_id": str(robo().pk)}
    actor = alice.as_actor()
    policies.create_measure(
        actor=actor,
        content={
            **me,
            "code": "robo_posts",
            "name": "Posts of robo",
            "operations": "fake.invoice.post",
            "ceiling": 5,
            "mode": "enforced",
        },
        reason=WHY,
    )
    policy = policies.create_policy(actor=actor, code="robo-rules", name="Only robo", reason=WHY, **me)
    common = {"operations": "fake.invoice.post", "verdict": "hold", "mode": "enforced"}
    for content in (
        {"name": "Large", "field": "amount", "comparison": "above", "value": "100.00"},
        {
            "name": "Many",
            "sentence": "Many posts need a person.",
            "condition": "measures.robo_posts.settled > 2",
        },
        {"name": "By name", "sentence": "Robo asks.", "condition": "agent.code == 'robo'"},
    ):
        policies.create_rule(actor=actor, policy=policy, content={**common, **content}, reason=WHY)
    throttles.add_throttle(
        actor=actor,
        name="One at a time",
        scope_kind="agent",
        scope_id=me["scope_id"],
        content={"most_at_once": 1},
        reason=WHY,
    )
    return policy


def copy(alice: Any, logistics: Department, **changed: Any) -> Cloned:
    given = {
        "name": "Robo L",
        "code": "robo-l",
        "department": logistics,
        "sponsor": person_of("lena"),
        "reason": WHY,
        **changed,
    }
    return clone_agent(actor=alice.as_actor(), agent=robo(), **given)


def person_of(name: str) -> Any:
    return Department.objects.get(code="logistics").people.get(username=name)


def test_the_copy_is_a_draft_with_the_same_job_and_nothing_of_its_own(
    bound: Policy, logistics: Department, alice: Any
) -> None:
    original = robo()
    before = model_to_dict(original), ClientSecret.objects.count()
    rules = list(Rule.objects.filter(policy=bound).order_by("pk").values())
    found = copy(alice, logistics)
    made = Agent.objects.get(pk=found.agent.pk)
    assert (made.purpose, made.role, made.labels, made.cloned_from) == (
        original.purpose,
        original.role,
        original.labels,
        original,
    )
    assert (made.lifecycle, made.autonomy, made.department) == ("draft", "hold_writes", logistics)
    assert lifecycle.granted_operations(made) == []
    assert [it.kind for it in found.waiting] == ["connectors.grant"]
    assert before == (model_to_dict(robo()), ClientSecret.objects.count())
    assert rules == list(Rule.objects.filter(policy=bound).order_by("pk").values())
    assert not ContractSignature.objects.filter(agent=made).exists()
    assert not made.oauth_application.secrets.exists()
    event = Event.objects.get(verb="agents.agent_cloned")
    assert event.reason == WHY


def test_what_binds_the_original_alone_binds_the_copy_with_the_copy_in_its_place(
    bound: Policy, logistics: Department, alice: Any
) -> None:
    made = copy(alice, logistics).agent
    limit = Measure.objects.get(scope_kind="agent", scope_id=str(made.pk))
    assert (limit.code, limit.ceiling, limit.mode) == ("robo_posts_robo_l", 5, "enforced")
    rules = {rule.name: rule for rule in Rule.objects.filter(policy__scope_id=str(made.pk))}
    assert rules.keys() == {"Large", "Many", "By name"}
    assert rules["Many"].condition == "measures.robo_posts_robo_l.settled > 2"
    assert {rule.mode for rule in rules.values()} == {"enforced"}
    assert Throttle.objects.get(scope_id=str(made.pk)).most_at_once == 1


def test_what_cannot_be_copied_is_listed(bound: Policy, logistics: Department, alice: Any) -> None:
    found = copy(alice, logistics)
    said = " ".join(found.not_copied)
    for words in (
        "still names Robo in its condition",
        "a person approves every write, unlike with Robo",
        "Rules and limits of Finance",
        "secrets, tokens",
        "Standing approvals",
    ):
        assert words in said


def test_its_authority_is_agreed_to_anew_beside_that_of_the_original(
    bound: Policy, logistics: Department, alice: Any, bob: Any
) -> None:
    found = copy(alice, logistics)
    (grant,) = found.waiting
    with pytest.raises(Refusal, match="you proposed this yourself"):
        changes.apply_change(actor=alice.as_actor(), change_request=grant, reason="It is mine")
    asked = lifecycle.activate_agent(actor=alice.as_actor(), agent=found.agent, reason="Ready to start")
    said = [text for text in asked.authority if text.startswith("Compared with Robo: ")]
    assert "Compared with Robo: Robo L may no longer post an invoice." in said
    changes.apply_change(actor=bob.as_actor(), change_request=grant, reason="The same work")
    assert foreseen(ChangeRequest.objects.get(pk=asked.pk)).has_moved
    changes.withdraw_change(actor=alice.as_actor(), change_request=asked, reason="Its grants came later")
    asked = lifecycle.activate_agent(actor=alice.as_actor(), agent=found.agent, reason="Ready to start")
    said = [text for text in asked.authority if text.startswith("Compared with Robo")]
    assert len(said) == 1, said
    assert "Robo L has everything it writes approved by a person" in said[0]
    with pytest.raises(Refusal):
        changes.apply_change(actor=alice.as_actor(), change_request=asked, reason="I say so myself")
    changes.apply_change(actor=bob.as_actor(), change_request=asked, reason="Same job, same rules")
    assert agent_facts(found.agent).lifecycle == "active"


def test_what_was_changed_of_the_copy_is_said(bound: Policy, logistics: Department, alice: Any) -> None:
    made = copy(alice, logistics).agent
    registered = Agent.objects.get(pk=made.pk)
    from connectors.models import Operation
    from connectors.services import grant_operation

    grant_operation(
        actor=alice.as_actor(),
        operation=Operation.objects.get(code="fake.invoice.post"),
        agent=made,
        reason=WHY,
    )
    lifecycle.set_autonomy(actor=alice.as_actor(), agent=made, autonomy="by_contract", reason="Just as robo")
    assert [it.text for it in difference_to_original(Agent.objects.get(pk=made.pk))] == [
        "Compared with Robo: it may do just the same."
    ]
    rule = Rule.objects.get(policy__scope_id=str(made.pk), name="Large")
    policies.propose_rule_change(
        actor=alice.as_actor(), rule=rule, changes={"value": "10.00"}, reason="Careful"
    )
    assert authority_snapshot()
    (said,) = difference_to_original(registered)
    assert "10.00" in said.text
    panel = agent_file_panels()["original"](registered, alice)
    assert panel is not None
    assert panel.rows == [(said.text,)]
    assert agent_file_panels()["original"](robo(), alice) is None


def test_somebody_of_that_department_answers_for_it_or_it_is_said(
    bound: Policy, logistics: Department, alice: Any
) -> None:
    with pytest.raises(Refusal) as refused:
        copy(alice, logistics, sponsor=alice)
    assert refused.value.code == "sponsor_elsewhere"
    assert not Agent.objects.filter(code="robo-l").exists()
    found = copy(alice, logistics, sponsor=alice, sponsor_from_elsewhere=True)
    assert any("Alice, who answers for it, is not of Logistics" in it for it in found.not_copied)
    asked = lifecycle.activate_agent(actor=alice.as_actor(), agent=found.agent, reason="Ready to start")
    assert "Alice, who answers for it, is not of Logistics." in asked.authority
    Department.objects.filter(pk=logistics.pk).update(manager=alice)
    logistics.refresh_from_db()
    copy(alice, logistics, sponsor=alice, code="robo-m")


def test_only_who_registers_agents_copies_one(
    bound: Policy, logistics: Department, bob: Any, mallory: Any
) -> None:
    for who in (bob, mallory, robo().user):
        with pytest.raises(Refusal):
            copy(who, logistics)
    assert not Agent.objects.filter(code="robo-l").exists()
