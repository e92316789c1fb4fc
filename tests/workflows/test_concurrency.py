"""What must hold when many do it at once: real commits, real threads, a real system at the other end."""

from __future__ import annotations

import ast
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection, connections

from agents.services import lifecycle, stops
from audit.vocabulary import Refusal
from connectors.models import Call, System
from tests.company import person
from tests.workflows.conftest import ask, hold_above, limit
from workflows.actions import dispatch
from workflows.actions.models import Action
from workflows.actions.selectors import violations
from workflows.actions.services import dispatch_action, run_action
from workflows.approvals.models import Approval
from workflows.approvals.services import cast_vote

pytestmark = [pytest.mark.usefixtures("live_db", "holds", "hints")]
THREADS = 12


def at_once(work: Callable[[int], Any], times: int, threads: int = THREADS) -> list[Any]:
    """Do ``work(0..times-1)`` on several threads, each with connections of its own; return what came of it."""
    barrier = threading.Barrier(threads)

    def share(start: int) -> list[Any]:
        barrier.wait()
        try:
            return [attempt(work, index) for index in range(start, times, threads)]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(threads) as pool:
        return [result for results in pool.map(share, range(threads)) for result in results]


def attempt(work: Callable[[int], Any], index: int) -> Any:
    try:
        return work(index)
    except Refusal as refusal:
        return refusal.code


@pytest.mark.full
def test_five_hundred_at_once_against_a_ceiling_pass_exactly_that_often(clerk: Any) -> None:
    limit("per_day", 37)
    answers = at_once(lambda index: ask(clerk, number=str(index)), 500)
    assert Counter((action.state, action.code) for action in answers if action.state != "authorized") == {
        ("denied", "limit_reached"): 463
    }
    assert Action.objects.filter(state="authorized").count() == 37


def test_one_key_from_many_hands_is_one_decision(clerk: Any) -> None:
    answers = at_once(lambda index: ask(clerk, key="the same"), 48)
    assert Action.objects.count() == 1
    assert {answer if isinstance(answer, str) else answer.state for answer in answers} == {
        "authorized",
        "action_in_flight",
    }


def test_the_same_invoice_from_many_hands_is_posted_once(clerk: Any, fake: Any) -> None:
    limit("once", 1, window="ever", key='args.supplier + "/" + args.number')

    def post(index: int) -> str:
        action = ask(clerk)
        return run_action(action_id=action.pk).code if action.state == "authorized" else action.code

    answers = at_once(post, 36)
    assert Counter(answers) == {"confirmed": 1, "duplicate": 35}
    assert fake.count() == 1


def test_many_workers_run_one_action_once(clerk: Any, fake: Any) -> None:
    action = ask(clerk)
    at_once(lambda index: run_action(action_id=action.pk), 24)
    assert fake.count() == 1
    assert Call.objects.filter(purpose="execute").count() == 1


def test_two_approvers_at_once_have_one_winner(clerk: Any, bob: Any) -> None:
    hold_above(10_000)
    voters = [bob, *(person(f"approver{index}", "Approvers") for index in range(11))]
    for _ in range(5):
        held = ask(clerk, number=str(uuid.uuid4()), minor=20_000)

        def vote(index: int, approval: Approval = held.approval) -> str:
            verdict = "approve" if index % 2 else "reject"
            cast_vote(
                actor=voters[index].as_actor(),
                approval_id=approval.pk,
                verdict=verdict,
                reason="in a hurry",
                digest=approval.digest,
            )
            return verdict

        answers = at_once(vote, 12)
        assert Counter(answers)["approval_closed"] == 11
        held.refresh_from_db()
        assert held.state in ("authorized", "rejected")


