"""Nobody gives more authority alone, by whatever way: a superuser tries them all, and nothing is looser.

Nor does anybody approve what they wrote themselves, or its like for the future. Four things are tried on
each way: a rule, a limit, whom a policy binds, and a grant.
"""

from __future__ import annotations

import contextlib
import json
import random
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from agents import registry
from agents.decision import DecisionRequest, MoneyFacts, decide
from agents.models import Agent, ChangeRequest, Measure, Policy, Rule, User
from agents.selectors import agent_facts, authority_snapshot, contract_of, present_authority
from agents.services import attesting, changes, lifecycle, people, policies, probation, sponsors, terms
from agents.services.policy_files import export_policies
from agents.services.policy_import import import_policies
from audit.vocabulary import Actor, Refusal
from connectors.models import Operation
from connectors.services import grant_operation
from tests.workflows.conftest import ask, grant
from workflows.actions.models import Action, StandingApproval
from workflows.approvals.models import Approval
from workflows.approvals.services import cast_vote

pytestmark = pytest.mark.django_db
WHY = "Because it is quicker alone"
RULE = {
    "name": "Large",
    "operations": "fake.invoice.post",
    "field": "amount",
    "comparison": "above",
    "value": "100.00",
    "verdict": "hold",
    "quorum": 1,
    "mode": "enforced",
}
LIMIT = {
    "code": "daily",
    "name": "A day",
    "operations": "*",
    "amount": "1",
    "unit": "count",
    "window": "day",
    "ceiling": 5,
    "on_exceed": "deny",
    "mode": "enforced",
}


@dataclass
class House:
    """What there is to loosen, the one person who tries, and their browser."""

    person: Any
    client: Client
    rule: Rule
    limit: Measure
    agent: Agent
    operation: Operation

    @property
    def policy(self) -> Policy:
        return self.rule.policy

    def standing(self) -> Any:
        """Return all that decides, without words and versions, and without what only tightens."""
        now = present_authority()
        return (
            {rule.rule_id: replace(rule, version=0, sentence="", name="") for rule in now.snapshot.rules},
            {limit.measure_id: replace(limit, version=0) for limit in now.snapshot.measures},
            now.snapshot.grants,
            {agent.agent_id: agent for agent in now.agents},
        )

    def proposals(self) -> list[ChangeRequest]:
        """Ask for more of each of the four."""
        actor = self.person.as_actor()
        loosened = [
            policies.propose_rule_change(actor=actor, rule=self.rule, changes={"value": "900"}, reason=WHY),
            policies.propose_measure_change(
                actor=actor, measure=self.limit, changes={"ceiling": 9}, reason=WHY
            ),
            policies.propose_policy_move(actor=actor, policy=self.policy, **self.narrow(), reason=WHY),
        ]
        asked = [outcome.change_request for outcome in loosened]
        granted = grant_operation(actor=actor, operation=self.operation, agent=self.agent, reason=WHY)
        assert isinstance(granted, ChangeRequest)
        return [change for change in (*asked, granted) if change is not None]

    def narrow(self) -> dict[str, str]:
        return {"scope_kind": "department", "scope_id": str(self.agent.department_id)}


@pytest.fixture
def house(seeded_company: None, admin_user: Any) -> House:
    client = Client(raise_request_exception=False)
    client.force_login(admin_user)
    actor, company = admin_user.as_actor(), Policy.objects.get(code="company")
    return House(
        person=admin_user,
        client=client,
        rule=policies.create_rule(actor=actor, policy=company, content=RULE, reason=WHY),
        limit=policies.create_measure(actor=actor, content=LIMIT, reason=WHY),
        agent=Agent.objects.get(code="robo"),
        operation=Operation.objects.get(code="fake.invoice.find"),
    )


def page(obj: Any, verb: str = "change") -> str:
    return reverse(f"admin:{obj._meta.app_label}_{obj._meta.model_name}_{verb}", args=[obj.pk])


def test_by_the_services_the_proposer_decides_nothing(house: House) -> None:
    before, proposals = house.standing(), house.proposals()
    assert len(proposals) == 4
    for change in proposals:
        with pytest.raises(Refusal) as refusal:
            changes.apply_change(actor=house.person.as_actor(), change_request=change, reason=WHY)
        assert refusal.value.code == "same_person"
        approval = Approval.objects.get(subject_id=str(change.pk))
        with pytest.raises(Refusal):
            cast_vote(
                actor=house.person.as_actor(),
                approval_id=approval.pk,
                verdict="approve",
                digest=approval.digest,
                reason=WHY,
            )
    assert house.standing() == before


