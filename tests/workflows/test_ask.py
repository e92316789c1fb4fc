"""One asks, others answer: the question is a task of its own, and the answer comes back to whoever asked."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.db import connections
from django.db.models.functions import Now
from django.test import Client

from agents.models import Agent
from audit.models import Event
from tests.workflows.conftest import new_agent, signed_in
from tests.workflows.held import code, rita, task
from tests.workflows.test_runs import begun, publish
from tests.workflows.test_task_api import work
from workflows.runs import services as runs
from workflows.runs.models import Run, Step
from workflows.tasks import broadcast, services
from workflows.tasks.models import Task
from workflows.tasks.selectors import database_now, waiting_for

__all__ = ["rita", "task"]
pytestmark = pytest.mark.usefixtures("hints")
database = pytest.mark.django_db
PRICE = {
    "type": "object",
    "additionalProperties": False,
    "required": ["pieces"],
    "properties": {"pieces": {"type": "integer"}},
}


def ask(task: Task, who: Any, to: dict[str, str] | None = None, **more: Any) -> Any:
    body = {"epoch": Task.objects.get(pk=task.pk).epoch, "question": "How many <b>pieces</b>?", **more}
    body["to"] = to or {"group": "Approvers"}
    return signed_in(who).post(f"/api/v1/tasks/{task.pk}/ask", body, format="json")


def answer(question: Task, who: Any, **said: Any) -> None:
    held = services.claim_task(actor=who.as_actor(), task_id=question.pk)
    services.complete_task(actor=who.as_actor(), task_id=question.pk, epoch=held.epoch, answer=said)


@database
def test_people_answer_and_the_asker_goes_on_with_it(task: Task, clerk: Agent, bob: Any, carol: Any) -> None:
    asked = ask(task, clerk.user)
    assert asked.status_code == 200, asked.content
    assert (asked.json()["state"], asked.json()["answers"][0]["state"]) == ("claimed", "open")
    (question,) = waiting_for(bob)
    assert (question.kind, question.asked_for) == ("question", task)
    page = Client()
    page.force_login(bob)
    html = page.get(f"/inbox/work/{question.pk}/").content.decode()
    assert "How many &lt;b&gt;pieces&lt;/b&gt;?" in html
    assert 'name="answer-answer"' in html
    assert page.get("/inbox/").status_code == 200
    answer(question, bob, answer="four")
    (told,) = signed_in(clerk.user).get(f"/api/v1/tasks/{task.pk}").json()["answers"]
    assert (told["state"], told["answer"], told["answered_by"]) == ("done", {"answer": "four"}, "bob")
    assert told["question"] == "How many <b>pieces</b>?"
    page.force_login(carol)
    html = page.get(f"/runs/{task.references['run_id']}/").content.decode()
    assert "Asked: “How many &lt;b&gt;pieces&lt;/b&gt;?” Bob answered: Answer four" in html
    verbs = list(Event.objects.filter(subject_id=str(task.pk)).order_by("id").values_list("verb", flat=True))
    assert verbs[-1] == "tasks.question_asked"


@database
def test_who_answered_is_behind_what_the_run_asks_for(task: Task, clerk: Agent, bob: Any) -> None:
    from workflows.actions.models import Action
    from workflows.runs.selectors import people_behind

    ask(task, clerk.user)
    answer(*waiting_for(bob), bob, answer="four")
    assert str(bob.pk) in people_behind(Action(references=task.references))


@database
def test_an_agent_sees_the_question_and_nothing_of_the_run(task: Task, clerk: Agent, rita: Agent) -> None:
    ask(task, clerk.user, {"role": "bookkeeper"}, schema=PRICE)
    assert services.claim_next(actor=clerk.user.as_actor()) == []
    claimed = signed_in(rita.user).post("/api/v1/tasks/claim", {"most": 5}, format="json").json()["tasks"]
    (shown,) = claimed
    assert shown["input"] == {"question": "How many <b>pieces</b>?", "asked_by": "Robo"}
    assert (shown["run"], shown["documents"], shown["workflow"]) == (None, [], "")
    assert task.title not in str(shown)
    assert signed_in(rita.user).get(f"/api/v1/tasks/{task.pk}").status_code == 404
    assert signed_in(rita.user).get("/api/v1/runs").json()["results"] == []
    assert code(ask(Task.objects.get(pk=shown["id"]), rita.user)) == (409, "cannot_ask")
    services.complete_task(actor=rita.user.as_actor(), task_id=shown["id"], epoch=1, answer={"pieces": 4})
    told = signed_in(clerk.user).get(f"/api/v1/tasks/{task.pk}").json()["answers"]
    assert [it["answer"] for it in told] == [{"pieces": 4}]


@database
def test_whoever_waits_gives_it_back_and_gets_it_again_with_the_answer(
    task: Task, clerk: Agent, bob: Any
) -> None:
    waiting = ask(task, clerk.user, wait=True).json()
    question = Task.objects.get(kind="question")
    assert (waiting["state"], waiting["waits_for"]) == ("open", f"tasks.task:{question.pk}")
    assert services.claim_next(actor=clerk.user.as_actor()) == []
    answer(question, bob, answer="four")
    (again,) = services.claim_next(actor=clerk.user.as_actor())
    assert (again.pk, again.epoch) == (task.pk, 2)


@database
def test_waiting_may_come_later_and_for_its_own_question_only(
    task: Task, clerk: Agent, bob: Any, robo: Agent
) -> None:
    ask(task, clerk.user)
    question = Task.objects.get(kind="question")
    path = f"/api/v1/tasks/{task.pk}/release"
    other = {"epoch": 1, "wait_for_question": str(task.pk)}
    assert signed_in(clerk.user).post(path, other, format="json").status_code == 422
    mine = {"epoch": 1, "wait_for_question": str(question.pk)}
    assert signed_in(clerk.user).post(path, mine, format="json").json()["waits_for"] != ""


@database
def test_a_question_ends_with_the_task_that_asks(task: Task, clerk: Agent, bob: Any) -> None:
    ask(task, clerk.user)
    services.complete_task(
        actor=clerk.user.as_actor(), task_id=task.pk, epoch=1, answer={"kind": "chat", "pages": 1}
    )
    assert Task.objects.get(kind="question").state == "cancelled"
    runs.tick()
    assert not Task.objects.filter(state__in=Task.WAITING).exists()


@database
def test_a_question_that_nobody_answers_expires_and_wakes_the_asker(task: Task, clerk: Agent, bob: Any) -> None:
    ask(task, clerk.user, wait=True, within_seconds=60)
    Task.objects.filter(kind="question").update(due_at=Now())
    assert services.sweep_questions() == 1
    (again,) = services.claim_next(actor=clerk.user.as_actor())
    (told,) = signed_in(clerk.user).get(f"/api/v1/tasks/{again.pk}").json()["answers"]
    assert (told["state"], told["answer"]) == ("expired", None)


@database
def test_a_question_waits_as_long_as_ever_while_its_run_is_paused(task: Task, clerk: Agent, alice: Any) -> None:
    ask(task, clerk.user, within_seconds=60)
    run, actor = Run.objects.get(), alice.as_actor()
    runs.steer_run(actor=actor, run=run, verb=runs.Pause(), reason="wait a while")
    hour_ago = Now() - timedelta(hours=1)
    Task.objects.filter(kind="question").update(created_at=hour_ago, due_at=hour_ago + timedelta(seconds=60))
    Step.objects.update(clock_stopped_at=hour_ago)
    Task.objects.filter(pk=task.pk).update(clock_stopped_at=hour_ago)
    assert services.sweep_questions() == 0
    runs.steer_run(actor=actor, run=run, verb=runs.Resume(), reason="go on")
    assert services.sweep_questions() == 0
    left = Task.objects.get(kind="question").due_at - database_now()
    assert timedelta(seconds=30) < left <= timedelta(seconds=60)


@database
def test_what_a_lost_moment_left_open_is_swept(task: Task, clerk: Agent) -> None:
    ask(task, clerk.user)
    Task.objects.filter(pk=task.pk).update(state="cancelled", closed_at=Now(), claimed_by=None)
    assert services.sweep_questions() == 1
    assert services.sweep_questions() == 0


@database
def test_questions_are_bounded_and_held_to_the_rules(task: Task, clerk: Agent) -> None:
    assert code(ask(task, clerk.user, {"group": "Auditors"})) == (403, "not_eligible")
    assert code(ask(task, clerk.user, {"agent": "robo"})) == (409, "hands_it_back")
    assert code(ask(task, clerk.user, question=" \u200b "))[0] == 422
    assert code(ask(task, clerk.user, schema={"type": "array"})) == (422, "question_invalid")
    for _ in range(5):
        assert ask(task, clerk.user).status_code == 200
    assert code(ask(task, clerk.user)) == (409, "too_many_questions")


@database
def test_a_person_who_has_work_may_ask_an_agent(clerk: Agent, rita: Agent, alice: Any, bob: Any) -> None:
    publish(alice, bob)
    begun(alice)
    (task,) = services.claim_next(actor=clerk.user.as_actor())
    services.hand_off_task(
        actor=clerk.user.as_actor(), task_id=task.pk, epoch=1, to={"group": "Approvers"}, reason="I cannot"
    )
    services.claim_task(actor=bob.as_actor(), task_id=task.pk)
    assert ask(task, bob, {"agent": "rita"}).status_code == 200
    (question,) = services.claim_next(actor=rita.user.as_actor())
    assert question.input["asked_by"] == bob.as_actor().label


def test_whoever_listens_hears_of_the_answer_at_once(live_db: Any, alice: Any, bob: Any) -> None:
    from autonomy import asgi

    robo = new_agent(alice)
    task = work(robo)
    services.claim_next(actor=robo.user.as_actor())
    rita = new_agent(alice, "rita")
    question = services.ask_question(
        actor=robo.user.as_actor(), task_id=task.pk, epoch=1, question="How many?", to={"agent": "rita"}
    )
    signed = Client()
    signed.force_login(robo.user)
    cookies = {name: morsel.value for name, morsel in signed.cookies.items()}

    def say() -> None:
        answer(question, rita.user, answer="four")
        connections.close_all()

    async def story() -> tuple[Any, float]:
        transport = httpx.ASGITransport(app=asgi.http)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            path = f"/api/v1/tasks/{task.pk}?wait=30"
            waiting = asyncio.create_task(client.get(path, cookies=cookies, timeout=60))
            await asyncio.sleep(1.0)
            assert not waiting.done()
            await asyncio.to_thread(say)
            said = time.monotonic()
            return await waiting, time.monotonic() - said

    heard, seconds = asyncio.run(story())
    assert heard.json()["answers"][0]["answer"] == {"answer": "four"}
    assert seconds < 20
    assert broadcast.channel_of_task(task.pk).endswith(str(task.pk))
