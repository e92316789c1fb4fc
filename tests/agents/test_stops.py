from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from agents import registry
from agents.decision import GrantFacts, OperationFacts, decide
from agents.models import Agent, MeasureCounter, Stop
from agents.registry import StopTarget
from agents.selectors import agent_facts, authority_snapshot
from agents.services import lifecycle, stops
from audit.models import Event
from audit.vocabulary import Actor, Ref, Refusal
from tests.agents.authority import asked, catalogue
from tests.agents.facts import post_invoice
from tests.agents.test_measures import limit

WHY = "Year end closing"


@pytest.fixture(autouse=True)
def stoppable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system, an operation and a workflow that can be stopped, as higher rooms would say."""
    for target in (
        StopTarget("sys-1", "Tryton", "tryton"),
        StopTarget("sys-2", "CRM", "crm"),
    ):
        _offer(monkeypatch, "system", target)
    for code in ("erp.supplier_invoice.post", "erp.party.create"):
        _offer(monkeypatch, "operation", StopTarget(code, code, code))


def _offer(monkeypatch: pytest.MonkeyPatch, kind: str, target: StopTarget) -> None:
    find, every = registry._stop_targets[kind]
    monkeypatch.setitem(
        registry._stop_targets,
        kind,
        (lambda name: target if name in (target.id, target.code) else find(name), lambda: [*every(), target]),
    )


def scopes(agent: Agent) -> list[Ref]:
    return stops.stop_scopes(agent_facts(agent), post_invoice())


class TestOneAtATime:
    pytestmark = pytest.mark.django_db

    def test_a_call_has_every_scope_from_everything_to_the_operation(self, working):
        found = [(scope.kind, scope.id) for scope in scopes(working)]
        assert found == [
            ("everything", ""),
            ("department", str(working.department_id)),
            ("role", str(working.role_id)),
            ("agent", str(working.pk)),
            ("system", "sys-1"),
            ("operation", "erp.supplier_invoice.post"),
        ]

    @pytest.mark.parametrize("kind", ["everything", "department", "role", "agent", "system", "operation"])
    def test_a_stop_of_any_of_them_refuses_the_call_until_it_is_lifted(self, dave, alice, working, kind):
        scope_id = {scope.kind: scope.id for scope in scopes(working)}[kind]
        stop = stops.raise_stop(actor=dave.as_actor(), scope_kind=kind, scope_id=scope_id, reason=WHY)
        assert [facts.scope_kind for facts in authority_snapshot().stops] == [kind]
        with pytest.raises(Refusal, match=WHY) as refused:
            stops.lock_and_check(scopes(working))
        assert refused.value.code == "stopped"
        stops.lift_stop(actor=alice.as_actor(), stop=stop, reason="Closing is done")
        stops.lock_and_check(scopes(working))
        assert authority_snapshot().stops == ()

    def test_a_stop_elsewhere_refuses_nothing(self, dave, working):
        stops.raise_stop(actor=dave.as_actor(), scope_kind="system", scope_id="sys-2", reason=WHY)
        stops.raise_stop(actor=dave.as_actor(), scope_kind="operation", scope_id="erp.party.create", reason=WHY)
        stops.lock_and_check(scopes(working))

    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({"brake": "paused"}, "agent_paused"),
            ({"brake": "suspended"}, "agent_suspended"),
            ({"lifecycle": "retired"}, "agent_not_active"),
        ],
    )
    def test_a_brake_refuses_too(self, working, change, code):
        Agent.objects.filter(pk=working.pk).update(**change)
        with pytest.raises(Refusal) as refused:
            stops.lock_and_check(scopes(working))
        assert refused.value.code == code

    def test_operators_stop_and_only_managers_start_again(self, dave, mallory, working):
        stop = stops.raise_stop(actor=dave.as_actor(), scope_kind="everything", reason=WHY)
        for somebody in (dave, mallory):
            with pytest.raises(Refusal) as refused:
                stops.lift_stop(actor=somebody.as_actor(), stop=stop, reason="Let us go on")
            assert refused.value.code == "permission_missing"
        with pytest.raises(Refusal):
            stops.raise_stop(actor=mallory.as_actor(), scope_kind="everything", reason=WHY)

    def test_agents_neither_stop_nor_start(self, working, dave):
        with pytest.raises(Refusal) as refused:
            stops.raise_stop(actor=working.user.as_actor(), scope_kind="everything", reason=WHY)
        assert refused.value.code == "agents_refused"

    def test_the_portal_itself_may_stop(self, db):
        stop = stops.raise_stop(
            actor=Actor.system("breaker"), scope_kind="system", scope_id="tryton", reason=WHY
        )
        assert (stop.raised_by, stop.scope_id, stop.scope_label) == ("breaker", "sys-1", "Tryton")

    def test_the_portal_itself_never_lifts(self, dave):
        stop = stops.raise_stop(actor=dave.as_actor(), scope_kind="everything", reason=WHY)
        with pytest.raises(Refusal) as refused:
            stops.lift_stop(actor=Actor.system("breaker"), stop=stop, reason="It looks well again")
        assert refused.value.code == "person_required"

    @pytest.mark.parametrize("spelling", ["{}", "{{{}}}", "urn:uuid:{}", "code"])
    def test_a_stop_hits_however_its_object_is_spelled(self, dave, working, spelling):
        """The locks and checks compare text: a stop of another spelling would be recorded and stop nothing."""
        name = working.code if spelling == "code" else spelling.format(str(working.pk).upper())
        stop = stops.raise_stop(actor=dave.as_actor(), scope_kind="agent", scope_id=name, reason=WHY)
        assert stop.scope_id == str(working.pk)
        with pytest.raises(Refusal):
            stops.lock_and_check(scopes(working))

    def test_what_does_not_exist_cannot_be_stopped(self, dave):
        for kind, scope_id in (
            ("agent", "nobody"),
            ("agent", "a\x00b"),
            ("planet", "x"),
            ("everything", "x"),
            ("role", ""),
            ("system", "none"),
            ("operation", "erp.none"),
            ("workflow", "none"),
            ("department", "x" * 5000),
        ):
            with pytest.raises(Refusal) as refused:
                stops.raise_stop(actor=dave.as_actor(), scope_kind=kind, scope_id=scope_id, reason=WHY)
            assert refused.value.code == "scope_unknown"

    def test_a_stop_is_lifted_once(self, dave, alice):
        stop = stops.raise_stop(actor=dave.as_actor(), scope_kind="everything", reason=WHY)
        stops.lift_stop(actor=alice.as_actor(), stop=stop, reason="Closing is done")
        with pytest.raises(Refusal) as refused:
            stops.lift_stop(actor=alice.as_actor(), stop=stop, reason="Closing is done")
        assert refused.value.code == "already_lifted"

    def test_the_database_wants_a_scope_id_except_for_everything(self, db):
        for kind, scope_id in (("everything", "x"), ("agent", "")):
            with pytest.raises(IntegrityError), transaction.atomic():
                Stop.objects.create(scope_kind=kind, scope_id=scope_id, reason="x", raised_by="x")


def test_locks_need_a_transaction_under_read_committed(live_db, working):
    with pytest.raises(RuntimeError, match="until the transaction ends"):
        stops.lock_and_check(scopes(working))
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        with pytest.raises(RuntimeError, match="READ COMMITTED"):
            stops.lock_and_check([stops.EVERYTHING])


READ = post_invoice(code="erp.invoice.find", effect="read", money_path="")


class TestTheWayBack:
    pytestmark = pytest.mark.django_db

    @pytest.fixture
    def stop(self, dave: Any, working: Agent) -> Stop:
        return stops.raise_stop(actor=dave.as_actor(), scope_kind="agent", scope_id=working.code, reason=WHY)

    def verdicts(self, agent: Agent) -> tuple[str, str]:
        """Return what is decided about a read and a write."""
        grants = [GrantFacts(it.code, it.code, "user", str(agent.user_id)) for it in (READ, post_invoice())]
        with catalogue(*grants):
            request = asked(agent)
            snapshot = replace(authority_snapshot(), grants=frozenset(grants))
            reading = replace(request, operation=READ, operation_code=READ.code, money=None)
            return decide(reading, snapshot).verdict, decide(request, snapshot).verdict

    def dispatched(self, agent: Agent, operation: OperationFacts) -> bool:
        kept = list(registry._find_operation)
        registry._find_operation[:] = [{READ.code: READ, post_invoice().code: post_invoice()}.get]
        try:
            with transaction.atomic():
                stops.lock_and_check(stops.stop_scopes(agent_facts(agent), operation))
        except Refusal:
            return False
        finally:
            registry._find_operation[:] = kept
        return True

    @pytest.mark.parametrize(
        ("stage", "decided", "read_leaves", "write_leaves"),
        [
            ("stop", ("deny", "deny"), False, False),
            ("look", ("allow", "deny"), True, False),
            ("held", ("allow", "hold"), True, True),
        ],
    )
    def test_each_stage_lets_through_what_it_says(
        self, alice, stop, working, stage, decided, read_leaves, write_leaves
    ):
        Agent.objects.update(autonomy="by_contract")
        if stage != "stop":
            stops.set_stage(actor=alice.as_actor(), stop=stop, stage=stage, reason="It looks better")
        assert self.verdicts(working) == decided
        assert self.dispatched(working, READ) is read_leaves
        assert self.dispatched(working, post_invoice()) is write_leaves

    def test_what_is_no_operation_waits_until_writes_are_held(self, alice, stop, working):
        found = stops.agent_scopes(agent_facts(working))
        for stage in ("look", "held"):
            stops.set_stage(actor=alice.as_actor(), stop=stop, stage=stage, reason="It looks better")
            if stage == "look":
                with pytest.raises(Refusal, match="may only read"):
                    stops.lock_and_check(found)
        stops.lock_and_check(found)

    def test_a_stricter_stop_beside_it_wins(self, alice, dave, stop, working):
        stops.set_stage(actor=alice.as_actor(), stop=stop, stage="held", reason="It looks better")
        stops.raise_stop(actor=dave.as_actor(), scope_kind="everything", reason=WHY)
        assert self.verdicts(working) == ("deny", "deny")
        assert not self.dispatched(working, READ)

    def test_going_back_is_a_managers_decision_and_going_forward_is_not(self, alice, dave, mallory, stop):
        for actor, code in (
            (dave.as_actor(), "permission_missing"),
            (mallory.as_actor(), "permission_missing"),
            (Actor.system("breaker"), "person_required"),
        ):
            with pytest.raises(Refusal) as refused:
                stops.set_stage(actor=actor, stop=stop, stage="look", reason="It looks better")
            assert refused.value.code == code
        stops.set_stage(actor=alice.as_actor(), stop=stop, stage="held", reason="It looks better")
        before = Stop.objects.get().version
        stricter = stops.set_stage(actor=dave.as_actor(), stop=stop, stage="stop", reason="No it does not")
        assert stricter.stage == "stop"
        assert stricter.version > before
        assert stricter.tightened_at is not None

    @pytest.mark.parametrize(("stage", "code"), [("stop", "stage_already"), ("half", "stage_unknown")])
    def test_a_stage_that_means_nothing_is_refused(self, alice, stop, stage, code):
        with pytest.raises(Refusal) as refused:
            stops.set_stage(actor=alice.as_actor(), stop=stop, stage=stage, reason="It looks better")
        assert refused.value.code == code

    def test_every_step_is_kept_with_its_reason(self, alice, dave, stop):
        for stage, reason in (("look", "It looks better"), ("held", "It is better")):
            stops.set_stage(actor=alice.as_actor(), stop=stop, stage=stage, reason=reason)
        stops.lift_stop(actor=alice.as_actor(), stop=stop, reason="All is well")
        kept = list(stop.history.order_by("history_id").values_list("stage", "history_change_reason"))
        assert kept == [
            ("stop", WHY),
            ("look", "It looks better"),
            ("held", "It is better"),
            ("held", "All is well"),
        ]
        verbs = Event.objects.filter(subject_id=str(stop.pk)).order_by("id").values_list("verb", flat=True)
        assert list(verbs) == [
            "agents.stop_raised",
            "agents.stop_eased",
            "agents.stop_eased",
            "agents.stop_lifted",
        ]
        with pytest.raises(Refusal) as refused:
            stops.set_stage(actor=dave.as_actor(), stop=stop, stage="look", reason="Once more")
        assert refused.value.code == "already_lifted"


# --- Two real connections, step by step.


@contextmanager
def another(work: Any) -> Iterator[threading.Thread]:
    """Run something on a connection of its own; fail the test if it failed."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - it is raised again in the test
            failed.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    yield thread
    thread.join(20)
    assert not thread.is_alive()
    if failed:
        raise failed[0]


