from __future__ import annotations

import asyncio
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from django.contrib.auth.models import Group
from django.db import connections
from django.db.models.functions import Now
from django.test import Client

from agents.models import Agent, OAuthApplication, Role
from agents.services import lifecycle
from audit.models import Event
from audit.vocabulary import Ref
from tests.workflows.conftest import TESTS, ask, hold_above, new_agent, signed_in
from workflows.actions.services import withdraw_action
from workflows.tasks import services
from workflows.tasks.models import Task

TASKS = "/api/v1/tasks"
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["total"],
    "properties": {
        "total": {"type": "integer", "minimum": 0},
        "note": {"type": "string", "format": "free-text", "maxLength": 20},
    },
}


def work(agent: Agent, **more: Any) -> Task:
    given = {"kind": Task.Kind.AGENT_WORK, "title": "Read it", "answer_schema": SCHEMA, "work": {"page": 1}}
    return services.open_task(
        actor=TESTS, subject=Ref("tests.thing", str(uuid.uuid4())), role=agent.role, **{**given, **more}
    )


def human_work(group: str = "Operators", **more: Any) -> Task:
    given = {"kind": Task.Kind.HUMAN_WORK, "title": "Settle it", "answer_schema": SCHEMA}
    return services.open_task(
        actor=TESTS,
        subject=Ref("tests.thing", str(uuid.uuid4())),
        groups=Group.objects.filter(name=group),
        **{**given, **more},
    )


def post(user: Any, path: str, data: Any = None) -> Any:
    return signed_in(user).post(f"{TASKS}/{path}", data or {}, format="json")


def claim(user: Any, **more: Any) -> list[dict[str, Any]]:
    answer = post(user, "claim", more)
    assert answer.status_code == 200, answer.content
    tasks: list[dict[str, Any]] = answer.json()["tasks"]
    return tasks


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


@pytest.mark.django_db
def test_an_agent_claims_works_and_answers(robo: Agent) -> None:
    task = work(robo, body="The first page only.", priority=2)
    assert claim(robo.user, most=5, lease_seconds=30)[0] | {"lease_until": ""} == {
        **signed_in(robo.user).get(f"{TASKS}/{task.pk}").json(),
        "lease_until": "",
    }
    mine = signed_in(robo.user).get(f"{TASKS}/{task.pk}").json()
    expected = {
        "kind": "agent_work",
        "title": "Read it",
        "body": "The first page only.",
        "state": "claimed",
        "claimed_by": "robo",
        "role": "bookkeeper",
        "epoch": 1,
        "input": {"page": 1},
        "answer_schema": SCHEMA,
        "attempt": 1,
        "key": str(task.pk),
        "workflow": "",
        "run": None,
        "node": "",
        "documents": [],
        "priority": 2,
        "answer": None,
    }
    assert {name: mine[name] for name in expected} == expected
    beat = post(robo.user, f"{task.pk}/heartbeat", {"epoch": 1, "lease_seconds": 90, "progress": "page 1 of 1"})
    assert beat.json()["progress"] == "page 1 of 1"
    assert beat.json()["lease_until"] > mine["lease_until"]
    done = post(robo.user, f"{task.pk}/complete", {"epoch": 1, "answer": {"total": 7}})
    assert (done.status_code, done.json()["state"], done.json()["answer"]) == (200, "done", {"total": 7})
    assert claim(robo.user) == []


@pytest.mark.django_db
def test_an_answer_that_does_not_fit_is_refused_with_pointers_and_the_task_stays(robo: Agent) -> None:
    task = work(robo)
    claim(robo.user)
    answer = post(robo.user, f"{task.pk}/complete", {"epoch": 1, "answer": {"total": -1, "odd": True}})
    assert code(answer) == (422, "invalid_answer")
    assert "/total" in {error["pointer"] for error in answer.json()["errors"]}
    assert "still yours" in answer.json()["next"]
    assert post(robo.user, f"{task.pk}/complete", {"epoch": 1}).status_code == 422
    assert post(robo.user, f"{task.pk}/complete", {"epoch": 1, "answer": {"total": 1}}).status_code == 200


