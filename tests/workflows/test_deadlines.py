"""Work of people that is not taken, or not done, in time: reminders, others asked, and foreseen answers."""

from __future__ import annotations

from typing import Any

import pytest
from django.db.models.functions import Now

from audit.models import Event
from audit.vocabulary import Refusal
from connectors.policies.schemas import argument_errors
from tests.workflows.approved import in_force
from tests.workflows.conftest import signed_in
from tests.workflows.engine.build import KNOWN
from tests.workflows.test_engine import changed
from tests.workflows.test_runs import letters, start, step
from workflows.runs import engine, services
from workflows.runs.models import Ready, Run, Timer
from workflows.tasks import registry
from workflows.tasks import services as tasks
from workflows.tasks.models import Task
from workflows.tasks.selectors import waiting_for

NOTE = {
    "type": "object",
    "additionalProperties": False,
    "required": ["note"],
    "properties": {"note": {"type": "string", "maxLength": 40}},
}
ESCALATE = {"seconds": 3600, "remind_seconds": 1800, "then": "escalate", "to": ["Operators"]}
REASSIGN = {"seconds": 3600, "then": "reassign", "to": ["Operators"]}
OUTCOME = {"seconds": 7200, "remind_seconds": 3600, "then": "outcome", "answer": {"note": "nobody answered"}}
usefixtures = pytest.mark.usefixtures("clerk", "hints", "bob", "dave")
database = [pytest.mark.django_db, usefixtures]


def asked(alice: Any, bob: Any, **deadlines: Any) -> tuple[Run, Task]:
    """Start a run whose first step is work for people with these deadlines."""
    content = letters(look={"form": NOTE, "deadlines": deadlines})
    del content["nodes"]["look"]["due_seconds"]
    content["nodes"] = {key: content["nodes"][key] for key in ("look", "done")}
    content["start"] = "look"
    in_force(alice, bob, content)
    run = start(alice)
    services.tick()
    return run, Task.objects.get(step__run=run)


def come(*kinds: str) -> None:
    """Let the time of these timers come, and the clock look twice: what fired does not fire again."""
    assert Timer.objects.filter(kind__in=kinds).update(fire_at=Now()) == len(kinds)
    services.sweep_runs()
    services.sweep_runs()


def verbs(task: Task) -> list[str]:
    found = Event.objects.filter(subject_id=str(task.pk)).order_by("id").values_list("verb", flat=True)
    return [verb.removeprefix("tasks.task_") for verb in found]


class TestNotStarted:
    pytestmark = database

    def test_it_is_reminded_of_and_then_others_are_asked_too(self, alice: Any, bob: Any, dave: Any) -> None:
        heard: list[tuple[str, str]] = []
        registry.on_reminder(lambda task, deadline: heard.append((str(task.pk), deadline)))
        try:
            run, task = asked(alice, bob, start=ESCALATE)
            come("remind_start")
        finally:
            registry._reminded.clear()
        assert heard == [(str(task.pk), "start")]
        come("start")
        task.refresh_from_db()
        assert (task.state, task.priority, task.reminded_at is not None) == ("open", 1, True)
        assert [(it["how"], it["from"], it["to"]) for it in task.passed_on] == [
            ("escalated", ["Approvers"], ["Operators"])
        ]
        assert {task} == set(waiting_for(bob)) == set(waiting_for(dave))
        assert verbs(task) == ["opened", "reminded", "escalated"]
        assert Event.objects.filter(run_id=str(run.pk), verb="runs.step_not_started").count() == 1

    def test_a_task_that_somebody_has_taken_is_left_alone(self, alice: Any, bob: Any) -> None:
        _, task = asked(alice, bob, start=ESCALATE)
        tasks.claim_task(actor=bob.as_actor(), task_id=task.pk)
        come("remind_start", "start")
        assert verbs(task) == ["opened", "claimed"]
        assert not Timer.objects.exists()

    def test_an_outcome_closes_it(self, alice: Any, bob: Any) -> None:
        run, _task = asked(alice, bob, start=OUTCOME)
        come("start")
        run.refresh_from_db()
        assert (run.state, step(run, "look").answer) == ("done", OUTCOME["answer"])


