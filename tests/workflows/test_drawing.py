"""Workflows as pictures: of runs, of versions, of what a version changes, and the page where they are drawn."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from agents.models import User
from audit.models import Event
from tests.workflows.test_pages_runs import HOSTILE, browser, fail
from tests.workflows.test_runs import approve, begun, claim, complete, letters, publish, step, written
from workflows.approvals.models import Approval
from workflows.pages.graph import run_graph
from workflows.pages.node_fields import fields_by_kind, fields_of_the_whole
from workflows.runs import engine, services
from workflows.runs.models import Layout, Run, Workflow, WorkflowVersion

pytestmark = pytest.mark.usefixtures("hints")
CHECK = "workflow-check"


@pytest.fixture
def workflow(clerk: Any, alice: Any, bob: Any) -> Workflow:
    return publish(alice, bob)


def drawing_on(page: str) -> dict[str, Any]:
    """Return the picture a page carries."""
    found = re.search(r"<div hidden data-graph-data>(.*?)</div>", page, re.DOTALL)
    assert found, "no picture on the page"
    return json.loads(unescape(found[1]))


def boxes_of(user: Any, name: str, *args: Any) -> dict[str, Any]:
    page = browser(user).get(reverse(name, args=args))
    assert page.status_code == 200
    return {box["id"]: box for box in drawing_on(page.content.decode())["boxes"]}


def check(user: Any, **said: Any) -> Any:
    return browser(user).post(reverse(CHECK), said)


def edit(user: Any, workflow: Workflow, text: str, **more: Any) -> Any:
    data = {"text": text, "reason": "drawn by hand", "seen": "1", **more}
    return browser(user).post(reverse("workflow-edit", args=[workflow.pk]), data)


def test_the_picture_of_a_run_says_where_it_is_and_who_has_it(workflow, alice, clerk):
    run = begun(alice)
    boxes = boxes_of(alice, "run", run.pk)
    assert set(boxes) == set(run.version.content["nodes"])
    assert (boxes["read"]["state"]["key"], boxes["enter"]["state"]["key"]) == ("waiting", "none")
    assert "offered to Bookkeeper" in boxes["read"]["lines"]
    task = claim(clerk)
    boxes = boxes_of(alice, "run", run.pk)
    assert boxes["read"]["state"]["key"] == "running"
    assert boxes["read"]["lines"][0] == "Robo"
    assert boxes["read"]["href"] == f"#step-{step(run, 'read').pk}"
    complete(clerk, task, kind="chat", pages=1)
    boxes = boxes_of(alice, "run", run.pk)
    assert {key: box["state"]["key"] for key, box in boxes.items()}["read"] == "done"


def test_work_of_people_and_failures_are_marked_by_word(clerk, alice, bob):
    publish(alice, bob)
    run = begun(alice, topic="<b>x</b>")
    fail(clerk, claim(clerk), HOSTILE)
    boxes = boxes_of(alice, "run", run.pk)
    assert boxes["read"]["state"]["word"] == "Failed"
    assert boxes["look"]["state"] == {"key": "person", "word": "Waits for a person", "icon": "front_hand"}
    services.cancel_run(actor=alice.as_actor(), run=run, reason="no longer")
    assert boxes_of(alice, "run", run.pk)["look"]["state"]["key"] == "cancelled"


def test_conditions_are_for_those_who_may_read_the_workflow(workflow, alice, mallory, clerk):
    run = begun(alice)
    lines = drawing_on(browser(alice).get(reverse("run", args=[run.pk])).content.decode())["lines"]
    assert any(line["label"].startswith("if ") for line in lines if line["way"] == "next")
    run.started_by_id = str(mallory.pk)
    run.started_by_kind = "person"
    run.save(update_fields=["started_by_id", "started_by_kind"])
    lines = drawing_on(browser(mallory).get(reverse("run", args=[run.pk])).content.decode())["lines"]
    assert not any(line["label"].startswith("if ") for line in lines if line["way"] == "next")
    assert any(line["label"] == "on a condition" for line in lines)


def test_the_picture_of_a_run_takes_as_many_queries_however_much_was_done(workflow, alice, bob, clerk):
    run = begun(alice)
    counts = []
    for _ in range(2):
        found = Run.objects.select_related("version", "workflow").get(pk=run.pk)
        with CaptureQueriesContext(connection) as asked:
            run_graph(found, [], User.objects.get(pk=alice.pk))
        counts.append(len(asked))
        if len(counts) == 1:
            fail(clerk, claim(clerk), "cut off")
    assert max(counts) <= 16, counts
    assert counts[1] - counts[0] <= 3, counts  # what a step of people names is read together


def test_a_version_is_drawn_in_the_admin_and_leads_to_the_page_where_it_is_changed(workflow, alice, carol):
    for user, may_draw in ((alice, True), (carol, False)):
        page = browser(user).get(reverse("admin:runs_workflow_change", args=[workflow.pk])).content.decode()
        assert drawing_on(page)["boxes"]
        assert (reverse("workflow-edit", args=[workflow.pk]) in page) is may_draw
    page = browser(carol).get(reverse("admin:runs_workflowversion_change", args=[workflow.current.pk]))
    assert drawing_on(page.content.decode())["boxes"]


def test_what_a_version_changes_is_shown_to_who_decides_on_it(workflow, alice, bob, mallory):
    edit(alice, workflow, written(letters(done={"outcome": "sent"})))
    number = WorkflowVersion.objects.get(state="proposed").number
    boxes = boxes_of(bob, "workflow-diff", workflow.pk, number)
    assert boxes["done"]["state"]["key"] == "changed"
    assert boxes["read"]["state"]["key"] == "same"
    page = browser(bob).get(reverse("workflow-diff", args=[workflow.pk, number])).content.decode()
    assert "outcome" in page
    question = Approval.objects.get(state="pending")
    assert reverse("inbox-approval", args=[question.pk]) in page
    detail = browser(bob).get(reverse("inbox-approval", args=[question.pk])).content.decode()
    assert reverse("workflow-diff", args=[workflow.pk, number]) in detail
    for user, address in (
        (mallory, reverse("workflow-diff", args=[workflow.pk, number])),
        (alice, reverse("workflow-diff", args=[workflow.pk, 9])),
        (alice, reverse("workflow-diff", args=[workflow.pk, number]) + "?from=7"),
        (alice, reverse("workflow-diff", args=[workflow.pk, number]) + "?from=x"),
    ):
        assert browser(user).get(address).status_code == 404


def test_a_change_of_the_picture_is_written_as_text_and_back(workflow, alice):
    content = workflow.current.content
    said = check(alice, content=json.dumps(content)).json()
    assert engine.read_yaml(said["text"]) == content
    assert check(alice, text=said["text"]).json()["content"] == content
    change = json.dumps({"deed": "add", "node": "read", "to": "human"})
    said = check(alice, content=json.dumps(content), change=change).json()
    assert said["focus"] == "human"
    assert {finding["node"] for finding in said["findings"]} >= {"human"}
    assert any("is new" in sentence for sentence in said["changes"]) or said["changes"] == []
    assert not WorkflowVersion.objects.filter(number=2).exists()


@pytest.mark.parametrize(
    ("said", "status", "is_drawn"),
    [
        ({"text": "nodes: ["}, 200, False),
        ({"content": "{"}, 422, False),
        ({"content": "[]"}, 422, False),
        ({"content": "[" * 60_000}, 422, False),
        ({"content": '{"code": NaN}'}, 200, False),
        ({"content": "{}", "change": '{"deed": "fly"}'}, 200, False),
        ({"content": "{}", "change": "[]"}, 422, False),
        ({"content": '{"nodes": {"a": 7}}'}, 200, True),
        ({"content": '{"code": "\\u0000"}'}, 200, True),
        ({"content": '{"code": "\\ud800"}'}, 200, False),
        ({}, 422, False),
    ],
)
def test_whatever_is_asked_is_answered(alice, said, status, is_drawn):
    answer = check(alice, **said)
    assert answer.status_code == status
    assert ("drawing" in answer.json()) is is_drawn


def test_who_may_not_write_workflows_is_told_nothing(workflow, carol, bob, mallory):
    for user in (carol, bob, mallory):
        assert check(user, content="{}").status_code == 403
    assert browser(carol).get(reverse("workflow-edit", args=[workflow.pk])).status_code == 403
    assert browser(mallory).get(reverse("workflow-edit", args=[workflow.pk])).status_code == 404
    assert edit(carol, workflow, written(letters())).status_code == 403


def test_saving_proposes_the_next_version_and_keeps_the_layout_apart(workflow, alice, bob):
    text = written(letters(done={"outcome": "sent"}))
    layout = {"direction": "LR", "at": {"read": [10, 20.4], "gone": [1, 2]}}
    answer = edit(alice, workflow, text, layout=json.dumps(layout))
    assert answer.status_code == 302
    version = WorkflowVersion.objects.get(number=2)
    assert (version.state, version.text) == ("proposed", text)
    assert (version.layout.direction, version.layout.at) == ("LR", {"read": [10, 20]})
    assert Event.objects.filter(verb="runs.layout_kept").count() == 1
    approve(bob)
    again = edit(
        alice, workflow, text, seen="2", layout=json.dumps({"direction": "TB", "at": {"read": [5, 5]}})
    )
    assert again.status_code == 302
    assert WorkflowVersion.objects.count() == 2
    assert Layout.objects.get(version=version).at == {"read": [5, 5]}
    version.refresh_from_db()
    assert version.sha256 == WorkflowVersion.objects.get(number=2).sha256


@pytest.mark.parametrize(
    "layout", ['{"at": {"Read": [1, 2]}}', '{"at": {"read": [1]}}', '{"at": {"read": [1e9, 0]}}']
)
def test_a_layout_that_is_none_is_refused_with_all_that_was_written(workflow, alice, layout):
    answer = edit(alice, workflow, written(letters(done={"outcome": "sent"})), layout=layout)
    assert answer.status_code == 422
    assert "outcome: sent" in answer.content.decode()
    assert not WorkflowVersion.objects.filter(number=2).exists()


def test_whoever_was_slower_is_told_and_loses_nothing(workflow, alice, bob, dave):
    edit(alice, workflow, written(letters(done={"outcome": "sent"})))
    approve(bob)
    mine = written(letters(done={"outcome": "mine"}))
    answer = edit(alice, workflow, mine, seen="1")
    page = answer.content.decode()
    assert answer.status_code == 409
    assert "somebody wrote version 2" in page
    assert "outcome: mine" in page
    assert 'name="seen" value="2"' in page
    assert reverse("workflow-diff", args=[workflow.pk, 2]) in page
    assert edit(alice, workflow, mine, seen="2").status_code == 302
    assert WorkflowVersion.objects.get(number=3).text == mine


def test_what_is_wrong_is_said_and_kept(workflow, alice):
    answer = edit(alice, workflow, written(letters(read={"role": "pilot"})))
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "There is no role pilot" in page
    assert "role: pilot" in page
    assert edit(alice, workflow, written(letters(done={"outcome": "x"})), reason="").status_code in (403, 422)


def test_a_new_workflow_begins_sound_and_is_proposed(clerk, alice, carol):
    page = browser(alice).get(reverse("workflow-new")).content.decode()
    text = re.search(r"<textarea[^>]*data-editor-text>\n(.*?)</textarea>", page, re.DOTALL)[1]
    text = text.replace("&quot;", '"').replace("&#x27;", "'")
    assert [f for f in services.findings_of(engine.read_yaml(text)) if f.level == "error"] == []
    answer = browser(alice).post(reverse("workflow-new"), {"text": text, "reason": "a first try", "seen": "0"})
    assert answer.status_code == 302
    assert Workflow.objects.get().code == "new-workflow"
    assert browser(carol).get(reverse("workflow-new")).status_code == 403


def test_every_member_of_every_kind_has_a_label_and_a_field():
    known = {
        *("text", "number", "number_or_share", "duration", "flag", "choice", "node", "nodes", "role", "group"),
        *("department", "operation", "workflow", "groups", "cel", "cels", "texts", "ways", "undo", "need"),
        *("when_down", "group_of", "schema"),
    }
    kinds = fields_by_kind()
    for kind, schema in engine.NODES.items():
        assert {field["name"] for field in kinds[kind]} == set(schema["properties"]) - {"kind"}
    everything = [field for fields in (*kinds.values(), fields_of_the_whole()) for field in fields]
    everything += [inner for field in everything for inner in field.get("fields", ())]
    assert {field["type"] for field in everything} <= known
    assert all(field["label"] and "_" not in field["label"] for field in everything)
