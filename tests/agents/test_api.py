"""The workforce over HTTP: own file, visible agents, brakes, stops and changes; agents move nothing."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from guardian.shortcuts import assign_perm

from agents.decision.facts import GrantFacts
from agents.models import Agent, ChangeRequest, Department, Role, Rule, Stop
from agents.services import credentials, lifecycle, policies
from audit.models import Event
from tests.agents.authority import catalogue
from tests.agents.test_oauth import bearer, token_for

WHY = {"reason": "Because it is needed"}
JSON = "application/json"


def signed_in(user: Any) -> Client:
    """A person's session, with CSRF enforced as in production, and the token at hand."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    return client


def send(client: Client, path: str, body: Any = None, csrf: bool = True, **extra: Any) -> Any:
    if csrf:
        client.cookies["csrftoken"] = "a" * 32
        extra.setdefault("headers", {})["x-csrftoken"] = "a" * 32
    return client.post(path, WHY if body is None else body, content_type=JSON, **extra)


@pytest.fixture
def robo(credential: credentials.IssuedSecret) -> dict[str, Any]:
    """The header with which robo calls."""
    return bearer(token_for(Client(), credential))


@pytest.fixture
def threshold(alice: Any) -> Rule:
    """Hold above 10,000.00 EUR, for everybody."""
    actor = alice.as_actor()
    policy = policies.create_policy(actor=actor, code="money", name="Money", reason="Limits for everybody")
    content = {
        "name": "Large",
        "operations": "erp.supplier_invoice.post",
        "verdict": "hold",
        "mode": "enforced",
    }
    content |= {"field": "amount", "comparison": "above", "value": "10000.00"}
    with catalogue():
        return policies.create_rule(actor=actor, policy=policy, content=content, reason="The board decided so")


class TestMe:
    def test_an_agent_reads_its_own_file_and_contract(
        self, robo: dict[str, Any], working: Agent, threshold: Rule
    ) -> None:
        grant = GrantFacts("1", "erp.supplier_invoice.post", "user", str(working.user_id))
        with catalogue(grant):
            body = Client().get("/api/v1/me", **robo).json()
        assert body["kind"] == "agent"
        assert body["agent"]["lifecycle"] == "active"
        assert body["agent"]["role"] == "bookkeeper"
        assert body["agent"]["brake"] == "none"
        assert body["operations"] == ["erp.supplier_invoice.post"]
        assert [rule["sentence"] for rule in body["contract"]] == [
            "An amount above 10,000.00 EUR needs a person"
        ]

    def test_a_rule_that_binds_others_is_not_in_it(
        self, alice: Any, robo: dict[str, Any], threshold: Rule
    ) -> None:
        other = Department.objects.create(code="sales", name="Sales")
        policy = threshold.policy
        policy.scope_kind, policy.scope_id = "department", str(other.pk)
        policy.save()
        assert Client().get("/api/v1/me", **robo).json()["contract"] == []

    def test_a_person_reads_who_they_are(self, bob: Any) -> None:
        body = signed_in(bob).get("/api/v1/me").json()
        assert (body["kind"], body["agent"], body["groups"]) == ("person", None, ["Approvers"])

    def test_nobody_else_does(self, db: None) -> None:
        answer = Client().get("/api/v1/me")
        assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")


