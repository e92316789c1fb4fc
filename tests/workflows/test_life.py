"""Whatever people, agents, systems and crashes do in whatever order: every invariant holds after every step."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models.functions import Now
from django.test import override_settings
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from agents.models import Agent, Reservation, Stop
from agents.services import lifecycle, stops
from audit.vocabulary import Refusal
from connectors.services import grant_operation, revoke_grant
from tests.company import person
from tests.fakes import FakeSystem, install
from tests.records import faults, records
from tests.watching import all_recorded
from tests.workflows.conftest import TESTS, ask, grant, hold_above, limit, new_agent
from workflows.actions.choices import TRANSITIONS, State
from workflows.actions.models import Action, Lease, StandingApproval
from workflows.actions.selectors import violations
from workflows.actions.services import (
    Bounds,
    edit_action,
    executing,
    look_up_early,
    propose_standing_approval,
    reconcile_action,
    reconciling,
    resolve_in_doubt,
    revoke_standing_approval,
    run_action,
    sweep_due,
    withdraw_action,
)
from workflows.approvals.models import Approval, Delegation
from workflows.approvals.services import cast_vote, give_delegation, withdraw_delegation

CEILING = 4
MODES = ["ok", "422", "500", "effect_then_500", "reset", "effect_then_reset"]


class Life(RuleBasedStateMachine):
    """One agent, one limit, two stages of people who stand in for each other, and all that can go wrong."""

    @initialize()
    def take_on(self) -> None:
        self.atomic = transaction.atomic()
        self.atomic._from_testcase = True  # the outermost transaction of this run; undone at its end
        self.atomic.__enter__()
        self.late = reconciling.LATE_ANSWER_SECONDS
        self.fake = FakeSystem().start()
        self.book = install(self.fake, breaker_threshold=1000)
        self.alice, self.dave = person("alice", "Managers"), person("dave", "Operators")
        self.voters = [
            person("bob", "Approvers"),
            person("barbara", "Approvers", "Controllers"),
            person("carl", "Controllers"),
        ]
        self.agent = new_agent(self.alice)
        grant(self.agent, self.book["post"])
        hold_above(10_000)
        hold_above(22_000, approver_group=Group.objects.get(name="Controllers"), stage=2)
        limit("ever", CEILING, window="ever")
        self.before: dict[uuid.UUID, str] = {}

    def teardown(self) -> None:
        if hasattr(self, "fake"):
            assert faults(records()) == []
            self.fake.stop()
            reconciling.LATE_ANSWER_SECONDS = self.late
            transaction.set_rollback(True)
            self.atomic.__exit__(None, None, None)

    def attempt(self, work: Callable[[], Any]) -> Any:
        """Do it; a refusal is an answer like any other."""
        with all_recorded():
            try:
                return work()
            except Refusal as refusal:
                return refusal

    def pick(self, which: int, *states: str) -> Action | None:
        found = list(Action.objects.filter(state__in=states or list(State)).order_by("pk"))
        return found[which % len(found)] if found else None

    @rule(minor=st.sampled_from([500, 20_000, 25_000]), key=st.sampled_from(["", "a", "b"]))
    def asks(self, minor: int, key: str) -> None:
        self.agent.refresh_from_db()
        number = key or str(uuid.uuid4())
        self.attempt(lambda: ask(self.agent, key=key, number=number, minor=minor))

    @rule(
        which=st.integers(0, 9),
        voter=st.integers(0, 2),
        whom=st.integers(0, 2),
        verdict=st.sampled_from(["approve", "approve", "reject"]),
    )
    def votes(self, which: int, voter: int, whom: int, verdict: str) -> None:
        approvals = list(Approval.objects.order_by("pk"))
        if approvals:
            asked = approvals[which % len(approvals)]
            vote = {"verdict": verdict, "reason": "seen and decided", "digest": asked.digest}
            vote |= {"actor": self.voters[voter].as_actor(), "on_behalf_of": self.voters[whom].pk}
            self.attempt(lambda: cast_vote(approval_id=asked.pk, **vote))

    @rule(giver=st.integers(0, 2), delegate=st.integers(0, 2))
    def hands_on_or_takes_back(self, giver: int, delegate: int) -> None:
        actor, today = self.voters[giver].as_actor(), timezone.localdate()
        if given := Delegation.objects.filter(giver=self.voters[giver], withdrawn_at=None).first():
            withdraw_delegation(actor=actor, delegation_id=given.pk, reason="is back again")
        else:
            days = {"first_day": today, "last_day": today, "reason": "is away today"}
            self.attempt(lambda: give_delegation(actor=actor, delegate=self.voters[delegate], **days))

    @rule(minor=st.sampled_from([20_000, 25_000]))
    def asks_what_nobody_decides_in_time(self, minor: int) -> None:
        with override_settings(APPROVAL_SECONDS=0):
            self.asks(minor=minor, key="")

    @rule(which=st.integers(0, 9), voter=st.integers(0, 1), minor=st.sampled_from([500, 15_000, 25_000]))
    def changes_what_is_asked(self, which: int, voter: int, minor: int) -> None:
        if action := self.pick(which, "held", "superseded"):
            changes = {"changes": {"total": {"minor": minor}}, "digest": action.approval.digest}
            edits = {"approval_id": action.approval_id, "reason": "the invoice says so", **changes}
            self.attempt(lambda: edit_action(actor=self.voters[voter].as_actor(), **edits))

    @rule(which=st.integers(0, 9), voter=st.integers(0, 1), uses=st.integers(1, 2))
    def approves_in_advance(self, which: int, voter: int, uses: int) -> None:
        asked = Approval.objects.filter(subject_kind="actions.action").order_by("pk")
        if approvals := list(asked):
            bounds = Bounds(until=timezone.now() + timedelta(days=9), most_uses=uses, most_minor=30_000)
            told = {"approval_id": approvals[which % len(approvals)].pk, "bounds": bounds, "reason": "the same"}
            self.attempt(lambda: propose_standing_approval(actor=self.voters[voter].as_actor(), **told))

    @rule(voter=st.integers(0, 1))
    def ends_what_was_approved_in_advance(self, voter: int) -> None:
        if standing := StandingApproval.objects.filter(revoked_at=None).first():
            actor, told = self.voters[voter].as_actor(), {"standing_id": standing.pk, "reason": "no more"}
            self.attempt(lambda: revoke_standing_approval(actor=actor, **told))

    @rule(which=st.integers(0, 9))
    def withdraws(self, which: int) -> None:
        if action := self.pick(which):
            actor = self.agent.user.as_actor()
            self.attempt(lambda: withdraw_action(actor=actor, action_id=action.pk, reason="changed its mind"))

    @rule(which=st.integers(0, 9), mode=st.sampled_from(MODES))
    def runs(self, which: int, mode: str) -> None:
        if action := self.pick(which, "authorized", "dispatched", "confirmed"):
            self.fake._modes = [mode] if action.state == "authorized" else []
            run_action(action_id=action.pk)
            self.fake._modes = []

    @rule(which=st.integers(0, 9))
    def crashes_before_the_call(self, which: int) -> None:
        if action := self.pick(which, "authorized"):
            executing._begin(action.pk)

    @rule(which=st.integers(0, 9), mode=st.sampled_from(["ok", "effect_then_500"]))
    def crashes_after_the_call(self, which: int, mode: str) -> None:
        if (action := self.pick(which, "authorized")) and (claim := executing._begin(action.pk)):
            from connectors import services as connectors

            self.fake._modes = [mode]
            self.attempt(
                lambda: connectors.execute(
                    actor=self.agent.user.as_actor(),
                    authorization_id=claim.action.authorization_id,
                    arguments=action.arguments,
                    stop_scopes=claim.scopes,
                )
            )
            self.fake._modes = []

    @rule(which=st.integers(0, 9), mode=st.sampled_from(MODES), late=st.booleans())
    def reconciles(self, which: int, mode: str, late: bool) -> None:
        if action := self.pick(which, "dispatched", "in_doubt"):
            Lease.objects.filter(pk=action.pk).update(until=Now())
            reconciling.LATE_ANSWER_SECONDS = -3600 if late else self.late
            self.fake._modes = [mode]
            reconcile_action(action_id=action.pk)
            self.fake._modes = []

    @rule(which=st.integers(0, 9))
    def looks_up(self, which: int) -> None:
        if action := self.pick(which):
            look_up_early(action_id=action.pk)

    @rule(which=st.integers(0, 9))
    def resolves(self, which: int) -> None:
        if action := self.pick(which, "in_doubt"):
            from connectors.policies.digests import reference_of

            there = self.fake.count(reference_of(str(action.pk)))
            outcome = "confirmed" if there else "failed"
            actor = self.dave.as_actor()
            resolve_in_doubt(actor=actor, action_id=action.pk, outcome=outcome, reason="looked it up")

    @rule(lift=st.booleans())
    def stops_or_lifts(self, lift: bool) -> None:
        actor = self.alice.as_actor()
        active = Stop.objects.filter(lifted_at=None).first()
        if lift and active:
            stops.lift_stop(actor=actor, stop=active, reason="all is well again")
        elif not lift and not active:
            stops.raise_stop(actor=actor, scope_kind="everything", reason="something is wrong")

    @rule()
    def pauses_or_resumes(self) -> None:
        agent, actor = Agent.objects.get(pk=self.agent.pk), self.alice.as_actor()
        if agent.brake == Agent.Brake.NONE:
            lifecycle.pause_agent(actor=actor, agent=agent, reason="looking into it")
        else:
            lifecycle.lift_brake(actor=actor, agent=agent, reason="all is well again")

    @rule(give=st.booleans())
    def grants_or_revokes(self, give: bool) -> None:
        change = grant_operation if give else revoke_grant
        self.attempt(
            lambda: change(actor=TESTS, operation=self.book["post"], agent=self.agent, reason="set up")
        )

    @rule(which=st.integers(0, 9))
    def time_runs_out(self, which: int) -> None:
        if action := self.pick(which, "authorized"):
            Action.objects.filter(pk=action.pk).update(expires_at=Now())

    @rule()
    def sweeps(self) -> None:
        sweep_due()

    @invariant()
    def every_invariant_holds(self) -> None:
        if hasattr(self, "before"):
            assert violations() == []
            self._moves_are_legal()
            self._nothing_is_done_twice()
            self._nothing_goes_without_its_people()

    def _nothing_goes_without_its_people(self) -> None:
        """What was ever held went on only as its people agreed: all of its stages, and each of them once."""
        for action in Action.objects.filter(approval__isnull=False, dispatched_at__isnull=False):
            asked = action.approval
            assert (asked.state, asked.used_at is None) == ("approved", False), action.state
            yes = list(asked.votes.filter(verdict="approve"))
            people = [
                key for vote in yes for key in (vote.user_id, vote.on_behalf_of_id, vote.through_id) if key
            ]
            assert len(set(people)) == len(people)
            assert not {str(key) for key in people} & {asked.requester_id, *asked.excluded_ids}
            for stage in asked.stages.all():
                assert len([vote for vote in yes if vote.stage == stage.number]) == stage.quorum
        for asked in Approval.objects.exclude(state="approved"):
            assert asked.used_at is None

    def _moves_are_legal(self) -> None:
        after = dict(Action.objects.values_list("pk", "state"))
        for key, state in after.items():
            assert state in _reachable(self.before.get(key, "requested")), (self.before.get(key), state)
        self.before = after

    def _nothing_is_done_twice(self) -> None:
        effects = Counter(effect["reference"] for effect in self.fake.effects)
        assert all(count == 1 for count in effects.values()), effects
        settled = Reservation.objects.filter(state="settled").count()
        assert settled == Action.objects.filter(state="confirmed").count() <= CEILING
        assert len(effects) <= CEILING


def _reachable(state: str) -> set[str]:
    found, todo = set(), [State(state)]
    while todo:
        here = todo.pop()
        if here not in found:
            found.add(here)
            todo += TRANSITIONS[here]
    return {here.value for here in found}


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch, hints: Any, caplog: Any) -> None:
    import logging

    caplog.set_level(logging.CRITICAL)


@pytest.mark.usefixtures("live_db", "quiet")
@pytest.mark.parametrize(
    ("examples", "steps"),
    [pytest.param(6, 20, id="short"), pytest.param(150, 50, id="long", marks=pytest.mark.full)],
)
def test_every_invariant_holds_whatever_happens(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
