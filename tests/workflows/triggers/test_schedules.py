"""Runs start at the times of a schedule: each due time once, whatever happens in between."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db.models import F
from django.db.models.functions import Now

from agents.services import stops
from audit.models import Event
from audit.vocabulary import Refusal
from tests.workflows.conftest import signed_in
from tests.workflows.test_concurrency import at_once
from tests.workflows.test_runs import letters, publish
from workflows.runs.models import Run, Workflow
from workflows.runs.services import set_enabled
from workflows.triggers import services
from workflows.triggers.models import Due, Firing, Schedule

pytestmark = pytest.mark.usefixtures("hints")
WHY = "every month anew"


@pytest.fixture
def workflow(clerk: Any, alice: Any, bob: Any) -> Workflow:
    content = letters()
    content["input"] = {**content["input"], "required": ["topic"]}
    return publish(alice, bob, content)


def kept(actor: Any, workflow: Workflow, **values: Any) -> Schedule:
    common = {"name": "Monthly", "workflow": workflow, "cron": "0 * * * *", "give": {"topic": "local.date"}}
    return services.save_schedule(actor=actor.as_actor(), values={**common, **values}, reason=WHY)


def late(schedule: Schedule, **ago: int) -> None:
    """Let a schedule be due so long ago, on the hour."""
    Due.objects.filter(pk=schedule.pk).update(at=F("at") - timedelta(hours=1) - timedelta(**ago))


@pytest.mark.django_db
class TestFiring:
    def test_nothing_is_fired_before_its_time(self, workflow: Workflow, alice: Any) -> None:
        kept(alice, workflow)
        assert services.fire_due() == 0
        assert Run.objects.count() == 0

    def test_a_due_time_starts_a_run_and_moves_on(self, workflow: Workflow, alice: Any) -> None:
        schedule = kept(alice, workflow)
        at = schedule.due.at
        late(schedule)
        assert services.fire_due() == 1
        run, firing = Run.objects.get(), Firing.objects.get()
        assert run.input == {"topic": f"{firing.due_at:%Y-%m-%d}"}
        assert run.key == f"{schedule.pk} {firing.due_at:%Y-%m-%dT%H:%M:%SZ}"
        assert run.started_by == "schedule Monthly"
        assert (firing.outcome, firing.run, firing.due_at) == ("started", run, at - timedelta(hours=1))
        assert Due.objects.get().at == at
        assert services.fire_due() == 0

    def test_the_key_is_the_schedule_s_own_and_a_repeat_is_the_same_run(
        self, workflow: Workflow, alice: Any
    ) -> None:
        key = '"letters of " + string(local.year)'
        schedule = kept(alice, workflow, key=key, give={"topic": '"bolts"'}, catch_up="all")
        late(schedule, hours=2)
        assert services.fire_due() == 3
        assert Run.objects.get().key.startswith("letters of 20")
        assert [firing.outcome for firing in Firing.objects.order_by("pk")] == ["started", "again", "again"]

    def test_a_due_time_that_was_fired_is_not_fired_again_when_the_clock_goes_back(
        self, workflow: Workflow, alice: Any
    ) -> None:
        schedule = kept(alice, workflow, key="string(local.minute)")
        for hours in (0, 0, 3):
            late(schedule, hours=hours)
            services.fire_due()
        assert Run.objects.count() == 1
        assert Firing.objects.filter(outcome="started").count() == 1
        assert Due.objects.filter(at__gt=Now()).exists()

    def test_the_same_key_with_other_input_is_the_same_work(self, workflow: Workflow, alice: Any) -> None:
        schedule = kept(alice, workflow, key='"once"', give={"topic": "due_at"}, catch_up="all")
        late(schedule, hours=1)
        assert services.fire_due() == 2
        assert [(f.outcome, f.code) for f in Firing.objects.order_by("pk")] == [
            ("started", ""),
            ("again", "run_key_reused"),
        ]
        assert Firing.objects.filter(run=Run.objects.get()).count() == 2

    def test_a_condition_that_does_not_hold_starts_nothing(self, workflow: Workflow, alice: Any) -> None:
        schedule = kept(alice, workflow, condition="local.year < 2000")
        late(schedule)
        services.fire_due()
        assert (Run.objects.count(), Firing.objects.get().outcome) == (0, "filtered")

    def test_what_cannot_be_worked_out_is_refused_on_record(self, workflow: Workflow, alice: Any) -> None:
        schedule = kept(alice, workflow, give={"topic": "local.nothing"})
        late(schedule)
        services.fire_due()
        firing, event = Firing.objects.get(), Event.objects.get(verb="triggers.start_refused")
        assert (firing.outcome, firing.code, event.code) == ("refused", "not_worked_out", "not_worked_out")
        assert "topic" in firing.sentence

    def test_input_that_does_not_fit_is_refused_on_record(self, workflow: Workflow, alice: Any) -> None:
        schedule = kept(alice, workflow, give={"topic": "local.year"})
        late(schedule)
        services.fire_due()
        assert (Firing.objects.get().code, Run.objects.count()) == ("invalid_input", 0)

    @pytest.mark.parametrize(("catch_up", "runs"), [("last", 1), ("all", 4)])
    def test_what_was_missed_is_made_up_for_as_the_schedule_says(
        self, workflow: Workflow, alice: Any, catch_up: str, runs: int
    ) -> None:
        schedule = kept(alice, workflow, catch_up=catch_up)
        late(schedule, hours=3)
        services.fire_due()
        assert Run.objects.count() == runs
        assert Due.objects.filter(at__gt=Now()).count() == 1
        skipped = Firing.objects.filter(outcome="skipped").count()
        assert skipped == (1 if catch_up == "last" else 0)
        assert Event.objects.filter(verb="triggers.times_skipped").count() == skipped

    def test_without_catching_up_what_is_late_is_skipped(self, workflow: Workflow, alice: Any) -> None:
        schedule = kept(alice, workflow, cron="59 23 31 12 *", catch_up="none")
        Due.objects.filter(pk=schedule.pk).update(at=F("at") - timedelta(days=3650))
        services.fire_due()
        assert (Run.objects.count(), Firing.objects.get().outcome) == (0, "skipped")

    def test_a_stop_lets_what_is_due_wait_and_nothing_is_lost(self, workflow: Workflow, alice: Any) -> None:
        schedule = kept(alice, workflow)
        late(schedule)
        stop = stops.raise_stop(
            actor=alice.as_actor(), scope_kind="workflow", scope_id=str(workflow.pk), reason=WHY
        )
        before = Event.objects.count()
        for _ in range(3):
            assert services.fire_due() == 0
        assert "stopped" in Due.objects.get().waiting
        assert (Run.objects.count(), Firing.objects.count(), Event.objects.count()) == (0, 0, before)
        stops.lift_stop(actor=alice.as_actor(), stop=stop, reason=WHY)
        assert services.fire_due() == 1
        assert (Run.objects.count(), Due.objects.get().waiting) == (1, "")

    def test_a_workflow_that_is_off_lets_what_is_due_wait(self, workflow: Workflow, alice: Any) -> None:
        schedule = kept(alice, workflow)
        late(schedule)
        set_enabled(actor=alice.as_actor(), workflow=workflow, enabled=False, reason=WHY)
        assert services.fire_due() == 0
        assert "switched off" in Due.objects.get().waiting

    def test_one_that_cannot_be_fired_holds_no_other_up(
        self, workflow: Workflow, alice: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from workflows.triggers.services import schedules

        broken, whole = kept(alice, workflow), kept(alice, workflow, name="Whole")
        for schedule in (broken, whole):
            late(schedule)
        begin = schedules.start

        def failing(schedule: Schedule, *args: Any) -> Any:
            if schedule == broken:
                raise RuntimeError("a bug")
            return begin(schedule, *args)

        monkeypatch.setattr(schedules, "start", failing)
        assert services.fire_due() == 1
        assert Firing.objects.get().schedule == whole
        assert Due.objects.get(pk=broken.pk).at < Firing.objects.get().at


@pytest.mark.django_db
class TestKeeping:
    def test_who_may_not_start_the_workflow_may_not_let_a_clock_do_it(
        self, workflow: Workflow, bob: Any, alice: Any
    ) -> None:
        from django.contrib.auth.models import Permission

        with pytest.raises(Refusal, match="change what starts workflows"):
            kept(bob, workflow)
        bob.user_permissions.add(Permission.objects.get(codename="change_schedule"))
        bob = type(bob).objects.get(pk=bob.pk)
        with pytest.raises(Refusal, match="let something start"):
            kept(bob, workflow)
        assert Schedule.objects.count() == 0

    def test_an_agent_keeps_no_schedule(self, workflow: Workflow, clerk: Any) -> None:
        with pytest.raises(Refusal, match="Only a person"):
            kept(clerk.user, workflow)

    @pytest.mark.parametrize(
        ("values", "field"),
        [
            ({"cron": "0 9 30 2 *"}, "cron"),
            ({"cron": "whenever"}, "cron"),
            ({"time_zone": "Berlin"}, "time_zone"),
            ({"condition": "nobody.knows"}, "condition"),
            ({"condition": "1 +"}, "condition"),
            ({"condition": "  "}, "condition"),
            ({"key": "event.id"}, "key"),
            ({"give": {"topic": "1 +"}}, "give"),
            ({"give": {"topic": 7}}, "give"),
            ({"give": {}}, "give"),
            ({"give": []}, "give"),
            ({"give": {"topic": "due_at", "colour": "due_at"}}, "give"),
            ({"catch_up_most": 1001}, "catch_up_most"),
            ({"catch_up": "some"}, "catch_up"),
        ],
    )
    def test_what_makes_no_sense_is_refused_at_the_field(
        self, workflow: Workflow, alice: Any, values: dict[str, Any], field: str
    ) -> None:
        with pytest.raises(ValidationError) as caught:
            kept(alice, workflow, **values)
        assert field in caught.value.message_dict

    def test_a_change_of_the_times_counts_from_now(self, workflow: Workflow, alice: Any) -> None:
        schedule = kept(alice, workflow)
        late(schedule, hours=10)
        changed = services.save_schedule(
            actor=alice.as_actor(), values={"cron": "30 * * * *"}, reason=WHY, schedule=schedule
        )
        assert Due.objects.filter(pk=changed.pk, at__gt=Now()).exists()
        assert schedule.history.count() == 2

    def test_another_change_leaves_what_is_due_as_it_is(self, workflow: Workflow, alice: Any) -> None:
        schedule = kept(alice, workflow)
        late(schedule)
        services.save_schedule(actor=alice.as_actor(), values={"name": "New"}, reason=WHY, schedule=schedule)
        assert services.fire_due() == 1

    def test_switched_off_it_has_no_due_time_and_makes_up_for_nothing(
        self, workflow: Workflow, alice: Any
    ) -> None:
        schedule = kept(alice, workflow)
        late(schedule, hours=2)
        for enabled in (False, True):
            assert Due.objects.count() == 1
            services.save_schedule(
                actor=alice.as_actor(), values={"is_enabled": enabled}, reason=WHY, schedule=schedule
            )
            assert services.fire_due() == 0
            if not enabled:
                assert Due.objects.count() == 0
                Due.objects.create(schedule=schedule, at=schedule.created_at)
        assert Run.objects.count() == 0
        assert set(Event.objects.filter(verb="triggers.trigger_saved").values_list("code", flat=True)) == {
            "on",
            "off",
        }

    def test_trying_starts_and_writes_nothing(self, workflow: Workflow, alice: Any) -> None:
        schedule = kept(alice, workflow)
        before = Event.objects.count()
        trial = services.try_schedule(schedule)
        assert (trial.would, trial.key.split()[0]) == ("started", str(schedule.pk))
        assert trial.input["topic"].startswith("20")
        assert (Run.objects.count(), Firing.objects.count(), Event.objects.count()) == (0, 0, before)

    def test_trying_says_what_would_be_wrong(self, workflow: Workflow, alice: Any) -> None:
        for values, would in (
            ({"give": {"topic": "local.year"}}, "refused"),
            ({"give": {"topic": "local.nothing"}}, "refused"),
            ({"condition": "local.year < 2000"}, "filtered"),
        ):
            schedule = kept(alice, workflow, name=str(values), **values)
            assert services.try_schedule(schedule).would == would


@pytest.mark.django_db
class TestReading:
    def test_people_read_schedules_and_what_they_did(self, workflow: Workflow, alice: Any, dave: Any) -> None:
        schedule = kept(alice, workflow)
        late(schedule)
        services.fire_due()
        client = signed_in(dave)
        (found,) = client.get("/api/v1/schedules", {"workflow": "letters"}).json()["results"]
        assert (found["cron"], found["waiting"], found["workflow"]) == ("0 * * * *", "", "letters")
        assert found["next_at"]
        address = f"/api/v1/schedules/{schedule.pk}"
        assert client.get(address).json() == found
        (firing,) = client.get(f"{address}/firings").json()["results"]
        assert (firing["outcome"], firing["run"]) == ("started", str(Run.objects.get().pk))
        assert client.get(f"{address}/firings?outcome=refused").json()["results"] == []
        assert client.get(f"{address}/firings?outcome=lost").status_code == 422

    def test_a_run_that_somebody_may_not_see_is_not_named(
        self, workflow: Workflow, alice: Any, bob: Any
    ) -> None:
        from guardian.shortcuts import assign_perm

        schedule = kept(alice, workflow)
        late(schedule)
        services.fire_due()
        assign_perm("triggers.view_schedule", bob, schedule)
        (firing,) = signed_in(bob).get(f"/api/v1/schedules/{schedule.pk}/firings").json()["results"]
        assert (firing["outcome"], firing["run"]) == ("started", None)

    def test_the_page_shows_when_it_fires_and_what_it_did(
        self, workflow: Workflow, alice: Any, client: Any
    ) -> None:
        schedule = kept(alice, workflow, time_zone="Europe/Berlin")
        late(schedule)
        services.fire_due()
        client.force_login(alice)
        page = client.get(f"/admin/triggers/schedule/{schedule.pk}/change/").content.decode()
        assert "lets the schedule Monthly start Answer letters" in page
        assert "Started a run" in page
        assert page.count('name="reason"') == 1
        assert " CE" in page
        assert client.get("/admin/triggers/schedule/").status_code == 200
        tried = client.post(
            f"/admin/triggers/schedule/{schedule.pk}/try_it/",
            {"_form_submitted": "1", "due_at": "2026-03-01 09:00"},
            headers={"hx-request": "true"},
        )
        assert "It would start Answer letters" in tried.content.decode()
        assert "2026-03-01" in tried.content.decode()

    def test_the_form_makes_one_and_says_what_is_wrong(
        self, workflow: Workflow, alice: Any, client: Any
    ) -> None:
        client.force_login(alice)
        form = {
            "name": "Daily",
            "workflow": str(workflow.pk),
            "cron": "0 9 * *",
            "time_zone": "Europe/Berlin",
            "catch_up": "last",
            "catch_up_most": "24",
            "is_enabled": "on",
            "give": '{"topic": "local.date"}',
            "reason": "the letters of the day",
        }
        answer = client.post("/admin/triggers/schedule/add/", form)
        assert "five fields" in answer.content.decode()
        assert answer.content.decode().count('name="reason"') == 1
        answer = client.post("/admin/triggers/schedule/add/", {**form, "cron": "0 9 * * *"})
        assert answer.status_code == 302, answer.content.decode()
        assert Schedule.objects.get().due.at


@pytest.mark.usefixtures("live_db")
def test_many_clocks_fire_each_due_time_once(clerk: Any, alice: Any, bob: Any) -> None:
    workflow = publish(alice, bob)
    schedules = [kept(alice, workflow, name=f"S{number}", catch_up="all") for number in range(3)]
    for schedule in schedules:
        late(schedule, hours=4)
    fired = at_once(lambda _: services.fire_due(), 24, threads=8)
    assert sum(fired) == 15
    assert Run.objects.count() == Firing.objects.count() == 15
    assert Due.objects.filter(at__gt=Now()).count() == 3


@pytest.mark.usefixtures("live_db")
def test_a_clock_and_a_person_who_changes_the_times_never_wait_for_each_other(
    clerk: Any, alice: Any, bob: Any
) -> None:
    workflow = publish(alice, bob)
    schedule = kept(alice, workflow, catch_up="all")
    late(schedule, hours=8)

    def work(index: int) -> int:
        if index % 2:
            return services.fire_due()
        services.save_schedule(
            actor=alice.as_actor(), values={"cron": f"{index} * * * *"}, reason=WHY, schedule=schedule
        )
        return 0

    at_once(work, 24, threads=8)
    due = list(Firing.objects.values_list("due_at", flat=True))
    assert len(due) == len(set(due)) == Run.objects.count()
