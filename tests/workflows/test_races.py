"""Two at the same moment, on real connections: one holds the run and has done it, the other comes meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now

from audit.models import Event
from audit.vocabulary import Refusal
from connectors.models import Call
from tests.workflows.conftest import ask, hold_above
from tests.workflows.test_concurrency import at_once
from tests.workflows.test_delegations import hand_on
from tests.workflows.test_delegations import vote as vote_for
from tests.workflows.test_runs import begun, claim, complete, publish, step
from tests.workflows.test_runs_frames import WORK, give_up, nothing_is_left
from tests.workflows.test_runs_frames import publish as publish_nodes
from tests.workflows.test_signals import WAIT, send
from tests.workflows.test_sub_workflows import both, child_of
from workflows.actions.models import Action
from workflows.actions.services import executing, run_action
from workflows.approvals.services import withdraw_delegation
from workflows.runs import services
from workflows.runs.models import Run, Timer
from workflows.tasks import services as tasks

__all__ = ["both"]
pytestmark = pytest.mark.usefixtures("live_db", "hints", "holds")
WHY = "at the same moment"


class Other:
    """Somebody with a connection of their own, and what came of what they did."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.answer: Any = None
        self.code = ""
        self.waited = False
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(work,))

    def come(self) -> None:
        """Begin, and return when the other waits for a lock of ours or is done."""
        self._thread.start()
        deadline = time.monotonic() + 15
        while self._thread.is_alive() and not (waits := _waits_for_us()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        self.waited = self._thread.is_alive() and waits

    def end(self) -> None:
        """Wait until the other is done; fail if it failed."""
        self._thread.join(20)
        assert not self._thread.is_alive()
        if self._failed:
            raise self._failed

    def _run(self, work: Callable[[], Any]) -> None:
        try:
            self.answer = work()
        except Refusal as refusal:
            self.code = refusal.code
        except BaseException as error:  # noqa: BLE001 - it is raised again in the test
            self._failed = error
        finally:
            connection.close()


@contextmanager
def meanwhile(work: Callable[[], Any]) -> Iterator[Other]:
    """Do the body in a transaction; before it commits, let ``work`` come on another connection."""
    other = Other(work)
    with transaction.atomic():
        yield other
        other.come()
    other.end()


def _waits_for_us() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM pg_locks"
            " WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid)))"
        )
        return bool(cursor.fetchone()[0])


def steer(who: Any, run: Run, verb: Any) -> Any:
    return services.steer_run(actor=who.as_actor(), run=run, verb=verb, reason=WHY)


def authorized(alice: Any, clerk: Any, key: str) -> tuple[Run, Action]:
    """Return a run whose operation may be done at once."""
    run = begun(alice, key=key, topic=key)
    complete(clerk, claim(clerk), kind="order")
    return run, Action.objects.get(references__run_id=str(run.pk))


def test_after_a_pause_has_committed_nothing_is_dispatched(
    clerk: Any, alice: Any, bob: Any, dave: Any, fake: Any
) -> None:
    publish(alice, bob)
    run, action = authorized(alice, clerk, "begun")
    with meanwhile(lambda: steer(dave, run, services.Pause())) as pause:
        claimed = executing._begin(action.pk)
    assert pause.waited
    assert [change.kind for change in pause.answer.changes if change.action] == ["goes_on"]
    executing.perform(claimed)
    action.refresh_from_db()
    assert (action.state, fake.count()) == ("confirmed", 1)

    run, action = authorized(alice, clerk, "paused")
    with meanwhile(lambda: run_action(action_id=action.pk).state) as dispatch:
        steer(dave, run, services.Pause())
    assert (dispatch.waited, dispatch.answer, fake.count()) == (True, "authorized", 1)
    assert not Call.objects.filter(action_id=str(action.pk)).exists()
    steer(dave, run, services.Resume())
    assert (run_action(action_id=action.pk).state, fake.count()) == ("confirmed", 2)


def test_many_dispatches_and_one_pause(clerk: Any, alice: Any, bob: Any, dave: Any, fake: Any) -> None:
    publish(alice, bob)
    for number in range(3):
        run, action = authorized(alice, clerk, f"run-{number}")

        def race(index: int, run: Run = run, action: Action = action) -> Any:
            return steer(dave, run, services.Pause()) if index == 2 else run_action(action_id=action.pk).state

        at_once(race, 4, threads=4)
        action.refresh_from_db()
        paused_at = Event.objects.get(run_id=str(run.pk), verb="runs.run_paused").occurred_at
        if action.dispatched_at is None:
            assert (action.state, Call.objects.filter(action_id=str(action.pk)).count()) == ("authorized", 0)
        else:
            assert action.dispatched_at <= paused_at


