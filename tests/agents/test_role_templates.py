"""A role from a template: looked at, taken by the ways of every change; taken twice it changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group

from agents.decision.role_template import RoleTemplate
from agents.models import Agent, ChangeRequest, Measure, Policy, Role, Rule
from agents.selectors import present_authority
from agents.services import changes, organisation, policies, role_templates
from agents.services.role_catalogue import export_role, shipped_text, shipped_texts, template_of
from agents.services.role_templates import Taken, Wish, preview_template, take_template
from audit.models import Event
from audit.vocabulary import Refusal

WHY = "Accounts payable needs a clerk"
OWN = """kind: role
format: 1
code: payables-clerk
name: Payables clerk
version: 3
summary: Posts invoices.
job_description: Posts what agrees.
responsibilities:
  - Every invoice once.
labels:
  - german
performance:
  - code: cycle_time
    name: Cycle time
    better: lower
    target: 4
    unit: hours
approvers:
  - group: Payables leads
    why: They know the suppliers.
grants:
  - operations: "*.invoice.*"
    why: It is the job.
---
kind: policy
code: payables-rules
name: Payables rules
rules:
  - name: Large invoices
    operations: "*.invoice.post"
    field: amount
    comparison: above
    value: 500.00
    verdict: hold
    approver_group: Payables leads
    escalate_minutes: 60
    escalate_to: Payables leads
  - name: Ships
    operations: "*.ship.*"
    verdict: deny
---
kind: limits
limits:
  - code: payables_per_hour
    name: Invoices in an hour
    operations: "*.invoice.post"
    window: hour
    ceiling: 10
