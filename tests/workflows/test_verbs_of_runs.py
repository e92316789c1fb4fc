"""What people do to runs: each verb says first what it would change, and does exactly that, on record."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import DatabaseError, transaction
from django.db.models.functions import Now

from agents.models import Agent, Department
from audit.models import Event
from audit.vocabulary import Refusal
from tests.workflows.conftest import ask, grant, hold_above, new_agent, signed_in
from tests.workflows.test_runs import begun, claim, complete, letters, publish, step, workflow
from tests.workflows.test_runs_frames import give_up
from workflows.actions.models import Action
from workflows.actions.services import executing, run_action, sweep_due
from workflows.approvals.models import Approval
from workflows.approvals.services import cast_vote
from workflows.runs import services
from workflows.runs.models import Intervention, Ready, Run, Step, Timer
from workflows.tasks import services as tasks
from workflows.tasks.models import Task
from workflows.tasks.selectors import database_now

__all__ = ["workflow"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("hints", "workflow", "holds")]
WHY = "it has to be done so"


def do(who: Any, run: Run, verb: Any, node: str = "", **more: Any) -> Any:
    named = {"step": step(run, node)} if node else {}
    return services.steer_run(actor=who.as_actor(), run=run, verb=verb, reason=WHY, **named, **more)


def look(who: Any, run: Run, verb: Any, node: str = "") -> Any:
    named = {"step": step(run, node)} if node else {}
    return services.preview_steering(actor=who.as_actor(), run=run, verb=verb, **named)


def said(effect: Any) -> str:
    return " ".join(change.sentence for change in effect.changes)


def held(alice: Any, clerk: Any) -> Run:
    """Return a run whose operation waits for people."""
    hold_above(10_000)
    run = begun(alice)
    complete(clerk, claim(clerk), kind="order")
    assert Action.objects.get().state == "held"
    return run


def everything() -> Any:
    """Return what stands in the tables a verb may write."""
    tables = (Run, Step, Task, Action, Ready, Intervention, Event)
    return [list(model.objects.order_by("pk").values()) for model in tables]


def test_a_preview_says_what_a_verb_then_does_and_writes_nothing(alice: Any, dave: Any, clerk: Any) -> None:
    run = begun(alice)
    task = claim(clerk)
    before = everything()
    effect = look(dave, run, services.Skip({"kind": "chat", "pages": 1}), "read")
    assert everything() == before
    assert [change.kind for change in effect.changes] == ["ends", "loses", "answers", "run"]
    assert "Robo loses the task" in said(effect)
    assert "The run ends as answered" in said(effect)
    assert do(dave, run, services.Skip({"kind": "chat", "pages": 1}), "read", seen=effect.seen) == effect
    run.refresh_from_db()
    task.refresh_from_db()
    assert (run.state, run.outcome, step(run, "read").state, task.state) == (
        "done",
        "answered",
        "skipped",
        "cancelled",
    )
    told = Event.objects.get(verb="runs.step_skipped")
    assert (told.actor_id, told.reason, told.run_id) == (str(dave.pk), WHY, str(run.pk))
    with pytest.raises(Refusal, match="already cancelled"):
        complete(clerk, task, kind="order")


def test_what_happened_since_the_preview_is_said_and_nothing_done(alice: Any, dave: Any, clerk: Any) -> None:
    run = begun(alice)
    effect = look(dave, run, services.Skip(), "read")
    claim(clerk)
    with pytest.raises(Refusal) as refused:
        do(dave, run, services.Skip(), "read", seen=effect.seen)
    assert refused.value.code == "changed_meanwhile"
    now = refused.value.detail["effect"]
    assert "Robo loses the task" in now["changes"][1]["sentence"]
    assert step(run, "read").state == "running"
    do(
        dave, run, services.Skip({"kind": "chat", "pages": 1}), "read"
    )  # without a preview it is done as it is found


def test_skipping_a_held_operation_does_not_do_it(
    alice: Any, dave: Any, bob: Any, clerk: Any, fake: Any
) -> None:
    run = held(alice, clerk)
    effect = look(dave, run, services.Skip(), "enter")
    assert [change.action for change in effect.of_kind("taken_back")] == [str(Action.objects.get().pk)]
    do(dave, run, services.Skip(), "enter")
    action = Action.objects.get()
    assert (action.state, Approval.objects.get(subject_id=action.pk).state) == ("withdrawn", "withdrawn")
    assert not Ready.objects.exists()
    assert fake.count() == 0
    run.refresh_from_db()
    assert run.outcome == "answered"


def test_overriding_an_answer_is_no_leave_to_do_anything(
    alice: Any, dave: Any, bob: Any, clerk: Any, fake: Any
) -> None:
    """Whoever gave the answer wants what follows: the rules still hold it, and another person decides."""
    hold_above(10_000)
    run = begun(alice)
    bob = may_steer(bob)
    with pytest.raises(Refusal) as wrong:
        do(bob, run, services.Override({"kind": 7}), "read")
    assert wrong.value.code == "invalid_answer"
    do(bob, run, services.Override({"kind": "order"}), "read")
    question = Approval.objects.get(state="pending")
    with pytest.raises(Refusal) as refused:
        vote(bob, question)
    assert refused.value.code == "four_eyes"
    assert (Action.objects.get().state, fake.count()) == ("held", 0)


def may_steer(bob: Any) -> Any:
    from django.contrib.auth.models import Group

    bob.groups.add(Group.objects.get(name="Operators"))
    return type(bob).objects.get(pk=bob.pk)


def vote(who: Any, question: Approval) -> Any:
    return cast_vote(
        actor=who.as_actor(),
        approval_id=question.pk,
        verdict="approve",
        reason="seen it",
        digest=question.digest,
    )


def test_the_answer_of_a_closed_step_is_corrected_and_kept_in_the_ledger(
    alice: Any, dave: Any, clerk: Any
) -> None:
    run = held(alice, clerk)
    effect = do(dave, run, services.Override({"kind": "chat"}), "read")
    assert [change.kind for change in effect.changes] == ["answers"]
    assert step(run, "read").answer == {"kind": "chat"}
    assert step(run, "read").state == "done"
    assert Action.objects.get().state == "held"
    payload = Event.objects.get(verb="runs.step_overridden").payload.data
    assert (payload["before"]["answer"]["kind"], payload["after"]["answer"]) == ("order", {"kind": "chat"})


def test_a_step_is_done_again_as_a_new_attempt_and_what_was_is_kept(
    alice: Any, dave: Any, bob: Any, clerk: Any, fake: Any
) -> None:
    run = held(alice, clerk)
    effect = do(dave, run, services.Rerun(), "read")
    assert "Read it begins again, as attempt 2." in said(effect)
    assert Action.objects.get().state == "withdrawn"
    assert [(it.node, it.generation, it.state) for it in run.steps.order_by("pk")] == [
        ("read", 1, "done"),
        ("enter", 1, "cancelled"),
        ("read", 2, "running"),
    ]
    old = run.steps.get(node="read", generation=1)
    with pytest.raises(Refusal, match="done again since"):
        services.steer_run(actor=dave.as_actor(), run=run, verb=services.Skip(), reason=WHY, step=old)
    complete(clerk, claim(clerk), kind="order")
    assert step(run, "enter").generation == 2
    assert Action.objects.filter(state="held").count() == 1


def test_what_may_be_on_its_way_into_a_system_is_not_done_again(
    alice: Any, dave: Any, clerk: Any, fake: Any
) -> None:
    run = begun(alice)
    complete(clerk, claim(clerk), kind="order")
    action = Action.objects.get()
    executing._begin(action.pk)  # the worker has just committed that it does it
    for node in ("read", "enter"):
        with pytest.raises(Refusal) as refused:
            do(dave, run, services.Rerun(), node)
        assert refused.value.code == "cannot_rerun"
        assert "has begun" in refused.value.message
    assert "may be done, whatever happens here" in said(look(dave, run, services.Skip(), "enter"))


def test_doing_again_says_what_was_done_and_is_not_undone(
    alice: Any, dave: Any, bob: Any, clerk: Any, fake: Any
) -> None:
    publish(alice, bob, letters(enter={"next": [{"to": "look"}]}))
    run = begun(alice)
    complete(clerk, claim(clerk), kind="order")
    action = Action.objects.get()
    run_action(action_id=action.pk)
    services.tick()
    effect = look(dave, run, services.Rerun(), "read")
    assert [(change.kind, change.action) for change in effect.changes if change.action] == [
        ("stays", str(action.pk))
    ]


def test_a_named_step_is_done_again(alice: Any, dave: Any, clerk: Any) -> None:
    run = begun(alice)
    with pytest.raises(Refusal) as refused:
        do(dave, run, services.Retry(), "read")
    assert refused.value.code == "cannot_retry"
    with pytest.raises(Refusal) as nothing:
        do(dave, run, services.Retry())
    assert nothing.value.code == "no_incident"
    task = claim(clerk)
    tasks.complete_task(
        actor=clerk.user.as_actor(), task_id=task.pk, epoch=task.epoch, answer={"kind": "chat", "pages": 1}
    )
    Step.objects.filter(pk=step(run, "read").pk).update(is_parked=True)
    Run.objects.filter(pk=run.pk).update(state="incident", problem="for a test")
    do(dave, run, services.Retry(), "read")
    run.refresh_from_db()
    assert (run.state, run.problem, step(run, "read").generation) == ("running", "", 2)


@pytest.mark.parametrize(("verb", "state"), [(services.Skip, "skipped"), (services.Override, "done")])
def test_what_failed_and_waits_for_an_operator_is_settled_by_hand(
    alice: Any, bob: Any, dave: Any, clerk: Any, verb: Any, state: str
) -> None:
    content = letters()
    del content["nodes"]["read"]["failed"]
    publish(alice, bob, content)
    run = begun(alice)
    give_up(clerk)
    assert (step(run, "read").state, step(run, "read").is_parked) == ("failed", True)
    with pytest.raises(DatabaseError), transaction.atomic():
        Step.objects.filter(pk=step(run, "read").pk).update(state="done")  # the incident would stay
    do(dave, run, verb({"kind": "chat", "pages": 1}), "read")
    run.refresh_from_db()
    assert (run.state, run.problem, step(run, "read").state) == ("done", "", state)


@pytest.mark.parametrize("verb", [services.Skip, services.Override])
def test_what_was_done_and_leads_nowhere_gets_another_answer_and_stays_done(
    alice: Any, dave: Any, clerk: Any, verb: Any
) -> None:
    run = begun(alice)
    complete(clerk, claim(clerk), kind="chat")  # nobody said how many pages it has
    run.refresh_from_db()
    assert (run.state, step(run, "read").state) == ("incident", "done")
    do(dave, run, verb({"kind": "chat", "pages": 1}), "read")
    run.refresh_from_db()
    assert (run.state, step(run, "read").state, step(run, "read").answer["pages"]) == ("done", "done", 1)


def test_nothing_new_begins_while_a_run_is_paused(alice: Any, dave: Any, clerk: Any, fake: Any) -> None:
    run = begun(alice)
    task = claim(clerk)
    effect = do(dave, run, services.Pause())
    assert [change.kind for change in effect.changes] == ["run", "run", "goes_on"]
    tasks.complete_task(  # whoever has the work may finish it
        actor=clerk.user.as_actor(), task_id=task.pk, epoch=task.epoch, answer={"kind": "order"}
    )
    assert (services.tick(), services.sweep_runs()["looks"], Ready.objects.count()) == (0, 0, 1)
    with pytest.raises(Refusal, match="paused already"):
        do(dave, run, services.Pause())
    assert "Read it goes on" in said(look(dave, run, services.Resume()))
    do(dave, run, services.Resume())
    services.tick()
    assert step(run, "enter").state == "running"
    with pytest.raises(Refusal, match="is not paused"):
        do(dave, run, services.Resume())


def test_a_paused_task_is_offered_to_nobody_and_refused_with_a_code(alice: Any, dave: Any, clerk: Any) -> None:
    run = begun(alice)
    do(dave, run, services.Pause())
    assert tasks.claim_next(actor=clerk.user.as_actor()) == []
    with pytest.raises(Refusal) as refused:
        tasks.claim_task(actor=clerk.user.as_actor(), task_id=step(run, "read").task_id)
    assert refused.value.code == "run_paused"
    do(dave, run, services.Skip({"kind": "order"}), "read")  # what a person orders waits, too
    assert (step(run, "enter").state, Action.objects.count()) == ("ready", 0)
    do(dave, run, services.Resume())
    services.tick()
    assert step(run, "enter").state == "running"


def test_what_people_approve_meanwhile_is_done_when_the_run_goes_on(
    alice: Any, dave: Any, bob: Any, clerk: Any, fake: Any
) -> None:
    run = held(alice, clerk)
    do(dave, run, services.Pause())
    vote(bob, Approval.objects.get(state="pending"))
    action = Action.objects.get()
    assert run_action(action_id=action.pk).state == "authorized"
    Action.objects.update(expires_at=Now())  # it does not expire while it has to wait
    assert sweep_due()["actions_expired"] == 0
    do(dave, run, services.Resume())
    assert run_action(action_id=action.pk).state == "confirmed"
    assert fake.count() == 1


@pytest.mark.parametrize("stop_clocks", [True, False])
def test_deadlines_stand_still_if_wanted(alice: Any, dave: Any, stop_clocks: bool) -> None:
    run = begun(alice)
    before = Timer.objects.get().fire_at
    do(dave, run, services.Pause(stop_clocks=stop_clocks))
    if stop_clocks:
        Step.objects.update(clock_stopped_at=Now() - timedelta(hours=1))
        Timer.objects.update(fire_at=Now())
        assert services.sweep_runs()["timers"] == 0
        do(dave, run, services.Resume())
        assert Timer.objects.get().fire_at > before
        assert step(run, "read").task.due_at > before + timedelta(minutes=50)
    else:
        Timer.objects.update(fire_at=Now())
        assert services.sweep_runs()["timers"] == 1
        assert Event.objects.filter(verb="runs.step_overdue").exists()


def test_a_paused_run_is_cancelled_and_waits_for_nobody(alice: Any, dave: Any, clerk: Any) -> None:
    run = held(alice, clerk)
    do(dave, run, services.Pause())
    do(dave, run, services.Cancel())
    run.refresh_from_db()
    assert (run.state, Action.objects.get().state) == ("cancelled", "withdrawn")


def test_how_urgent_a_run_is_is_changed(alice: Any, dave: Any, clerk: Any) -> None:
    run, other = begun(alice), begun(alice, key="other")
    with pytest.raises(Refusal, match="no priority"):
        do(dave, other, services.ChangePriority(9))
    do(dave, other, services.ChangePriority(1))
    assert claim(clerk).references["run_id"] == str(other.pk)
    event = Event.objects.get(verb="runs.run_priority_changed")
    assert (event.payload.data["before"], event.payload.data["after"]) == ({"priority": 3}, {"priority": 1})
    assert step(run, "read").task.priority == 3


def test_the_deadline_of_a_step_is_changed(alice: Any, dave: Any) -> None:
    run = begun(alice)
    later = database_now() + timedelta(days=2)
    do(dave, run, services.ChangeDeadline(later), "read")
    assert (Timer.objects.get().fire_at, step(run, "read").task.due_at) == (later, later)
    for wrong in (None, database_now() - timedelta(days=1), later.replace(tzinfo=None)):
        with pytest.raises(Refusal) as refused:
            do(dave, run, services.ChangeDeadline(wrong), "read")
        assert refused.value.code == "deadline_invalid"


def test_a_task_is_given_to_another_agent_and_the_first_is_too_late(
    alice: Any, dave: Any, clerk: Any, book: Any
) -> None:
    rita = new_agent(alice, "rita")
    run = begun(alice)
    task = claim(clerk)
    effect = do(dave, run, services.Redirect(rita.user), "read")
    assert [change.who for change in effect.of_kind("loses", "begins")] == ["Robo", "Rita"]
    assert tasks.claim_next(actor=clerk.user.as_actor()) == []
    with pytest.raises(Refusal) as late:
        complete(clerk, task, kind="order")
    assert late.value.code == "task_stale"
    complete(rita, claim(rita), kind="order")
    assert step(run, "read").agent == rita
    assert "gave it to Rita" in step(run, "read").chosen_because


def test_only_who_is_fit_is_given_work(
    alice: Any, dave: Any, bob: Any, mallory: Any, clerk: Any, book: Any
) -> None:
    rita = new_agent(alice, "rita")
    run = begun(alice)
    Agent.objects.filter(pk=rita.pk).update(brake="paused")
    for to in (rita.user, mallory, None):
        with pytest.raises(Refusal) as refused:
            do(dave, run, services.Redirect(to), "read")
        assert refused.value.code == "cannot_take_it"
    do(dave, run, services.Redirect(bob), "read")
    task = step(run, "read").task
    assert (task.kind, task.role) == ("human_work", None)
    tasks.claim_task(actor=bob.as_actor(), task_id=task.pk)
    tasks.complete_task(actor=bob.as_actor(), task_id=task.pk, answer={"kind": "chat", "pages": 11})
    services.tick()
    human = step(run, "look")
    assert human.state == "running"
    with pytest.raises(Refusal, match="work for people stays with people"):
        do(dave, run, services.Redirect(clerk.user), "look")
    do(dave, run, services.Redirect(bob), "look")


def refusal_of(who: Any, run: Run, verb: Any, node: str) -> Refusal:
    with pytest.raises(Refusal) as refused:
        do(who, run, verb, node)
    return refused.value


def test_work_of_an_agent_is_given_to_whom_the_workflow_means(
    alice: Any, dave: Any, bob: Any, carol: Any, mallory: Any, clerk: Any, book: Any
) -> None:
    """Its groups, and who steers runs in the department of the work: no auditor, nobody from elsewhere."""
    run = begun(alice)
    for nobody in (mallory, carol, dave, Group.objects.get(name="Operators")):
        refused = refusal_of(dave, run, services.Redirect(nobody), "read")
        assert refused.code == "cannot_take_it"
        assert refused.next_step == "It may be given to: Robo, Approvers, Managers, Alice, Bob."
    finance = Department.objects.get(code="finance")
    payable = Department.objects.create(code="payable", name="Payable", parent=finance)
    Run.objects.filter(pk=run.pk).update(department=payable)
    assert "not in charge of it" in refusal_of(dave, run, services.Redirect(dave), "read").message
    type(mallory).objects.filter(pk__in=[mallory.pk, dave.pk]).update(department=payable)
    do(dave, run, services.Redirect(dave), "read")
    assert step(run, "read").task.candidate_users.get() == dave
    refusal_of(dave, run, services.Redirect(mallory), "read")  # of the department, but steers no runs
    carol.groups.add(Group.objects.get(name="Approvers"))
    assert "as an auditor" in refusal_of(dave, run, services.Redirect(carol), "read").message
    group = Group.objects.get(name="Approvers")
    assert "Carol of Approvers may not do it" in refusal_of(dave, run, services.Redirect(group), "read").message


def test_work_is_given_to_a_group_and_whoever_of_it_takes_it_does_it(
    alice: Any, dave: Any, bob: Any, clerk: Any
) -> None:
    run = begun(alice)
    group = Group.objects.get(name="Approvers")
    client, at = signed_in(dave), f"/api/v1/runs/{run.pk}/steps/{step(run, 'read').pk}/redirect"
    both = client.post(at, {"group": "Approvers", "person": "bob", "reason": WHY}, format="json")
    assert both.status_code == 422
    told = client.post(at, {"group": "Approvers", "reason": WHY}, format="json").json()
    assert "Approvers are offered the task" in told["changes"][1]["sentence"]
    task = step(run, "read").task
    assert (task.kind, task.role, list(task.candidate_groups.all())) == ("human_work", None, [group])
    assert tasks.claim_next(actor=clerk.user.as_actor()) == []
    held = tasks.claim_task(actor=bob.as_actor(), task_id=task.pk)
    tasks.complete_task(
        actor=bob.as_actor(), task_id=task.pk, epoch=held.epoch, answer={"kind": "chat", "pages": 1}
    )
    services.tick()
    run.refresh_from_db()
    assert run.outcome == "answered"


def test_who_decided_on_what_was_asked_for_in_it_does_not_get_the_work(
    alice: Any, dave: Any, bob: Any, clerk: Any
) -> None:
    hold_above(10_000)
    run = begun(alice)
    task = claim(clerk)
    action = ask(clerk, task_id=str(task.pk), task_epoch=task.epoch)
    vote(bob, Approval.objects.get(subject_id=action.pk))
    refused = refusal_of(dave, run, services.Redirect(bob), "read")
    assert "whoever decides does not do the work" in refused.message
    assert refused.next_step == "It may be given to: Robo, Managers, Alice."
    do(dave, run, services.Redirect(alice), "read")


def test_who_answers_instead_of_an_agent_does_not_approve_what_follows(
    alice: Any, dave: Any, bob: Any, clerk: Any
) -> None:
    hold_above(10_000)
    run = begun(alice)
    do(dave, run, services.Redirect(bob), "read")
    tasks.claim_task(actor=bob.as_actor(), task_id=step(run, "read").task_id)
    tasks.complete_task(actor=bob.as_actor(), task_id=step(run, "read").task_id, answer={"kind": "order"})
    services.tick()
    question = Approval.objects.get(state="pending")
    with pytest.raises(Refusal) as refused:
        vote(bob, question)
    assert refused.value.code == "four_eyes"


def test_a_held_operation_is_asked_anew_as_another_agent(
    alice: Any, dave: Any, bob: Any, clerk: Any, book: Any, fake: Any
) -> None:
    run = held(alice, clerk)
    rita = new_agent(alice, "rita")
    with pytest.raises(Refusal, match="Rita would be refused"):
        do(dave, run, services.Redirect(rita.user), "enter")
    grant(rita, book["post"])
    effect = do(dave, run, services.Redirect(rita.user), "enter")
    assert [change.kind for change in effect.changes] == ["taken_back", "begins"]
    old, new = Action.objects.order_by("pk")
    assert ((old.agent, old.state), (new.agent, new.state)) == ((clerk, "withdrawn"), (rita, "held"))
    services.tick()
    assert (step(run, "enter").state, step(run, "enter").action) == ("running", new)
    vote(bob, Approval.objects.get(state="pending"))
    run_action(action_id=new.pk)
    services.tick()
    run.refresh_from_db()
    assert (run.outcome, fake.count()) == ("answered", 1)
    assert Approval.objects.filter(subject_id=old.pk).get().state == "withdrawn"


def test_who_may_not_steer_is_refused_every_verb(
    alice: Any, dave: Any, carol: Any, mallory: Any, clerk: Any
) -> None:
    run = begun(alice)
    verbs = [
        services.Skip(),
        services.Override({"kind": "chat"}),
        services.Rerun(),
        services.Retry(),
        services.Redirect(clerk.user),
        services.ChangeDeadline(None),
    ]
    for who in (carol, mallory, clerk.user):
        for verb in verbs:
            for attempt in (do, look):
                with pytest.raises(Refusal) as refused:
                    attempt(who, run, verb, "read")
                assert refused.value.code == "not_permitted"
    assert Event.objects.filter(code="not_permitted", run_id=str(run.pk)).count() == 18
    with pytest.raises(Refusal) as unsaid:
        services.steer_run(actor=dave.as_actor(), run=run, verb=verbs[0], reason="", step=step(run, "read"))
    assert unsaid.value.code == "reason_missing"


def test_nothing_is_done_to_a_run_that_is_over(alice: Any, dave: Any) -> None:
    run = begun(alice)
    do(dave, run, services.Cancel())
    for verb in (services.Skip(), services.Rerun(), services.Override({"kind": "chat"})):
        with pytest.raises(Refusal) as refused:
            do(dave, run, verb, "read")
        assert refused.value.code == "run_over"


def test_what_a_person_did_is_never_changed(alice: Any, dave: Any) -> None:
    run = begun(alice)
    do(dave, run, services.Rerun(), "read")
    for attempt in (lambda: Intervention.objects.update(reason="x"), Intervention.objects.all().delete):
        with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
            attempt()


def test_every_verb_over_http_shows_first_and_then_does_it(
    alice: Any, dave: Any, clerk: Any, carol: Any
) -> None:
    run = begun(alice)
    at = f"/api/v1/runs/{run.pk}"
    read = f"{at}/steps/{step(run, 'read').pk}"
    client = signed_in(dave)
    bodies = {
        f"{at}/pause": {"stop_clocks": False},
        f"{at}/priority": {"priority": 2},
        f"{at}/cancel": {},
        f"{read}/rerun": {},
        f"{read}/skip": {},
        f"{read}/override": {"answer": {"kind": "chat", "pages": 1}},
        f"{read}/redirect": {"person": "bob"},
        f"{read}/deadline": {"due_at": "2099-01-01T00:00:00Z"},
    }
    before = everything()
    for path, body in bodies.items():
        shown = client.post(path, {**body, "preview": True}, format="json")
        assert (shown.status_code, shown.json()["done"]) == (200, False), path
        assert shown.json()["changes"][0]["sentence"], path
    assert client.post(path, body, format="json").json()["code"] == "reason_missing"
    assert client.post(path, {**body, "surprise": 1}, format="json").status_code == 422
    assert signed_in(carol).post(path, {**body, "preview": True}, format="json").status_code == 403
    assert client.post(f"{at}/steps/{run.pk}/skip", {"preview": True}, format="json").status_code == 404
    assert everything()[:-1] == before[:-1]  # refusals alone are on record
    for path, body in list(bodies.items())[:2]:
        assert client.post(path, {**body, "reason": WHY}, format="json").json()["done"] is True
    told = client.get(at).json()
    assert (told["is_paused"], told["priority"]) == (True, 2)
    stale = client.post(f"{at}/resume", {"reason": WHY, "seen": "0" * 64}, format="json")
    assert (stale.status_code, stale.json()["code"]) == (409, "changed_meanwhile")
    done = client.post(f"{at}/cancel", {"reason": WHY}, format="json").json()
    assert (done["state"], done["is_paused"]) == ("cancelled", True)
    assert client.post(f"{read}/skip", {"reason": WHY}, format="json").json()["code"] == "run_over"
