"""Whatever agents, people, clocks and operators do to runs in whatever order: none is lost."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from django.db.models import Count, Q
from django.db.models.functions import Now
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from agents.models import Stop
from agents.services import stops
from audit.vocabulary import Ref, Refusal
from tests.conftest import _person
from tests.fakes import FakeSystem, install
from tests.workflows.conftest import ask, grant, hold_above, new_agent
from tests.workflows.test_runs import letters, publish
from workflows.actions.choices import FINAL
from workflows.actions.models import Action
from workflows.actions.selectors import violations
from workflows.actions.services import run_action
from workflows.approvals.models import Approval
from workflows.approvals.services import cast_vote
from workflows.runs import services
from workflows.runs.choices import OPEN_STEPS
from workflows.runs.models import Run, Step, Timer
from workflows.tasks import services as tasks
from workflows.tasks.models import Task

WHICH = st.integers(0, 9)


class RunsLife(RuleBasedStateMachine):
    """Two agents of one role, a workflow with work, an operation that is held, and a person who settles."""

    @initialize()
    def take_on(self) -> None:
        self.atomic = transaction.atomic()
        self.atomic._from_testcase = True  # the outermost transaction of this run; undone at its end
        self.atomic.__enter__()
        self.fake = FakeSystem().start()
        book = install(self.fake, breaker_threshold=1000)
        self.alice, self.dave = _person("alice", "Managers"), _person("dave", "Operators")
        self.bob = _person("bob", "Approvers")
        self.agents = [new_agent(self.alice, code) for code in ("robo", "rita")]
        for agent in self.agents:
            grant(agent, book["post"])
        publish(self.alice, self.bob, letters(enter={"arguments": self._arguments()}))
        hold_above(10_000)
        self.epochs: dict[uuid.UUID, int] = {}
        self.swept = False

    def _arguments(self) -> dict[str, str]:
        return {**letters()["nodes"]["enter"]["arguments"], "number": "run.key"}

    def teardown(self) -> None:
        if hasattr(self, "fake"):
            self.fake.stop()
            transaction.set_rollback(True)
            self.atomic.__exit__(None, None, None)

    def attempt(self, work: Callable[[], Any]) -> Any:
        """Do it; a refusal is an answer like any other, and leaves nothing behind."""
        self.swept = False
        try:
            return work()
        except Refusal as refusal:
            return refusal

    def pick(self, which: int, found: Any) -> Any:
        rows = list(found.order_by("pk"))
        return rows[which % len(rows)] if rows else None

    def held(self, which: int) -> Task | None:
        return self.pick(which, Task.objects.filter(state="claimed", kind="agent_work"))

    @rule(key=st.sampled_from("abc"))
    def starts(self, key: str) -> None:
        given = {"workflow_code": "letters", "input": {"topic": "bolts"}, "key": key}
        self.attempt(lambda: services.start_run(actor=self.alice.as_actor(), **given))

    @rule()
    def looks(self) -> None:
        self.attempt(services.tick)

    @rule()
    def sweeps(self) -> None:
        tasks.release_lapsed()
        services.sweep_runs()
        self.swept = True

    @rule(who=st.integers(0, 1))
    def claims(self, who: int) -> None:
        self.attempt(lambda: tasks.claim_next(actor=self.agents[who].user.as_actor()))

    @rule(which=WHICH, who=st.integers(0, 1))
    def claims_by_id(self, which: int, who: int) -> None:
        if task := self.pick(which, Task.objects.all()):
            self.attempt(lambda: tasks.claim_task(actor=self.agents[who].user.as_actor(), task_id=task.pk))

    @rule(
        which=WHICH, kind=st.sampled_from(["order", "chat", ""]), off=st.integers(0, 1), who=st.integers(0, 1)
    )
    def completes(self, which: int, kind: str, off: int, who: int) -> None:
        if task := self.held(which):
            given = {"task_id": task.pk, "epoch": max(1, task.epoch - off), "answer": {"kind": kind}}
            actor = (task.claimed_by if off == 0 else self.agents[who].user).as_actor()
            self.attempt(lambda: tasks.complete_task(actor=actor, **given))

    @rule(which=WHICH, retry=st.booleans())
    def fails(self, which: int, retry: bool) -> None:
        if task := self.held(which):
            given = {"code": "torn", "message": "Torn.", "retry": retry, "after_seconds": 0}
            actor = task.claimed_by.as_actor()
            self.attempt(lambda: tasks.fail_task(actor=actor, task_id=task.pk, epoch=task.epoch, **given))

    @rule(which=WHICH, minor=st.sampled_from([500, 20_000]), waits=st.booleans())
    def asks_and_gives_back(self, which: int, minor: int, waits: bool) -> None:
        if task := self.held(which):
            agent = task.claimed_by.agent
            asked = self.attempt(
                lambda: ask(agent, key=str(task.pk), minor=minor, task_id=str(task.pk), task_epoch=task.epoch)
            )
            wait_for = asked.as_ref() if waits and isinstance(asked, Action) else None
            actor = agent.user.as_actor()
            self.attempt(
                lambda: tasks.release_task(actor=actor, task_id=task.pk, epoch=task.epoch, wait_for=wait_for)
            )

    @rule(which=WHICH)
    def lapses(self, which: int) -> None:
        if task := self.held(which):
            Task.objects.filter(pk=task.pk).update(lease_until=Now())
            self.swept = False

    @rule(which=WHICH)
    def becomes_late(self, which: int) -> None:
        if timer := self.pick(which, Timer.objects.all()):
            Timer.objects.filter(pk=timer.pk).update(fire_at=Now())

    @rule(which=WHICH)
    def a_person_settles(self, which: int) -> None:
        if task := self.pick(which, Task.objects.filter(kind="human_work", state="open")):
            self.attempt(lambda: tasks.claim_task(actor=self.bob.as_actor(), task_id=task.pk))
            self.attempt(lambda: tasks.complete_task(actor=self.bob.as_actor(), task_id=task.pk, answer={}))

    @rule(which=WHICH, verdict=st.sampled_from(["approve", "reject"]))
    def votes(self, which: int, verdict: str) -> None:
        if asked := self.pick(which, Approval.objects.filter(state="pending")):
            vote = {"verdict": verdict, "reason": "seen and decided", "digest": asked.digest}
            self.attempt(lambda: cast_vote(actor=self.bob.as_actor(), approval_id=asked.pk, **vote))

    @rule(which=WHICH, mode=st.sampled_from(["ok", "422"]))
    def an_action_is_done(self, which: int, mode: str) -> None:
        if action := self.pick(which, Action.objects.filter(state="authorized")):
            self.fake._modes = [mode]
            run_action(action_id=action.pk)
            self.fake._modes = []
            self.swept = False

    @rule(which=WHICH)
    def cancels(self, which: int) -> None:
        if run := self.pick(which, Run.objects.all()):
            given = {"run": run, "reason": "nobody needs it"}
            self.attempt(lambda: services.cancel_run(actor=self.dave.as_actor(), **given))

    @rule(which=WHICH)
    def goes_on(self, which: int) -> None:
        if run := self.pick(which, Run.objects.filter(state="incident")):
            given = {"run": run, "reason": "mended it now"}
            self.attempt(lambda: services.retry_run(actor=self.dave.as_actor(), **given))

    @rule()
    def stops_or_lifts(self) -> None:
        actor, active = self.alice.as_actor(), Stop.objects.filter(lifted_at=None).first()
        scope = Ref("workflow", str(Run.objects.values_list("workflow", flat=True).first() or ""))
        if active:
            stops.lift_stop(actor=actor, stop=active, reason="all is well again")
        elif scope.id:
            stops.raise_stop(actor=actor, scope_kind=scope.kind, scope_id=scope.id, reason="it goes wrong")

    @invariant()
    def every_invariant_holds(self) -> None:
        if not hasattr(self, "epochs"):
            return
        assert violations() == []
        self._runs_are_whole()
        self._tasks_are_whole()
        if self.swept:
            self._nothing_is_forgotten()

    def _runs_are_whole(self) -> None:
        opened = Count("steps", filter=Q(steps__state__in=OPEN_STEPS))
        for run in Run.objects.annotate(opened=opened):
            assert run.opened <= 1, run
            assert run.opened == (1 if run.state == "running" else 0), (run.state, run.opened)
            assert bool(run.outcome) == (run.state in ("done", "cancelled")), run

    def _tasks_are_whole(self) -> None:
        for task in Task.objects.select_related("step__run"):
            assert task.epoch >= self.epochs.get(task.pk, 0), task
            self.epochs[task.pk] = task.epoch
            assert task.state == "open" or not task.waits_for, task
            step = getattr(task, "step", None)
            if step is not None and task.state in Task.WAITING:
                assert (step.state, step.run.state) == ("running", "running"), task
        cancelled = [str(key) for key in Run.objects.filter(state="cancelled").values_list("pk", flat=True)]
        begun = Action.objects.filter(references__run_id__in=cancelled)
        assert not begun.filter(state__in=["held", "authorized"]).exists()
        for waiting in Task.objects.filter(state="open").exclude(waits_for=""):
            awaited = Action.objects.get(pk=waiting.waits_for.rpartition(":")[2])
            assert awaited.state not in FINAL, waiting

    def _nothing_is_forgotten(self) -> None:
        for step in Step.objects.filter(run__state="running", state__in=OPEN_STEPS).select_related(
            "task", "action"
        ):
            works = step.task is not None and step.task.state in Task.WAITING
            runs = step.action is not None and step.action.state not in FINAL
            assert works or runs or hasattr(step, "ready"), step


@pytest.fixture
def quiet(hints: Any, caplog: Any) -> None:
    import logging

    caplog.set_level(logging.CRITICAL)


@pytest.mark.usefixtures("live_db", "quiet")
@pytest.mark.parametrize(
    ("examples", "steps"),
    [pytest.param(6, 20, id="short"), pytest.param(30, 30, id="long", marks=pytest.mark.full)],
)
def test_no_run_is_lost_whatever_happens(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        RunsLife,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            print_blob=True,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