@pytest.mark.django_db
def test_a_reply_that_was_lost_may_be_asked_for_again(robo: Agent) -> None:
    task = work(robo)
    claim(robo.user)
    for _ in range(2):
        answer = post(robo.user, f"{task.pk}/complete", {"epoch": 1, "answer": {"total": 1}})
        assert (answer.status_code, answer.json()["state"]) == (200, "done")
    other = post(robo.user, f"{task.pk}/complete", {"epoch": 1, "answer": {"total": 2}})
    assert code(other) == (409, "task_closed")
    assert Event.objects.filter(verb="tasks.task_completed").count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("verb", "more"),
    [
        ("heartbeat", {}),
        ("complete", {"answer": {"total": 1}}),
        ("fail", {"code": "odd", "message": "odd", "retry": True}),
        ("release", {}),
    ],
)
def test_who_lost_a_claim_moves_nothing_any_more(robo: Agent, alice: Any, verb: str, more: Any) -> None:
    second = new_agent(alice, "second")
    task = work(robo)
    claim(robo.user)
    Task.objects.filter(pk=task.pk).update(lease_until=Now())
    services.release_lapsed()
    assert claim(second.user)[0]["epoch"] == 2
    assert code(post(robo.user, f"{task.pk}/{verb}", {"epoch": 1, **more})) == (409, "task_stale")
    assert post(robo.user, f"{task.pk}/{verb}", {"epoch": 2, **more}).status_code == 403
    assert code(post(robo.user, f"{task.pk}/claim", {})) == (409, "task_taken")
    assert signed_in(robo.user).get(f"{TASKS}/{task.pk}").status_code == 404
    assert Task.objects.get(pk=task.pk).claimed_by == second.user


@pytest.mark.django_db
def test_a_failure_is_tried_again_later_and_ends_with_its_attempts(robo: Agent) -> None:
    task = work(robo, most_attempts=2)
    failure = {"code": "busy", "message": "The page would not open.", "retry": True, "detail": {"page": 1}}
    claim(robo.user)
    once = post(robo.user, f"{task.pk}/fail", {"epoch": 1, **failure}).json()
    assert (once["state"], once["attempt"], once["failure"]["code"]) == ("open", 2, "busy")
    assert post(robo.user, f"{task.pk}/fail", {"epoch": 1, **failure}).json() == once  # the reply was lost
    other = {**failure, "message": "Something else."}
    assert post(robo.user, f"{task.pk}/fail", {"epoch": 1, **other}).status_code == 403
    assert claim(robo.user) == []
    Task.objects.filter(pk=task.pk).update(available_at=Now())
    assert claim(robo.user)[0]["epoch"] == 2
    assert post(robo.user, f"{task.pk}/fail", {"epoch": 2, **failure}).json()["state"] == "failed"


@pytest.mark.django_db
def test_a_failure_that_no_retry_helps_is_final(robo: Agent) -> None:
    task = work(robo)
    claim(robo.user)
    body = {"epoch": 1, "code": "malformed", "message": "Line 3 is cut off.", "retry": False}
    told = post(robo.user, f"{task.pk}/fail", body).json()
    assert (told["state"], told["failure"]["code"]) == ("failed", "malformed")
    assert post(robo.user, f"{task.pk}/fail", body).json() == told
    for wrong in ({"code": "Not A Word"}, {"message": ""}, {"retry": "perhaps"}, {"detail": []}):
        assert post(robo.user, f"{task.pk}/fail", {**body, **wrong}).status_code == 422, wrong


@pytest.mark.usefixtures("hints", "bob")
@pytest.mark.django_db
def test_a_task_that_waits_for_an_action_comes_back_when_it_has_ended(clerk: Agent) -> None:
    hold_above(10_000)
    task = work(clerk)
    claim(clerk.user)
    held = ask(clerk, minor=20_000, task_id=str(task.pk), task_epoch=1)
    given_back = post(clerk.user, f"{task.pk}/release", {"epoch": 1, "wait_for_action": str(held.pk)})
    assert given_back.json()["waits_for"] == f"actions.action:{held.pk}"
    assert "which waits for an action of its own" in Event.objects.get(verb="tasks.task_released").sentence
    assert claim(clerk.user) == []
    withdraw_action(actor=clerk.user.as_actor(), action_id=held.pk, reason="no longer needed")
    assert claim(clerk.user)[0]["epoch"] == 2
    stranger = post(clerk.user, f"{task.pk}/release", {"epoch": 2, "wait_for_action": str(uuid.uuid4())})
    assert stranger.status_code == 422


@pytest.mark.django_db
def test_a_task_may_be_given_back_for_later(robo: Agent) -> None:
    task = work(robo)
    claim(robo.user)
    assert post(robo.user, f"{task.pk}/release", {"epoch": 1, "after_seconds": 60}).json()["state"] == "open"
    assert claim(robo.user) == []
    assert post(robo.user, f"{task.pk}/release", {"epoch": 1, "after_seconds": 10**6}).status_code == 422


