from __future__ import annotations

import io
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.urls import reverse

from audit.vocabulary import Refusal
from connectors.models import Call, Operation, System
from tests.workflows.conftest import TESTS, ask, grant, hold_above, signed_in
from tests.workflows.test_runs import begun, claim, complete, letters, publish, workflow, written
from workflows.actions.models import Action
from workflows.actions.services import Ask, request_action, run_action
from workflows.documents.services import store_document
from workflows.runs import services
from workflows.runs.models import Run, Workflow

__all__ = ["workflow"]
RUNS = "/api/v1/runs"


def started(user: Any, key: str = "letter-1", **more: Any) -> Any:
    body = {"workflow": "letters", "input": {"topic": "bolts"}, "key": key, **more}
    return signed_in(user).post(RUNS, body, format="json")


def with_document(alice: Any, bob: Any) -> None:
    """Let the workflow of these tests begin with a document."""
    content = letters()
    content["input"]["properties"]["paper"] = {"type": "string", "format": "document", "maxLength": 36}
    publish(alice, bob, content)


@pytest.mark.usefixtures("hints", "workflow")
@pytest.mark.django_db
def test_a_person_starts_a_run_once_for_its_key(alice: Any) -> None:
    first = started(alice)
    assert (first.status_code, first["Location"]) == (201, first.json()["url"])
    told = first.json()
    assert (told["workflow"], told["version"], told["key"], told["state"]) == (
        "letters",
        1,
        "letter-1",
        "running",
    )
    assert [step["node"] for step in told["steps"]] == ["read"]
    again = started(alice)
    assert (again.status_code, again.json()["id"]) == (200, told["id"])
    other = started(alice, input={"topic": "nuts"})
    assert (other.status_code, other.json()["code"]) == (409, "run_key_reused")
    wrong = started(alice, key="2", input={"topic": 7})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid_input")
    assert wrong.json()["errors"][0]["pointer"] == "/topic"
    assert started(alice, workflow="nothing").status_code == 404
    assert signed_in(alice).post(RUNS, {"workflow": "letters"}, format="json").status_code == 422


@pytest.mark.usefixtures("hints", "workflow")
@pytest.mark.django_db
def test_who_may_start_and_what_an_agent_does_instead(clerk: Any, mallory: Any, carol: Any) -> None:
    refused = started(clerk.user)
    assert (refused.status_code, refused.json()["code"]) == (403, "use_the_operation")
    assert "portal.run.start" in refused.json()["next"]
    for person in (mallory, carol):
        assert started(person).status_code == 403
    assert not Run.objects.exists()


@pytest.mark.usefixtures("hints", "workflow")
@pytest.mark.django_db
def test_a_run_tells_its_steps_and_work_its_run(alice: Any, clerk: Any, carol: Any, mallory: Any) -> None:
    run = begun(alice)
    (task,) = signed_in(clerk.user).post("/api/v1/tasks/claim", {}, format="json").json()["tasks"]
    assert task["key"] == f"{run.pk}:read:1"
    assert (task["workflow"], task["run"], task["node"]) == ("letters", str(run.pk), "read")
    mine = signed_in(clerk.user).get(f"{RUNS}/{run.pk}").json()
    assert [step["task"] for step in mine["steps"]] == [task["id"]]
    assert signed_in(mallory).get(f"{RUNS}/{run.pk}").status_code == 404
    answer = {"epoch": 1, "answer": {"kind": "chat", "pages": 1}}
    assert (
        signed_in(clerk.user).post(f"/api/v1/tasks/{task['id']}/complete", answer, format="json").status_code
        == 200
    )
    services.tick()
    told = signed_in(carol).get(f"{RUNS}/{run.pk}").json()
    assert told["state"] == "done"
    assert told["steps"][0]["answer"] == {"kind": "chat", "pages": 1}
    assert (told["steps"][0]["agent"], told["steps"][0]["state"]) == (clerk.code, "done")