def test_a_child_that_ends_while_its_parent_is_cancelled(both: None, clerk: Any, alice: Any) -> None:
    """Neither waits for the other for ever, each run ends once, and nothing of either is left."""
    for number, child_first in enumerate((True, False)):
        run = begun(alice, key=f"run-{number}")
        child = child_of(run)
        services.tick()
        task = claim(clerk)

        def cancel(run: Run = run) -> Any:
            return services.cancel_run(actor=alice.as_actor(), run=run, reason=WHY)

        def finish(task: Any = task) -> None:
            actor = clerk.user.as_actor()
            tasks.complete_task(actor=actor, task_id=task.pk, epoch=task.epoch, answer={"sum": 1})
            services.tick(most=1)  # the child has ended, and its parent has not looked yet

        with meanwhile(cancel if child_first else finish) as other:
            finish() if child_first else cancel()
        services.sweep_runs()
        child.refresh_from_db()
        run.refresh_from_db()
        assert (run.state, child.state) == ("cancelled", "done" if child_first else "cancelled")
        assert (other.waited, other.code) == ((False, "") if child_first else (True, "task_closed"))
        for each in (run, child):
            ends = ("runs.run_finished", "runs.run_cancelled")
            assert Event.objects.filter(run_id=str(each.pk), verb__in=ends).count() == 1
            nothing_is_left(each)


def test_a_retry_and_a_cancel_end_in_a_cancelled_run(clerk: Any, alice: Any, bob: Any, dave: Any) -> None:
    publish_nodes(alice, bob, "read", read={**WORK, "next": "done"})

    def stopped(key: str) -> Run:
        run = begun(alice, key=key)
        give_up(clerk)
        return run

    first, second = stopped("retried"), stopped("cancelled")
    with meanwhile(lambda: steer(dave, first, services.Cancel())) as cancel:
        steer(dave, first, services.Retry())
    assert (cancel.waited, step(first, "read").generation, step(first, "read").state) == (True, 2, "cancelled")
    with meanwhile(lambda: steer(dave, second, services.Retry())) as retry:
        steer(dave, second, services.Cancel())
    assert (retry.waited, retry.code, step(second, "read").generation) == (True, "run_over", 1)
    assert set(Run.objects.values_list("state", flat=True)) == {"cancelled"}
    assert tasks.claim_next(actor=clerk.user.as_actor()) == []
    for run in (first, second):
        nothing_is_left(run)


def test_a_signal_and_the_time_to_give_up_have_one_winner(clerk: Any, alice: Any, bob: Any) -> None:
    late = {**WAIT, "timeout_seconds": 60, "late": "given_up"}
    publish_nodes(alice, bob, "later", later=late, given_up={"kind": "end", "outcome": "given_up"})
    first, second = (begun(alice, key=key) for key in ("told", "late"))
    Timer.objects.update(fire_at=Now())
    with meanwhile(lambda: _fire(first)) as clock:
        send(alice, first)
    assert (clock.waited, clock.answer) == (True, False)
    with meanwhile(lambda: send(alice, second)) as signal:
        assert _fire(second)
    assert (signal.waited, signal.code) == (True, "run_over")
    assert sorted(Run.objects.values_list("outcome", flat=True)) == ["answered", "given_up"]
    for run in (first, second):
        nothing_is_left(run)


def _fire(run: Run) -> bool:
    """Do what the clock does with the timer of a run."""
    from workflows.runs.services.sweeping import _fire

    timer = Timer.objects.filter(step__run=run).values_list("pk", flat=True).first()
    return _fire(timer, run.pk)


def test_a_delegation_that_is_ended_meanwhile_lets_no_vote_through(clerk: Any, bob: Any, mallory: Any) -> None:
    hold_above(10_000)
    approval = ask(clerk, minor=20_000).approval
    given = hand_on(bob, mallory)
    with meanwhile(lambda: vote_for(mallory, approval, bob)) as other:
        withdraw_delegation(actor=bob.as_actor(), delegation_id=given.pk, reason=WHY)
    assert other.waited
    assert other.code == "not_a_delegate"
    assert not approval.votes.exists()