def test_over_http_the_proposer_decides_nothing(house: House) -> None:
    before = house.standing()
    for change in house.proposals():
        approval = Approval.objects.get(subject_id=str(change.pk))
        body = {"reason": WHY, "verdict": "approve", "digest": approval.digest}
        for address in (f"change-requests/{change.pk}/apply", f"approvals/{approval.pk}/votes"):
            answer = house.client.post(f"/api/v1/{address}", json.dumps(body), content_type="application/json")
            assert answer.status_code == 403, (address, answer.content)
    assert house.standing() == before


def test_by_the_forms_of_the_admin_it_waits(house: House) -> None:
    before, why = house.standing(), {"reason": WHY}
    house.client.post(page(house.rule), {**RULE, "value": "900", **why})
    house.client.post(page(house.limit), {**LIMIT, "scope": "company:", "ceiling": "9", **why})
    scope = "{scope_kind}:{scope_id}".format(**house.narrow())
    house.client.post(page(house.policy), {"name": house.policy.name, "scope": scope, **why})
    htmx = {"hx-request": "true"}
    dialog = {"_form_submitted": "1", "agent": str(house.agent.pk), **why}
    house.client.post(page(house.operation, "grant"), dialog, headers=htmx)
    house.client.post(page(house.rule, "remove"), {"_form_submitted": "1", **why}, headers=htmx)
    assert house.standing() == before
    assert ChangeRequest.objects.count() == 5
    for change in ChangeRequest.objects.all():
        house.client.post(page(change, "apply"), {"_form_submitted": "1", **why}, headers=htmx)
        assert house.client.post(page(change), {"state": "applied", **why}).status_code == 403
    assert house.standing() == before


def test_by_a_list_of_the_admin_nothing_is_done_at_all(house: House) -> None:
    house.proposals()
    before = house.standing()
    for obj in (house.rule, house.limit, house.policy, house.operation, ChangeRequest.objects.first()):
        listing = reverse(f"admin:{obj._meta.app_label}_{obj._meta.model_name}_changelist")
        for action in ("delete_selected", "apply", "remove", "grant"):
            chosen = {"action": action, "_selected_action": [str(obj.pk)], "post": "yes", "reason": WHY}
            house.client.post(listing, chosen)
        edited = {"form-TOTAL_FORMS": "1", "form-INITIAL_FORMS": "1", "form-0-id": str(obj.pk), "_save": "Save"}
        house.client.post(listing, {**edited, "form-0-mode": "draft", "form-0-ceiling": "9"})
        assert house.client.post(page(obj, "delete"), {"post": "yes"}).status_code == 403
    assert house.standing() == before
    assert ChangeRequest.objects.filter(state="pending").count() == 4


def test_by_an_earlier_version_nothing_is_brought_back(house: House) -> None:
    actor = house.person.as_actor()
    policies.propose_rule_change(actor=actor, rule=house.rule, changes={"value": "50"}, reason=WHY)
    policies.propose_measure_change(actor=actor, measure=house.limit, changes={"ceiling": 3}, reason=WHY)
    before = house.standing()
    for obj, form in ((house.rule, RULE), (house.limit, LIMIT), (house.policy, {}), (house.operation, {})):
        earlier = obj.history.earliest()
        address = f"{page(obj, 'history')}{earlier.pk}/"
        answer = house.client.post(address, {**form, "scope": "company:", "reason": WHY, "_save": "Save"})
        assert answer.status_code == 403, address
    assert house.standing() == before


def test_by_a_file_it_waits(house: House) -> None:
    """A file has no grants; what it has of the other three is proposed, and removed by two people too."""
    actor, before = house.person.as_actor(), house.standing()
    text = export_policies(actor=actor)
    looser = text.replace("value: '100.00'", "value: '900.00'").replace("ceiling: 5", "ceiling: 9")
    company, _, rest = looser.partition("binds: company")
    department = house.agent.department.code
    looser = f"{company}binds:\n  department: {department}{rest}"
    outcome = import_policies(actor=actor, text=looser, reason=WHY, remove_missing=True)
    assert len(outcome.waiting) == 3, outcome.lines
    nothing = text.partition("rules:")[0] + "rules: []\n"
    removed = import_policies(actor=actor, text=nothing, reason=WHY, remove_missing=True)
    assert [line.state for line in removed.lines] == ["waits"]
    grants = "kind: grants\ngrants:\n  - operation: fake.invoice.find\n    agent: robo\n"
    with pytest.raises(Refusal):
        import_policies(actor=actor, text=grants, reason=WHY)
    assert house.standing() == before


