"""Nobody approves what they asked for, wrote, or proposed, nor through somebody else."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group

from agents.models import Policy
from agents.services import policies
from audit.vocabulary import Refusal
from tests.workflows.conftest import ask, hold_above
from tests.workflows.test_approvals import vote
from tests.workflows.test_runs import begun, claim, publish
from workflows.approvals import services
from workflows.approvals.models import Approval
from workflows.approvals.selectors import company_day

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("holds", "hints")]


def refused(user: Any, approval: Approval, **more: Any) -> str:
    with pytest.raises(Refusal) as found:
        vote(user, approval, **more)
    return found.value.code


def hand_on(giver: Any, delegate: Any) -> None:
    today = company_day()
    services.give_delegation(
        actor=giver.as_actor(), delegate=delegate, first_day=today, last_day=today, reason="on holiday"
    )


def test_who_wrote_the_step_decides_nothing_an_agent_asks_in_it(
    clerk: Any, alice: Any, bob: Any, carol: Any, dave: Any
) -> None:
    """Alice wrote the workflow, Dave started it; the agent asks by itself in the work it was given."""
    publish(alice, bob)
    begun(dave)
    task = claim(clerk)
    hold_above(10_000)
    approval = ask(clerk, minor=20_000, task_id=str(task.pk), task_epoch=task.epoch).approval
    for person in (alice, dave, carol):
        person.groups.add(Group.objects.get(name="Approvers"))
    assert refused(alice, approval) == "four_eyes"
    assert refused(dave, approval) == "four_eyes"
    hand_on(alice, carol)
    assert refused(carol, approval, on_behalf_of=str(alice.pk)) == "four_eyes"
    hand_on(bob, alice)
    assert refused(alice, approval, on_behalf_of=str(bob.pk)) == "four_eyes"
    vote(carol, approval)
    approval.refresh_from_db()
    assert approval.state == "approved"


def test_who_proposed_a_change_of_a_rule_does_not_decide_on_it(
    clerk: Any, alice: Any, bob: Any, carol: Any
) -> None:
    rule = hold_above(10_000, step_up=True)
    assert rule.policy == Policy.objects.get(code="company")
    policies.propose_rule_change(
        actor=alice.as_actor(), rule=rule, changes={"step_up": False}, reason="it takes too long"
    )
    approval = Approval.objects.get(subject_kind="agents.changerequest")
    for person in (alice, carol):
        person.groups.add(Group.objects.get(name="Approvers"))
    assert refused(alice, approval) == "four_eyes"
    hand_on(bob, alice)
    assert refused(alice, approval, on_behalf_of=str(bob.pk)) == "four_eyes"
    hand_on(alice, carol)
    assert refused(carol, approval, on_behalf_of=str(alice.pk)) == "four_eyes"
    vote(bob, approval)
    rule.refresh_from_db()
    assert rule.step_up is False
