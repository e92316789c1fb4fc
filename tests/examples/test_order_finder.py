"""The agent that asks and passes on, against the portal itself; only the ERP is not there."""

from __future__ import annotations

from typing import Any

import order_finder
import portal as agent_portal
import pytest

from tests.workflows.conftest import book, clerk, fake, hints, robo, signed_in
from tests.workflows.test_runs import begun, step
from tests.workflows.test_runs_frames import publish
from workflows.runs.models import Run
from workflows.tasks import services
from workflows.tasks.models import Task

__all__ = ["book", "clerk", "fake", "hints", "robo"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("hints")]
FIND: dict[str, Any] = {
    "kind": "agent",
    "role": "bookkeeper",
    "give": {"invoice": '{"number": "RE-1", "seller": {"name": "Elbe Castings AG"}}', "supplier": '"SUP-002"'},
    "answer": order_finder.ORDER,
    "next": "look",
}
LOOK = {"kind": "human", "groups": ["Approvers"], "due_seconds": 600, "form": {"type": "object",
        "additionalProperties": False, "properties": {}}, "next": "done"}  # fmt: skip
QUESTION = "Which order is invoice RE-1 of Elbe Castings AG for?"


class Here(agent_portal.Portal):
    """The portal without the network between: the same requests, answered in the transaction of the test."""

    def __init__(self, user: Any) -> None:
        self.client = signed_in(user)

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        reply = getattr(self.client, method.lower())(path.partition("?")[0], body, format="json")
        return agent_portal.Answer(reply.status_code, reply.json() if reply.content else {})


@pytest.fixture
def agent(clerk: Any, monkeypatch: Any) -> Here:
    """The order finder at work, and an ERP that has one order."""
    monkeypatch.setattr(order_finder, "known_order", lambda task, number, _: number if number == "PO-7" else "")
    return Here(clerk.user)


@pytest.fixture
def run(clerk: Any, alice: Any, bob: Any) -> Run:
    publish(alice, bob, "find", find=FIND, look=LOOK)
    return begun(alice)


def works(agent: Here) -> list[Any]:
    """Let the agent do what there is for it; return what it was given."""
    given = agent_portal.claim(agent)
    for facts in given:
        agent_portal.do(order_finder.work, agent_portal.Task(agent, facts))
    return given


def answers(bob: Any, order: str) -> None:
    (question,) = Task.objects.filter(kind="question", state="open")
    assert question.input["question"] == QUESTION
    held = services.claim_task(actor=bob.as_actor(), task_id=question.pk)
    said = {"order": order}
    services.complete_task(actor=bob.as_actor(), task_id=question.pk, epoch=held.epoch, answer=said)


def test_what_is_missing_is_asked_for_and_the_answer_is_checked(agent: Here, run: Run, bob: Any) -> None:
    assert len(works(agent)) == 1
    assert works(agent) == []  # nobody sits and waits for people
    answers(bob, "PO-7")
    assert len(works(agent)) == 1
    assert (step(run, "find").task.state, step(run, "find").task.answer) == ("done", {"order": "PO-7"})


def test_what_nobody_knows_is_passed_on_with_what_was_heard(agent: Here, run: Run, bob: Any) -> None:
    works(agent)
    answers(bob, "PO-8")
    works(agent)
    task = step(run, "find").task
    assert (task.state, task.kind) == ("open", "human_work")
    (passed,) = signed_in(bob).get(f"/api/v1/tasks/{task.pk}").json()["passed_on"]
    assert passed["note"] == "It was asked for, and the answer was PO-8."
    assert "no order that invoice RE-1" in passed["reason"]