def waiting_for_an_advisory_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        row = cursor.fetchone()
    return bool(row and row[0])


def until(condition: Any) -> None:
    end = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def tighten(dave: Any, agent: Agent) -> None:
    stop = Stop.objects.get()
    stops.set_stage(actor=dave.as_actor(), stop=stop, stage="stop", reason=WHY)


BRAKES = {
    "a stop of everything": lambda dave, agent: stops.raise_stop(
        actor=dave.as_actor(), scope_kind="everything", reason=WHY
    ),
    "a stop of the operation": lambda dave, agent: stops.raise_stop(
        actor=dave.as_actor(), scope_kind="operation", scope_id="erp.supplier_invoice.post", reason=WHY
    ),
    "a pause": lambda dave, agent: lifecycle.pause_agent(actor=dave.as_actor(), agent=agent, reason=WHY),
    "a suspension": lambda dave, agent: lifecycle.suspend_agent(actor=dave.as_actor(), agent=agent, reason=WHY),
}


@pytest.mark.parametrize("brake", BRAKES.values(), ids=BRAKES)
def test_a_stop_waits_for_the_dispatch_that_has_already_read_no_stop(live_db, dave, working, brake):
    """The dispatch has looked and found nothing: it commits first, and only then does the stop exist."""
    order: list[str] = []

    def stop_it() -> None:
        brake(dave, working)
        order.append("stop committed")

    with transaction.atomic():
        stops.lock_and_check(scopes(working))
        waits = another(stop_it)
        waits.__enter__()
        until(waiting_for_an_advisory_lock)
        assert order == []
        transaction.on_commit(lambda: order.append("dispatch committed"))
    waits.__exit__(None, None, None)
    assert order == ["dispatch committed", "stop committed"]


