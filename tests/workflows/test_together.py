"""What is asked, begun and recorded together is what would have come of each alone, with fewer statements."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from agents.models import Agent
from agents.services import stops, throttles
from audit.models import Event
from audit.vocabulary import Actor, Refusal
from connectors.models import Authorization, Call
from connectors.services import Effect, answers_in_process
from tests.workflows.conftest import TESTS, grant, hold_above, new_agent
from tests.workflows.test_concurrency import at_once
from workflows.actions import dispatch
from workflows.actions.models import Action, IdempotencyKey, Lease
from workflows.actions.services import (
    Ask,
    Wish,
    do_actions,
    hint_actions,
    reconcile_action,
    request_action,
    request_together,
    run_action,
)
from workflows.actions.services import executing_together as together
from workflows.runs.services import install_portal

WHY = "set up for a test"
FIND = "portal.run.find"
pytestmark = pytest.mark.usefixtures("holds")


@pytest.fixture
def finder(robo: Agent) -> Agent:
    """Robo, with leave to look runs up: an operation of the portal itself."""
    grant(robo, install_portal(actor=TESTS).lookup_operation)
    return robo


def wish(agent: Agent, number: int, **more: Any) -> Wish:
    ask = Ask(FIND, {"workflow": "letters", "key": f"letter-{number}"}, reason="to know", **more)
    return Wish(agent, f"key-{number}", ask)


def wishes(agent: Agent, many: int) -> list[Wish]:
    return [wish(agent, number) for number in range(many)]


def asked(agent: Agent, many: int) -> list[Action]:
    with transaction.atomic():
        found = request_together(wishes=wishes(agent, many))
    assert all(isinstance(action, Action) for action in found)
    return [action for action in found if isinstance(action, Action)]


def keys(actions: list[Action]) -> list[str]:
    return [str(action.pk) for action in actions]


def states() -> list[str]:
    return [action.state for action in Action.objects.order_by("idempotency__key")]


def told(action: Action) -> list[tuple[str, ...]]:
    """Return what the ledger says of an action, without names that differ from one to the next."""
    names = (str(action.pk), action.label)
    events = Event.objects.filter(action_id=str(action.pk)).order_by("occurred_at", "pk")
    found = []
    for event in events.select_related("payload"):
        payload = str(getattr(event, "payload", None) and event.payload.data)
        words = (event.verb, event.sentence, event.code, event.decision, event.actor_label, payload)
        found.append(tuple(word.replace(names[0], "ID").replace(names[1], "LABEL") for word in words))
    return found


# --- The same as alone.


def test_what_comes_of_it_is_what_comes_of_each_alone(finder: Agent) -> None:
    alone = request_action(actor=finder.user.as_actor(), agent=finder, key="alone", ask=wish(finder, 7).ask)
    run_action(action_id=alone.pk)
    (first, _) = asked(finder, 2)
    do_actions(action_ids=keys([first]))
    alone.refresh_from_db()
    first.refresh_from_db()
    own = {"id", "arguments", "arguments_digest", "label", "correlation_id", "authorization_id", "expires_at"}
    own |= {"requested_at", "decided_at", "dispatched_at", "finished_at"}
    same = [field.attname for field in Action._meta.concrete_fields if field.attname not in own]
    assert {name: getattr(first, name) for name in same} == {name: getattr(alone, name) for name in same}
    assert told(first) == told(alone)


def test_many_need_no_more_statements_than_few(finder: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Effect, "perform", lambda effect: effect.leave_out(Refusal("busy", "not today")))
    monkeypatch.setattr(together, "record", lambda *_: None)
    monkeypatch.setattr(together, "LOOK_SECONDS", 60)
    request_together(wishes=[wish(finder, 999)])  # what is read once per process is read

    def counted(numbers: range) -> tuple[int, int]:
        with CaptureQueriesContext(connection) as asking:
            found = request_together(wishes=[wish(finder, number) for number in numbers])
        with CaptureQueriesContext(connection) as doing:
            do_actions(action_ids=[str(action.pk) for action in found if isinstance(action, Action)])
        return len(asking), len(doing)

    few, many = counted(range(3)), counted(range(100, 140))
    assert many[0] == few[0] < 30
    # What is left out is asked about earlier attempts, one by one.
    assert many[1] - 40 == few[1] - 3 < 60


def test_a_key_that_stands_for_an_action_answers_with_it(finder: Agent) -> None:
    (known,) = asked(finder, 1)
    do_actions(action_ids=keys([known]))
    other = Wish(finder, "key-0", Ask(FIND, {"workflow": "letters", "key": "another"}))
    again, refused, fresh = request_together(wishes=[wish(finder, 0), other, wish(finder, 1)])
    assert isinstance(again, Action)
    assert (again.pk, again.state) == (known.pk, "confirmed")
    assert isinstance(refused, Refusal)
    assert refused.code == "idempotency_key_reused"
    assert isinstance(fresh, Action)
    assert fresh.state == "authorized"


def test_a_key_that_comes_twice_at_once_is_one_action(finder: Agent) -> None:
    first, second = request_together(wishes=[wish(finder, 0), wish(finder, 0)])
    assert isinstance(first, Action)
    assert isinstance(second, Refusal)
    assert second.code == "action_in_flight"
    assert (Action.objects.count(), IdempotencyKey.objects.count()) == (1, 1)


def test_what_is_not_plainly_allowed_is_decided_alone(finder: Agent, alice: Any) -> None:
    stranger = new_agent(alice, "stranger")
    stranger.user.groups.clear()
    hold_above(0, operations="portal.run.find", condition='args.key == "letter-2"')
    odd = Wish(finder, "odd", Ask(FIND, {"workflow": "letters"}))
    nowhere = Wish(finder, "nowhere", Ask("portal.run.nothing", {}))
    came = request_together(
        wishes=[wish(finder, 0), wish(stranger, 1), wish(finder, 2), odd, nowhere, wish(finder, 3)]
    )
    assert [one.state if isinstance(one, Action) else one.code for one in came] == [
        "authorized", "denied", "held", "invalid_arguments", "denied", "authorized",
    ]  # fmt: skip
    assert Event.objects.filter(verb="actions.request_refused").count() == 1


def test_hints_put_together_what_is_quickly_done(
    finder: Agent, monkeypatch: pytest.MonkeyPatch, hints: list[tuple[str, str]]
) -> None:
    found = asked(finder, 3)
    assert answers_in_process(found[0].target.system)
    hint_actions(found)
    assert [job for job, _ in hints] == [dispatch.RUN_TOGETHER]
    monkeypatch.setattr(together, "MOST_TOGETHER", 2)
    hints.clear()
    hint_actions(found)
    assert [job for job, _ in hints] == [dispatch.RUN_TOGETHER] * 2


# --- Nothing that should not begin begins.


def test_doing_them_twice_does_each_once(finder: Agent) -> None:
    found = asked(finder, 5)
    do_actions(action_ids=keys(found))
    do_actions(action_ids=keys(found))
    assert states() == ["confirmed"] * 5
    assert set(Counter(Call.objects.values_list("action_id", flat=True)).values()) == {1}
    assert not Lease.objects.exists()
    assert not Authorization.objects.filter(consumed_at=None).exists()


def test_a_stop_of_one_agent_hits_what_is_its_own(finder: Agent, alice: Any) -> None:
    other = new_agent(alice, "other")
    grant(other, install_portal(actor=TESTS).lookup_operation)
    wanted = [wish(finder, 0), Wish(other, "key-1", wish(finder, 1).ask), wish(finder, 2)]
    found = [action for action in request_together(wishes=wanted) if isinstance(action, Action)]
    stops.raise_stop(actor=TESTS, scope_kind="agent", scope_id=str(other.pk), reason=WHY)
    do_actions(action_ids=keys(found))
    assert states() == ["confirmed", "stopped", "confirmed"]


def test_a_stop_between_two_calls_keeps_the_rest_from_leaving(
    finder: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "LOOK_SECONDS", -1)
    perform = Effect.perform

    def and_stop(effect: Effect) -> Any:
        result = perform(effect)
        if effect.call.action_id == str(found[1].pk):
            stops.raise_stop(actor=TESTS, scope_kind="agent", scope_id=str(finder.pk), reason=WHY)
        return result

    monkeypatch.setattr(Effect, "perform", and_stop)
    found = asked(finder, 4)
    do_actions(action_ids=keys(found))
    assert states() == ["confirmed", "confirmed", "failed", "failed"]
    late = Action.objects.get(pk=found[3].pk)
    assert (late.code, late.is_temporary) == ("stopped", True)
    assert Call.objects.get(action_id=str(late.pk)).outcome == "failed"


def test_what_waits_too_long_for_its_turn_is_not_sent(finder: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together, "LEASE_MARGIN_SECONDS", -1)
    do_actions(action_ids=keys(asked(finder, 2)))
    assert states() == ["failed", "failed"]
    assert set(Action.objects.values_list("code", "is_temporary")) == {("busy", True)}


def test_changed_authority_is_asked_again(finder: Agent) -> None:
    found = asked(finder, 3)
    hold_above(0, operations="portal.run.find", condition="true", verdict="deny")
    do_actions(action_ids=keys(found))
    assert states() == ["denied"] * 3
    assert not Call.objects.exists()


def test_what_has_expired_is_not_begun_and_keeps_nothing_else_back(finder: Agent) -> None:
    found = asked(finder, 3)
    Action.objects.filter(pk=found[1].pk).update(expires_at=Now() - timedelta(seconds=1))
    do_actions(action_ids=keys(found))
    assert states() == ["confirmed", "expired", "confirmed"]


def test_a_throttle_lets_as_many_begin_as_it_says(finder: Agent, hints: list[tuple[str, str]]) -> None:
    throttles.add_throttle(
        actor=TESTS,
        name="two",
        scope_kind="agent",
        scope_id=finder.code,
        content={"most_at_once": 2},
        reason=WHY,
    )
    found = asked(finder, 4)
    begun = together._begin(keys(found))
    assert begun is not None
    assert len(begun) == 2
    assert states() == ["dispatched", "dispatched", "authorized", "authorized"]
    together._record(begun, together._perform(begun))
    assert states() == ["confirmed", "confirmed", "authorized", "authorized"]
    do_actions(action_ids=keys(found))
    assert states() == ["confirmed"] * 4


# --- Nothing is lost, and nothing done by who is late.


def test_a_worker_that_dies_after_it_began_loses_nothing(finder: Agent) -> None:
    found = asked(finder, 3)
    assert together._begin(keys(found))
    assert states() == ["dispatched"] * 3
    Lease.objects.update(until=Now() - timedelta(seconds=1))
    for action in found:
        reconcile_action(action_id=action.pk)
    # The calls that nobody finished are given the time that a call can take.
    assert set(states()) <= {"confirmed", "dispatched"}
    assert Lease.objects.filter(until__gt=Now()).count() == states().count("dispatched")


def test_what_somebody_took_over_is_theirs_to_record(finder: Agent) -> None:
    found = asked(finder, 3)
    begun = together._begin(keys(found))
    assert begun
    results = together._perform(begun)
    Lease.objects.filter(pk=found[1].pk).update(until=Now() - timedelta(seconds=1))
    from workflows.actions.services.reconciling import _take_over

    assert _take_over(found[1].pk)
    together._record(begun, results)
    assert states() == ["confirmed", "dispatched", "confirmed"]
    assert set(Call.objects.values_list("outcome", flat=True)) == {"confirmed"}


def test_what_cannot_be_recorded_together_is_recorded_one_by_one(
    finder: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deadlock(*_: Any) -> Any:
        raise DatabaseError("deadlock detected")

    monkeypatch.setattr(together, "_record_plain", deadlock)
    do_actions(action_ids=keys(asked(finder, 3)))
    assert states() == ["confirmed"] * 3


def test_a_call_that_breaks_leaves_the_others_alone(finder: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    from connectors import registry

    found = asked(finder, 3)
    verb = registry.portal_verbs()["run.find"]

    def breaks(actor: Actor, arguments: Any) -> Any:
        if arguments["key"] == "letter-1":
            raise Refusal("not_here", "There is no such thing here.")
        return verb(actor, arguments)

    monkeypatch.setitem(registry._verbs, "run.find", breaks)
    do_actions(action_ids=keys(found))
    assert states() == ["confirmed", "failed", "confirmed"]
    assert Action.objects.get(pk=found[1].pk).code == "not_here"


def test_ten_workers_with_the_same_hint_do_each_once(live_db: None, finder: Agent) -> None:
    found = asked(finder, 10)
    at_once(lambda _: do_actions(action_ids=keys(found)), times=8, threads=4)
    assert states() == ["confirmed"] * 10
    assert set(Counter(Call.objects.values_list("action_id", flat=True)).values()) == {1}
