"""An agent that is told to finish gets nothing new, may hand in what it has, and is paused then."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from agents.models import Agent
from agents.services import lifecycle
from audit.models import Event
from audit.vocabulary import Refusal
from tests.workflows.test_task_api import work
from workflows.actions.services import sweep_due
from workflows.runs.services.routing import Roster
from workflows.tasks import services as tasks
from workflows.tasks.models import Task

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("hints")]
WHY = "its answers look odd"


def finish(actor: Any, agent: Agent, seconds: int = 60) -> Agent:
    return lifecycle.let_finish(actor=actor.as_actor(), agent=agent, seconds=seconds, reason=WHY)


def let_time_pass(agent: Agent) -> None:
    Agent.objects.filter(pk=agent.pk).update(pause_at=Now() - timedelta(seconds=1))


def test_it_gets_nothing_new_and_hands_in_what_it_has(clerk: Any, dave: Any) -> None:
    work(clerk)
    other = work(clerk)
    actor = clerk.user.as_actor()
    (task,) = tasks.claim_next(actor=actor)
    finish(dave, clerk)
    assert tasks.claim_next(actor=actor) == []
    with pytest.raises(Refusal) as refused:
        tasks.claim_task(actor=actor, task_id=other.pk)
    assert refused.value.code == "agent_finishing"
    tasks.heartbeat_task(actor=actor, task_id=task.pk, epoch=task.epoch)
    kept = tasks.claim_task(actor=actor, task_id=task.pk)
    tasks.complete_task(actor=actor, task_id=task.pk, epoch=kept.epoch, answer={"total": 1})
    assert sweep_due()["agents_finished"] == 1, "nothing is left in its hands"
    clerk.refresh_from_db()
    assert (clerk.brake, clerk.pause_at) == ("paused", None)


def test_what_it_still_has_when_its_time_is_over_is_taken_back(clerk: Any, dave: Any) -> None:
    work(clerk)
    actor = clerk.user.as_actor()
    (task,) = tasks.claim_next(actor=actor)
    finish(dave, clerk)
    assert sweep_due()["agents_finished"] == 0
    let_time_pass(clerk)
    assert sweep_due()["agents_finished"] == 1
    after = Task.objects.get(pk=task.pk)
    assert (after.state, after.claimed_by) == ("open", None)
    with pytest.raises(Refusal) as refused:
        tasks.complete_task(actor=actor, task_id=task.pk, epoch=task.epoch, answer={"total": 1})
    assert refused.value.code == "task_stale"
    paused = Event.objects.get(verb="agents.agent_paused", agent_id=str(clerk.pk))
    assert paused.reason == WHY
    assert paused.payload.data["before"]["pause_at"]
    assert Event.objects.filter(verb="tasks.task_released", code="agent_paused").count() == 1


def test_a_manager_lets_it_go_on_before(clerk: Any, alice: Any, dave: Any) -> None:
    finish(dave, clerk)
    lifecycle.lift_brake(actor=alice.as_actor(), agent=clerk, reason="it was a false alarm")
    clerk.refresh_from_db()
    assert clerk.pause_at is None
    work(clerk)
    assert len(tasks.claim_next(actor=clerk.user.as_actor())) == 1


def test_work_is_not_kept_for_it_meanwhile(clerk: Any, dave: Any) -> None:
    finish(dave, clerk)
    agent, choice = Roster().look_at(role=clerk.role.code, department="", workflow_id="")
    assert agent is None
    assert "finishes what it has" in choice.because


@pytest.mark.parametrize("seconds", [0, 4, 86_401])
def test_the_time_is_bounded(clerk: Any, dave: Any, seconds: int) -> None:
    with pytest.raises(Refusal) as refused:
        finish(dave, clerk, seconds)
    assert refused.value.code == "time_unfit"


def test_who_may_not_pause_may_not_let_finish(clerk: Any, bob: Any, dave: Any) -> None:
    with pytest.raises(Refusal) as refused:
        finish(bob, clerk)
    assert refused.value.code == "permission_missing"
    lifecycle.pause_agent(actor=dave.as_actor(), agent=clerk, reason=WHY)
    with pytest.raises(Refusal) as refused:
        finish(dave, clerk)
    assert refused.value.code == "brake_already_on"
