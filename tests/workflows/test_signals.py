"""Signals: early or late, each counts once, is taken once, and nobody sends one who may not."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.exceptions import ValidationError
from django.db import connections, transaction
from django.db.models.functions import Now

from audit.models import Event
from audit.vocabulary import Actor, Refusal
from connectors.models import Operation
from tests.workflows.conftest import grant, signed_in
from tests.workflows.test_runs import begun, start, step
from tests.workflows.test_runs_frames import WORK, hand_in, nothing_is_left, publish
from tests.workflows.triggers.test_webhooks import Sender
from workflows.actions.models import Action
from workflows.actions.services import Ask, request_action, run_action
from workflows.runs import services
from workflows.runs.models import Ready, Run, Signal, Subscription, Timer, Workflow
from workflows.runs.selectors import people_behind
from workflows.triggers import services as triggers
from workflows.triggers.models import Webhook

pytestmark = pytest.mark.usefixtures("hints")
WAIT: dict[str, Any] = {"kind": "wait", "signal": "goods-in", "next": "done"}


def waits(alice: Any, bob: Any, **more: Any) -> Workflow:
    return publish(alice, bob, "later", later={**WAIT, **more})


def works_first(alice: Any, bob: Any, **more: Any) -> Workflow:
    """An agent works before anything waits, so that a signal can come early."""
    return publish(alice, bob, "first", first={**WORK, "next": "later"}, later={**WAIT, **more})


def send(who: Any, run: Run, key: str = "k1", name: str = "goods-in", **payload: Any) -> services.Sent:
    return services.send_signal(actor=who.as_actor(), run=run, name=name, payload=payload, key=key)


def refused(who: Any, run: Run, **more: Any) -> Refusal:
    with pytest.raises(Refusal) as found:
        send(who, run, **more)
    return found.value


@pytest.mark.django_db
def test_a_waiting_step_goes_on_in_the_transaction_of_the_signal(clerk: Any, alice: Any, bob: Any) -> None:
    waits(alice, bob)
    run = begun(alice)
    assert step(run, "later").state == "running"
    sent = send(alice, run, order="A-1")
    run.refresh_from_db()
    assert (run.state, step(run, "later").answer) == ("done", {"order": "A-1"})
    assert (sent.is_new, sent.signal.taken_by) == (True, step(run, "later"))
    verbs = list(Event.objects.filter(run_id=str(run.pk), verb__startswith="runs.signal").values_list("verb"))
    assert sorted(verbs) == [("runs.signal_sent",), ("runs.signal_taken",)]
    assert not Subscription.objects.exists()
    nothing_is_left(run)


@pytest.mark.django_db
def test_what_comes_early_waits_and_the_oldest_is_taken_first(clerk: Any, alice: Any, bob: Any) -> None:
    works_first(alice, bob)
    run = begun(alice)
    early = [send(alice, run, key=key, order=key).signal for key in ("a", "b")]
    assert [signal.taken_by for signal in early] == [None, None]
    hand_in(clerk, sum=1)
    run.refresh_from_db()
    assert (run.state, step(run, "later").answer) == ("done", {"order": "a"})
    assert list(Signal.objects.filter(taken_by=None).values_list("key", flat=True)) == ["b"]
    nothing_is_left(run)


@pytest.mark.django_db
def test_only_what_matches_is_taken(clerk: Any, alice: Any, bob: Any) -> None:
    works_first(alice, bob, match="signal.order == input.topic")
    run = begun(alice)
    send(alice, run, key="early", order="nuts")
    hand_in(clerk, sum=1)
    send(alice, run, key="other", weight=3)  # cannot be compared: not meant for it
    services.sweep_runs()
    assert (step(run, "later").state, Ready.objects.count()) == ("running", 0)
    send(alice, run, key="mine", order="bolts")
    run.refresh_from_db()
    assert (run.state, Signal.objects.get(taken_by__isnull=False).key) == ("done", "mine")


@pytest.mark.django_db
def test_each_signal_is_taken_by_one_step(clerk: Any, alice: Any, bob: Any) -> None:
    publish(
        alice,
        bob,
        "both",
        both={"kind": "parallel", "join": "met", "branches": [{"to": "left"}, {"to": "right"}]},
        left={**WAIT, "next": "met"},
        right={**WAIT, "next": "met"},
        met={"kind": "join", "next": "done"},
    )
    run = begun(alice)
    send(alice, run, key="1", n=1)
    assert sorted(step(run, name).state for name in ("left", "right")) == ["done", "running"]
    send(alice, run, key="2", n=2)
    run.refresh_from_db()
    assert (run.state, Signal.objects.filter(taken_by=None).count()) == ("done", 0)


@pytest.mark.django_db
def test_the_same_key_is_the_same_signal_even_after_the_end(clerk: Any, alice: Any, bob: Any) -> None:
    waits(alice, bob)
    run = begun(alice)
    first = send(alice, run, order="A-1")
    again = send(alice, run, order="A-1")
    assert (again.is_new, again.signal) == (False, first.signal)
    assert refused(alice, run, order="A-2").code == "signal_key_reused"
    assert refused(alice, run, key="k2").code == "run_over"
    assert Event.objects.filter(verb="runs.signal_refused", run_id=str(run.pk)).count() == 2


@pytest.mark.django_db
def test_what_cannot_be_held_is_refused(clerk: Any, alice: Any, bob: Any) -> None:
    waits(alice, bob)
    run = begun(alice)
    deep: Any = {}
    for _ in range(20):
        deep = {"in": deep}
    for payload in ({"a": "x\x00"}, {"a": 0.5}, deep, {f"m{n}": "x" * 3900 for n in range(20)}):
        assert refused(alice, run, **payload).code == "signal_invalid"
    assert refused(alice, run, key="").code == "signal_key_invalid"
    assert refused(alice, run, key="a\x00").code == "signal_key_invalid"
    unknown = refused(alice, run, name="else\x00")
    assert (unknown.code, unknown.detail) == ("signal_unknown", {"signals": ["goods-in"]})
    assert not Signal.objects.exists()


@pytest.mark.django_db
def test_who_may_not_steer_sends_nothing(clerk: Any, alice: Any, bob: Any, dave: Any) -> None:
    waits(alice, bob)
    run = begun(alice)
    assert refused(bob, run).code == "not_permitted"
    assert refused(clerk.user, run).code == "use_the_operation"
    assert send(dave, run).is_new


@pytest.mark.django_db
def test_too_late_goes_its_own_way(clerk: Any, alice: Any, bob: Any) -> None:
    publish(
        alice,
        bob,
        "later",
        later={**WAIT, "timeout_seconds": 60, "late": "given_up"},
        given_up={"kind": "end", "outcome": "given_up"},
    )
    run = begun(alice)
    Timer.objects.update(fire_at=Now())
    services.sweep_runs()
    run.refresh_from_db()
    assert (run.outcome, step(run, "later").error["code"]) == ("given_up", "late")
    nothing_is_left(run)
    assert not Subscription.objects.exists()


@pytest.mark.django_db
def test_a_turn_that_was_lost_is_found(clerk: Any, alice: Any, bob: Any) -> None:
    """As after a crash that took the delivery and left the signal: the clock finds both."""
    waits(alice, bob)
    run = begun(alice)
    Signal.objects.create(run=run, name="goods-in", key="k", payload={"n": 1}, digest="0" * 64)
    assert services.sweep_runs()["repaired"] == 1
    run.refresh_from_db()
    assert (run.state, step(run, "later").answer) == ("done", {"n": 1})


@pytest.mark.django_db
def test_whoever_sent_one_is_behind_what_the_run_asks_for(clerk: Any, alice: Any, bob: Any, dave: Any) -> None:
    works_first(alice, bob)
    run = begun(alice)
    send(dave, run)
    action = Action(references={"run_id": str(run.pk)})
    assert {str(dave.pk), str(alice.pk)} <= people_behind(action)


@pytest.mark.django_db
def test_cancelling_takes_the_subscription_away(clerk: Any, alice: Any, bob: Any) -> None:
    waits(alice, bob)
    run = begun(alice)
    services.cancel_run(actor=alice.as_actor(), run=run, reason="not wanted")
    assert not Subscription.objects.exists()
    nothing_is_left(run)


@pytest.mark.parametrize("signal_first", [True, False])
def test_a_signal_while_the_step_begins_is_neither_lost_nor_doubled(
    live_db: Any, clerk: Any, alice: Any, bob: Any, signal_first: bool
) -> None:
    """Two transactions: whichever has the run first, the step goes on once, with the one signal."""
    waits(alice, bob)
    run = start(alice)
    locked, done = threading.Event(), threading.Event()

    def the_other() -> None:
        try:
            locked.wait(10)
            services.tick() if signal_first else send(alice, run, n=1)
        finally:
            done.set()
            connections.close_all()

    other = threading.Thread(target=the_other)
    other.start()
    with transaction.atomic():
        if signal_first:
            assert send(alice, run, n=1).signal.taken_by is None
        else:
            services.tick()
            assert step(run, "later").state == "running"
        locked.set()
        finished_early = done.wait(0.3)
        assert finished_early is signal_first  # a look passes over what is locked; a signal waits for it
    other.join(10)
    services.tick()
    run.refresh_from_db()
    assert (run.state, Signal.objects.get().taken_by) == ("done", step(run, "later"))
    assert Event.objects.filter(run_id=str(run.pk), verb="runs.signal_taken").count() == 1


@pytest.mark.django_db
def test_people_send_over_http_by_id_and_by_key(clerk: Any, alice: Any, bob: Any) -> None:
    works_first(alice, bob)
    run = begun(alice)
    body = {"name": "goods-in", "payload": {"order": "A-1"}, "dedup_key": "k1"}
    client = signed_in(alice)
    first = client.post(f"/api/v1/runs/{run.pk}/signals", body, format="json")
    again = client.post("/api/v1/signals", {**body, "workflow": "letters", "key": "letter-1"}, format="json")
    assert (first.status_code, again.status_code, again.json()) == (201, 200, first.json())
    assert (first.json()["taken_by"], first.json()["payload"]) == (None, {"order": "A-1"})
    other = client.post(f"/api/v1/runs/{run.pk}/signals", {**body, "payload": {}}, format="json")
    assert (other.status_code, other.json()["code"]) == (409, "signal_key_reused")
    nobody = client.post("/api/v1/signals", {**body, "workflow": "letters", "key": "no"}, format="json")
    assert nobody.status_code == 404
    assert signed_in(clerk.user).post(f"/api/v1/runs/{run.pk}/signals", body, format="json").status_code == 403


@pytest.mark.django_db
def test_the_page_and_the_api_say_what_a_step_waits_for(clerk: Any, alice: Any, bob: Any, client: Any) -> None:
    waits(alice, bob)
    run = begun(alice)
    client.force_login(alice)
    page = client.get(f"/runs/{run.pk}/").content.decode()
    assert "It waits for the signal “goods-in”." in page
    (told,) = signed_in(alice).get(f"/api/v1/runs/{run.pk}").json()["steps"]
    assert (told["waits_for_signal"], told["child"]) == ("goods-in", None)


@pytest.mark.usefixtures("holds")
@pytest.mark.django_db
def test_an_agent_sends_by_an_operation_that_is_granted(clerk: Any, alice: Any, bob: Any) -> None:
    waits(alice, bob)
    run = begun(alice)
    services.install_portal(actor=Actor.system("tests"))
    named = {"workflow": "letters", "key": "letter-1", "name": "goods-in", "dedup_key": "k"}
    asked = Ask(operation="portal.run.signal", arguments={**named, "payload": {"n": 1}})

    def request(key: str) -> Action:
        return request_action(actor=clerk.user.as_actor(), agent=clerk, key=key, ask=asked)

    assert request("1").state == "denied"
    grant(clerk, Operation.objects.get(code="portal.run.signal"))
    action = request("2")
    run_action(action_id=action.pk)
    action.refresh_from_db()
    run.refresh_from_db()
    assert (action.state, action.outcome, run.state) == ("confirmed", "agrees", "done")
    assert Signal.objects.get().sent_by_kind == "agent"


def signalling(alice: Any, workflow: Workflow, **more: Any) -> Webhook:
    told = {"signal": "goods-in", "key": "data.order", "give": {"n": "data.n"}}
    values = {"name": "Dock", "workflow": workflow, **told, **more}
    return triggers.save_webhook(actor=alice.as_actor(), values=values, reason="the dock tells us")


@pytest.mark.django_db
def test_a_webhook_signals_the_run_it_names_once(clerk: Any, alice: Any, bob: Any) -> None:
    webhook = signalling(alice, waits(alice, bob))
    secret = triggers.issue_webhook_secret(
        actor=alice.as_actor(), webhook=webhook, reason="the dock signs", overlap_hours=0
    ).secret
    dock = Sender(webhook, secret)
    assert dock.send({"order": "letter-1", "n": 1}, "msg_0").json()["code"] == "run_unknown"
    run = begun(alice)
    first = dock.send({"order": "letter-1", "n": 1})
    again = dock.send({"order": "letter-1", "n": 1})
    assert (first.status_code, first.json()["outcome"], first.json()["run"]) == (200, "signalled", str(run.pk))
    assert again.json()["repeat"] is True
    run.refresh_from_db()
    assert (run.state, step(run, "later").answer) == ("done", {"n": 1})
    assert Signal.objects.get().sent_by == "webhook Dock"


@pytest.mark.django_db
def test_a_trigger_that_signals_makes_sense_and_its_keeper_may_steer(clerk: Any, alice: Any, bob: Any) -> None:
    workflow = waits(alice, bob)
    with pytest.raises(ValidationError) as refused:
        signalling(alice, workflow, signal="nothing", key="")
    assert set(refused.value.message_dict) == {"signal", "key"}
    alice.groups.clear()
    for name in ("triggers.change_webhook", "runs.start_workflow"):
        app, _, codename = name.partition(".")
        alice.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    with pytest.raises(Refusal) as denied:
        signalling(type(alice).objects.get(pk=alice.pk), workflow)
    assert denied.value.code == "permission_missing"
