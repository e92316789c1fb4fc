"""What agents, managers and unlucky timing try with tasks and runs; each of these once worked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection, connections, transaction

from agents.models import Department, Role
from audit.vocabulary import Refusal
from tests.company import person
from tests.workflows.conftest import ask, grant, hold_above, new_agent
from tests.workflows.test_runs import (
    WHY,
    approve,
    begun,
    claim,
    complete,
    letters,
    publish,
    start,
    step,
    written,
)
from workflows.actions.models import Action
from workflows.actions.services import run_action
from workflows.approvals.models import Approval
from workflows.approvals.services import cast_vote
from workflows.runs import services
from workflows.runs.models import Run, Timer, Workflow
from workflows.tasks import selectors
from workflows.tasks import services as tasks
from workflows.tasks.models import Task

pytestmark = pytest.mark.usefixtures("hints")
TO_LOOK = [{"when": 'steps.read.answer.kind == "order"', "to": "enter"}, {"to": "look"}]


@pytest.fixture
def workflow(clerk: Any, alice: Any, bob: Any) -> Workflow:
    return publish(alice, bob)


def question() -> Approval:
    return Approval.objects.get(state="pending")


def vote(person: Any, asked: Approval, verdict: str = "approve") -> None:
    cast_vote(
        actor=person.as_actor(),
        approval_id=asked.pk,
        verdict=verdict,
        reason="read it all",
        digest=asked.digest,
    )


# Agents and people take what is not theirs


@pytest.mark.django_db
def test_by_its_id_nobody_takes_what_is_not_offered_to_them(clerk: Any, alice: Any, bob: Any) -> None:
    Department.objects.create(code="legal", name="Legal")
    publish(alice, bob, letters(read={"department": "legal"}))
    run = begun(alice)
    task = step(run, "read").task
    assert not selectors.readable_by(clerk.user).filter(pk=task.pk).exists()
    with pytest.raises(Refusal) as refused:
        tasks.claim_task(actor=clerk.user.as_actor(), task_id=task.pk)
    assert refused.value.code == "task_not_yours"


@pytest.mark.django_db
def test_a_person_does_no_work_of_agents(workflow: Workflow, alice: Any, bob: Any, clerk: Any) -> None:
    bob.groups.add(clerk.role.group)
    task = step(begun(alice), "read").task
    with pytest.raises(Refusal, match="agent"):
        tasks.claim_task(actor=bob.as_actor(), task_id=task.pk)


@pytest.mark.django_db
def test_an_agent_does_no_work_of_people(workflow: Workflow, alice: Any, clerk: Any) -> None:
    run = begun(alice)
    task = claim(clerk)
    actor = clerk.user.as_actor()
    tasks.fail_task(actor=actor, task_id=task.pk, epoch=task.epoch, code="torn", message="Torn.", retry=False)
    services.tick()
    clerk.user.groups.add(Group.objects.get(name="Approvers"))
    human = step(run, "look").task
    with pytest.raises(Refusal, match="person"):
        tasks.claim_task(actor=actor, task_id=human.pk)


@pytest.mark.django_db
def test_by_its_id_nobody_takes_what_still_waits(workflow: Workflow, alice: Any, clerk: Any) -> None:
    hold_above(10_000)
    begun(alice)
    task, actor = claim(clerk), clerk.user.as_actor()
    held = ask(clerk, key="k", minor=20_000, task_id=str(task.pk), task_epoch=task.epoch)
    tasks.release_task(actor=actor, task_id=task.pk, epoch=task.epoch, wait_for=held.as_ref())
    with pytest.raises(Refusal) as refused:
        tasks.claim_task(actor=actor, task_id=task.pk)
    assert refused.value.code == "task_not_yet"


@pytest.mark.django_db
def test_by_its_id_nobody_gets_round_the_pause_after_a_failure(
    workflow: Workflow, alice: Any, clerk: Any
) -> None:
    begun(alice)
    task, actor = claim(clerk), clerk.user.as_actor()
    tasks.fail_task(actor=actor, task_id=task.pk, epoch=task.epoch, code="away", message="Away.", retry=True)
    with pytest.raises(Refusal) as refused:
        tasks.claim_task(actor=actor, task_id=task.pk)
    assert refused.value.code == "task_not_yet"


@pytest.mark.django_db
def test_what_is_overdue_is_offered_whatever_an_agent_said(workflow: Workflow, alice: Any, clerk: Any) -> None:
    """An agent that gives a task back for a day, again and again, would keep the run from ending."""
    begun(alice)
    task = claim(clerk)
    tasks.release_task(actor=clerk.user.as_actor(), task_id=task.pk, epoch=task.epoch, after_seconds=86_400)
    Timer.objects.update(fire_at=task.created_at)
    services.sweep_runs()
    assert claim(clerk).epoch == 2
    Task.objects.update(due_at=task.created_at)
    tasks.release_task(actor=clerk.user.as_actor(), task_id=task.pk, epoch=2, after_seconds=86_400)
    assert claim(clerk).pk == task.pk


@pytest.mark.django_db
def test_whoever_left_keeps_nothing_from_the_others(
    workflow: Workflow, alice: Any, bob: Any, clerk: Any
) -> None:
    run = begun(alice)
    task, actor = claim(clerk), clerk.user.as_actor()
    tasks.fail_task(actor=actor, task_id=task.pk, epoch=task.epoch, code="torn", message="Torn.", retry=False)
    services.tick()
    human = step(run, "look").task
    tasks.claim_task(actor=bob.as_actor(), task_id=human.pk)
    barbara = person("barbara", "Approvers")
    with pytest.raises(Refusal, match="has it"):
        tasks.claim_task(actor=barbara.as_actor(), task_id=human.pk)
    bob.is_active = False
    bob.save(update_fields=["is_active"])
    assert tasks.claim_task(actor=barbara.as_actor(), task_id=human.pk).claimed_by == barbara


@pytest.mark.django_db
def test_the_next_agent_of_a_task_does_nothing_twice(
    workflow: Workflow, alice: Any, bob: Any, clerk: Any, fake: Any, book: Any
) -> None:
    other = new_agent(alice, "other")
    grant(other, book["post"])
    begun(alice)
    first = claim(clerk)
    done = ask(clerk, key="k", task_id=str(first.pk), task_epoch=first.epoch)
    run_action(action_id=done.pk)
    tasks.release_task(actor=clerk.user.as_actor(), task_id=first.pk, epoch=first.epoch)
    again = claim(other)
    told = ask(other, key="k", task_id=str(again.pk), task_epoch=again.epoch)
    assert (told.pk, told.state, Action.objects.count(), fake.count()) == (done.pk, "confirmed", 1, 1)
    assert ask(other, key="k", task_id=str(again.pk), task_epoch=again.epoch).pk == done.pk
    with pytest.raises(Refusal, match="already stands"):
        ask(other, key="k", number="OTHER", task_id=str(again.pk), task_epoch=again.epoch)


# Hostile answers


@pytest.mark.django_db
@pytest.mark.parametrize(
    "answer",
    [
        {"note": "pay \u202e000,1 EUR"},
        {"note": 0.1},
        {"note": 2**60},
        {"note": "x" * 5_000},
        {"deep": [[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]},
        {"many": list(range(2_000))},
    ],
)
def test_an_answer_nobody_described_is_held_to_bounds_too(
    clerk: Any, alice: Any, bob: Any, answer: dict[str, Any]
) -> None:
    content = letters()
    del content["nodes"]["read"]["answer"]
    publish(alice, bob, content)
    begun(alice)
    task = claim(clerk)
    with pytest.raises(Refusal) as refused:
        tasks.complete_task(actor=clerk.user.as_actor(), task_id=task.pk, epoch=task.epoch, answer=answer)
    assert refused.value.code == "invalid_answer"


@pytest.mark.django_db
def test_the_words_of_a_failure_hide_nothing(workflow: Workflow, alice: Any, clerk: Any) -> None:
    run = begun(alice)
    task = claim(clerk)
    tasks.fail_task(
        actor=clerk.user.as_actor(),
        task_id=task.pk,
        epoch=task.epoch,
        code="torn",
        message="Paid \u202e000,1\u202c already\u0007",
        retry=False,
        detail={"a": "\u202e", "b": [0.5]},
    )
    services.tick()
    assert step(run, "read").error["message"] == "Paid 000,1 already"
    assert "\u202e" not in str(step(run, "read").error)


@pytest.mark.django_db
def test_an_empty_name_stops_no_run(clerk: Any, alice: Any, bob: Any) -> None:
    publish(alice, bob, letters(look={"title": "steps.read.answer.kind"}, read={"next": TO_LOOK}))
    run = begun(alice)
    complete(clerk, claim(clerk), kind="", pages=1)
    assert step(run, "look").task.title.startswith("Look at it")


# Whoever is behind a run does not approve what it asks


@pytest.mark.django_db
def test_nobody_approves_what_their_own_run_asks(clerk: Any, alice: Any, bob: Any) -> None:
    hold_above(10_000)
    publish(alice, bob)
    alice.groups.add(Group.objects.get(name="Approvers"))
    begun(alice)
    complete(clerk, claim(clerk), kind="order")
    with pytest.raises(Refusal) as refused:
        vote(alice, question())
    assert refused.value.code == "four_eyes"
    vote(bob, question())


@pytest.mark.django_db
def test_nobody_approves_what_they_filled_in(clerk: Any, alice: Any, bob: Any) -> None:
    hold_above(10_000)
    publish(alice, bob, letters(look={"next": "enter"}, read={"next": "look"}))
    run = begun(alice)
    complete(clerk, claim(clerk), kind="order")
    human = step(run, "look").task
    tasks.claim_task(actor=bob.as_actor(), task_id=human.pk)
    tasks.complete_task(actor=bob.as_actor(), task_id=human.pk, answer={"note": "enter it"})
    services.tick()
    with pytest.raises(Refusal) as refused:
        vote(bob, question())
    assert refused.value.code == "four_eyes"
    vote(person("barbara", "Approvers"), question())
    assert Action.objects.get().state == "authorized"


# A manager alone


@pytest.mark.django_db
@pytest.mark.parametrize(
    "text",
    [
        "input: {a: !!binary aGFsbG8=}",
        "input: {a: !!set {b, c}}",
        'input: {a: !!timestamp "2026-01-01"}',
        "input: {a: .inf}",
        "input: {type: object, additionalProperties: false, properties: {a: {type: integer, maximum: .inf}}}",
        "input: {type: object, additionalProperties: false, properties: {a: {const: !!binary a}}}",
        "input: {a: 123456789012345678901234567890}",
        "input: " + "[" * 5_000 + "]" * 5_000,
        'purpose: "read \\u202egnp only"',
        'purpose: "read \u200b only"',
    ],
)
def test_no_definition_hides_or_breaks_anything(clerk: Any, alice: Any, bob: Any, text: str) -> None:
    content = letters()
    content.pop(text.partition(":")[0], None)
    with pytest.raises(Refusal) as refused:
        services.propose_version(actor=alice.as_actor(), text=f"{written(content)}\n{text}\n", reason=WHY)
    assert refused.value.code == "definition_invalid"


@pytest.mark.django_db
def test_what_was_true_when_it_was_proposed_is_asked_again(clerk: Any, alice: Any, bob: Any) -> None:
    group = Group.objects.create(name="Letter readers")
    content = letters(look={"groups": ["Letter readers"]})
    services.propose_version(actor=alice.as_actor(), text=written(content), reason=WHY)
    group.name = "Nobody"
    group.save()
    with pytest.raises(Refusal) as refused:
        approve(bob)
    assert refused.value.code == "definition_invalid"
    assert Workflow.objects.get().current is None


@pytest.mark.django_db
def test_work_for_a_group_that_is_gone_waits_for_an_operator(clerk: Any, alice: Any, bob: Any) -> None:
    group = Group.objects.create(name="Letter readers")
    publish(alice, bob, letters(look={"groups": ["Letter readers"]}, read={"next": TO_LOOK}))
    run = begun(alice)
    group.delete()
    complete(clerk, claim(clerk), kind="chat", pages=1)
    run.refresh_from_db()
    assert (run.state, "Letter readers" in run.problem) == ("incident", True)


@pytest.mark.django_db
def test_the_group_of_a_role_settles_nothing(clerk: Any, alice: Any, bob: Any) -> None:
    """A group that was of people when the version was approved may have become that of a role since."""
    group = Group.objects.create(name="Role: settler")
    publish(alice, bob, letters(look={"groups": ["Role: settler"]}, read={"next": TO_LOOK}))
    Role.objects.create(code="settler", name="Settler", group=group)
    run = begun(alice)
    complete(clerk, claim(clerk), kind="chat", pages=1)
    run.refresh_from_db()
    assert run.state == "incident"


# Unlucky timing


@pytest.mark.django_db
def test_what_is_refused_at_the_start_goes_on_at_once(clerk: Any, alice: Any, bob: Any, book: Any) -> None:
    content = letters()
    content["start"] = "enter"
    content["nodes"]["enter"]["next"] = "read"
    content["nodes"]["enter"]["arguments"]["number"] = '""'
    content["nodes"]["read"]["next"] = "done"
    content["nodes"]["read"]["failed"] = "look"
    publish(alice, bob, content)
    from connectors.services import revoke_grant

    revoke_grant(actor=alice.as_actor(), operation=book["post"], agent=clerk, reason=WHY)
    run = start(alice)
    services.tick()
    assert (step(run, "enter").state, step(run, "look").state) == ("failed", "running")


@pytest.mark.django_db
def test_repeating_a_step_leaves_no_second_task_open(workflow: Workflow, alice: Any, dave: Any) -> None:
    from workflows.runs.services.breaking import park_broken

    run = begun(alice)
    park_broken(run.pk)
    services.retry_run(actor=dave.as_actor(), run=run, reason="mended it now")
    assert Task.objects.filter(kind="agent_work", state="open").count() == 1


def meanwhile(work: Callable[[], Any]) -> tuple[threading.Thread, list[BaseException]]:
    """Do it in another thread with a connection of its own; return when it waits for a lock or is done."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            errors.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    until = time.monotonic() + 5
    while thread.is_alive() and time.monotonic() < until and not _somebody_waits():
        time.sleep(0.02)
    return thread, errors


