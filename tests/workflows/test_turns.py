"""What is too much at once, or too fast, waits for its turn, is refused by nobody, and goes on by itself."""

from __future__ import annotations

import time
from collections import Counter
from datetime import timedelta
from queue import Empty, Queue
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from agents.admin.throttle import preview_of
from agents.models import Agent, Reservation, Throttle
from agents.services import changes, stops, throttles
from audit.models import Event
from audit.vocabulary import Ref, Refusal, RefusalKind
from connectors.models import System
from tests.workflows.conftest import TESTS, ask, limit, new_agent, signed_in
from tests.workflows.test_concurrency import at_once
from tests.workflows.test_pages_runs import read
from tests.workflows.test_runs import begun, claim, complete, publish, step
from workflows.actions import dispatch
from workflows.actions.models import Action, Lease
from workflows.actions.services import drop_action, give_turns, reconcile_action, run_action, sweep_due
from workflows.actions.services.executing import _begin, perform
from workflows.actions.services.outcome import record_failed, record_in_doubt
from workflows.runs import services as runs
from workflows.tasks import services as tasks
from workflows.tasks.models import Task

WHY = "set up for a test"
pytestmark = pytest.mark.usefixtures("holds")


def throttle(agent: Agent, kind: str = "system", **content: Any) -> Throttle:
    scope_id = {"system": System.objects.get().code, "operation": "fake.invoice.post", "agent": agent.code}[
        kind
    ]
    return throttles.add_throttle(
        actor=TESTS, name="calls of the fake", scope_kind=kind, scope_id=scope_id, content=content, reason=WHY
    )


def asked(clerk: Agent, many: int) -> list[Action]:
    return [ask(clerk, number=f"RE-{number}") for number in range(many)]


def begin(action: Action) -> Any:
    """Take the place of an action as a worker does that then dies, or has not come back yet."""
    return _begin(action.pk)


def states() -> list[str]:
    return [a.code if a.waits_for_turn else a.state for a in Action.objects.order_by("pk")]


def hinted(hints: list[tuple[str, str]], actions: list[Action]) -> list[int]:
    """Return which actions a worker was told to run, by their place in the list, and forget the hints."""
    places = {str(action.pk): place for place, action in enumerate(actions)}
    found = [places[about] for job, about in hints if job == dispatch.RUN_ACTION]
    hints.clear()
    return found