class TestNotCompleted:
    pytestmark = database

    def test_it_is_reassigned_and_whoever_had_it_is_stale(self, alice: Any, bob: Any, dave: Any) -> None:
        _, task = asked(alice, bob, complete=REASSIGN)
        tasks.claim_task(actor=bob.as_actor(), task_id=task.pk)
        come("overdue")
        with pytest.raises(Refusal) as refused:
            tasks.complete_task(actor=bob.as_actor(), task_id=task.pk, epoch=1, answer={"note": "late"})
        assert refused.value.code == "task_stale"
        with pytest.raises(Refusal, match="not a candidate"):
            tasks.claim_task(actor=bob.as_actor(), task_id=task.pk)
        assert tasks.claim_task(actor=dave.as_actor(), task_id=task.pk).epoch == 3

    def test_escalation_leaves_it_with_whoever_has_it(self, alice: Any, bob: Any) -> None:
        run, task = asked(alice, bob, complete=ESCALATE)
        tasks.claim_task(actor=bob.as_actor(), task_id=task.pk)
        come("remind", "overdue")
        tasks.complete_task(actor=bob.as_actor(), task_id=task.pk, epoch=1, answer={"note": "done"})
        services.tick()
        run.refresh_from_db()
        assert run.state == "done"
        assert verbs(task) == ["opened", "claimed", "reminded", "escalated", "completed"]

    def test_the_outcome_is_nobodys_answer(self, alice: Any, bob: Any) -> None:
        run, task = asked(alice, bob, start=ESCALATE, complete=OUTCOME)
        tasks.claim_task(actor=bob.as_actor(), task_id=task.pk)
        come("overdue")
        run.refresh_from_db()
        task.refresh_from_db()
        assert (run.state, task.state, task.answer) == ("done", "done", OUTCOME["answer"])
        assert (task.claimed_by, task.closed_by_deadline) == (None, "complete")
        told = Event.objects.get(subject_id=str(task.pk), verb="tasks.task_completed")
        assert (told.code, told.actor_kind) == ("automatic", "system")
        assert not Timer.objects.exists()
        assert not Ready.objects.exists()

    def test_who_answers_after_an_escalation_is_behind_what_follows(
        self, alice: Any, bob: Any, dave: Any
    ) -> None:
        from workflows.actions.models import Action
        from workflows.runs.selectors import people_behind

        run, task = asked(alice, bob, start=ESCALATE)
        come("start")
        tasks.claim_task(actor=dave.as_actor(), task_id=task.pk)
        assert str(dave.pk) in people_behind(Action(references={"run_id": str(run.pk)}))

    def test_a_group_that_is_gone_leaves_it_with_those_who_were_asked(self, alice: Any, bob: Any) -> None:
        _, task = asked(alice, bob, complete={**REASSIGN, "to": ["Auditors"]})
        from django.contrib.auth.models import Group

        Group.objects.filter(name="Auditors").delete()
        come("overdue")
        assert set(waiting_for(bob)) == {task}


@pytest.mark.django_db
@usefixtures
def test_nothing_passes_while_the_clock_stands_still(alice: Any, bob: Any) -> None:
    _, task = asked(alice, bob, start=ESCALATE, complete=OUTCOME)
    clock = {"actor": alice.as_actor(), "steps": [task.step.pk], "why": "paused", "reason": "stock-taking"}
    services.stop_clocks(**clock)
    come("remind_start")
    assert verbs(task) == ["opened"]
    assert signed_in(bob).get(f"/api/v1/tasks/{task.pk}").json()["clock_stopped_at"] is not None
    services.start_clocks(**clock)
    come("remind_start")  # what was left when it stopped is still left
    services.sweep_runs()
    assert "reminded" in verbs(task)


