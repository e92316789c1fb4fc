"""Whatever agents, people, clocks and operators do to runs in whatever order: none is lost."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import timedelta
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
from audit.selectors import violations
from audit.vocabulary import Ref, Refusal
from connectors.services import publish_operation
from tests.company import person
from tests.fakes import FakeSystem, install
from tests.watching import all_recorded
from tests.workflows.conftest import TESTS, ask, grant, hold_above, new_agent
from tests.workflows.test_compensation import CANCEL, MAPPING
from tests.workflows.test_runs import letters, publish
from workflows.actions.choices import FINAL
from workflows.actions.models import Action
from workflows.actions.services import run_action
from workflows.approvals.models import Approval
from workflows.approvals.services import cast_vote
from workflows.runs import services
from workflows.runs.choices import OPEN_RUNS, OPEN_STEPS
from workflows.runs.models import Intervention, Run, Step, Timer, WorkflowVersion
from workflows.runs.services.definitions import definition_of
from workflows.tasks import services as tasks
from workflows.tasks.models import Task
from workflows.tasks.selectors import database_now

WHICH = st.integers(0, 9)
ANSWERS = st.sampled_from([{"kind": "order"}, {"kind": "chat", "pages": 20}, {"kind": "chat"}, {}, {"kind": 7}])


def paid(read: str) -> dict[str, Any]:
    """Return the workflow of this test: what is entered waits for a signal, and can be undone."""
    number = {**letters()["nodes"]["enter"]["arguments"], "number": "run.key"}
    undo = {"operation": "fake.invoice.cancel", "arguments": {"invoice": "steps.enter.answer.id"}}
    content = letters(enter={"arguments": number, "next": "pay", "undo": undo})
    nodes = content["nodes"]
    nodes["pay"] = {"kind": "wait", "name": "Wait for the money", "signal": "paid", "match": "signal.n > 1",
                    "timeout_seconds": 3600, "late": "look", "next": "done"}  # fmt: skip
    nodes[read] = json.loads(json.dumps(nodes.pop("read")).replace("steps.read.", f"steps.{read}."))
    content["start"] = read
    return content


class Company:
    """Two agents of one role, a workflow in two versions with work, a wait, an operation that can be undone.
    It stands once; whatever happens to its runs is rolled back."""

    def __init__(self, fake: FakeSystem) -> None:
        self.fake = fake
        book = install(fake, breaker_threshold=1000)
        self.alice, self.dave = person("alice", "Managers"), person("dave", "Operators")
        self.bob = person("bob", "Approvers")
        self.agents = [new_agent(self.alice, code) for code in ("robo", "rita")]
        cancel = publish_operation(
            actor=TESTS, system=book["system"], code="fake.invoice.cancel", name="Cancel an invoice",
            effect="write", input_schema=CANCEL, mapping=MAPPING, reason="set up for a test",
        )  # fmt: skip
        for agent in self.agents:
            grant(agent, book["post"])
            grant(agent, cancel)
        for read in ("scan", "read"):
            publish(self.alice, self.bob, paid(read))
        hold_above(10_000)


class RunsLife(RuleBasedStateMachine):
    """Agents, people, clocks, and an operator who does whatever an operator can."""

    company: Company

    @initialize()
    def open(self) -> None:
        self.atomic = transaction.atomic()
        self.atomic._from_testcase = True  # the outermost transaction of this run; undone at its end
        self.atomic.__enter__()
        company = self.company
        self.alice, self.bob, self.dave, self.agents = company.alice, company.bob, company.dave, company.agents
        self.fake = company.fake
        self.fake.effects.clear()
        self.epochs: dict[uuid.UUID, int] = {}
        self.begun: dict[uuid.UUID, int] = {}
        self.steered = 0
        self.swept = False
        self.starts("a")
        self.looks()

    def teardown(self) -> None:
        if hasattr(self, "atomic"):
            transaction.set_rollback(True)
            self.atomic.__exit__(None, None, None)

    def attempt(self, work: Callable[[], Any]) -> Any:
        """Do it; a refusal is an answer like any other, and leaves nothing behind."""
        self.swept = False
        with all_recorded():
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

    def steer(self, run: Run | None, verb: services.Verb, step: Step | None = None) -> bool:
        """Do exactly what was foreseen, or be refused as foreseen; say whether it was done."""
        if run is None:
            return False
        given = {"actor": self.dave.as_actor(), "run": run, "verb": verb, "step": step}
        foreseen = self.attempt(lambda: services.preview_steering(**given))
        is_refused = isinstance(foreseen, Refusal)
        seen = "" if is_refused else foreseen.seen
        done = self.attempt(lambda: services.steer_run(**given, reason="it has to be", seen=seen))
        if is_refused:
            assert isinstance(done, Refusal), (verb, foreseen)
            assert done.code == foreseen.code
            return False
        assert done == foreseen
        self.steered += 1
        return True

    def open_run(self, which: int) -> Run | None:
        return self.pick(which, Run.objects.filter(state__in=OPEN_RUNS))

    def steer_step(self, which: int, verb: services.Verb, **those: Any) -> None:
        """Steer one of the steps of the runs that are open."""
        found = Step.objects.filter(run__state__in=OPEN_RUNS, **those).select_related("run")
        if step := self.pick(which, found):
            self.steer(step.run, verb, step)

    @rule(which=WHICH)
    def cancels(self, which: int) -> None:
        self.steer(self.pick(which, Run.objects.all()), services.Cancel())

    @rule(which=WHICH)
    def compensates(self, which: int) -> None:
        self.steer(self.pick(which, Run.objects.all()), services.Compensate())

    @rule(which=WHICH)
    def goes_on(self, which: int) -> None:
        self.steer(self.pick(which, Run.objects.filter(state="incident")), services.Retry())

    @rule(which=WHICH, stop_clocks=st.booleans())
    def pauses(self, which: int, stop_clocks: bool) -> None:
        run = self.open_run(which)
        if self.steer(run, services.Pause(stop_clocks)):
            self.begun[run.pk] = self.dispatched(run)

    @rule(which=WHICH)
    def resumes(self, which: int) -> None:
        self.steer(self.pick(which, Run.objects.filter(is_paused=True)), services.Resume())

    @rule(which=WHICH, priority=st.integers(1, 6))
    def becomes_urgent(self, which: int, priority: int) -> None:
        self.steer(self.open_run(which), services.ChangePriority(priority))

    @rule(which=WHICH, hours=st.sampled_from([-1, 1, 48]))
    def has_another_deadline(self, which: int, hours: int) -> None:
        at = database_now() + timedelta(hours=hours)
        self.steer_step(which, services.ChangeDeadline(at), state__in=OPEN_STEPS)

    @rule(which=WHICH)
    def reruns(self, which: int) -> None:
        self.steer_step(which, services.Rerun())

    @rule(which=WHICH)
    def retries_a_step(self, which: int) -> None:
        self.steer_step(which, services.Retry())

    @rule(which=WHICH, answer=ANSWERS)
    def skips(self, which: int, answer: dict[str, Any]) -> None:
        self.steer_step(which, services.Skip(answer))

    @rule(which=WHICH, answer=ANSWERS)
    def overrides(self, which: int, answer: dict[str, Any]) -> None:
        self.steer_step(which, services.Override(answer))

    @rule(which=WHICH, who=st.integers(0, 2))
    def redirects(self, which: int, who: int) -> None:
        to = [*(agent.user for agent in self.agents), self.bob][who]
        self.steer_step(which, services.Redirect(to), state__in=OPEN_STEPS)

    @rule(which=WHICH, number=st.integers(1, 2), names_it=st.booleans())
    def migrates(self, which: int, number: int, names_it: bool) -> None:
        version = WorkflowVersion.objects.get(number=number)
        nodes = [{"read": "scan"}, {"scan": "read"}][number - 1] if names_it else {}
        self.steer(self.open_run(which), services.Migrate(version=version, nodes=nodes))

    @rule(which=WHICH, key=st.sampled_from("kl"), n=st.integers(1, 2))
    def is_told(self, which: int, key: str, n: int) -> None:
        if run := self.pick(which, Run.objects.all()):
            said = {"name": "paid", "payload": {"n": n}, "key": key}
            self.attempt(lambda: services.send_signal(actor=self.dave.as_actor(), run=run, **said))

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
        self._what_was_done_is_known()
        self._tasks_are_whole()
        if self.swept:
            self._nothing_is_forgotten()

    def _runs_are_whole(self) -> None:
        opened = Count("steps", filter=Q(steps__state__in=OPEN_STEPS))
        for run in Run.objects.annotate(opened=opened):
            assert run.opened <= 1, run
            if not run.is_compensating:
                assert run.opened == (1 if run.state == "running" else 0), (run.state, run.opened)
            assert bool(run.outcome) == (run.state in ("done", "cancelled")), run

    def dispatched(self, run: Run) -> int:
        asked = Action.objects.filter(references__run_id=str(run.pk))
        return asked.exclude(dispatched_at=None).count()

    def _what_was_done_is_known(self) -> None:
        """Every effect has its action, every verb its record, and nothing began while its run was paused."""
        cancels = [effect for effect in self.fake.effects if "cancels" in effect]
        assert len({effect["cancels"] for effect in cancels}) == len(cancels)
        confirmed = Action.objects.filter(state="confirmed")
        assert confirmed.count() == len(self.fake.effects)
        assert Intervention.objects.count() == self.steered
        for run in Run.objects.filter(is_paused=True, state__in=OPEN_RUNS):
            assert self.dispatched(run) == self.begun[run.pk], run
        standing = Step.objects.filter(state__in=OPEN_STEPS).select_related("run__version")
        for step in standing:
            assert step.node in definition_of(step.run.version).nodes, step
            later = Step.objects.filter(run=step.run, node=step.node, generation__gt=step.generation)
            assert not later.exists(), step

    def _tasks_are_whole(self) -> None:
        for task in Task.objects.select_related("step__run"):
            assert task.epoch >= self.epochs.get(task.pk, 0), task
            self.epochs[task.pk] = task.epoch
            assert task.state == "open" or not task.waits_for, task
            step = getattr(task, "step", None)
            if step is not None and task.state in Task.WAITING:
                assert (step.state, step.run.state) == ("running", "running"), task
        cancelled = [str(key) for key in Run.objects.filter(state="cancelled").values_list("pk", flat=True)]
        undoing = Step.objects.exclude(undo_action=None).values("undo_action")
        begun = Action.objects.filter(references__run_id__in=cancelled).exclude(pk__in=undoing)
        assert not begun.filter(state__in=["held", "authorized"]).exists()
        for waiting in Task.objects.filter(state="open").exclude(waits_for=""):
            awaited = Action.objects.get(pk=waiting.waits_for.rpartition(":")[2])
            assert awaited.state not in FINAL, waiting

    def _nothing_is_forgotten(self) -> None:
        standing = Step.objects.filter(run__state="running", run__is_paused=False, state__in=OPEN_STEPS)
        for step in standing.select_related("task", "action"):
            works = step.task is not None and step.task.state in Task.WAITING
            runs = step.action is not None and step.action.state not in FINAL
            assert works or runs or hasattr(step, "ready") or hasattr(step, "subscription"), step


@pytest.fixture
def quiet(hints: Any, caplog: Any) -> None:
    import logging

    caplog.set_level(logging.CRITICAL)


@pytest.fixture
def company(live_db: Any, fake: FakeSystem) -> Company:
    """The company, committed, so that it stands for every example."""
    return Company(fake)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize(
    ("examples", "steps"),
    [
        pytest.param(6, 20, id="short"),
        pytest.param(25, 30, id="long", marks=[pytest.mark.full, pytest.mark.timeout(900)]),
    ],
)
def test_no_run_is_lost_whatever_happens(company: Company, examples: int, steps: int) -> None:
    RunsLife.company = company
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