@pytest.mark.parametrize("brake", BRAKES.values(), ids=BRAKES)
def test_a_dispatch_that_comes_while_a_stop_is_being_made_waits_and_is_refused(live_db, dave, working, brake):
    """The stop is not committed yet, so a plain read would find nothing: the dispatch must wait for it."""
    found: list[str] = []

    def dispatch() -> None:
        with transaction.atomic():
            try:
                stops.lock_and_check(scopes(working))
                found.append("dispatched")
            except Refusal as refusal:
                found.append(refusal.code)

    with transaction.atomic():
        brake(dave, working)
        waits = another(dispatch)
        waits.__enter__()
        until(waiting_for_an_advisory_lock)
        assert found == []
    waits.__exit__(None, None, None)
    assert found[0] in ("stopped", "agent_paused", "agent_suspended")


def test_making_a_stop_stricter_wins_every_race_too(live_db, alice, dave, working):
    stop = stops.raise_stop(actor=dave.as_actor(), scope_kind="everything", reason=WHY)
    stops.set_stage(actor=alice.as_actor(), stop=stop, stage="held", reason="It looks better")
    order: list[str] = []

    def make_stricter() -> None:
        tighten(dave, working)
        order.append("stricter")

    with transaction.atomic():
        stops.lock_and_check(scopes(working))
        waits = another(make_stricter)
        waits.__enter__()
        until(waiting_for_an_advisory_lock)
        transaction.on_commit(lambda: order.append("dispatched"))
    waits.__exit__(None, None, None)
    assert order == ["dispatched", "stricter"]
    with transaction.atomic(), pytest.raises(Refusal):
        stops.lock_and_check(scopes(working))