"""
AS_IS = Wish(mode="enforced", groups={"Payables leads": "Approvers"})


def take(alice: Any, text: str = OWN, **wish: Any) -> Taken:
    given = {"mode": "enforced", "groups": {"Payables leads": "Approvers"}, **wish}
    return take_template(actor=alice.as_actor(), text=text, reason=WHY, wish=Wish(**given))


def look(alice: Any, text: str = OWN, **wish: Any) -> Taken:
    given = {"mode": "enforced", "groups": {"Payables leads": "Approvers"}, **wish}
    return preview_template(actor=alice.as_actor(), text=text, wish=Wish(**given))


def lines(taken: Taken) -> dict[str, str]:
    return {line.what: line.state for line in taken.outcome.lines}


def test_looking_says_everything_and_changes_nothing(seeded_company: None, alice: Any) -> None:
    before = Role.objects.count(), Policy.objects.count(), ChangeRequest.objects.count(), Event.objects.count()
    found = look(alice)
    assert lines(found) == {
        "Role Payables clerk": "added",
        "Limit Invoices in an hour": "added",
        "Policy Payables rules": "added",
        "Rule Large invoices of Payables rules": "added",
        "Rule Ships of Payables rules": "added",
        "Grant Find an invoice (fake.invoice.find)": "waits",
        "Grant Post an invoice (fake.invoice.post)": "waits",
    }
    assert [rule.sentence for rule in found.rules] == ["An amount above 500.00 EUR needs a person", "Ships"]
    assert len(found.waits_for_system) == 1
    assert found.waits_for_system[0].startswith("Rule Ships: No operation fits '*.ship.*'")
    assert found.missing_groups == ()
    assert not found.existed
    assert before == (
        Role.objects.count(),
        Policy.objects.count(),
        ChangeRequest.objects.count(),
        Event.objects.count(),
    )


def test_looking_reads_the_agents_of_the_role_alone_and_says_the_same(
    seeded_company: None, alice: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(alice)
    role = Role.objects.get(code="payables-clerk")
    for agent in Agent.objects.select_related("user"):
        agent.user.groups.set([role.group])
    Agent.objects.update(role=role, lifecycle=Agent.Lifecycle.ACTIVE)
    stricter = OWN.replace("value: 500.00", "value: 400.00")
    told = look(alice, stricter, update=True).outcome
    monkeypatch.setattr(role_templates, "_authority_of", lambda role: present_authority())
    everybody = look(alice, stricter, update=True).outcome
    assert told.lines == everybody.lines
    assert told.at_once
    assert (told.at_once, told.once_agreed) == (everybody.at_once, everybody.once_agreed)


def test_a_role_comes_with_its_rules_in_force_and_its_grants_for_a_second_person(
    seeded_company: None, alice: Any, bob: Any
) -> None:
    role = take(alice).role
    assert role is not None
    assert (role.name, role.labels, role.responsibilities) == (
        "Payables clerk",
        ["german"],
        "Every invoice once.",
    )
    assert role.performance[0]["target"] == "4"
    rules = {rule.name: rule for rule in Rule.objects.filter(policy__code="payables-rules")}
    assert {name: rule.mode for name, rule in rules.items()} == {"Large invoices": "enforced", "Ships": "draft"}
    large = rules["Large invoices"]
    assert large.approver_group is not None
    assert large.approver_group.name == large.levels[0]["group"] == "Approvers"
    assert rules["Large invoices"].policy.scope_id == str(role.pk)
    limit = Measure.objects.get(code="payables_per_hour")
    assert (limit.mode, limit.scope_kind, limit.scope_id) == ("enforced", "role", str(role.pk))
    grants = ChangeRequest.objects.filter(kind="connectors.grant")
    assert grants.count() == 2
    with pytest.raises(Refusal, match="you proposed this yourself"):
        changes.apply_change(actor=alice.as_actor(), change_request=grants[0], reason="I say so")
    changes.apply_change(actor=bob.as_actor(), change_request=grants[0], reason="It fits the job")
    event = Event.objects.get(verb="agents.role_taken")
    assert event.reason == WHY
    assert "version 3" in event.sentence


def test_taking_it_twice_changes_nothing_and_says_so(seeded_company: None, alice: Any) -> None:
    take(alice)
    events = Event.objects.count()
    again = take(alice)
    assert again.differs == []
    assert set(lines(again).values()) == {"waits_already"}
    assert Event.objects.count() == events + 1  # that somebody took it again, and what waits
    assert ChangeRequest.objects.count() == 2


def test_what_differs_is_offered_and_never_done_by_itself(seeded_company: None, alice: Any) -> None:
    role = take(alice).role
    assert role is not None
    organisation.update_role(
        actor=alice.as_actor(), role=role, values={"job_description": "Sings."}, reason="It may sing"
    )
    rule = Rule.objects.get(name="Large invoices")
    policies.propose_rule_change(
        actor=alice.as_actor(), rule=rule, changes={"value": "100.00"}, reason="More careful now"
    )
    with pytest.raises(Refusal) as refused:
        take(alice)
    assert refused.value.code == "role_exists"
    assert {it["what"] for it in refused.value.detail["differs"]} == {
        "Role Payables clerk",
        "Rule Large invoices of Payables rules",
    }
    assert lines(look(alice))["Rule Large invoices of Payables rules"] == "waits"
    found = take(alice, update=True)
    assert lines(found)["Rule Large invoices of Payables rules"] == "waits", "it would loosen"
    assert Rule.objects.get(name="Large invoices").value == "100.00"
    assert Role.objects.get(pk=role.pk).job_description == "Posts what agrees."


def test_a_looser_mode_is_never_a_way_to_take_rules_out_of_force(seeded_company: None, alice: Any) -> None:
    take(alice)
    assert look(alice, mode="draft").differs == []
    assert take(alice, mode="draft").differs == []
    assert Rule.objects.get(name="Large invoices").mode == "enforced"


def test_what_waited_for_a_system_is_put_into_force_later(seeded_company: None, alice: Any) -> None:
    take(alice)
    text = OWN.replace('"*.ship.*"', '"*.invoice.find"')
    found = look(alice, text)
    assert lines(found)["Rule Ships of Payables rules"] == "changed"
    take(alice, text, update=True)
    assert Rule.objects.get(name="Ships").mode == "enforced"


def test_a_group_that_is_missing_is_named_and_chosen_by_a_person(seeded_company: None, alice: Any) -> None:
    assert look(alice, groups={}).missing_groups == ("Payables leads",)
    with pytest.raises(Refusal, match="no group of people Payables leads") as refused:
        take(alice, groups={})
    assert refused.value.next_step.startswith("Say for each")
    Group.objects.create(name="Payables leads")
    take(alice, groups={})
    assert Rule.objects.get(name="Large invoices").approver_group.name == "Payables leads"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        (OWN.replace("payables-rules", "company-rules"), "code_taken"),
        (OWN.replace("format: 1", "format: 2"), "role_template_invalid"),
        (OWN.replace("hold", "ask"), "role_template_invalid"),
        (OWN.replace("field: amount", "field: args.nothing.here"), "policy_file_invalid"),
    ],
)
def test_what_cannot_be_taken_changes_nothing(
    seeded_company: None, alice: Any, changed: str, code: str
) -> None:
    policies.create_policy(actor=alice.as_actor(), code="company-rules", name="All", reason="For all of us")
    with pytest.raises(Refusal) as refused:
        take(alice, changed)
    assert refused.value.code == code
    assert not Role.objects.filter(code="payables-clerk").exists()


def test_only_who_may_add_roles_and_publish_rules_takes_one(
    seeded_company: None, bob: Any, mallory: Any
) -> None:
    for person in (bob, mallory):
        with pytest.raises(Refusal) as refused:
            take(person)
        assert refused.value.code == "permission_missing"


def content(template: RoleTemplate) -> Any:
    rules = [(it.name, [rule.values for rule in it.rules]) for it in template.file.policies]
    return template.role, rules, [it.values for it in template.file.limits or ()]


def test_an_exported_role_brought_back_changes_nothing(seeded_company: None, alice: Any, bob: Any) -> None:
    role = take(alice).role
    assert role is not None
    for change in ChangeRequest.objects.filter(kind="connectors.grant"):
        changes.apply_change(actor=bob.as_actor(), change_request=change, reason="It fits the job")
    text = export_role(actor=alice.as_actor(), role=role)
    assert look(alice, text, mode="", groups={}).outcome.lines == []
    assert export_role(actor=alice.as_actor(), role=role) == text


def test_a_role_nobody_took_from_a_template_is_exported_and_brought_back(
    seeded_granted: None, alice: Any
) -> None:
    role = Role.objects.get(code="bookkeeper")
    role.job_description = "One line.\r\nAnother."
    role.save()
    text = export_role(actor=alice.as_actor(), role=role)
    assert look(alice, text, mode="", groups={}).outcome.lines == []
    elsewhere = text.replace("code: bookkeeper", "code: bookkeeper-2")
    assert lines(take(alice, elsewhere, mode=""))["Role Bookkeeper"] == "added"


@pytest.mark.parametrize("code", sorted(shipped_texts()))
def test_a_shipped_template_works_in_a_company_that_has_nothing_of_it(
    seeded_company: None, alice: Any, code: str
) -> None:
    groups = dict.fromkeys(template_of(shipped_text(code)).groups, "Approvers")
    found = take(alice, shipped_text(code), groups=groups)
    assert {line.state for line in found.outcome.lines} <= {"added", "waits"}
    assert found.waits_for_system, "the ERP of the tests has no such operations"
    assert Rule.objects.filter(policy__scope_kind="role", mode="enforced").exists()
    assert take(alice, shipped_text(code), groups=groups).differs == []
    assert content(template_of(export_role(actor=alice.as_actor(), role=found.role)))[0].performance