def test_at_two_stages_at_once_the_later_never_decides_before_the_first(clerk: Any, bob: Any) -> None:
    hold_above(10_000, name="money")
    voters = [person(f"voter{index}", "Legal" if index % 2 else "Approvers") for index in range(8)]
    hold_above(10_000, name="law", approver_group=Group.objects.get(name="Legal"), stage=2)
    for _ in range(4):
        held = ask(clerk, number=str(uuid.uuid4()), minor=20_000)

        def vote(index: int, approval: Approval = held.approval) -> str:
            cast_vote(
                actor=voters[index].as_actor(),
                approval_id=approval.pk,
                verdict="approve",
                reason="in a hurry",
                digest=approval.digest,
            )
            return "voted"

        at_once(vote, 8)
        votes = list(held.approval.votes.order_by("at").values_list("stage", flat=True))
        assert votes in ([1], [1, 2])
        held.refresh_from_db()
        assert held.state == ("authorized" if len(votes) == 2 else "held")


def test_a_vote_and_a_withdrawal_at_once_end_in_one_of_both(clerk: Any, bob: Any) -> None:
    from workflows.actions.services import withdraw_action

    hold_above(10_000)
    for number in range(8):
        held = ask(clerk, number=str(number), minor=20_000)
        approval = held.approval

        def race(index: int, held: Action = held, approval: Approval = approval) -> str:
            if index:
                return withdraw_action(
                    actor=clerk.user.as_actor(), action_id=held.pk, reason="no longer needed"
                ).state
            return cast_vote(
                actor=bob.as_actor(),
                approval_id=approval.pk,
                verdict="approve",
                reason="looks right",
                digest=approval.digest,
            ).state

        at_once(race, 2, threads=2)
        held.refresh_from_db()
        assert held.state in ("authorized", "withdrawn")


@pytest.mark.parametrize("brake", ["stop", "pause"])
def test_after_a_stop_has_committed_nothing_is_dispatched(
    clerk: Any, fake: Any, alice: Any, brake: str
) -> None:
    """Dispatchers run while a person stops; a call that begins after the commit would be in the ledger."""
    System.objects.update(max_concurrent=8)
    actions = [ask(clerk, number=str(index)) for index in range(60)]
    stopped_at: list[Any] = []

    def stop() -> None:
        time.sleep(0.15)
        if brake == "stop":
            stops.raise_stop(actor=alice.as_actor(), scope_kind="everything", reason="stop it at once")
        else:
            lifecycle.pause_agent(actor=alice.as_actor(), agent=clerk, reason="stop it at once")
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            stopped_at.append(cursor.fetchone()[0])
        connections.close_all()

    stopper = threading.Thread(target=stop)
    stopper.start()
    at_once(lambda index: run_action(action_id=actions[index].pk), len(actions), threads=8)
    stopper.join()
    late = Call.objects.filter(purpose="execute", authorization__consumed_at__gt=stopped_at[0])
    assert late.count() == 0
    states = Counter(Action.objects.values_list("state", flat=True))
    assert states["confirmed"] == fake.count()
    assert set(states) <= {"confirmed", "stopped", "failed"}
    assert states["stopped"] + states["failed"] > 0, states


def test_a_slow_system_answers_202_and_is_done_later(clerk: Any, fake: Any) -> None:
    from tests.workflows.conftest import body, signed_in

    fake.latency = 1.5
    client = signed_in(clerk.user)
    response = client.post(
        "/api/v1/actions", body(), format="json", headers={"Idempotency-Key": "k", "Prefer": "wait=0"}
    )
    assert (response.status_code, response["Preference-Applied"]) == (202, "wait=0")
    assert response.json()["state"] in ("authorized", "dispatched")
    deadline = time.monotonic() + 30
    while Action.objects.get().state != "confirmed" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert Action.objects.get().state == "confirmed"


def test_a_full_pool_leaves_it_to_the_workers(clerk: Any, fake: Any, hints: Any) -> None:
    System.objects.update(max_concurrent=1)
    fake.latency = 0.3
    futures = [dispatch_action(action=ask(clerk, number=str(index))) for index in range(5)]
    assert [future is None for future in futures] == [False, False, False, True, True]
    dispatch.send_gathered()
    told = [one for job, about in hints if job == dispatch.RUN_EACH for one in ast.literal_eval(about)]
    assert len(told) == 2
    for future in futures:
        assert future is None or future.result(timeout=20).state == "confirmed"
    assert fake.most_at_once == 1
    assert violations() == []
