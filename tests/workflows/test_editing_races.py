"""At the same moment, on real connections: exactly one of two who decide wins, and a count is exact."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from agents.models import Agent
from agents.services import stops
from connectors.models import Call
from tests.company import person
from tests.workflows.conftest import ask, hold_above
from tests.workflows.test_approvals import vote
from tests.workflows.test_concurrency import at_once
from tests.workflows.test_editing import edit
from tests.workflows.test_races import meanwhile
from tests.workflows.test_runs import begun, claim, complete, publish, step
from tests.workflows.test_standing import given
from workflows.actions.models import Action, StandingApproval
from workflows.actions.services import (
    executing,
    revoke_standing_approval,
    run_action,
    sweep_due,
    withdraw_action,
)
from workflows.runs import services as runs

pytestmark = pytest.mark.usefixtures("live_db", "hints", "holds")
WHY = "at the same moment"


@pytest.fixture
def held(live_db: Any, clerk: Agent, bob: Any) -> Action:
    hold_above(10_000)
    person("erin", "Approvers")
    return ask(clerk, number="RE-0", minor=20_000)


def erin() -> Any:
    from agents.models import User

    return User.objects.get(username="erin")


def test_one_changes_it_while_another_approves(held: Action, bob: Any) -> None:
    with meanwhile(lambda: vote(erin(), held.approval)) as other:
        new = edit(bob, held)
    assert (other.waited, other.code) == (True, "approval_closed")
    held.refresh_from_db()
    assert (held.state, new.state) == ("superseded", "held")
    with meanwhile(lambda: edit(person("zoe", "Approvers"), new, minor=11_000)) as other:
        vote(erin(), new.approval)
    assert (other.waited, other.code) == (True, "approval_closed")
    new.refresh_from_db()
    assert (new.state, Action.objects.count()) == ("authorized", 2)


@pytest.mark.parametrize(
    "number", [0, pytest.param(1, marks=pytest.mark.full), pytest.param(2, marks=pytest.mark.full)]
)
def test_many_change_approve_reject_withdraw_and_stop_it_and_one_wins(
    held: Action, bob: Any, clerk: Agent, alice: Any, number: int
) -> None:
    people = [person(f"voter-{place}", "Approvers") for place in range(4)]

    def race(place: int) -> Any:
        if place == 0:
            return withdraw_action(actor=clerk.user.as_actor(), action_id=held.pk, reason=WHY).state
        if place == 1:
            return vote(people[1], held.approval).state
        if place == 2:
            return vote(people[2], held.approval, "reject").state
        if place == 3 and number:
            system = str(held.operation.system_id)
            return stops.raise_stop(actor=alice.as_actor(), scope_kind="system", scope_id=system, reason=WHY).pk
        return edit(people[place % 4], held, minor=12_000 + place).state

    answers = at_once(race, 6, threads=6)
    held.refresh_from_db()
    assert held.state in {"withdrawn", "authorized", "denied", "rejected", "superseded"}
    assert Action.objects.filter(replaces=held).count() == (held.state == "superseded")
    won = [answer for answer in answers if answer in {"withdrawn", "approved", "rejected", "held"}]
    assert len(won) == 1
    run_action(action_id=held.pk)
    assert not Call.objects.exclude(action_id=str(held.pk)).exists()


def test_what_is_late_is_changed_by_nobody(live_db: Any, clerk: Agent, bob: Any, settings: Any) -> None:
    hold_above(10_000)
    settings.APPROVAL_SECONDS = 0
    late = ask(clerk, minor=20_000)

    def race(place: int) -> Any:
        return edit(bob, late).state if place else sweep_due()["approvals_expired"]

    expired, changed = at_once(race, 2, threads=2)
    # The sweeper leaves alone what somebody is just looking at, and comes again.
    assert expired + sweep_due()["approvals_expired"] == 1
    late.refresh_from_db()
    assert late.state == "expired"
    assert changed in {"approval_expired", "approval_closed"}


def test_a_stop_that_came_first_keeps_it_as_it_is(held: Action, bob: Any, alice: Any) -> None:
    system = str(held.operation.system_id)
    with meanwhile(lambda: edit(bob, held)) as other:
        stops.raise_stop(actor=alice.as_actor(), scope_kind="system", scope_id=system, reason=WHY)
    assert (other.waited, other.code) == (True, "stopped")
    assert Action.objects.count() == 1


def test_a_run_is_cancelled_while_one_changes_its_action(
    live_db: Any, clerk: Agent, alice: Any, bob: Any, dave: Any
) -> None:
    hold_above(10_000)
    publish(alice, bob)
    run = begun(alice)
    complete(clerk, claim(clerk), kind="order")
    held = step(run, "enter").action
    with meanwhile(lambda: runs.cancel_run(actor=dave.as_actor(), run=run, reason=WHY)) as other:
        new = edit(bob, held, minor=11_000)
    assert other.waited
    new.refresh_from_db()
    run.refresh_from_db()
    assert (run.state, new.state) == ("cancelled", "withdrawn")


def counted(clerk: Agent, times: int, threads: int) -> Counter[str]:
    return Counter(at_once(lambda index: ask(clerk, number=str(index), minor=20_000).state, times, threads))


def test_many_at_once_use_it_exactly_so_often(held: Action, clerk: Agent, bob: Any) -> None:
    standing = given(bob, erin(), held, most_uses=7)
    assert counted(clerk, 24, 8) == {"authorized": 7, "held": 17}
    standing.refresh_from_db()
    assert (standing.used, standing.spent_minor) == (7, 140_000)


@pytest.mark.full
def test_five_hundred_at_once_use_it_exactly_so_often(held: Action, clerk: Agent, bob: Any) -> None:
    given(bob, erin(), held, most_uses=37)
    assert counted(clerk, 500, 20) == {"authorized": 37, "held": 463}


@pytest.mark.full
def test_many_at_once_spend_no_more_than_all_together(held: Action, clerk: Agent, bob: Any) -> None:
    given(bob, erin(), held, most_uses=100, total_minor=95_000)
    assert counted(clerk, 16, 8) == {"authorized": 4, "held": 12}


@pytest.mark.full
def test_two_that_are_alike_are_used_one_after_the_other(held: Action, clerk: Agent, bob: Any) -> None:
    given(bob, erin(), held, most_uses=3)
    given(bob, erin(), held, most_uses=4)
    assert counted(clerk, 16, 8) == {"authorized": 7, "held": 9}


def test_ended_while_it_begins_or_before(held: Action, clerk: Agent, bob: Any, fake: Any) -> None:
    standing, another = given(bob, erin(), held, most_uses=1), given(bob, erin(), held, most_uses=1)

    def end(one: StandingApproval) -> StandingApproval:
        return revoke_standing_approval(actor=bob.as_actor(), standing_id=one.pk, reason=WHY)

    first, second = (ask(clerk, number=f"RE-{number}", minor=20_000) for number in (1, 2))
    assert (first.standing, second.standing) == (standing, another)
    with meanwhile(lambda: end(standing)) as other:
        claimed = executing._begin(first.pk)
    assert other.waited  # it began before it was ended
    assert claimed is not None
    executing.perform(claimed)
    with meanwhile(lambda: run_action(action_id=second.pk).code) as other:
        end(another)
    assert (other.waited, other.answer, fake.count()) == (True, "standing_approval_over", 1)


def test_ended_while_it_is_used(held: Action, clerk: Agent, bob: Any) -> None:
    standing = given(bob, erin(), held)
    with meanwhile(lambda: ask(clerk, number="RE-1", minor=20_000).state) as other:
        revoke_standing_approval(actor=bob.as_actor(), standing_id=standing.pk, reason=WHY)
    assert (other.waited, other.answer) == (True, "held")
