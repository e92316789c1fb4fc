"""A run moves to another approved version: what stands keeps its work and goes on under the new names."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.test import Client

from audit.models import Event
from audit.vocabulary import Refusal
from tests.workflows.conftest import signed_in
from tests.workflows.test_runs import approve, begun, claim, complete, letters, publish, step, written
from tests.workflows.test_runs_frames import both, hand_in
from workflows.runs import services
from workflows.runs.models import Frame, Run, WorkflowVersion

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("hints", "holds")]


def renamed() -> dict[str, Any]:
    """Return the next version: reading is called scanning, and everything is looked at."""
    content = letters()
    nodes = content["nodes"]
    nodes["scan"] = {**nodes.pop("read"), "name": "Scan it", "next": "look"}
    del nodes["enter"]
    content["start"] = "scan"
    return content


def second(alice: Any, bob: Any, content: dict[str, Any]) -> WorkflowVersion:
    """Have another version approved; runs under way keep theirs."""
    publish(alice, bob, content)
    return WorkflowVersion.objects.get(number=2)


def test_an_open_task_goes_on_and_its_answer_is_followed_by_the_new_version(
    clerk: Any, alice: Any, bob: Any, dave: Any
) -> None:
    publish(alice, bob)
    run = begun(alice)
    task = claim(clerk)
    version = second(alice, bob, renamed())
    verb = services.Migrate(version=version, nodes={"read": "scan"})
    foreseen = services.preview_steering(actor=dave.as_actor(), run=run, verb=verb)
    assert [change.sentence for change in foreseen.changes] == [
        "The run follows version 2 of Answer letters instead of 1.",
        "Read it (read) becomes Scan it (scan).",
        "Enter it has no place in the new version; what was done there is kept.",
        "Read it keeps its task, as it was asked; its answer is followed by Scan it of the new version.",
    ]
    assert step(run, "read").state == "running"
    why = "we look at all of them now"
    services.migrate_run(actor=dave.as_actor(), run=run, version=version, nodes={"read": "scan"}, reason=why)
    run.refresh_from_db()
    assert (run.version, step(run, "scan").task, step(run, "scan").name) == (version, task, "Scan it")
    complete(clerk, task, kind="order")
    assert step(run, "look").state == "running"
    (told,) = Event.objects.filter(verb="runs.run_migrated", run_id=str(run.pk))
    assert (told.reason, told.payload.data["before"]["version"]) == (why, 1)
    assert told.payload.data["after"]["nodes"] == {"read": "scan"}


def test_a_step_that_the_new_version_does_not_have_stays_as_it_was(
    clerk: Any, alice: Any, bob: Any, dave: Any
) -> None:
    publish(alice, bob)
    run = begun(alice)
    complete(clerk, claim(clerk), kind="order")
    content = letters()
    content["nodes"]["scan"], content["start"] = content["nodes"].pop("read"), "scan"
    for name, node in content["nodes"].items():
        content["nodes"][name] = json.loads(json.dumps(node).replace("steps.read.", "steps.scan."))
    version = second(alice, bob, content)
    services.migrate_run(
        actor=dave.as_actor(), run=run, version=version, nodes={}, reason="we scan from now on"
    )
    run.refresh_from_db()
    read = run.steps.get(node="read")
    for verb in (
        services.Rerun(),
        services.Skip(),
        services.Override(answer={"kind": "order"}),
        services.Retry(),
    ):
        with pytest.raises(Refusal, match="has no such step") as refused:
            services.preview_steering(actor=dave.as_actor(), run=run, verb=verb, step=read)
        assert refused.value.code == f"cannot_{verb.name}"
    client = Client()
    client.force_login(dave)
    assert client.get(f"/runs/{run.pk}/").status_code == 200
    assert signed_in(dave).get(f"/api/v1/runs/{run.pk}").status_code == 200


def test_what_hinders_a_move_is_said_in_words(clerk: Any, alice: Any, bob: Any, dave: Any) -> None:
    publish(alice, bob)
    run = begun(alice)
    first, version = run.version, second(alice, bob, renamed())

    def refused(version: WorkflowVersion, nodes: dict[str, str]) -> str:
        with pytest.raises(Refusal) as caught:
            services.migrate_run(
                actor=dave.as_actor(), run=run, version=version, nodes=nodes, reason="it has to be"
            )
        return caught.value.message

    assert "Read it is under way, and the new version has no read" in refused(version, {})
    assert "of kind agent, and look is of kind human" in refused(version, {"read": "look"})
    assert "follows version 1 already" in refused(first, {})
    run.refresh_from_db()
    assert run.version == first
    with pytest.raises(Refusal, match="may not steer"):
        services.migrate_run(
            actor=clerk.user.as_actor(), run=run, version=version, nodes={"read": "scan"}, reason="let me"
        )


def test_only_approved_versions_that_take_the_same_input(clerk: Any, alice: Any, bob: Any, dave: Any) -> None:
    publish(alice, bob)
    run = begun(alice)
    content = letters()
    content["input"]["required"] = ["sender"]
    content["input"]["properties"]["sender"] = {"type": "string", "maxLength": 40}
    services.propose_version(actor=alice.as_actor(), text=written(content), reason="set up for a test")
    version = WorkflowVersion.objects.get(number=2)
    move = {"actor": dave.as_actor(), "run": run, "version": version, "nodes": {}, "reason": "it has to be"}
    with pytest.raises(Refusal, match="is no approved version"):
        services.migrate_run(**move)
    with pytest.raises(DatabaseError), transaction.atomic():
        Run.objects.filter(pk=run.pk).update(version=version)
    approve(bob)
    version.refresh_from_db()
    with pytest.raises(Refusal, match="version 2 takes other input"):
        services.migrate_run(**move)


def test_branches_move_with_what_is_inside_and_names_may_change_places(
    clerk: Any, alice: Any, bob: Any, dave: Any
) -> None:
    both(alice, bob)
    run = begun(alice)
    hand_in(clerk, sum=1)
    content = dict(WorkflowVersion.objects.get(number=1).content)
    nodes = dict(content["nodes"])
    nodes["pair"] = {**nodes.pop("both"), "branches": [{"to": "right"}, {"to": "left"}]}
    content = {**content, "nodes": nodes, "start": "pair"}
    version = second(alice, bob, content)
    services.migrate_run(
        actor=dave.as_actor(), run=run, version=version, reason="they were mixed up",
        nodes={"both": "pair", "left": "right", "right": "left"},
    )  # fmt: skip
    assert Frame.objects.get().node == "pair"
    hand_in(clerk, sum=2)
    run.refresh_from_db()
    assert (run.state, step(run, "met").answer["arrived"]) == ("done", 2)


def test_two_nodes_that_were_begun_do_not_become_one(clerk: Any, alice: Any, bob: Any, dave: Any) -> None:
    both(alice, bob)
    run = begun(alice)
    version = second(alice, bob, {**WorkflowVersion.objects.get(number=1).content, "purpose": "The same."})
    with pytest.raises(Refusal, match="would both become left"):
        services.migrate_run(
            actor=dave.as_actor(), run=run, version=version, nodes={"right": "left"}, reason="it has to be"
        )


def test_a_run_is_moved_and_undone_over_http(clerk: Any, alice: Any, bob: Any, dave: Any, carol: Any) -> None:
    publish(alice, bob)
    run = begun(alice)
    second(alice, bob, renamed())
    at, client = f"/api/v1/runs/{run.pk}", signed_in(dave)
    body = {"version": 2, "nodes": {"read": "scan"}}
    foreseen = client.post(f"{at}/migrate", {**body, "preview": True}, format="json").json()
    assert (foreseen["done"], foreseen["changes"][0]["kind"]) == (False, "run")
    for wrong, status in (
        ({"version": 2, "nodes": {"read": 7}}, 422),
        ({"version": 9, "reason": "no such"}, 404),
    ):
        assert client.post(f"{at}/migrate", wrong, format="json").status_code == status
    no_operator = signed_in(carol).post(f"{at}/migrate", {**body, "reason": "let me"}, format="json")
    assert no_operator.status_code == 403
    agreed = {**body, "seen": foreseen["seen"], "reason": "we look at all of them now"}
    assert client.post(f"{at}/migrate", agreed, format="json").json()["done"]
    assert client.post(f"{at}/compensate", {"preview": True}, format="json").json()["verb"] == "compensate"
    assert client.post(f"{at}/compensate", {"reason": "it was a joke"}, format="json").json()["done"]
    run.refresh_from_db()
    assert (run.version.number, run.outcome) == (2, "compensated")