@pytest.mark.django_db
class TestOneAtATime:
    @pytest.mark.parametrize("kind", ["system", "operation", "agent"])
    def test_what_has_no_place_waits_and_says_for_what(
        self, clerk: Any, hints: Any, fake: Any, kind: str
    ) -> None:
        throttle(clerk, kind, most_at_once=1)
        first, second = asked(clerk, 2)
        claim = begin(first)
        waiting = run_action(action_id=second.pk)
        assert states() == ["dispatched", "waits_for_turn"]
        assert "waits for its turn: calls of the fake, at most 1 at once" in waiting.sentence
        assert "it is the next" in waiting.sentence
        told = signed_in(clerk.user).get(f"/api/v1/actions/{second.pk}").json()
        assert (told["code"], told["waits_for"]) == ("waits_for_turn", "calls of the fake")
        assert told["waits_since"]
        assert Event.objects.filter(verb="actions.action_put_off", action_id=str(second.pk)).count() == 1
        perform(claim)
        assert run_action(action_id=second.pk).state == "confirmed"
        assert fake.count() == 2

    def test_trying_again_without_a_place_writes_nothing(self, clerk: Any, hints: Any) -> None:
        throttle(clerk, most_at_once=1)
        first, second = asked(clerk, 2)
        begin(first)
        run_action(action_id=second.pk)
        before = Event.objects.count(), Action.objects.get(pk=second.pk).waits_since
        run_action(action_id=second.pk)
        assert (Event.objects.count(), Action.objects.get(pk=second.pk).waits_since) == before

    def test_the_end_of_one_hints_at_who_has_waited_longest(
        self, clerk: Any, hints: Any, django_capture_on_commit_callbacks: Any
    ) -> None:
        throttle(clerk, most_at_once=2)
        actions = asked(clerk, 5)
        claims = [begin(action) for action in actions]
        assert states() == ["dispatched"] * 2 + ["waits_for_turn"] * 3
        hints.clear()
        with django_capture_on_commit_callbacks(execute=True):
            perform(claims[0])
        assert hinted(hints, actions) == [2]
        with django_capture_on_commit_callbacks(execute=True):
            perform(claims[1])
        assert hinted(hints, actions) == [2, 3]

    def test_the_pages_say_that_it_waits_and_a_stopped_agent_is_called_stopped(
        self, clerk: Any, carol: Any, hints: Any
    ) -> None:
        throttle(clerk, most_at_once=1)
        first, second = asked(clerk, 2)
        claim = begin(first)
        begin(second)
        perform(claim)
        Action.objects.filter(pk=second.pk).update(waits_since=Now() - timedelta(minutes=5))
        assert "Waits for its turn: 1 action<" in read(carol, "home")
        met = preview_of(Throttle.objects.get(), {"is_enabled": "on", "most_at_once": "2"})
        assert met["counts"]["Calls that wait for their turn"] == 1
        agents, action = read(carol, "console"), read(carol, "action", second.pk)
        for page in (agents, action):
            assert "Waits for its turn" in page
            assert "Authorized" not in page
        assert ">Working<" not in agents
        stops.raise_stop(actor=TESTS, scope_kind="role", scope_id="bookkeeper", reason=WHY)
        assert "Stopped" in read(carol, "console")

    def test_an_agent_withdraws_what_waits_and_the_next_is_tried(
        self, clerk: Any, hints: Any, django_capture_on_commit_callbacks: Any
    ) -> None:
        limit("daily", 10)
        throttle(clerk, most_at_once=1)
        actions = first, second, third = asked(clerk, 3)
        claim = begin(first)
        assert (begin(second), begin(third)) == (None, None)
        perform(claim)
        hints.clear()  # the second was told that it is its turn
        client, address = signed_in(clerk.user), f"/api/v1/actions/{second.pk}/withdraw"
        with django_capture_on_commit_callbacks(execute=True):
            told = client.post(address, {"reason": "not needed"}, format="json").json()
        assert (told["state"], told["code"]) == ("withdrawn", "withdrawn")
        assert hinted(hints, list(actions)) == [2]
        assert not Reservation.objects.filter(action_id=str(second.pk), state="reserved").exists()
        assert begin(second) is None
        assert begin(third) is not None
        late = client.post(f"/api/v1/actions/{third.pk}/withdraw", {"reason": "too late"}, format="json")
        assert (late.status_code, late.json()["code"]) == (409, "not_held")

    def test_who_waits_is_tried_as_soon_as_a_throttle_is_loosened(
        self, clerk: Any, alice: Any, bob: Any, hints: Any, django_capture_on_commit_callbacks: Any
    ) -> None:
        found = throttle(clerk, most_at_once=1)
        actions = asked(clerk, 4)
        for action in actions:
            begin(action)
        hints.clear()
        waits = throttles.propose_throttle_change(
            actor=alice.as_actor(), throttle=found, changes={"most_at_once": 3}, reason=WHY
        ).change_request
        with django_capture_on_commit_callbacks(execute=True):
            changes.apply_change(actor=bob.as_actor(), change_request=waits, reason=WHY)
        assert hinted(hints, actions) == [1, 2]

    def test_who_comes_now_takes_no_place_that_somebody_waits_for(self, clerk: Any, hints: Any) -> None:
        throttle(clerk, most_at_once=1)
        first, second, third = asked(clerk, 3)
        claim = begin(first)
        assert begin(second) is None
        perform(claim)
        assert begin(third) is None, "the place is that of the second"
        assert begin(second) is not None
        assert states() == ["confirmed", "dispatched", "waits_for_turn"]

    def test_what_waits_does_not_expire_and_begins_under_a_new_authorization(
        self, clerk: Any, hints: Any
    ) -> None:
        throttle(clerk, most_at_once=1)
        first, second = asked(clerk, 2)
        claim = begin(first)
        begin(second)
        Action.objects.filter(pk=second.pk).update(expires_at=Now() - timedelta(hours=1))
        assert sweep_due()["actions_expired"] == 0
        assert run_action(action_id=second.pk).code == "waits_for_turn"
        old = Action.objects.get(pk=second.pk).authorization_id
        perform(claim)
        done = run_action(action_id=second.pk)
        assert (done.state, done.attempt, done.waits_for) == ("confirmed", 1, None)
        assert done.authorization_id != old
        assert done.waits_since is not None

    def test_the_sweeper_hints_at_as_many_as_there_is_room_for(self, clerk: Any, hints: Any) -> None:
        throttle(clerk, most_at_once=2)
        actions = asked(clerk, 4)
        claims = [begin(action) for action in actions]
        Action.objects.update(decided_at=Now() - timedelta(minutes=1))
        hints.clear()
        assert sweep_due()["turns_given"] == 0
        assert hinted(hints, actions) == [], "neither are they hinted at as left lying"
        perform(claims[0])
        assert sweep_due()["turns_given"] == 1
        assert hinted(hints, actions) == [2]

    def test_the_place_of_who_died_is_free_when_its_lease_is_reconciled(
        self, clerk: Any, hints: Any, fake: Any
    ) -> None:
        throttle(clerk, most_at_once=1)
        actions = first, second = asked(clerk, 2)
        begin(first)  # and nobody comes back
        begin(second)
        Lease.objects.update(until=Now())
        hints.clear()
        sweep_due()
        assert hints == [(dispatch.RECONCILE, str(first.pk))]
        assert reconcile_action(action_id=first.pk).state == "confirmed"
        hints.clear()
        sweep_due()
        assert hinted(hints, [*actions]) == [1]
        assert run_action(action_id=second.pk).state == "confirmed"
        assert fake.count() == 2

    def test_what_is_in_doubt_holds_no_place(
        self, clerk: Any, hints: Any, django_capture_on_commit_callbacks: Any
    ) -> None:
        throttle(clerk, most_at_once=1)
        actions = first, second = asked(clerk, 2)
        claim = begin(first)
        begin(second)
        hints.clear()
        with django_capture_on_commit_callbacks(execute=True):
            record_in_doubt(first.pk, claim.epoch, why="The call had no answer.")
        assert hinted(hints, [*actions]) == [1]
        assert begin(second) is not None

    def test_tightened_while_work_waits_nothing_begins_until_there_is_room(
        self, clerk: Any, hints: Any
    ) -> None:
        made = throttle(clerk, most_at_once=2)
        actions = asked(clerk, 3)
        claims = [begin(action) for action in actions]
        throttles.propose_throttle_change(actor=TESTS, throttle=made, changes={"most_at_once": 1}, reason=WHY)
        perform(claims[0])
        assert begin(actions[2]) is None, "one that was begun before still has the only place"
        perform(claims[1])
        assert run_action(action_id=actions[2].pk).state == "confirmed"

    def test_switched_off_it_lets_go_all_who_wait(self, clerk: Any, hints: Any) -> None:
        made = throttle(clerk, most_at_once=1)
        actions = asked(clerk, 4)
        for action in actions:
            begin(action)
        hints.clear()
        Throttle.objects.filter(pk=made.pk).update(is_enabled=False)
        assert sweep_due()["turns_given"] == 3
        assert hinted(hints, actions) == [1, 2, 3]
        assert all(begin(action) for action in actions[1:])

    def test_of_several_each_counts_and_the_one_that_is_full_is_named(self, clerk: Any, hints: Any) -> None:
        throttle(clerk, "system", most_at_once=3)
        throttle(clerk, "agent", most_at_once=1)
        first, second = asked(clerk, 2)
        begin(first)
        assert "(Robo)" in run_action(action_id=second.pk).sentence

    def test_what_waits_is_stopped_and_taken_back_like_anything_that_has_not_begun(
        self, clerk: Any, hints: Any, django_capture_on_commit_callbacks: Any
    ) -> None:
        throttle(clerk, most_at_once=1)
        actions = first, second, third, fourth = asked(clerk, 4)
        claim = begin(first)
        for action in actions[1:]:
            begin(action)
        assert drop_action(actor=TESTS, action_id=second.pk, reason=WHY).state == "withdrawn"
        perform(claim)
        stops.raise_stop(actor=TESTS, scope_kind="everything", reason=WHY)
        hints.clear()
        with django_capture_on_commit_callbacks(execute=True):
            assert run_action(action_id=third.pk).code == "stopped"
        assert hinted(hints, [*actions]) == [3], "the next learns at once that it is stopped, too"
        assert run_action(action_id=fourth.pk).code == "stopped"

    def test_a_rate_counts_what_began_within_its_seconds(self, clerk: Any, hints: Any) -> None:
        made = throttle(clerk, most=2, per_seconds=3600)
        actions = asked(clerk, 4)
        assert [run_action(action_id=action.pk).state for action in actions[:2]] == ["confirmed"] * 2
        waiting = run_action(action_id=actions[2].pk)
        assert "2 in 3600 seconds" in waiting.sentence
        assert "the next begins in about 60 min" in waiting.sentence
        begin(actions[3])
        Action.objects.filter(pk=actions[0].pk).update(dispatched_at=Now() - timedelta(seconds=3601))
        hints.clear()
        assert give_turns(throttle_id=made.pk) == 1
        assert hinted(hints, actions) == [2]
        assert run_action(action_id=actions[2].pk).state == "confirmed"
        assert run_action(action_id=actions[3].pk).code == "waits_for_turn"

    def test_a_rate_of_seconds_asks_to_be_looked_at_when_the_next_may_begin(
        self, clerk: Any, hints: Any, settings: Any
    ) -> None:
        settings.SWEEP_SECONDS = 7200  # it would come by later than that
        made = throttle(clerk, most=1, per_seconds=3600)
        for action in asked(clerk, 3):
            run_action(action_id=action.pk)
        hints.clear()
        give_turns(throttle_id=made.pk)
        give_turns(throttle_id=made.pk)
        assert hints == [(dispatch.GIVE_TURNS, str(made.pk))], "once, however often it is asked"

    def test_a_step_of_a_run_says_on_its_page_that_it_waits_and_goes_on(
        self, clerk: Any, hints: Any, alice: Any, bob: Any
    ) -> None:
        publish(alice, bob)
        throttle(clerk, most_at_once=1)
        claim_of_another = begin(ask(clerk))
        run = begun(alice)
        complete(clerk, claim(clerk), kind="order")
        action = step(run, "enter").action
        run_action(action_id=action.pk)
        page = read(alice, "run", run.pk)
        assert "Waits for its turn" in page
        assert "calls of the fake, at most 1 at once" in page
        perform(claim_of_another)
        assert run_action(action_id=action.pk).state == "confirmed"
        runs.tick()
        run.refresh_from_db()
        assert run.outcome == "answered"

    def test_without_a_throttle_it_costs_one_statement(self, clerk: Any, hints: Any) -> None:
        action = ask(clerk)
        with CaptureQueriesContext(connection) as queries:
            run_action(action_id=action.pk)
        told = [query["sql"] for query in queries]
        assert len([sql for sql in told if "agents_throttle" in sql]) == 1
        assert [sql for sql in told if "waits_for_id" in sql.partition(" FROM ")[2]] == []


