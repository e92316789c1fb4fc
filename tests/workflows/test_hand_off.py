"""A task passed on: to another agent, to a role, to people and back, and never round in circles."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections

from agents.models import Agent
from agents.services import lifecycle
from audit.models import Event
from audit.vocabulary import Refusal
from tests.workflows.conftest import new_agent, signed_in
from tests.workflows.held import code, rita, task
from tests.workflows.test_runs import step
from tests.workflows.test_task_api import human_work, work
from workflows.runs import services as runs
from workflows.tasks import services
from workflows.tasks.models import Task
from workflows.tasks.selectors import waiting_for

__all__ = ["rita", "task"]
pytestmark = pytest.mark.usefixtures("hints")
database = pytest.mark.django_db


def hand(
    task: Task, who: Any, to: dict[str, str], *, epoch: int = 0, why: str = "It is not mine to judge"
) -> Any:
    body = {"epoch": epoch or Task.objects.get(pk=task.pk).epoch, "to": to, "reason": why}
    return signed_in(who).post(f"/api/v1/tasks/{task.pk}/hand-off", body, format="json")


def take(task: Task, who: Any) -> Task:
    return services.claim_task(actor=who.as_actor(), task_id=task.pk)


@database
def test_another_agent_goes_on_and_the_old_holder_is_stale(task: Task, clerk: Agent, rita: Agent) -> None:
    answer = hand(task, clerk.user, {"agent": "rita"})
    assert answer.status_code == 200, answer.content
    assert (answer.json()["state"], answer.json()["epoch"]) == ("open", 2)
    assert services.claim_next(actor=clerk.user.as_actor()) == []
    late = {"epoch": 1, "answer": {"kind": "order"}}
    path = f"/api/v1/tasks/{task.pk}/complete"
    assert code(signed_in(clerk.user).post(path, late, format="json")) == (409, "task_stale")
    (found,) = services.claim_next(actor=rita.user.as_actor())
    assert (found.pk, found.epoch) == (task.pk, 3)
    passing = signed_in(rita.user).get(f"/api/v1/tasks/{task.pk}").json()["passed_on"]
    assert [(it["how"], it["from"], it["to"], it["reason"]) for it in passing] == [
        ("handed_off", ["Robo"], ["Rita"], "It is not mine to judge")
    ]
    told = Event.objects.get(verb="tasks.task_handed_off")
    assert (told.reason, told.run_id) == ("It is not mine to judge", task.references["run_id"])


@database
def test_it_does_not_come_back_without_a_person(task: Task, clerk: Agent, rita: Agent, bob: Any) -> None:
    hand(task, clerk.user, {"role": "bookkeeper"})
    assert services.claim_next(actor=clerk.user.as_actor()) == []
    services.claim_next(actor=rita.user.as_actor())
    assert code(hand(task, rita.user, {"agent": "robo"})) == (409, "hands_it_back")
    assert code(hand(task, rita.user, {"agent": "rita"})) == (409, "hands_it_back")
    assert code(hand(task, rita.user, {"role": "bookkeeper"})) == (403, "not_eligible")
    assert hand(task, rita.user, {"group": "Approvers"}).status_code == 200
    take(task, bob)
    assert hand(task, bob, {"agent": "robo"}).status_code == 200
    (found,) = services.claim_next(actor=clerk.user.as_actor())
    assert (found.pk, found.kind, len(found.passed_on)) == (task.pk, "agent_work", 3)


@database
def test_people_answer_by_the_same_schema_and_the_run_goes_on(task: Task, clerk: Agent, bob: Any) -> None:
    hand(task, clerk.user, {"group": "Approvers"})
    task.refresh_from_db()
    assert (task.kind, task.role, set(waiting_for(bob))) == ("human_work", None, {task})
    page = signed_in(bob)
    page.force_login(bob)
    html = page.get(f"/inbox/work/{task.pk}/").content.decode()
    assert 'name="answer-kind"' in html
    assert "It is not mine to judge" in html
    held = take(task, bob)
    with pytest.raises(Refusal) as refused:
        services.complete_task(actor=bob.as_actor(), task_id=task.pk, epoch=held.epoch, answer={"odd": 1})
    assert refused.value.code == "invalid_answer"
    services.complete_task(
        actor=bob.as_actor(), task_id=task.pk, epoch=held.epoch, answer={"kind": "chat", "pages": 1}
    )
    runs.tick()
    run = task.step.run
    run.refresh_from_db()
    assert (run.state, step(run, "read").agent) == ("done", None)


@database
def test_one_person_may_be_named_and_nobody_else_is_asked(
    task: Task, clerk: Agent, alice: Any, bob: Any, mallory: Any
) -> None:
    assert code(hand(task, clerk.user, {"person": "mallory"})) == (403, "not_eligible")
    assert hand(task, clerk.user, {"person": "bob"}).status_code == 200
    assert set(waiting_for(bob)) == {task}
    assert task not in waiting_for(alice)


@database
@pytest.mark.parametrize(
    "to",
    [
        {"role": "pilot"},
        {"agent": "nobody"},
        {"group": "Auditors"},
        {"group": "role: bookkeeper"},
        {"person": "x"},
    ],
)
def test_only_those_who_take_part_may_get_it(task: Task, clerk: Agent, to: dict[str, str]) -> None:
    answer = hand(task, clerk.user, to)
    assert code(answer) == (403, "not_eligible")
    assert "bookkeeper" in answer.json()["next"]
    task.refresh_from_db()
    assert (task.state, task.epoch, task.passed_on) == ("claimed", 1, [])


@database
def test_an_agent_that_may_not_work_gets_nothing(task: Task, clerk: Agent, rita: Agent, alice: Any) -> None:
    lifecycle.pause_agent(actor=alice.as_actor(), agent=rita, reason="set up for a test")
    assert code(hand(task, clerk.user, {"agent": "rita"})) == (403, "not_eligible")


@database
def test_it_is_passed_on_so_often_and_no_more(task: Task, clerk: Agent, bob: Any) -> None:
    hand(task, clerk.user, {"group": "Approvers"})
    for _ in range(4):
        take(task, bob)
        assert hand(task, bob, {"group": "Approvers"}).status_code == 200
    take(task, bob)
    assert code(hand(task, bob, {"group": "Approvers"})) == (409, "handed_off_too_often")


@database
def test_what_is_wrong_is_refused_in_words(task: Task, clerk: Agent) -> None:
    assert code(hand(task, clerk.user, {}))[0] == 422
    assert code(hand(task, clerk.user, {"agent": "rita", "group": "Approvers"}))[0] == 422
    assert code(hand(task, clerk.user, {"agent": "rita"}, why=" "))[0] == 422
    assert code(hand(task, clerk.user, {"agent": "rita"}, epoch=7)) == (409, "task_stale")


@database
def test_work_of_no_run_stays_among_its_role_and_groups(robo: Agent, rita: Agent, dave: Any, bob: Any) -> None:
    of_agents, of_people = work(robo), human_work()
    services.claim_next(actor=robo.user.as_actor())
    assert code(hand(of_agents, robo.user, {"group": "Operators"})) == (403, "not_eligible")
    assert hand(of_agents, robo.user, {"agent": "rita"}).status_code == 200
    take(of_people, dave)
    assert hand(of_people, dave, {"group": "Operators"}).status_code == 200


def test_two_claims_against_a_hand_off(live_db: Any, alice: Any) -> None:
    """Whoever comes when: one gets it after the hand-off, the other nothing, and the old claim is over."""
    robo, others = new_agent(alice), [new_agent(alice, name) for name in ("rita", "rolf")]
    task = work(robo)
    services.claim_next(actor=robo.user.as_actor())

    def closing(deed: Callable[[], Any]) -> Any:
        try:
            return deed()
        except Refusal as refusal:
            return refusal.code
        finally:
            connections.close_all()

    def claim(agent: Agent) -> list[Task]:
        for _ in range(200):
            if found := services.claim_next(actor=agent.user.as_actor()):
                return found
            if Task.objects.get(pk=task.pk).epoch >= 3:
                break
        return []

    def pass_on() -> Any:
        to = {"role": "bookkeeper"}
        return services.hand_off_task(
            actor=robo.user.as_actor(), task_id=task.pk, epoch=1, to=to, reason="it is not mine"
        )

    with ThreadPoolExecutor(3) as pool:
        claims = [pool.submit(closing, lambda agent=agent: claim(agent)) for agent in others]
        handed = pool.submit(closing, pass_on).result()
        taken = [found for claimed in claims for found in claimed.result()]
    assert (handed.epoch, len(taken), taken[0].epoch) == (2, 1, 3)
    with pytest.raises(Refusal) as refused:
        services.complete_task(actor=robo.user.as_actor(), task_id=task.pk, epoch=1, answer={"total": 1})
    assert refused.value.code == "task_stale"