@pytest.fixture
def held(house: House) -> Action:
    """What waits for an approver, who is the one person who tries."""
    house.person.groups.add(Group.objects.get(name="Approvers"))
    grant(house.agent, Operation.objects.get(code="fake.invoice.post"))
    return ask(house.agent, minor=50_000)


def post(house: House, address: str, **body: Any) -> int:
    answer = house.client.post(f"/api/v1/{address}", json.dumps(body), content_type="application/json")
    return answer.status_code


def test_who_changes_what_is_asked_does_not_approve_it(house: House, held: Action) -> None:
    edit = {"digest": held.approval.digest, "changes": {"total": {"minor": 10}}, "reason": WHY}
    assert post(house, f"approvals/{held.approval_id}/edits", **edit) == 201
    new = Action.objects.get(replaces=held)
    vote = {"verdict": "approve", "digest": new.approval.digest, "reason": WHY}
    assert post(house, f"approvals/{new.approval_id}/votes", **vote) == 403
    together = {"verdict": "approve", "reason": WHY, "approvals": [{"id": str(new.approval_id)}]}
    together["approvals"][0]["digest"] = new.approval.digest  # type: ignore[index]
    post(house, "approvals/votes", **together)
    house.client.post(reverse("inbox-vote", args=[new.approval_id]), vote)
    assert post(house, f"approvals/{new.approval_id}/edits", **{**edit, "digest": new.approval.digest}) == 403
    with pytest.raises(Refusal):
        cast_vote(actor=house.person.as_actor(), approval_id=new.approval_id, **vote)
    new.refresh_from_db()
    assert (new.state, new.approval.votes.count()) == ("held", 0)
    with pytest.raises(IntegrityError), transaction.atomic():
        Action.objects.filter(pk=new.pk).update(edit_people=[])
    with pytest.raises(IntegrityError), transaction.atomic():
        Approval.objects.filter(pk=new.approval_id).update(excluded_ids=[])


def test_nobody_approves_the_like_in_advance_alone(house: House, held: Action) -> None:
    body = {"until": f"{timezone.now() + timedelta(days=9):%Y-%m-%dT00:00:00Z}", "most_uses": 5}
    told = {**body, "most_minor": 60_000, "reason": WHY}
    assert post(house, f"approvals/{held.approval_id}/standing", **told) == 202
    change = ChangeRequest.objects.get(kind="actions.standing.give")
    question = Approval.objects.get(subject_id=str(change.pk))
    vote = {"verdict": "approve", "digest": question.digest, "reason": WHY}
    assert post(house, f"approvals/{question.pk}/votes", **vote) == 403
    assert post(house, f"change-requests/{change.pk}/apply", reason=WHY) == 403
    dialog = {"_form_submitted": "1", "reason": WHY}
    house.client.post(page(change, "apply"), dialog, headers={"hx-request": "true"})
    with pytest.raises(Refusal) as refusal:
        changes.apply_change(actor=house.person.as_actor(), change_request=change, reason=WHY)
    assert refusal.value.code == "same_person"
    add = house.client.post(reverse("admin:actions_standingapproval_add"), {"words": "Lets it do all"})
    assert add.status_code == 403
    assert not StandingApproval.objects.exists()
    assert ask(house.agent, number="RE-2", minor=50_000).state == "held"


def test_one_person_alone_is_no_row_of_the_database_either(house: House, held: Action) -> None:
    now = timezone.now()
    row = {"agent": house.agent, "operation": held.operation, "revision": 1, "binding": held.binding}
    bounds = {"most_uses": 5, "most_minor": 60_000, "starts_at": now, "until": now + timedelta(days=9)}
    said = {"words": "x", "reason": WHY, "modelled_on": held.approval, "granted_by": house.person}
    for second in (house.person, house.agent.user):
        with pytest.raises(IntegrityError), transaction.atomic():
            StandingApproval.objects.create(**row, **bounds, **said, agreed_by=second)


