"""A stop reaches what had begun before it: claims end, late answers are refused, processes prove it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from agents.models import EnforcementPoint, Stop
from agents.selectors import containment_of
from agents.services import containment, heartbeat, stops
from audit.models import Event
from audit.vocabulary import Refusal
from tests.workflows.conftest import ask, new_agent
from tests.workflows.test_runs_attacked import meanwhile
from tests.workflows.test_task_api import work
from workflows.actions.selectors import violations
from workflows.actions.services import executing, run_action, sweep_due
from workflows.approvals.services import cast_vote
from workflows.tasks import services as tasks
from workflows.tasks.models import Task
from workflows.tasks.services import revoking

WHY = "something is wrong"
# What a stopped agent may still try with a task it held.
LATE: dict[str, Callable[[Any, Task], Any]] = {
    "complete": lambda actor, task: tasks.complete_task(
        actor=actor, task_id=task.pk, epoch=task.epoch, answer={"total": 1}
    ),
    "heartbeat": lambda actor, task: tasks.heartbeat_task(actor=actor, task_id=task.pk, epoch=task.epoch),
    "release": lambda actor, task: tasks.release_task(actor=actor, task_id=task.pk, epoch=task.epoch),
}


def stop_of(alice: Any, kind: str, name: Any = "") -> Stop:
    return stops.raise_stop(actor=alice.as_actor(), scope_kind=kind, scope_id=str(name), reason=WHY)


def parts(stop: Stop) -> dict[str, str]:
    return {part.label: part.sentence for part in containment_of(stop).parts}


def until(condition: Callable[[], Any], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


class TestClaims:
    pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("hints")]

    @pytest.mark.parametrize("kind", ["everything", "department", "role", "agent", "workflow"])
    @pytest.mark.parametrize("late", LATE.values(), ids=LATE)
    def test_they_end_with_a_stop_and_late_answers_are_refused(
        self, clerk: Any, alice: Any, kind: str, late: Callable[[Any, Task], Any], monkeypatch: Any
    ) -> None:
        work(clerk, references={"workflow_id": "w-1"})
        actor = clerk.user.as_actor()
        (task,) = tasks.claim_next(actor=actor)
        name = {"department": clerk.department_id, "role": clerk.role_id, "agent": clerk.pk}.get(kind, "")
        stop = Stop.objects.create(
            scope_kind=kind, scope_id="w-1" if kind == "workflow" else str(name), reason=WHY, raised_by="Alice"
        )
        assert parts(stop)["Tasks taken back from agents"].startswith(
            "not confirmed: 1 of them still in the hands"
        )
        containment.contain(stop.pk)
        assert parts(stop)["Tasks taken back from agents"] == "1 taken back"
        given_back = Task.objects.get(pk=task.pk)
        assert (given_back.state, given_back.epoch, given_back.claimed_by) == ("open", task.epoch + 1, None)
        assert Event.objects.get(verb="tasks.task_released").code == "stopped"
        with pytest.raises(Refusal) as refused:
            late(actor, task)
        assert refused.value.code == "task_stale"

    def test_those_of_others_stay(self, clerk: Any, alice: Any) -> None:
        other = new_agent(alice, "rest")
        work(clerk)
        tasks.claim_next(actor=other.user.as_actor())
        stop = stop_of(alice, "agent", clerk.pk)
        containment.contain(stop.pk)
        assert Task.objects.get().state == "claimed"
        assert parts(stop)["Tasks taken back from agents"] == "none is left"

    def test_a_colleague_goes_on_with_what_was_taken_back(self, clerk: Any, alice: Any) -> None:
        work(clerk)
        tasks.claim_next(actor=clerk.user.as_actor())
        containment.contain(stop_of(alice, "agent", clerk.pk).pk)
        (task,) = tasks.claim_next(actor=new_agent(alice, "rest").user.as_actor())
        assert task.epoch == 3

    def test_the_sweeper_goes_on_where_whoever_stopped_died(self, clerk: Any, alice: Any) -> None:
        work(clerk)
        tasks.claim_next(actor=clerk.user.as_actor())
        stop_of(alice, "everything")
        assert Task.objects.get().state == "claimed"  # the test's transaction never commits
        assert sweep_due()["stops_unconfirmed"] == 1
        assert Task.objects.get().state == "open"

    def test_many_are_taken_back_in_batches(self, clerk: Any, alice: Any, monkeypatch: Any) -> None:
        monkeypatch.setattr(revoking, "BATCH", 2)
        for _ in range(5):
            work(clerk)
        tasks.claim_next(actor=clerk.user.as_actor(), most=5)
        stop = stop_of(alice, "everything")
        containment.contain(stop.pk)
        assert parts(stop)["Tasks taken back from agents"] == "5 taken back"


class TestTheWayBack:
    pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("hints", "holds")]

    def back_to(self, alice: Any, stop: Stop, stage: str) -> None:
        stops.set_stage(actor=alice.as_actor(), stop=stop, stage=stage, reason="it looks better")

    @pytest.mark.parametrize("kind", ["everything", "agent", "system", "operation"])
    def test_every_write_is_held_and_what_a_person_approves_is_done(
        self, clerk: Any, alice: Any, bob: Any, fake: Any, book: Any, kind: str
    ) -> None:
        name = {"agent": clerk.pk, "system": book["system"].code, "operation": book["post"].code}.get(kind, "")
        stop = stop_of(alice, kind, name)
        assert ask(clerk, number="1").code == "stopped"
        self.back_to(alice, stop, "look")
        assert ask(clerk, number="2").code == "stopped"
        self.back_to(alice, stop, "held")
        held = ask(clerk, number="3")
        assert (held.state, held.code) == ("held", "stop_hold")
        approval = held.approval
        cast_vote(
            actor=bob.as_actor(), approval_id=approval.pk, verdict="approve", reason="it is right",
            digest=approval.digest,
        )  # fmt: skip
        assert run_action(action_id=held.pk).state == "confirmed"
        assert fake.count() == 1

    def test_a_workflow_comes_back_in_stages_too(self, clerk: Any, alice: Any, book: Any) -> None:
        stop = Stop.objects.create(scope_kind="workflow", scope_id="w-1", reason=WHY, raised_by="Alice")
        given = {"references": {"workflow_id": "w-1"}}
        assert ask(clerk, number="1", **given).code == "stopped"
        assert ask(clerk, number="2").state == "authorized"
        self.back_to(alice, stop, "held")
        assert ask(clerk, number="3", **given).code == "stop_hold"
        work(clerk, references={"workflow_id": "w-1"})
        assert len(tasks.claim_next(actor=clerk.user.as_actor())) == 1

    def test_what_was_authorized_before_does_not_slip_out_unheld(
        self, clerk: Any, alice: Any, fake: Any
    ) -> None:
        action = ask(clerk)
        self.back_to(alice, stop_of(alice, "everything"), "held")
        assert run_action(action_id=action.pk).state == "denied"
        assert fake.count() == 0

    def test_claims_begin_again_when_writes_are_held_and_end_when_it_is_stricter(
        self, clerk: Any, alice: Any
    ) -> None:
        work(clerk)
        stop, actor = stop_of(alice, "everything"), clerk.user.as_actor()
        self.back_to(alice, stop, "look")
        with pytest.raises(Refusal, match="may only read"):
            tasks.claim_next(actor=actor)
        self.back_to(alice, stop, "held")
        assert len(tasks.claim_next(actor=actor)) == 1
        containment.contain_active()
        assert Task.objects.get().state == "claimed"
        self.back_to(alice, stop, "stop")
        containment.contain_active()
        assert Task.objects.get().state == "open"

    def test_a_call_that_no_stage_allowed_breaks_the_invariant(self, clerk: Any, alice: Any) -> None:
        action = ask(clerk)
        assert run_action(action_id=action.pk).state == "confirmed"
        with connection.cursor() as cursor:
            for stage, broken in (("stop", True), ("look", True), ("held", True), ("", False)):
                cursor.execute("DELETE FROM agents_historicalstop")
                cursor.execute("DELETE FROM agents_stop")
                if stage:
                    self._earlier_stop(cursor, stage)
                found = {violation.invariant for violation in violations()}
                assert ("I5" in found) is broken, stage

    def _earlier_stop(self, cursor: Any, stage: str) -> None:
        stop = Stop.objects.create(scope_kind="everything", reason=WHY, raised_by="Alice", stage=stage)
        for table, column in (("agents_stop", "raised_at"), ("agents_historicalstop", "history_date")):
            cursor.execute(
                f"UPDATE {table} SET {column} = now() - interval '1 hour' WHERE id = %s",
                [stop.pk],
            )


@pytest.mark.usefixtures("live_db", "hints")
class TestInterleaved:
    def test_a_claim_that_was_first_is_taken_back_after_the_stop(self, clerk: Any, alice: Any) -> None:
        work(clerk)
        with transaction.atomic():
            (task,) = tasks.claim_next(actor=clerk.user.as_actor())
            thread, errors = meanwhile(lambda: stop_of(alice, "everything"))
            assert not Stop.objects.exists()
        thread.join(20)
        assert errors == []
        assert (Task.objects.get().state, Task.objects.get().epoch) == ("open", task.epoch + 1)

    def test_a_stop_that_was_first_leaves_nothing_to_take_back(self, clerk: Any, alice: Any) -> None:
        task, found = work(clerk), []

        def claim() -> None:
            try:
                found.append(tasks.claim_task(actor=clerk.user.as_actor(), task_id=task.pk))
            except Refusal as refusal:
                found.append(refusal.code)

        with transaction.atomic():
            stop = stop_of(alice, "everything")
            thread, errors = meanwhile(claim)
        thread.join(20)
        assert (errors, found) == ([], ["stopped"])
        assert parts(stop)["Tasks taken back from agents"] == "none is left"

    def test_a_task_that_is_being_written_to_is_not_waited_for(self, clerk: Any, alice: Any) -> None:
        """The writer may itself wait for the stop: whoever takes claims back must never wait for a task."""
        work(clerk)
        tasks.claim_next(actor=clerk.user.as_actor())
        with transaction.atomic():
            Task.objects.select_for_update().get()
            thread, errors = meanwhile(lambda: stop_of(alice, "everything"))
            thread.join(20)
            assert (thread.is_alive(), errors) == (False, [])
            assert Task.objects.get().state == "claimed"
        containment.contain_active()
        assert Task.objects.get().state == "open"

    def test_what_was_being_done_is_waited_for_and_said(self, clerk: Any, alice: Any, fake: Any) -> None:
        """Begun before the stop and not at the system yet: the call itself asks again, and nothing leaves."""
        claim = executing._begin(ask(clerk).pk)
        assert claim is not None
        stop = stop_of(alice, "agent", clerk.pk)
        label = "Calls that had left before it"
        assert parts(stop)[label] == "not confirmed: 1 of them not back yet"
        executing.perform(claim)
        containment.contain_active()
        assert parts(stop)[label] == "none is left"
        assert fake.count() == 0


@pytest.mark.full
def test_processes_confirm_and_one_that_hangs_is_named(processes: Any, alice: Any, settings: Any) -> None:
    """Real processes: one that hangs keeps a stop from being confirmed, one that was killed does not."""
    settings.HEARTBEAT_SECONDS = 0.3
    processes.environ["HEARTBEAT_SECONDS"] = "0.3"
    processes.start("portal", "worker", "beat")
    until(lambda: set(EnforcementPoint.objects.values_list("kind", flat=True)) == {"portal", "worker", "clock"})
    stop = stop_of(alice, "everything")
    until(lambda: containment_of(stop).confirmed_at)
    stops.lift_stop(actor=alice.as_actor(), stop=stop, reason="all is well")

    worker = EnforcementPoint.objects.get(kind="worker")
    os.kill(worker.pid, signal.SIGSTOP)
    try:
        stop = stop_of(alice, "everything")
        until(lambda: "has not answered since" in parts(stop)[str(worker)])
        containment.contain_active()
        assert containment_of(stop).confirmed_at is None
        assert [part.label for part in containment_of(stop).open_parts] == [str(worker)]
    finally:
        os.kill(worker.pid, signal.SIGCONT)
    until(lambda: containment_of(stop).is_proved)

    processes.kill("worker")
    again = stop_of(alice, "role", _role().code)
    until(lambda: heartbeat.sweep_points() or "has ended" in str(parts(again)))
    until(lambda: containment.contain_active() == 0)
    assert "has ended" in parts(again)[str(worker)]

    processes.running["portal"].terminate()
    until(lambda: not EnforcementPoint.objects.filter(kind="portal").exists())


def _role() -> Any:
    from django.contrib.auth.models import Group

    from agents.models import Role

    return Role.objects.create(code="some", name="Some", group=Group.objects.create(name="Role: some"))