def _somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(cursor.fetchone()[0])


@pytest.mark.usefixtures("live_db", "holds")
def test_a_look_and_a_cancellation_never_wait_for_each_other(workflow: Workflow, alice: Any, dave: Any) -> None:
    from workflows.runs.services.moving import lock_run

    run = start(alice)
    with transaction.atomic():
        lock_run(run.pk)
        thread, errors = meanwhile(services.tick)
        services.cancel_run(actor=dave.as_actor(), run=run, reason="nobody needs it")
    thread.join()
    assert errors == []
    run.refresh_from_db()
    assert (run.state, Task.objects.filter(kind="agent_work", state="open").count()) == ("cancelled", 0)


def _held(alice: Any, clerk: Any) -> tuple[Run, Task, Action]:
    hold_above(10_000)
    run = begun(alice)
    task = claim(clerk)
    held = ask(clerk, key="k", minor=20_000, task_id=str(task.pk), task_epoch=task.epoch)
    tasks.release_task(actor=clerk.user.as_actor(), task_id=task.pk, epoch=task.epoch, wait_for=held.as_ref())
    return run, task, held


@pytest.mark.full
@pytest.mark.usefixtures("live_db", "holds")
def test_a_vote_and_a_cancellation_never_wait_for_each_other(
    workflow: Workflow, alice: Any, bob: Any, dave: Any, clerk: Any
) -> None:
    from workflows.approvals import services as approvals

    run, _task, held = _held(alice, clerk)
    with transaction.atomic():
        approvals.lock(held.approval_id)
        thread, errors = meanwhile(
            lambda: services.cancel_run(actor=dave.as_actor(), run=run, reason="nobody needs it")
        )
        vote(bob, held.approval, "reject")
    thread.join()
    assert errors == []
    run.refresh_from_db()
    assert (run.state, Task.objects.filter(kind="agent_work", state="open").count()) == ("cancelled", 0)