class OneLife:
    """The verbs of an agent's life, as one person, who answers for it and may everything, tries them."""

    def __init__(self, person: Any, agent: Agent) -> None:
        self.actor, self.agent = person.as_actor(), agent

    def power(self) -> tuple[int, ...]:
        """Return what the agent gets for each operation now: 0 refused, 1 held, 2 allowed."""
        facts = agent_facts(Agent.objects.select_related("user", "role", "sponsor").get(pk=self.agent.pk))
        found = []
        for code in ("fake.invoice.post", "fake.invoice.find"):
            asked = DecisionRequest(
                agent=facts,
                operation_code=code,
                operation=registry.find_operation(code),
                arguments={},
                now=timezone.now(),
                money=MoneyFacts("EUR", 1, 1),
            )
            found.append({"deny": 0, "hold": 1, "allow": 2}[decide(asked, authority_snapshot()).verdict])
        return tuple(found)

    def verbs(self) -> list[Any]:
        """Return everything that may be tried, each with what it needs."""
        told = {"actor": self.actor, "agent": self.agent, "reason": WHY}
        people_of = Agent.objects.values_list("sponsor", flat=True).get(pk=self.agent.pk)
        sponsor, terms_of = User.objects.get(pk=people_of), {"actor": self.actor, "role": None, "reason": WHY}
        shown = contract_of(self.agent).digest
        return [
            lambda: probation.propose_promotion(**told),
            lambda: probation.demote_agent(**told, to="probation"),
            lambda: probation.demote_agent(**told, to="read_only"),
            lambda: attesting.attest_agent(**told, still_needed=True, digest=shown),
            lambda: sponsors.propose_takeover(**told),
            *(
                lambda to=to: lifecycle.set_autonomy(**told, autonomy=to)
                for to in ("read_only", "hold_writes", "by_contract")
            ),
            lambda: lifecycle.propose_reassignment(**told, changes_wanted={"attest_by": date(2099, 1, 1)}),
            lambda: lifecycle.activate_agent(**told),
            lambda: terms.set_terms(**terms_of, values={"attest_grace_days": 3000, "probation_days": 0}),
            lambda: terms.set_terms(**terms_of, values={"attest_grace_days": 0}),
            lambda: people.update_person(
                actor=self.actor, person=sponsor, changes={"is_active": not sponsor.is_active}, reason=WHY
            ),
            self.decide_all,
        ]

    def decide_all(self) -> None:
        """Try to be the second person of all one has proposed oneself."""
        for change in ChangeRequest.objects.filter(state="pending"):
            with pytest.raises(Refusal):
                changes.apply_change(actor=self.actor, change_request=change, reason=WHY)


BEGINNINGS: dict[str, dict[str, Any]] = {
    "free": {},
    "on probation": {"probation_since": "2026-01-01T00:00Z", "probation_until": "2026-02-01"},
    "overdue, and the clock has not come": {"attest_by": "2020-01-01"},
    "within its grace": {"attest_by": "yesterday"},
    "read only": {"autonomy": "read_only"},
}


@pytest.mark.parametrize("beginning", [*BEGINNINGS, "its sponsor left by a back door"])
@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.full) for seed in range(2, 12))])
def test_by_no_sequence_of_the_verbs_of_its_life_one_person_gives_an_agent_more(
    house: House, alice: Any, beginning: str, seed: int
) -> None:
    grant_operation(actor=Actor.system("tests"), operation=house.operation, agent=house.agent, reason=WHY)
    posts = Operation.objects.get(code="fake.invoice.post")
    grant_operation(actor=Actor.system("tests"), operation=posts, agent=house.agent, reason=WHY)
    begins = dict(BEGINNINGS.get(beginning, {}))
    if begins.get("attest_by") == "yesterday":
        begins["attest_by"] = timezone.now().date() - timedelta(days=1)
    Agent.objects.filter(pk=house.agent.pk).update(sponsor=house.person if seed % 2 else alice, **begins)
    if beginning not in BEGINNINGS:
        Agent.objects.filter(pk=house.agent.pk).update(sponsor=alice)
        User.objects.filter(pk=alice.pk).update(is_active=False)
    one, tries = OneLife(house.person, Agent.objects.get(pk=house.agent.pk)), random.Random(seed)
    had = one.power()
    for _ in range(12):
        verb = tries.choice(one.verbs())
        with contextlib.suppress(Refusal):
            verb()
        has = one.power()
        assert all(now <= then for now, then in zip(has, had, strict=True)), (had, has)
        had = has