@pytest.mark.django_db
@usefixtures
def test_people_and_programs_see_what_happens_when(alice: Any, bob: Any) -> None:
    _, task = asked(alice, bob, start=ESCALATE, complete=OUTCOME)
    shown = signed_in(bob).get(f"/api/v1/tasks/{task.pk}").json()
    start_, complete = shown["deadlines"]
    assert (start_["deadline"], start_["then"], start_["to"]) == ("start", "escalate", ["Operators"])
    assert (complete["deadline"], complete["answer"]) == ("complete", OUTCOME["answer"])
    assert start_["remind_at"] < start_["at"] < complete["at"] == shown["due_at"]
    page = signed_in(bob)
    page.force_login(bob)
    html = page.get(f"/inbox/work/{task.pk}/").content.decode()
    assert "If nobody has taken it" in html
    assert "Operators can do it, too" in html
    assert "it is closed by itself with Note: nobody answered" in html
    come("remind_start", "start")
    assert "reminded" in page.get("/inbox/").content.decode()
    passed = signed_in(bob).get(f"/api/v1/tasks/{task.pk}").json()["passed_on"]
    assert (passed[0]["from"], passed[0]["to"], passed[0]["by"]) == (["Approvers"], ["Operators"], "engine")
    assert "Nobody has taken it in time" in page.get(f"/inbox/work/{task.pk}/").content.decode()


@pytest.mark.django_db
@usefixtures
def test_open_tasks_cost_a_sweep_one_query_for_all_timers(
    alice: Any, bob: Any, django_assert_max_num_queries: Any
) -> None:
    from workflows.runs.services.sweeping import _fire_timers

    asked(alice, bob, start=ESCALATE, complete=OUTCOME)
    with django_assert_max_num_queries(1):
        _fire_timers()


@pytest.mark.parametrize(
    ("deadlines", "words"),
    [
        ({"start": {**ESCALATE, "remind_seconds": 3600}}, "the reminder comes no sooner"),
        ({"start": {**ESCALATE, "to": ["Nobodies"]}}, "There is no group Nobodies"),
        ({"start": {"seconds": 60, "then": "escalate"}}, "escalate needs `to`"),
        ({"complete": {"seconds": 60, "then": "outcome"}}, "outcome needs `answer`"),
        ({"complete": {**OUTCOME, "to": ["Managers"]}}, "outcome does not use `to`"),
        ({"complete": {**OUTCOME, "answer": {"note": 1}}}, "does not fit the form: /note"),
        ({"start": {**OUTCOME}, "complete": {**OUTCOME}}, "no sooner than it is to be completed"),
        ({"complete": OUTCOME, "due": 60}, "It says twice"),
    ],
)
def test_lint_names_the_node_and_the_cure(deadlines: dict[str, Any], words: str) -> None:
    said = dict(deadlines)
    content = changed("nodes/look/deadlines", said)
    content["nodes"]["look"]["form"] = NOTE
    if not said.pop("due", 0):
        del content["nodes"]["look"]["due_seconds"]
    found = engine.lint(engine.parse(content), _known())
    assert any(words in str(finding) and finding.node == "look" for finding in found), found


def test_lint_lets_sound_deadlines_pass() -> None:
    content = changed("nodes/look/deadlines", {"start": {**ESCALATE, "to": ["Managers"]}, "complete": OUTCOME})
    content["nodes"]["look"]["form"] = NOTE
    del content["nodes"]["look"]["due_seconds"]
    assert [str(it) for it in engine.lint(engine.parse(content), _known()) if it.node == "look"] == []


def _known() -> engine.Known:
    from dataclasses import replace

    def problems(schema: Any, answer: Any) -> list[str]:
        return [f"{it['pointer']}: {it['message']}" for it in argument_errors(schema, answer)]

    return replace(KNOWN, answer_problems=problems)