class TestAgents:
    @pytest.fixture
    def other(self, alice: Any, working: Agent) -> Agent:
        return lifecycle.register_agent(
            actor=alice.as_actor(),
            name="Other",
            code="other",
            purpose="Else.",
            sponsor=alice,
            department=working.department,
            role=working.role,
            reason="Another one",
        )

    def test_everybody_sees_what_they_may(
        self, alice: Any, mallory: Any, robo: dict[str, Any], working: Agent, other: Agent
    ) -> None:
        def codes(client: Client, **extra: Any) -> set[str]:
            return {each["code"] for each in client.get("/api/v1/agents", **extra).json()["results"]}

        assert codes(signed_in(alice)) == {"robo", "other"}
        assert codes(Client(), **robo) == {"robo"}
        assert codes(signed_in(mallory)) == set()
        assign_perm("agents.view_agent", mallory, other)
        assert codes(signed_in(mallory)) == {"other"}

    def test_what_one_may_not_see_does_not_exist(
        self, mallory: Any, robo: dict[str, Any], working: Agent, other: Agent
    ) -> None:
        assert Client().get(f"/api/v1/agents/{other.pk}", **robo).status_code == 404
        assert Client().get(f"/api/v1/agents/{working.pk}", **robo).status_code == 200
        assert signed_in(mallory).get(f"/api/v1/agents/{working.pk}").status_code == 404
        assert send(signed_in(mallory), f"/api/v1/agents/{working.pk}/pause").status_code == 404
        assert signed_in(mallory).get(f"/api/v1/agents/{uuid.uuid4()}").status_code == 404

    def test_the_list_costs_the_same_however_long_it_is(
        self, alice: Any, working: Agent, other: Agent, django_assert_max_num_queries: Any
    ) -> None:
        client = signed_in(alice)
        for number in range(5):
            role = Role.objects.create(
                code=f"r{number}", name="R", group=Group.objects.create(name=f"R{number}")
            )
            lifecycle.register_agent(
                actor=alice.as_actor(),
                name="More",
                code=f"more-{number}",
                purpose="Else.",
                sponsor=alice,
                department=Department.objects.create(code=f"d{number}", name="D"),
                role=role,
                reason="Another one",
            )
        with django_assert_max_num_queries(8):
            assert len(client.get("/api/v1/agents").json()["results"]) == 7

    def test_pausing_suspending_and_lifting(self, alice: Any, dave: Any, working: Agent) -> None:
        operator = signed_in(dave)
        answer = send(operator, f"/api/v1/agents/{working.pk}/pause")
        assert (answer.status_code, answer.json()["brake"]) == (200, "paused")
        again = send(operator, f"/api/v1/agents/{working.pk}/pause")
        assert (again.status_code, again.json()["code"]) == (409, "brake_already_on")
        assert send(operator, f"/api/v1/agents/{working.pk}/suspend").json()["brake"] == "suspended"
        refused = send(operator, f"/api/v1/agents/{working.pk}/lift-brake")
        assert (refused.status_code, refused.json()["code"]) == (403, "permission_missing")
        recorded = Event.objects.filter(
            verb="audit.change_refused", agent_id=str(working.pk), actor_label="Dave"
        )
        assert [event.code for event in recorded.order_by("pk")] == ["brake_already_on", "permission_missing"]
        assert send(signed_in(alice), f"/api/v1/agents/{working.pk}/lift-brake").json()["brake"] == "none"

    def test_without_a_csrf_token_a_session_changes_nothing(self, dave: Any, working: Agent) -> None:
        assert send(signed_in(dave), f"/api/v1/agents/{working.pk}/pause", csrf=False).status_code == 403
        working.refresh_from_db()
        assert working.brake == "none"

    @pytest.mark.parametrize(
        "body", [{}, {"reason": ""}, {"reason": "no"}, {"reason": "x" * 5000}, {"reason": 5}, [], ["text"]]
    )
    def test_a_reason_is_asked_for(self, dave: Any, working: Agent, body: Any) -> None:
        answer = send(signed_in(dave), f"/api/v1/agents/{working.pk}/pause", body)
        assert answer.status_code == 422, answer.content
        working.refresh_from_db()
        assert working.brake == "none"


class TestAgentsMoveNothing:
    @pytest.mark.parametrize(
        "path",
        [
            "agents/{agent}/pause",
            "agents/{agent}/suspend",
            "agents/{agent}/lift-brake",
            "stops",
            "stops/{agent}/lift",
            "throttles",
            "throttles/{agent}/lift",
            "change-requests/{agent}/apply",
            "change-requests/{agent}/reject",
        ],
    )
    def test_whatever_they_try_and_it_is_in_the_ledger(
        self, robo: dict[str, Any], working: Agent, path: str
    ) -> None:
        body = {**WHY, "scope_kind": "everything"}
        address = f"/api/v1/{path.format(agent=working.pk)}"
        answer = send(Client(), address, body, csrf=False, **robo)
        assert (answer.status_code, answer.json()["code"]) == (403, "agents_refused")
        event = Event.objects.get(verb="agents.agent_overreached")
        assert (event.agent_id, event.decision) == (str(working.pk), "deny")
        assert not Stop.objects.exists()

    def test_nor_do_they_read_what_waits(self, robo: dict[str, Any]) -> None:
        assert Client().get("/api/v1/change-requests", **robo).status_code == 403

    def test_refused_tokens_are_in_the_ledger_ten_a_minute(self, robo: dict[str, Any], working: Agent) -> None:
        working.brake = "suspended"
        working.save(update_fields=["brake"])
        for _ in range(12):
            assert Client().get("/api/v1/me", **robo).status_code == 401
        refused = Event.objects.filter(verb="agents.call_refused", agent_id=str(working.pk))
        assert set(refused.values_list("code", flat=True)) == {"agent_suspended"}
        assert refused.count() == 10


