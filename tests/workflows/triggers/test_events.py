"""Ledger events start runs: each once, in order, never in a circle, and only those their keeper may see."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F

from agents.services import stops
from audit import selectors as ledger
from audit.models import Event
from audit.services import record_event, sequence_pending
from audit.vocabulary import Actor, Ref, Refusal
from tests.audit.conftest import role
from tests.workflows.conftest import signed_in
from tests.workflows.test_concurrency import at_once
from tests.workflows.test_runs import begun, letters, publish, step
from tests.workflows.test_signals import waits
from workflows.runs import services as runs
from workflows.runs.models import Run, Workflow
from workflows.triggers import services
from workflows.triggers.models import Cursor, EventDelivery, EventTrigger, Firing
from workflows.triggers.policies.patterns import pattern_problems, verbs_named

WHY = "so that somebody looks at it"
VERBS = ["agents.agent_paused", "runs.run_started", "runs.run_parked", "triggers.trigger_saved"]


def test_patterns_name_verbs_and_never_those_of_triggers() -> None:
    assert verbs_named("runs.* agents.agent_paused", VERBS) == VERBS[:1] + sorted(VERBS[1:3])
    assert verbs_named("*", VERBS) == sorted(VERBS[:3])
    for wrong in ("", "runs", "runs.nothing", "triggers.*", "Runs.run_started", "runs.run_started;"):
        assert list(pattern_problems(wrong, VERBS)), wrong
    assert not list(pattern_problems("*.run_* agents.*", VERBS))


@pytest.fixture
def react(live_db: Any, hints: Any) -> Callable[[], int]:
    """Number what is pending and let the clock look."""

    def look() -> int:
        with role(live_db, "sequencer"):
            while sequence_pending():
                pass
        return services.react()

    return look


@pytest.fixture
def workflow(react: Any, clerk: Any, alice: Any, bob: Any) -> Workflow:
    found = published(alice, bob, "letters")
    react()  # what was set up until here is numbered
    return found


def published(alice: Any, bob: Any, code: str) -> Workflow:
    content = {**letters(), "code": code, "name": code}
    publish(alice, bob, content)
    return Workflow.objects.get(code=code)


def kept(actor: Any, workflow: Workflow, **values: Any) -> EventTrigger:
    common = {
        "name": f"On {workflow.code}",
        "workflow": workflow,
        "verbs": "agents.agent_paused",
        "give": {"topic": "event.subject.label"},
    }
    who = actor if isinstance(actor, Actor) else actor.as_actor()
    return services.save_event_trigger(actor=who, values={**common, **values}, reason=WHY)


def happen(verb: str = "agents.agent_paused", label: str = "bolts", **more: Any) -> None:
    with transaction.atomic():
        record_event(
            actor=Actor.system("tests"),
            verb=verb,
            subject=Ref("tests.thing", "1", label),
            sentence="It happened.",
            **more,
        )


PORTAL = Actor.system("tests")


class TestReacting:
    def test_an_event_starts_a_run_once(self, react: Any, workflow: Workflow) -> None:
        trigger = kept(PORTAL, workflow)
        happen()
        assert react() == 1
        run, delivery = Run.objects.get(), EventDelivery.objects.get()
        assert (run.input, run.started_by) == ({"topic": "bolts"}, "event trigger On letters")
        assert run.key == f"{trigger.pk} {delivery.position}"
        assert (delivery.outcome, delivery.run, delivery.verb) == ("started", run, "agents.agent_paused")
        assert react() == 0
        assert Run.objects.count() == 1

    def test_what_happened_before_it_was_there_is_not_made_up_for(self, react: Any, workflow: Workflow) -> None:
        happen()
        react()
        trigger = kept(PORTAL, workflow)
        assert react() == 0
        services.save_event_trigger(actor=PORTAL, values={"is_enabled": False}, reason=WHY, trigger=trigger)
        happen()
        assert react() == 0
        services.save_event_trigger(actor=PORTAL, values={"is_enabled": True}, reason=WHY, trigger=trigger)
        assert react() == 0
        happen()
        assert react() == 1

    def test_only_its_verbs_and_where_the_condition_holds(self, react: Any, workflow: Workflow) -> None:
        kept(PORTAL, workflow, condition='event.subject.label != "nuts" && event.payload.size > 1')
        happen("agents.stop_lifted", payload={"size": 2})
        happen(label="nuts", payload={"size": 2})
        happen(payload={"size": 1})
        happen(payload={"size": 2})
        assert react() == 1
        assert [row.outcome for row in EventDelivery.objects.order_by("position")] == [
            "filtered",
            "filtered",
            "started",
        ]

    def test_numbers_of_a_payload_are_never_rounded(self, react: Any, workflow: Workflow) -> None:
        kept(PORTAL, workflow, give={"topic": "event.payload.price + event.payload.number"})
        happen(payload={"price": 0.1, "number": 2**60})
        assert react() == 1
        assert Run.objects.get().input == {"topic": f"0.1{2**60}"}

    @pytest.mark.full
    def test_many_events_are_each_dealt_with_in_order(self, react: Any, workflow: Workflow) -> None:
        kept(PORTAL, workflow, key="event.subject.label", most_per_hour=10_000)
        for number in range(230):
            happen(label=f"thing {number % 115}")
        assert react() + react() + react() == 115
        assert Run.objects.count() == 115
        outcomes = list(EventDelivery.objects.order_by("position").values_list("outcome", flat=True))
        assert outcomes == ["started"] * 115 + ["again"] * 115

    def test_under_a_stop_the_next_event_waits_and_none_is_lost(
        self, react: Any, workflow: Workflow, alice: Any
    ) -> None:
        kept(PORTAL, workflow, condition='event.subject.label != "nuts"')
        stop = stops.raise_stop(
            actor=alice.as_actor(), scope_kind="workflow", scope_id=str(workflow.pk), reason=WHY
        )
        happen(label="nuts")
        happen()
        assert (react(), react()) == (0, 0)
        assert "stopped" in Cursor.objects.get().waiting
        assert EventDelivery.objects.count() == 1
        stops.lift_stop(actor=alice.as_actor(), stop=stop, reason=WHY)
        assert react() == 1
        assert Cursor.objects.get().waiting == ""
        assert EventDelivery.objects.count() == 2

    def test_more_than_an_hour_may_bring_waits(self, react: Any, workflow: Workflow) -> None:
        kept(PORTAL, workflow, most_per_hour=2)
        for _ in range(3):
            happen()
        assert (react(), react()) == (2, 0)
        assert "within an hour" in Cursor.objects.get().waiting
        EventDelivery.objects.update(at=F("at") - timedelta(hours=1))
        assert react() == 1

    def test_what_cannot_be_worked_out_is_refused_and_holds_nothing_up(
        self, react: Any, workflow: Workflow
    ) -> None:
        kept(PORTAL, workflow, give={"topic": "event.payload.topic"})
        happen()
        happen(payload={"topic": "bolts"})
        assert react() == 1
        assert EventDelivery.objects.earliest("position").code == "not_worked_out"
        assert Event.objects.filter(verb="triggers.start_refused").count() == 1

    def test_many_clocks_deal_with_each_event_once(self, react: Any, workflow: Workflow, live_db: Any) -> None:
        kept(PORTAL, workflow)
        for _ in range(12):
            happen()
        with role(live_db, "sequencer"):
            sequence_pending()
        started = at_once(lambda _: services.react(), 24, threads=8)
        assert sum(started) == Run.objects.count() == EventDelivery.objects.count() == 12


class TestCircles:
    def test_a_workflow_never_starts_itself(self, react: Any, workflow: Workflow) -> None:
        kept(PORTAL, workflow, verbs="runs.*")
        runs.start_run(actor=PORTAL, workflow_code="letters", input={"topic": "bolts"}, key="by hand")
        assert (react(), react()) == (0, 0)
        assert Run.objects.count() == 1
        assert set(EventDelivery.objects.values_list("code", flat=True)) == {"leads_back"}

    def test_two_workflows_never_start_each_other_without_end(
        self, react: Any, workflow: Workflow, alice: Any, bob: Any
    ) -> None:
        other = published(alice, bob, "answers")
        react()
        kept(PORTAL, workflow, verbs="runs.run_started")
        kept(PORTAL, other, verbs="runs.run_started")
        runs.start_run(actor=PORTAL, workflow_code="letters", input={"topic": "bolts"}, key="by hand")
        assert [react() for _ in range(4)] == [1, 0, 0, 0]
        assert sorted(Run.objects.values_list("workflow__code", flat=True)) == ["answers", "letters"]

    def test_what_a_trigger_was_refused_starts_nothing(self, react: Any, workflow: Workflow) -> None:
        kept(PORTAL, workflow, verbs="*", give={"topic": "event.position"}, condition='event.run == ""')
        happen()
        react()
        seen = EventDelivery.objects.count()
        assert EventDelivery.objects.filter(outcome="refused").count() == 1
        assert react() == 0
        assert EventDelivery.objects.count() == seen


class TestKeeping:
    def test_it_hears_of_what_its_keeper_may_see_and_no_more(
        self, react: Any, workflow: Workflow, alice: Any
    ) -> None:
        verbs = "agents.agent_paused documents.document_read"
        trigger = kept(alice, workflow, give={"topic": "event.verb"}, verbs=verbs)
        assert trigger.kept_by == alice
        happen("documents.document_read")
        happen()
        assert react() == 1
        assert EventDelivery.objects.get().verb == "agents.agent_paused"

    def test_whose_keeper_has_left_hears_of_nothing(self, react: Any, workflow: Workflow, alice: Any) -> None:
        kept(alice, workflow)
        alice.is_active = False
        alice.save(update_fields=["is_active"])
        happen()
        assert react() == 0
        assert EventDelivery.objects.count() == 0

    def test_what_makes_no_sense_is_refused_at_the_field(self, workflow: Workflow, bob: Any) -> None:
        wrong: tuple[tuple[dict[str, Any], str], ...] = (
            ({"verbs": "nothing.ever"}, "verbs"),
            ({"verbs": "triggers.*"}, "verbs"),
            ({"condition": "data.topic"}, "condition"),
            ({"most_per_hour": 0}, "most_per_hour"),
        )
        for values, field in wrong:
            with pytest.raises(ValidationError) as caught:
                kept(PORTAL, workflow, **values)
            assert field in caught.value.message_dict
        with pytest.raises(Refusal, match="change what starts"):
            kept(bob, workflow)
        assert EventTrigger.objects.count() == 0

    def test_trying_starts_nothing_and_shows_only_what_one_may_see(
        self, react: Any, workflow: Workflow, carol: Any, mallory: Any
    ) -> None:
        trigger = kept(PORTAL, workflow)
        assert services.try_event(trigger, carol).would == "refused"
        happen()
        happen("agents.stop_lifted")
        Cursor.objects.all().delete()
        react()
        trial = services.try_event(trigger, carol)
        assert (trial.would, trial.input) == ("started", {"topic": "bolts"})
        assert services.try_event(trigger, mallory).would == "refused"
        newest = ledger.newest_position()
        assert services.try_event(trigger, carol, newest).would == "filtered"
        assert services.try_event(trigger, carol, newest + 1).would == "refused"
        assert (Run.objects.count(), EventDelivery.objects.count()) == (0, 0)

    def test_people_read_it_and_its_page_shows_what_came(
        self, react: Any, workflow: Workflow, alice: Any, client: Any
    ) -> None:
        trigger = kept(PORTAL, workflow)
        happen()
        react()
        api = signed_in(alice)
        (found,) = api.get("/api/v1/event-triggers").json()["results"]
        assert (found["verbs"], found["position"]) == ("agents.agent_paused", ledger.newest_position())
        (row,) = api.get(f"/api/v1/event-triggers/{trigger.pk}/log").json()["results"]
        assert (row["outcome"], row["verb"]) == ("started", "agents.agent_paused")
        client.force_login(alice)
        page = client.get(f"/admin/triggers/eventtrigger/{trigger.pk}/change/").content.decode()
        assert "the portal itself set it up" in page
        assert "agents.agent_paused" in page
        assert client.get("/admin/triggers/eventtrigger/").status_code == 200
        tried = client.post(
            f"/admin/triggers/eventtrigger/{trigger.pk}/try_it/",
            {"_form_submitted": "1", "position": ""},
            headers={"hx-request": "true"},
        )
        assert "What it would do" in tried.content.decode()
        form = {
            "name": "Mine",
            "workflow": str(workflow.pk),
            "verbs": "runs.run_parked",
            "give": '{"topic": "event.subject.label"}',
            "most_per_hour": "5",
            "is_enabled": "on",
            "reason": WHY,
        }
        assert client.post("/admin/triggers/eventtrigger/add/", form).status_code == 302
        mine = EventTrigger.objects.get(name="Mine")
        assert mine.kept_by == alice
        answer = client.post(
            f"/admin/triggers/eventtrigger/{mine.pk}/change/", {**form, "verbs": "runs.run_finished"}
        )
        assert answer.status_code == 302
        mine.refresh_from_db()
        assert mine.verbs == "runs.run_finished"


def test_old_rows_of_the_log_are_forgotten(react: Any, workflow: Workflow) -> None:
    kept(PORTAL, workflow)
    happen()
    happen()
    react()
    EventDelivery.objects.filter(pk=EventDelivery.objects.earliest("pk").pk).update(
        at=F("at") - timedelta(days=91)
    )
    assert services.forget_old() == 1
    assert EventDelivery.objects.count() == 1
    assert Firing.objects.count() == 0


def test_an_event_signals_the_run_it_names(react: Any, clerk: Any, alice: Any, bob: Any) -> None:
    workflow = waits(alice, bob)
    run = begun(alice)
    react()  # what was set up until here is numbered
    told = {
        "does": "signal",
        "signal": "goods-in",
        "key": '"letter-1"',
        "give": {"what": "event.subject.label"},
    }
    kept(PORTAL, workflow, **told)
    happen(label="nuts")
    react()
    run.refresh_from_db()
    assert (run.state, step(run, "later").answer) == ("done", {"what": "nuts"})
    assert EventDelivery.objects.get().outcome == "signalled"