@pytest.mark.full
@pytest.mark.usefixtures("live_db", "holds")
def test_a_timer_and_a_cancellation_never_wait_for_each_other(
    workflow: Workflow, alice: Any, dave: Any
) -> None:
    from django.db.models.functions import Now

    from workflows.runs.services.moving import lock_run
    from workflows.tasks.services.records import locked

    run = begun(alice)
    Timer.objects.update(fire_at=Now())
    task = step(run, "read").task
    with transaction.atomic():
        lock_run(run.pk)
        locked(task.pk)
        thread, errors = meanwhile(services.sweep_runs)
        services.cancel_run(actor=dave.as_actor(), run=run, reason="nobody needs it")
    thread.join()
    assert errors == []
    run.refresh_from_db()
    assert run.state == "cancelled"


@pytest.mark.usefixtures("live_db", "holds")
def test_a_cancelled_run_asks_for_nothing_any_more(
    workflow: Workflow, alice: Any, dave: Any, clerk: Any
) -> None:
    """The agent asks while somebody cancels: what it asks for is taken back, or refused as stale."""
    hold_above(10_000)
    run = begun(alice)
    task = claim(clerk)
    with transaction.atomic():
        ask(clerk, key="k", minor=20_000, task_id=str(task.pk), task_epoch=task.epoch)
        thread, errors = meanwhile(
            lambda: services.cancel_run(actor=dave.as_actor(), run=run, reason="nobody needs it")
        )
    thread.join()
    assert errors == []
    assert not Action.objects.filter(state="held").exists()
    assert not Approval.objects.filter(state="pending").exists()


@pytest.mark.django_db
def test_what_may_go_and_was_not_begun_ends_with_the_run(
    workflow: Workflow, alice: Any, dave: Any, clerk: Any, fake: Any
) -> None:
    run = begun(alice)
    complete(clerk, claim(clerk), kind="order")
    services.cancel_run(actor=dave.as_actor(), run=run, reason="the letter was a joke")
    run_action(action_id=Action.objects.get().pk)
    assert (Action.objects.get().state, fake.count()) == ("withdrawn", 0)


@pytest.mark.usefixtures("live_db")
def test_a_stop_wins_against_a_claim(workflow: Workflow, alice: Any, clerk: Any) -> None:
    from agents.services import stops

    begun(alice)
    with transaction.atomic():
        stops.raise_stop(
            actor=alice.as_actor(), scope_kind="workflow", scope_id=str(workflow.pk), reason="it goes wrong"
        )
        found: list[Task] = []
        thread, errors = meanwhile(lambda: found.extend(tasks.claim_next(actor=clerk.user.as_actor())))
    thread.join()
    assert (errors, found) == ([], [])