class TestStops:
    def test_an_operator_raises_and_a_manager_lifts(self, alice: Any, dave: Any, working: Agent) -> None:
        body = {**WHY, "scope_kind": "agent", "scope_id": str(working.pk)}
        answer = send(signed_in(dave), "/api/v1/stops", body)
        assert answer.status_code == 201
        stop = answer.json()
        assert (stop["scope_label"], stop["is_active"], stop["raised_by"]) == ("Robo", True, "Dave")
        assert signed_in(dave).get("/api/v1/stops").json()["results"][0]["id"] == stop["id"]
        path = f"/api/v1/stops/{stop['id']}/lift"
        assert send(signed_in(dave), path).json()["code"] == "permission_missing"
        lifted = send(signed_in(alice), path)
        assert (lifted.status_code, lifted.json()["is_active"]) == (200, False)
        assert send(signed_in(alice), path).json()["code"] == "already_lifted"

    def test_the_way_back_has_stages(self, alice: Any, dave: Any, robo: dict[str, Any], working: Agent) -> None:
        body = {**WHY, "scope_kind": "agent", "scope_id": "robo"}
        stop = send(signed_in(dave), "/api/v1/stops", body).json()
        assert (stop["stage"], stop["scope_id"]) == ("stop", str(working.pk))
        path = f"/api/v1/stops/{stop['id']}/stage"
        assert Client().get("/api/v1/me", **robo).status_code == 403
        assert send(signed_in(dave), path, {**WHY, "stage": "look"}).json()["code"] == "permission_missing"
        assert send(signed_in(alice), path, {**WHY, "stage": "half"}).status_code == 422
        assert send(signed_in(alice), path, {**WHY, "stage": "look"}).json()["stage"] == "look"
        assert Client().get("/api/v1/me", **robo).status_code == 200
        assert send(signed_in(alice), path, {**WHY, "stage": "look"}).status_code == 409
        assert send(signed_in(dave), path, {**WHY, "stage": "stop"}).json()["stage"] == "stop"
        assert Client().get("/api/v1/me", **robo).status_code == 403

    @pytest.mark.parametrize(
        "scope",
        [
            {},
            {"scope_kind": "galaxy"},
            {"scope_kind": "agent"},
            {"scope_kind": "agent", "scope_id": "nobody"},
            {"scope_kind": "agent", "scope_id": str(uuid.uuid4())},
            {"scope_kind": "everything", "scope_id": "x"},
            {"scope_kind": "role", "scope_id": "x" * 500},
            {"scope_kind": ["agent"]},
        ],
    )
    def test_what_does_not_exist_cannot_be_stopped(self, dave: Any, scope: dict[str, Any]) -> None:
        answer = send(signed_in(dave), "/api/v1/stops", {**WHY, **scope})
        assert answer.status_code == 422, answer.content
        assert not Stop.objects.exists()

    def test_an_agent_sees_the_stops_that_hit_it(self, dave: Any, robo: dict[str, Any], working: Agent) -> None:
        other = Department.objects.create(code="sales", name="Sales")
        for scope_id in (other.pk, working.department_id):
            send(
                signed_in(dave), "/api/v1/stops", {**WHY, "scope_kind": "department", "scope_id": str(scope_id)}
            )
        seen = Client().get("/api/v1/stops", **robo).json()["results"]
        assert [stop["scope_label"] for stop in seen] == ["Finance"]