@pytest.mark.django_db
def test_work_is_for_the_agents_of_its_role(robo: Agent, alice: Any) -> None:
    other = new_agent(alice, "other")
    other.role = Role.objects.create(
        code="reader", name="Reader", group=Group.objects.create(name="role: reader")
    )
    other.save(update_fields=["role"])
    other.user.groups.set([other.role.group])
    task = work(robo)
    assert claim(other.user) == []
    assert signed_in(other.user).get(f"{TASKS}/{task.pk}").status_code == 404
    assert post(other.user, f"{task.pk}/claim").status_code == 404
    assert post(robo.user, f"{task.pk}/claim").json()["epoch"] == 1
    assert signed_in(robo.user).get(TASKS).json()["results"][0]["id"] == str(task.pk)


@pytest.mark.django_db
def test_a_paused_agent_is_given_nothing(robo: Agent, alice: Any) -> None:
    work(robo)
    lifecycle.pause_agent(actor=alice.as_actor(), agent=robo, reason="looks odd to me")
    assert code(post(robo.user, "claim")) == (403, "agent_paused")


@pytest.mark.django_db
def test_people_claim_and_settle_what_waits_for_their_group(dave: Any, bob: Any, robo: Agent) -> None:
    task = human_work()
    assert code(post(dave, "claim")) == (403, "agents_only")
    assert post(bob, f"{task.pk}/claim").status_code == 404
    assert post(robo.user, f"{task.pk}/claim").status_code == 404
    claimed = post(dave, f"{task.pk}/claim").json()
    assert (claimed["epoch"], claimed["lease_until"]) == (1, None)
    assert post(dave, f"{task.pk}/complete", {"epoch": 1, "answer": {"total": "many"}}).status_code == 422
    done = post(dave, f"{task.pk}/complete", {"epoch": 1, "answer": {"total": 3}, "reason": "counted them"})
    assert done.json()["state"] == "done"
    assert Event.objects.get(verb="tasks.task_completed").reason == "counted them"


@pytest.mark.django_db
def test_a_person_in_a_session_needs_the_token_of_the_page(dave: Any) -> None:
    task = human_work()
    client = Client(enforce_csrf_checks=True)
    client.force_login(dave)
    assert client.post(f"{TASKS}/{task.pk}/claim", "{}", content_type="application/json").status_code == 403
    assert Task.objects.get().state == "open"


@pytest.mark.usefixtures("hints", "bob")
@pytest.mark.django_db
def test_a_question_is_answered_by_votes_and_not_by_closing_its_task(clerk: Agent, bob: Any) -> None:
    hold_above(10_000)
    task = ask(clerk, minor=20_000).approval.task
    epoch = post(bob, f"{task.pk}/claim").json()["epoch"]
    for verb, more in (("complete", {}), ("fail", {"code": "no", "message": "no", "retry": False})):
        answer = post(bob, f"{task.pk}/{verb}", {"epoch": epoch, **more})
        assert code(answer) == (409, "decided_elsewhere")
        assert "Vote" in answer.json()["next"]


@pytest.mark.django_db
def test_lists_are_filtered_and_cost_the_same_however_long(
    robo: Agent, carol: Any, django_assert_max_num_queries: Any
) -> None:
    for _ in range(5):
        work(robo)
    human_work()
    client = signed_in(carol)
    assert len(client.get(TASKS, {"kind": "agent_work"}).json()["results"]) == 5
    assert len(client.get(TASKS, {"state": "done"}).json()["results"]) == 0
    assert client.get(TASKS, {"state": "odd"}).status_code == 422
    with django_assert_max_num_queries(8):
        assert len(client.get(TASKS).json()["results"]) == 6


def test_every_task_is_given_to_one_agent_whoever_asks_at_once(live_db: Any, alice: Any) -> None:
    agents = [new_agent(alice, f"agent{number}") for number in range(5)]
    tasks = {str(work(agents[0]).pk) for _ in range(25)}

    def toil(agent: Agent) -> list[str]:
        mine: list[str] = []
        try:
            while claimed := claim(agent.user, most=2):
                for task in claimed:
                    assert task["claimed_by"] == agent.code
                    body = {"epoch": task["epoch"], "answer": {"total": 1}}
                    assert post(agent.user, f"{task['id']}/complete", body).status_code == 200
                    mine.append(task["id"])
            return mine
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(agents)) as pool:
        shares = list(pool.map(toil, agents))
    given = [task for share in shares for task in share]
    assert sorted(given) == sorted(tasks)
    assert not Task.objects.exclude(state="done", epoch=1).exists()
    assert Event.objects.filter(verb="tasks.task_claimed").count() == 25