@pytest.mark.usefixtures("hints", "workflow")
@pytest.mark.django_db
def test_runs_are_listed_by_workflow_state_and_key(alice: Any, mallory: Any) -> None:
    started(alice, key="a")
    started(alice, key="b")

    def keys(**asked: str) -> set[str]:
        return {run["key"] for run in signed_in(alice).get(RUNS, asked).json()["results"]}

    assert keys() == keys(workflow="letters") == keys(state="running") == {"a", "b"}
    assert keys(key="b") == {"b"}
    assert keys(workflow="other") == keys(state="done") == set()
    assert signed_in(alice).get(RUNS, {"state": "odd"}).status_code == 422
    assert signed_in(mallory).get(RUNS).json()["results"] == []


@pytest.mark.usefixtures("hints", "workflow")
@pytest.mark.django_db
def test_an_operator_cancels_a_run_with_a_reason(alice: Any, dave: Any, carol: Any, clerk: Any) -> None:
    run = begun(alice)
    path = f"{RUNS}/{run.pk}/cancel"
    assert signed_in(clerk.user).post(path, {"reason": "no"}, format="json").status_code == 403
    assert signed_in(carol).post(path, {"reason": "it was a mistake"}, format="json").status_code == 403
    assert signed_in(dave).post(path, {}, format="json").status_code == 422
    done = signed_in(dave).post(path, {"reason": "it was a mistake"}, format="json")
    assert (done.status_code, done.json()["state"]) == (200, "cancelled")
    assert signed_in(dave).post(path, {"reason": "it was a mistake"}, format="json").status_code == 409
    again = signed_in(dave).post(f"{RUNS}/{run.pk}/retry", {"reason": "try it again"}, format="json")
    assert again.status_code == 409
    assert signed_in(clerk.user).post("/api/v1/tasks/claim", {}, format="json").json()["tasks"] == []


@pytest.mark.usefixtures("hints")
@pytest.mark.django_db
def test_an_agent_reads_a_document_while_it_has_work_of_the_run(clerk: Any, alice: Any, bob: Any) -> None:
    with_document(alice, bob)
    paper = store_document(
        actor=alice.as_actor(),
        name="a.txt",
        media_type="text/plain",
        content=io.BytesIO(b"paper"),
        source="upload",
    )
    run = started(alice, input={"topic": "bolts", "paper": str(paper.pk)})
    assert run.status_code == 201, run.content
    assert run.json()["documents"][0]["sha256"] == paper.sha256
    services.tick()
    content = f"/api/v1/documents/{paper.pk}/content"
    agent = signed_in(clerk.user)
    assert agent.get(content).status_code == 404
    task = claim(clerk)
    shown = agent.get(f"/api/v1/tasks/{task.pk}").json()["documents"]
    assert [document["id"] for document in shown] == [str(paper.pk)]
    assert b"".join(agent.get(content).streaming_content) == b"paper"
    complete(clerk, task, kind="chat", pages=1)
    assert agent.get(content).status_code == 404
    unknown = started(alice, key="2", input={"topic": "bolts", "paper": str(uuid.uuid4())})
    assert (unknown.status_code, unknown.json()["code"]) == (422, "document_unknown")


@pytest.mark.usefixtures("hints")
@pytest.mark.django_db
def test_whoever_is_asked_to_decide_may_look_into_the_run_and_read_its_document(
    clerk: Any, alice: Any, bob: Any, mallory: Any
) -> None:
    hold_above(1_000)
    with_document(alice, bob)
    paper = store_document(
        actor=alice.as_actor(),
        name="a.txt",
        media_type="text/plain",
        content=io.BytesIO(b"paper"),
        source="upload",
    )
    run = started(alice, input={"topic": "bolts", "paper": str(paper.pk)}).json()["id"]
    services.tick()
    task = claim(clerk)
    paths = [f"{RUNS}/{run}", f"/api/v1/documents/{paper.pk}/content"]
    assert [signed_in(bob).get(path).status_code for path in paths] == [404, 404]
    held = ask(clerk, minor=2_000_000, task_id=str(task.pk), task_epoch=task.epoch)
    assert [signed_in(bob).get(path).status_code for path in paths] == [200, 200]
    assert [signed_in(mallory).get(path).status_code for path in paths] == [404, 404]
    browser = Client()
    browser.force_login(bob)
    page = browser.get(reverse("inbox-approval", args=[held.approval_id])).content.decode()
    assert paths[1] in page
    assert reverse("run", args=[run]) in page