class TestThrottles:
    AT = "/api/v1/throttles"

    @pytest.fixture
    def added(self, alice: Any, working: Agent) -> dict[str, Any]:
        body = {**WHY, "name": "Robo", "scope_kind": "agent", "scope_id": "robo", "most_at_once": 5}
        answer = send(signed_in(alice), self.AT, body)
        assert answer.status_code == 201, answer.content
        return dict(answer.json())

    def change(self, who: Any, throttle: dict[str, Any], **changes: Any) -> Any:
        client = signed_in(who)
        client.cookies["csrftoken"] = "a" * 32
        headers = {"x-csrftoken": "a" * 32}
        return client.patch(
            f"{self.AT}/{throttle['id']}", {**WHY, **changes}, content_type=JSON, headers=headers
        )

    def test_less_counts_at_once_and_more_waits_for_a_second_person(
        self, alice: Any, bob: Any, added: dict[str, Any], working: Agent
    ) -> None:
        assert (added["scope_id"], added["words"]) == (str(working.pk), "at most 5 at once (Robo)")
        less = self.change(alice, added, most_at_once=2)
        assert (less.status_code, less.json()["throttle"]["most_at_once"]) == (200, 2)
        assert less.json()["change_request"] is None
        more = self.change(alice, added, most_at_once=9)
        assert (more.status_code, more.json()["throttle"]["most_at_once"]) == (202, 2)
        send(signed_in(bob), f"/api/v1/change-requests/{more.json()['change_request']['id']}/apply")
        read = signed_in(alice).get(f"{self.AT}/{added['id']}").json()
        assert (read["most_at_once"], read["is_enabled"]) == (9, True)
        assert isinstance(read["now"], list)
        lifted = send(signed_in(alice), f"{self.AT}/{added['id']}/lift")
        assert (lifted.status_code, lifted.json()["change_request"]["state"]) == (202, "pending")

    def test_what_makes_no_sense_names_its_field(self, alice: Any, added: dict[str, Any]) -> None:
        for wrong in ({"most_at_once": 0}, {"most": 3}, {"most_at_once": None}, {"per_seconds": 10**6}):
            answer = self.change(alice, added, **wrong)
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid"), answer.content
        nobody = {**WHY, "name": "x", "scope_kind": "agent", "scope_id": "nobody", "most_at_once": 1}
        assert send(signed_in(alice), self.AT, nobody).json()["code"] == "scope_unknown"

    def test_only_who_keeps_throttles_changes_them(
        self, carol: Any, dave: Any, mallory: Any, robo: dict[str, Any], added: dict[str, Any]
    ) -> None:
        for who in (carol, dave):
            assert self.change(who, added, most_at_once=1).json()["code"] == "permission_missing"
        assert self.change(mallory, added, most_at_once=1).status_code == 404
        assert signed_in(mallory).get(self.AT).json()["results"] == []
        assert Client().get(self.AT, **robo).status_code == 403
        refused = Event.objects.filter(code="permission_missing", subject_kind="agents.throttle")
        assert refused.count() == 2


class TestChangeRequests:
    @pytest.fixture
    def waiting(self, alice: Any, threshold: Rule) -> ChangeRequest:
        with catalogue():
            found = policies.propose_rule_change(
                actor=alice.as_actor(), rule=threshold, changes={"value": "20000.00"}, reason="Fewer questions"
            ).change_request
        assert found is not None
        return found

    def test_another_person_applies_it(
        self, alice: Any, bob: Any, waiting: ChangeRequest, threshold: Rule
    ) -> None:
        path = f"/api/v1/change-requests/{waiting.pk}/apply"
        own = send(signed_in(alice), path)
        assert (own.status_code, own.json()["code"]) == (403, "same_person")
        recorded = Event.objects.get(verb="audit.change_refused", subject_id=str(waiting.pk))
        assert (recorded.actor_label, recorded.code, recorded.decision) == ("Alice", "same_person", "deny")
        with catalogue():
            answer = send(signed_in(bob), path)
        assert (answer.status_code, answer.json()["state"], answer.json()["approver"]) == (
            200,
            "applied",
            "Bob",
        )
        threshold.refresh_from_db()
        assert threshold.condition == "amount > 2000000"
        assert send(signed_in(bob), path).json()["code"] == "already_decided"

    def test_another_person_rejects_it(self, bob: Any, waiting: ChangeRequest) -> None:
        answer = send(signed_in(bob), f"/api/v1/change-requests/{waiting.pk}/reject")
        assert (answer.json()["state"], answer.json()["decision_reason"]) == ("rejected", WHY["reason"])

    def test_who_may_not_decide_does_not_see_it(self, mallory: Any, dave: Any, waiting: ChangeRequest) -> None:
        for person in (mallory, dave):
            client = signed_in(person)
            assert client.get("/api/v1/change-requests").json()["results"] == []
            assert send(client, f"/api/v1/change-requests/{waiting.pk}/apply").status_code == 404

    def test_an_auditor_sees_it_and_does_not_decide(self, carol: Any, waiting: ChangeRequest) -> None:
        client = signed_in(carol)
        listed = client.get("/api/v1/change-requests?state=pending").json()["results"]
        assert [each["id"] for each in listed] == [str(waiting.pk)]
        assert client.get("/api/v1/change-requests?state=applied").json()["results"] == []
        answer = send(client, f"/api/v1/change-requests/{waiting.pk}/apply")
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_missing")
