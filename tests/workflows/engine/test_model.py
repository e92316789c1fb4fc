"""The machine against random definitions, completions, failures, doubled and stale news, and every verb.

The shell in memory refuses what must never be ordered: a join that fires twice, something that begins in a
closed frame, a second undo, an order after the end. The rules below only have to try.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.workflows.engine.build import KNOWN
from tests.workflows.engine.definitions import INPUT, trees, written
from tests.workflows.engine.shell import Shell
from workflows.runs import engine
from workflows.runs.engine import events
from workflows.runs.engine.views import StepView

# The schemas are always the same sound ones; checking them is what takes the time of a lint.
SOUND = replace(KNOWN, schema_problems=lambda _: [])
PICK = st.integers(0, 10_000)
RARELY = st.sampled_from([False, False, False, True])
ANSWERS = st.sampled_from([{}, {}, {}, {"again": True}, {"stop": True}])
NEWS = st.sampled_from(
    [
        events.Closed({}),
        events.Failed("x", "x"),
        events.Begun(),
        events.Late(),
        events.Down(),
        events.Signalled({}),
    ]
)
VERBS = st.sampled_from(
    [events.Skip(), events.Override({}), events.RetryStep(), events.Rerun(), events.Rerun(), events.RetryStep()]
)


class Runs(RuleBasedStateMachine):
    """One run, and everything that may happen to it."""

    shell: Shell

    @initialize(tree=trees(), undo_at_end=st.booleans(), most_passed=st.sampled_from([0, 2, 50]))
    def begin(self, tree: Any, undo_at_end: bool, most_passed: int) -> None:
        definition = written(tree, undo_at_end=undo_at_end)
        assert engine.errors(engine.lint(definition, SOUND)) == []
        self.shell = Shell(definition, INPUT, most_passed)
        self.shell.send(None, events.Started())

    def working(self) -> list[StepView]:
        return [step for step in self.shell.steps.values() if step.is_open and self.shell.is_work(step)]

    def waiting(self) -> list[StepView]:
        steps = self.shell.steps.values()
        return [step for step in steps if step.state == "ready" and not self.shell.is_work(step)]

    @precondition(lambda self: self.working())
    @rule(pick=PICK, answer=ANSWERS)
    def done(self, pick: int, answer: dict[str, Any]) -> None:
        found = self.working()
        step = found[pick % len(found)]
        self.shell.send(step.id, events.Closed(answer))
        assert self.shell.send(step.id, events.Closed(answer)).orders == (), "told twice"

    @rule(count=st.integers(1, 3), first=st.booleans())
    def much_is_done(self, count: int, first: bool) -> None:
        """Come far enough that something is there to be undone, joined or done again."""
        for _ in range(count):
            self.shell.pass_all()
            if found := self.working():
                self.shell.send(found[0 if first else -1].id, events.Closed({}))

    @precondition(lambda self: self.waiting())
    @rule(pick=PICK)
    def turn(self, pick: int) -> None:
        found = self.waiting()
        self.shell.send(found[pick % len(found)].id, events.Begun())

    @precondition(lambda self: self.working())
    @rule(pick=PICK, retryable=RARELY, is_infra=RARELY, jitter=st.floats(0, 0.99))
    def failed(self, pick: int, retryable: bool, is_infra: bool, jitter: float) -> None:
        found = self.working()
        news = events.Failed("broken", "It broke.", retryable, is_infra, jitter)
        self.shell.send(found[pick % len(found)].id, news)

    @precondition(lambda self: self.working())
    @rule(pick=PICK, news=st.sampled_from([events.Late(), events.Down(), events.Signalled({"x": 1})]))
    def other_news(self, pick: int, news: Any) -> None:
        found = self.working()
        self.shell.send(found[pick % len(found)].id, news)

    @rule(pick=PICK, news=NEWS)
    def stale_news(self, pick: int, news: Any) -> None:
        closed = [step for step in self.shell.steps.values() if not step.is_open]
        if closed:
            assert self.shell.send(closed[pick % len(closed)].id, news).orders == ()

    @precondition(lambda self: self.shell.undoing)
    @rule(pick=PICK, ok=st.sampled_from([True, True, False]))
    def undone(self, pick: int, ok: bool) -> None:
        found = sorted(self.shell.undoing.items())
        by, target = found[pick % len(found)]
        about = by or target
        self.shell.send(about, events.Undone(target, ok))
        assert self.shell.send(about, events.Undone(target, ok)).orders == (), "told twice"

    @rule(pick=PICK, verb=VERBS)
    def verb(self, pick: int, verb: Any) -> None:
        steps = list(self.shell.steps.values())
        plan = self.shell.send(steps[pick % len(steps)].id, verb)
        assert not (plan.orders and plan.refused)

    @rule(pick=PICK)
    def again_inside_a_frame(self, pick: int) -> None:
        inside = [
            step for step in self.shell.steps.values() if step.frame and not self.shell.frames[step.frame].fired
        ]
        if inside:
            self.shell.send(inside[pick % len(inside)].id, events.Rerun())

    @rule(pick=PICK, verb=VERBS)
    def help_what_is_parked(self, pick: int, verb: Any) -> None:
        parked = sorted(self.shell.parked)
        if parked:
            self.shell.send(parked[pick % len(parked)], verb)

    @rule(
        whether=st.sampled_from([False] * 9 + [True]),
        verb=st.sampled_from([events.CancelRun(), events.Compensate()]),
    )
    def end_it(self, whether: bool, verb: Any) -> None:
        if whether:
            shell = self.shell
            already = bool(shell.over) or (shell.compensating and isinstance(verb, events.Compensate))
            assert bool(shell.send(None, verb).refused) == already

    @invariant()
    def something_is_open_or_parked_until_it_is_over(self) -> None:
        shell = self.shell
        if shell.over:
            assert not shell.open_nodes()
            assert not shell.parked
        else:
            assert shell.open_nodes() or shell.parked or (shell.compensating and shell.undoing)

    @invariant()
    def the_counts_of_every_frame_add_up(self) -> None:
        shell = self.shell
        for frame in shell.frames.values():
            told = [how for (key, _), (how, _) in shell.arrivals.items() if key == frame.id]
            assert frame.failed == told.count("failed")
            assert frame.arrived == len(told) - frame.failed
            assert frame.under_way >= 0
            assert frame.started + frame.dead <= frame.size
            if not frame.closed:
                held = {
                    step.index if step.frame == frame.id else self._index_in(frame.id, step)
                    for step in shell.steps.values()
                    if (step.is_open or step.parked) and shell.is_inside(step.slot, frame.id, None)
                }
                assert len(held) >= frame.under_way, (
                    "a branch or an item has nothing left to do and never ended"
                )

    def _index_in(self, frame: str, step: StepView) -> int:
        slot = step.slot
        while slot.frame != frame:
            slot = self.shell.frames[slot.frame].slot
        return slot.index

    def teardown(self) -> None:
        """Whatever happened, friendly people and systems bring the run to its end."""
        if not hasattr(self, "shell"):
            return
        for _ in range(2000):
            if self.shell.over:
                return
            self._help()
        raise AssertionError(f"it never ends: {self.shell.open_nodes()} {self.shell.parked}")

    def _help(self) -> None:
        shell = self.shell
        if self.working():
            shell.send(self.working()[0].id, events.Closed({}))
        elif self.waiting():
            assert shell.send(self.waiting()[0].id, events.Begun()).orders
        elif shell.undoing:
            by, target = next(iter(shell.undoing.items()))
            shell.send(by or target, events.Undone(target, True))
        else:
            step = next(iter(shell.parked))
            if shell.send(step, events.Skip()).refused:
                assert not shell.send(step, events.RetryStep()).refused


def _check(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        Runs,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_whatever_happens_the_rules_hold() -> None:
    _check(500, 20)


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_whatever_happens_the_rules_hold_for_long() -> None:
    _check(5000, 30)


def _finish(definition: engine.Definition, order: st.DataObject, most_passed: int) -> Shell:
    """Complete everything in an order that is drawn."""
    shell = Shell(definition, INPUT, most_passed).start()
    for _ in range(2000):
        if shell.over:
            return shell
        found = sorted(step.id for step in shell.steps.values() if step.is_open)
        shell.send(found[order.draw(st.integers(0, len(found) - 1))], events.Closed({}))
        shell.pass_all()
    raise AssertionError("it never ends")


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(tree=trees(wild=False), order=st.data(), most_passed=st.sampled_from([0, 50]))
def test_the_order_of_completions_does_not_change_the_outcome(tree: Any, order: Any, most_passed: int) -> None:
    definition = written(tree)
    one, two = _finish(definition, order, most_passed), _finish(definition, order, 50)
    assert (one.over, one.outcome, one.output) == (two.over, two.outcome, two.output)
    assert not one.parked
    done = sorted((step.node, step.generation) for step in one.steps.values())
    assert done == sorted((step.node, step.generation) for step in two.steps.values())