def portal_start(agent: Any, **arguments: Any) -> Action:
    wish = {"workflow": "letters", "input": {"topic": "bolts"}, "key": "letter-9", **arguments}
    action = request_action(
        actor=agent.user.as_actor(),
        agent=agent,
        key=str(uuid.uuid4()),
        ask=Ask(operation="portal.run.start", arguments=wish),
    )
    if action.state == Action.State.AUTHORIZED:
        run_action(action_id=action.pk)
    action.refresh_from_db()
    return action


@pytest.mark.usefixtures("hints", "workflow", "holds")
@pytest.mark.django_db
def test_an_agent_starts_a_run_by_a_granted_operation_and_twice_is_once(clerk: Any) -> None:
    operation = services.install_portal(actor=TESTS)
    assert portal_start(clerk).state == "denied"
    grant(clerk, operation)
    first, second = portal_start(clerk), portal_start(clerk)
    run = Run.objects.get()
    for action in (first, second):
        assert (action.state, action.remote_ref, action.outcome) == ("confirmed", str(run.pk), "agrees"), (
            action.sentence
        )
        assert action.result["run"] == str(run.pk)
    assert (run.started_by_kind, run.started_by_id) == ("agent", str(clerk.user_id))
    assert Call.objects.filter(system__code="portal", purpose="execute", outcome="confirmed").count() == 2


@pytest.mark.usefixtures("hints", "workflow")
@pytest.mark.django_db
def test_what_the_workflow_refuses_failed_and_did_nothing(clerk: Any) -> None:
    grant(clerk, services.install_portal(actor=TESTS))
    portal_start(clerk)
    reused = portal_start(clerk, input={"topic": "nuts"})
    assert (reused.state, reused.code) == ("failed", "run_key_reused")
    unknown = portal_start(clerk, workflow="nothing")
    assert (unknown.state, unknown.code) == ("failed", "not_found")
    wrong = portal_start(clerk, key="w", input={"topic": 7})
    assert (wrong.state, wrong.code) == ("failed", "invalid_input")
    assert Run.objects.count() == 1


@pytest.mark.django_db
def test_the_portal_is_installed_once_and_knows_its_verbs() -> None:
    services.install_portal(actor=TESTS)
    services.install_portal(actor=TESTS)
    assert System.objects.get().code == "portal"
    verbs = ("start", "find", "signal", "find_signal")
    assert set(Operation.objects.values_list("code", flat=True)) == {f"portal.run.{verb}" for verb in verbs}
    from connectors.kinds.portal.driver import driver

    assert driver.check_mapping({"verb": "run.start"}) == []
    assert "no verb" in driver.check_mapping({"verb": "run.explode"})[0]
    assert "unknown" in driver.check_mapping({"verb": "run.start", "url": "http://x"})[0]


@pytest.mark.usefixtures("hints")
def test_one_key_at_once_is_one_run(live_db: Any, clerk: Any, alice: Any, bob: Any) -> None:
    publish(alice, bob)
    together = threading.Barrier(6)

    def begin(number: int) -> tuple[int, str]:
        try:
            together.wait(10)
            answer = started(alice, key="twin")
            return answer.status_code, answer.json()["id"]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(begin, range(6)))
    assert sorted(status for status, _ in found) == [200] * 5 + [201]
    assert len({run for _, run in found}) == 1
    assert Workflow.objects.get().runs.count() == 1


@pytest.mark.usefixtures("hints")
def test_a_new_workflow_proposed_twice_at_once_is_proposed_once(live_db: Any, clerk: Any, alice: Any) -> None:
    together = threading.Barrier(4)

    def propose(number: int) -> str:
        try:
            together.wait(10)
            services.propose_version(actor=alice.as_actor(), text=written(letters()), reason="a new workflow")
        except Refusal as refusal:
            return refusal.code
        finally:
            connections.close_all()
        return "proposed"

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(propose, range(4))) == ["already_proposed"] * 3 + ["proposed"]
