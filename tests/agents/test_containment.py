"""Asked for is not yet confirmed: every place proves by a row of its own that a stop has arrived there."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import Client

from agents import registry
from agents.models import Acknowledgement, Agent, EnforcementPoint, Stop
from agents.registry import StopDuty
from agents.selectors import containment_of
from agents.services import containment, heartbeat, stops
from agents.services.heartbeat import Heartbeat
from audit.models import Event
from tests.agents.test_admin import page
from tests.agents.test_api import signed_in
from tests.agents.test_oauth import bearer, token_for

WHY = "Something is wrong"
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def duties(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """One duty, whose rest the test sets; those of the rooms above are tested there."""
    left = {"rest": 0, "taken": 0}
    duty = StopDuty("claims", "Tasks", "tasks are left", lambda stop: left["taken"], lambda stop: left["rest"])
    monkeypatch.setattr(registry, "_stop_duties", {"claims": duty})
    return left


def stop_of(dave: Any, kind: str = "everything", name: str = "") -> Stop:
    return stops.raise_stop(actor=dave.as_actor(), scope_kind=kind, scope_id=name, reason=WHY)


def heart(kind: str = "worker") -> Heartbeat:
    found = Heartbeat(kind)
    found.beat()
    return found


def silence(found: Heartbeat, seconds: float, **changes: Any) -> None:
    EnforcementPoint.objects.filter(pk=found.point.pk).update(
        beat_at=Now() - timedelta(seconds=seconds), **changes
    )


def sentences(stop: Stop) -> str:
    return "; ".join(part.sentence for part in containment_of(stop).parts)


class TestProcesses:
    def test_nothing_is_confirmed_while_no_process_has_reported_in(self, dave: Any) -> None:
        stop = stop_of(dave)
        containment.contain(stop.pk)
        found = containment_of(stop)
        assert not found.is_proved
        assert found.confirmed_at is None
        assert "no process of the portal has reported in" in sentences(stop)

    def test_a_process_confirms_at_its_next_beat_and_not_before(self, dave: Any) -> None:
        worker, portal = heart(), heart("portal")
        stop = stop_of(dave)
        assert "is about to look" in sentences(stop)
        worker.beat()
        containment.contain(stop.pk)
        assert containment_of(stop).confirmed_at is None
        portal.beat()
        containment.contain(stop.pk)
        found = containment_of(stop)
        assert found.is_proved
        assert found.confirmed_at is not None
        assert all(part.at for part in found.parts)
        assert Event.objects.filter(verb="agents.stop_confirmed").count() == 1
        containment.contain_active()
        assert Event.objects.filter(verb="agents.stop_confirmed").count() == 1

    def test_a_process_confirms_only_what_its_own_decisions_obey(
        self, dave: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        worker = heart()
        from agents.selectors import authority_snapshot

        old = authority_snapshot()
        stop = stop_of(dave)
        monkeypatch.setattr(heartbeat, "authority_snapshot", lambda: old)
        worker.beat()
        assert not containment_of(stop).is_proved

    def test_a_silent_process_is_named_with_the_time_of_its_last_answer(self, dave: Any) -> None:
        worker = heart()
        stop = stop_of(dave)
        silence(worker, 60)
        since = EnforcementPoint.objects.get().beat_at
        assert f"has not answered since {since:%H:%M:%S} UTC" in sentences(stop)
        assert sentences(stop).startswith("not confirmed: Worker")

    def test_a_silent_process_elsewhere_is_given_up_and_never_counts_as_confirmed(self, dave: Any) -> None:
        worker = heart()
        stop = stop_of(dave)
        silence(worker, heartbeat.GIVEN_UP_SECONDS - 5, place="another machine")
        assert heartbeat.sweep_points() == 0
        silence(worker, heartbeat.GIVEN_UP_SECONDS + 5)
        assert heartbeat.sweep_points() == 1
        assert not EnforcementPoint.objects.exists()
        assert "was given up at" in sentences(stop)
        assert not containment_of(stop).is_proved
        assert Event.objects.get(verb="agents.process_lost").subject_id == str(worker.point.pk)

    def test_one_that_had_been_given_up_and_comes_back_confirms(self, dave: Any) -> None:
        worker = heart()
        stop = stop_of(dave)
        silence(worker, heartbeat.GIVEN_UP_SECONDS + 5, place="another machine")
        heartbeat.sweep_points()
        worker.beat()
        containment.contain(stop.pk)
        assert containment_of(stop).is_proved

    def test_a_process_of_this_machine_that_is_gone_is_proved_to_have_ended(self, dave: Any) -> None:
        gone = subprocess.Popen([sys.executable, "-c", ""])
        gone.wait()
        worker = heart()
        stop = stop_of(dave)
        silence(worker, 60)
        assert heartbeat.sweep_points() == 0  # it is this very process: silent, and yet alive
        silence(worker, 60, pid=gone.pid)
        assert heartbeat.sweep_points() == 1
        containment.contain(stop.pk)
        assert "has ended" in sentences(stop)
        assert containment_of(stop).is_proved

    def test_one_that_ends_in_order_says_so(self, dave: Any) -> None:
        worker = heart()
        stop = stop_of(dave)
        heartbeat.retire(worker.point.pk, Acknowledgement.Outcome.ENDED)
        containment.contain(stop.pk)
        assert containment_of(stop).is_proved

    def test_an_idle_beat_is_one_statement(self, dave: Any, django_assert_num_queries: Any) -> None:
        worker = heart()
        stop_of(dave)
        worker.beat()
        with django_assert_num_queries(1):
            worker.beat()


class TestDuties:
    def test_what_is_left_is_counted_and_keeps_it_from_being_confirmed(
        self, dave: Any, duties: dict[str, int]
    ) -> None:
        worker, duties["rest"], duties["taken"] = heart(), 2, 3
        stop = stop_of(dave)
        worker.beat()
        containment.contain(stop.pk)
        assert "not confirmed: 2 tasks are left" in sentences(stop)
        duties["rest"], duties["taken"] = 0, 2
        containment.contain_active()
        assert "5 taken back" in sentences(stop)
        assert containment_of(stop).is_proved

    def test_a_duty_that_fails_is_not_confirmed(self, dave: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        def fails(stop: Stop) -> int:
            raise RuntimeError("no")

        broken = StopDuty("claims", "Tasks", "tasks are left", fails, lambda stop: 0)
        monkeypatch.setattr(registry, "_stop_duties", {"claims": broken})
        worker, stop = heart(), stop_of(dave)
        worker.beat()
        containment.contain(stop.pk)
        assert not containment_of(stop).is_proved

    def test_a_lifted_stop_takes_nothing_back(self, dave: Any, alice: Any, duties: dict[str, int]) -> None:
        stop = stop_of(dave)
        stops.lift_stop(actor=alice.as_actor(), stop=stop, reason="All is well")
        duties["taken"] = 1
        containment.contain(stop.pk)
        assert not Acknowledgement.objects.exists()


class TestTokens:
    @pytest.fixture
    def robo(self, credential: Any) -> dict[str, Any]:
        return bearer(token_for(Client(), credential))

    @pytest.mark.parametrize("kind", ["everything", "department", "role", "agent"])
    def test_a_stopped_agent_is_refused_at_its_next_call(
        self, dave: Any, alice: Any, working: Agent, robo: dict[str, Any], kind: str
    ) -> None:
        name = {"department": working.department_id, "role": working.role_id, "agent": working.pk}.get(kind, "")
        assert Client().get("/api/v1/me", **robo).status_code == 200
        stop = stop_of(dave, kind, str(name))
        (reached,) = containment_of(stop).agents
        assert (reached.name, reached.refused_at) == ("Robo", None)
        for path in ("me", "agents", "me"):
            answer = Client().get(f"/api/v1/{path}", **robo)
            assert (answer.status_code, answer.json()["code"]) == (403, "stopped")
            assert answer["Content-Type"] == "application/problem+json"
        (reached,) = containment_of(stop).agents
        assert reached.refused_at is not None
        refused = Event.objects.filter(verb="agents.call_refused", code="stopped")
        assert {event.agent_id for event in refused} == {str(working.pk)}
        assert Client().get("/api/v1/stops", **robo).json()["results"][0]["reason"] == WHY
        stops.lift_stop(actor=alice.as_actor(), stop=stop, reason="All is well")
        assert Client().get("/api/v1/me", **robo).status_code == 200

    def test_a_stop_elsewhere_refuses_no_token(
        self, dave: Any, working: Agent, robo: dict[str, Any], other_role: Any
    ) -> None:
        stop = stop_of(dave, "role", other_role.code)
        assert Client().get("/api/v1/me", **robo).status_code == 200
        assert containment_of(stop).agents == ()

    @pytest.fixture
    def other_role(self, db: None) -> Any:
        from django.contrib.auth.models import Group

        from agents.models import Role

        return Role.objects.create(code="other", name="Other", group=Group.objects.create(name="Role: other"))


class TestShown:
    def test_over_the_api(self, dave: Any, working: Agent) -> None:
        worker = heart()
        stop = stop_of(dave)
        silence(worker, 60)
        body = signed_in(dave).get(f"/api/v1/stops/{stop.pk}/containment").json()
        assert body["confirmed_at"] is None
        assert body["parts"][0]["state"] == "silent"
        assert "has not answered since" in body["parts"][0]["sentence"]
        assert body["agents"] == [{"id": str(working.pk), "name": "Robo", "refused_at": None}]

    def test_in_the_admin(self, dave: Any, working: Agent) -> None:
        worker = heart()
        stop = stop_of(dave)
        text = signed_in(dave).get(page(stop)).content.decode()
        assert "not confirmed yet" in text
        assert "has not called since" in text
        worker.beat()
        containment.contain(stop.pk)
        assert "not confirmed yet" not in signed_in(dave).get(page(stop)).content.decode()