def test_calls_do_not_wait_for_each_other(live_db, working):
    done: list[str] = []

    def dispatch() -> None:
        with transaction.atomic():
            stops.lock_and_check(scopes(working))
            done.append("dispatched")

    with transaction.atomic():
        stops.lock_and_check(scopes(working))
        with another(dispatch):
            until(lambda: done)


def test_in_a_crowd_of_dispatches_none_commits_after_the_stop_has(live_db, dave, alice, working):
    """Six connections dispatch as fast as they can; after each of several stops the count stands still."""
    measure, found = limit(code="dispatches", ceiling=None), scopes(working)
    running, numbers, lock = threading.Event(), iter(range(1_000_000)), threading.Lock()
    running.set()

    def dispatch() -> None:
        while running.is_set():
            with lock:
                number = next(numbers)
            try:
                with transaction.atomic():
                    stops.lock_and_check(found)
                    time.sleep(0.002)
                    MeasureCounter.objects.create(
                        measure=measure, key=str(number), window_start="2026-01-01T00:00Z"
                    )
            except Refusal:
                time.sleep(0.005)

    crowd = [another(dispatch) for _ in range(6)]
    for member in crowd:
        member.__enter__()
    try:
        for _ in range(5):
            before = MeasureCounter.objects.count()
            until(lambda before=before: MeasureCounter.objects.count() > before + 3)
            stop = stops.raise_stop(actor=dave.as_actor(), scope_kind="everything", reason=WHY)
            at_commit = MeasureCounter.objects.count()
            time.sleep(0.15)
            assert MeasureCounter.objects.count() == at_commit
            stops.lift_stop(actor=alice.as_actor(), stop=stop, reason="Next round of the test")
    finally:
        running.clear()
        for member in crowd:
            member.__exit__(None, None, None)