@pytest.fixture
def door(live_db: Any) -> Any:
    """Return a function that posts through the front door, signed in as an agent by its token."""
    from agents.services import credentials
    from autonomy import asgi

    tokens: dict[str, str] = {}

    def token(agent: Agent) -> str:
        if agent.code not in tokens:
            OAuthApplication.objects.create(agent=agent, user=agent.user, name=agent.code)
            issued = credentials.issue_client_secret(actor=TESTS, agent=agent, reason="for a test")
            form = {
                "grant_type": "client_credentials",
                "client_id": issued.client_id,
                "client_secret": issued.secret,
            }
            kind = "application/x-www-form-urlencoded"
            answer = Client().post("/oauth/token", urlencode(form), content_type=kind)
            tokens[agent.code] = answer.json()["access_token"]
        return tokens[agent.code]

    async def post(agent: Agent, path: str, **more: Any) -> httpx.Response:
        transport = httpx.ASGITransport(app=asgi.http)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            headers = {"Authorization": f"Bearer {tokens[agent.code]}", "Content-Type": "application/json"}
            return await client.post(path, headers=headers, timeout=60, **{"json": {}, **more})

    post.token = token  # type: ignore[attr-defined]
    return post


def in_thread(function: Any, *arguments: Any) -> Any:
    try:
        return function(*arguments)
    finally:
        connections.close_all()


def test_a_waiting_agent_is_given_work_as_soon_as_there_is_some(door: Any, alice: Any) -> None:
    agent = new_agent(alice)
    door.token(agent)

    async def story() -> tuple[httpx.Response, float]:
        waiting = asyncio.create_task(door(agent, f"{TASKS}/claim?wait=30", json={"lease_seconds": 120}))
        await asyncio.sleep(1.3)
        assert not waiting.done()
        await asyncio.to_thread(in_thread, work, agent)
        began = time.monotonic()
        return await waiting, time.monotonic() - began

    answer, seconds = asyncio.run(story())
    assert (answer.status_code, len(answer.json()["tasks"])) == (200, 1)
    assert "x-portal-wake" not in answer.headers
    assert seconds < 10


def test_a_wait_for_work_ends_empty_and_in_time(door: Any, alice: Any) -> None:
    agent = new_agent(alice)
    door.token(agent)
    began = time.monotonic()
    answer = asyncio.run(door(agent, f"{TASKS}/claim?wait=1"))
    assert (answer.status_code, answer.json()) == (200, {"tasks": []})
    assert 0.9 < time.monotonic() - began < 15
    assert "x-portal-wake" not in answer.headers


@pytest.mark.full
def test_more_waiting_agents_than_threads_leave_the_pool_free_and_share_the_work(door: Any, alice: Any) -> None:
    agents = [new_agent(alice, f"agent{number}") for number in range(24)]
    for agent in agents:
        door.token(agent)

    async def story() -> list[httpx.Response]:
        waiting = [asyncio.create_task(door(agent, f"{TASKS}/claim?wait=12")) for agent in agents]
        await asyncio.sleep(2)
        other = await door(agents[0], f"{TASKS}/claim")
        assert (other.status_code, other.json()["tasks"]) == (200, [])
        assert not any(one.done() for one in waiting)
        for _ in range(3):
            await asyncio.to_thread(in_thread, work, agents[0])
        return list(await asyncio.gather(*waiting))

    answers = asyncio.run(story())
    given = [task["id"] for answer in answers for task in answer.json()["tasks"]]
    assert {answer.status_code for answer in answers} == {200}
    assert len(given) == len(set(given)) == 3


def test_a_wait_with_a_body_that_is_none_is_refused_at_once(door: Any, alice: Any) -> None:
    agent = new_agent(alice)
    door.token(agent)
    for body, status in ((b"[" * 60_000, 400), (b'{"most": 0}', 422), (b" " * 2_000_000, 422)):
        answer = asyncio.run(door(agent, f"{TASKS}/claim?wait=20", json=None, content=body))
        assert answer.status_code == status, answer.content


def test_an_agent_that_is_paused_while_it_waits_is_told(door: Any, alice: Any) -> None:
    agent = new_agent(alice)
    door.token(agent)

    async def story() -> httpx.Response:
        waiting = asyncio.create_task(door(agent, f"{TASKS}/claim?wait=30"))
        await asyncio.sleep(1)
        pause = lambda: lifecycle.pause_agent(actor=alice.as_actor(), agent=agent, reason="looks odd")  # noqa: E731
        await asyncio.to_thread(in_thread, pause)
        return await waiting

    answer = asyncio.run(story())
    assert (answer.status_code, answer.json()["code"]) == (403, "agent_paused")