@pytest.mark.django_db
class TestClaims:
    @pytest.fixture
    def work(self, robo: Agent) -> list[Task]:
        return [
            tasks.open_task(
                actor=TESTS,
                kind=Task.Kind.AGENT_WORK,
                title=f"Read letter {number}",
                subject=Ref("tests.letter", str(number)),
                role=robo.role,
            )
            for number in range(4)
        ]

    def test_an_agent_has_no_more_tasks_than_its_throttle_says(
        self, robo: Agent, alice: Any, work: Any, book: Any
    ) -> None:
        throttle(robo, "agent", most_at_once=2)
        actor = robo.user.as_actor()
        assert len(tasks.claim_next(actor=actor, most=10)) == 2
        assert tasks.claim_next(actor=actor) == [], "as if there were nothing"
        other = new_agent(alice, "rival")
        assert len(tasks.claim_next(actor=other.user.as_actor())) == 1
        mine = Task.objects.filter(claimed_by=robo.user).order_by("pk")
        tasks.release_task(actor=actor, task_id=mine[0].pk)
        assert len(tasks.claim_next(actor=actor, most=10)) == 1

    def test_taking_a_certain_one_is_refused_and_says_why(self, robo: Agent, work: Any, book: Any) -> None:
        throttle(robo, "agent", most_at_once=1)
        actor = robo.user.as_actor()
        tasks.claim_task(actor=actor, task_id=work[0].pk)
        with pytest.raises(Refusal) as refused:
            tasks.claim_task(actor=actor, task_id=work[1].pk)
        assert (refused.value.code, refused.value.kind) == ("too_many_at_once", RefusalKind.LIMITED)
        assert "at most 1 at once" in refused.value.message
        assert tasks.claim_task(actor=actor, task_id=work[0].pk).epoch == 2, "what one has is not one more"

    def test_a_claim_that_lapsed_does_not_count(self, robo: Agent, work: Any, book: Any) -> None:
        throttle(robo, "agent", most_at_once=1)
        tasks.claim_next(actor=robo.user.as_actor())
        Task.objects.filter(state="claimed").update(lease_until=Now() - timedelta(seconds=1))
        assert len(tasks.claim_next(actor=robo.user.as_actor())) == 1


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Queue[str]:
    """Hold what workers are told to run, as the broker does."""
    waiting: Queue[str] = Queue()
    monkeypatch.setattr(dispatch, "_send", lambda job, about, **_: waiting.put(str(about)))
    return waiting


def work_off(queue: Queue[str], actions: list[Action], threads: int) -> None:
    """Let as many workers do what they are told, and nothing else, until all is done. No sweeper helps them."""
    for action in actions:
        queue.put(str(action.pk))
    left = {str(action.pk) for action in actions}

    def work(_: int) -> None:
        while left:
            try:
                told = queue.get(timeout=0.2)
            except Empty:
                assert time.monotonic() < deadline, f"nobody told anybody of {len(left)} that wait"
                continue
            if run_action(action_id=told).is_final:
                left.discard(told)

    deadline = time.monotonic() + 120
    at_once(work, threads, threads=threads)


def many_at_once(
    queue: Queue[str], clerk: Agent, fake: Any, *, most: int, times: int, threads: int, latency: float
) -> None:
    System.objects.update(max_concurrent=threads)
    fake.latency = latency
    throttle(clerk, most_at_once=most)
    work_off(queue, asked(clerk, times), threads)
    assert Counter(states()) == {"confirmed": times}
    assert fake.count() == times
    assert fake.most_at_once <= most
    assert Action.objects.filter(waits_since__isnull=False).exists()


@pytest.mark.usefixtures("live_db")
class TestManyAtOnce:
    def test_of_eight_at_work_two_are_let_in_and_all_are_done(self, clerk: Any, fake: Any, queue: Any) -> None:
        many_at_once(queue, clerk, fake, most=2, times=8, threads=8, latency=0.05)

    @pytest.mark.full
    def test_of_fifty_at_work_five_are_let_in_and_all_are_done(self, clerk: Any, fake: Any, queue: Any) -> None:
        many_at_once(queue, clerk, fake, most=5, times=50, threads=50, latency=0.1)

    @pytest.mark.full
    def test_a_throttle_that_was_added_lets_nothing_more_begin_from_its_commit_on(
        self, clerk: Any, hints: Any
    ) -> None:
        """While others begin, one adds it: the invariant compares what began later with what it says."""
        System.objects.update(max_concurrent=8)
        actions = asked(clerk, 24)

        def work(index: int) -> Any:
            return throttle(clerk, most=3, per_seconds=3600) if index == 8 else begin(actions[index])

        at_once(work, 24, threads=8)
        made = Throttle.objects.get()
        late = Action.objects.filter(dispatched_at__gt=made.in_force_since).count()
        assert late == 3


@pytest.mark.django_db
def test_what_failed_for_a_moment_is_no_trouble_for_a_day(clerk: Any, carol: Any, hints: Any) -> None:
    claim = begin(ask(clerk))
    record_failed(claim.action.pk, claim.epoch, code="unreachable", sentence="it was away", temporary=True)
    assert "Failed: " in read(carol, "home")
    Action.objects.update(finished_at=Now() - timedelta(minutes=20))
    assert "Failed: " not in read(carol, "home")
    Action.objects.update(is_temporary=False)
    assert "Failed: " in read(carol, "home")
