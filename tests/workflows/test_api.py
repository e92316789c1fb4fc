from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from rest_framework.test import APIClient

from audit.models import Event
from tests.workflows.conftest import ask, body, grant, hold_above, limit, new_agent, signed_in
from workflows.actions.models import Action

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("inline_pool", "hints", "holds")]


def post(client: APIClient, data: dict[str, Any], key: str = "", **headers: str) -> Any:
    headers = {"Idempotency-Key": key or str(uuid.uuid4()), **headers}
    return client.post("/api/v1/actions", data, format="json", headers=headers)


@pytest.fixture
def agent(clerk: Any) -> APIClient:
    return signed_in(clerk.user)


def test_an_allowed_action_is_done_and_answered_201(agent: APIClient, fake: Any) -> None:
    response = post(agent, body())
    assert response.status_code == 201
    data = response.json()
    assert (data["state"], data["remote_ref"], data["outcome"]) == ("confirmed", "inv-1", "agrees")
    assert response["Location"] == data["url"] == f"/api/v1/actions/{data['id']}"
    assert agent.get(data["url"]).json()["state"] == "confirmed"


def test_the_stored_answer_is_given_again(agent: APIClient, fake: Any) -> None:
    first, second = post(agent, body(), "k"), post(agent, body(), "k")
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert fake.count() == 1


def test_the_same_key_for_something_else_is_422(agent: APIClient) -> None:
    first = post(agent, body(), "k")
    second = post(agent, body(minor=1), "k")
    assert (second.status_code, second.json()["code"]) == (422, "idempotency_key_reused")
    assert second.json()["action"] == first.json()["id"]


def test_in_flight_is_409_with_a_time_to_wait(agent: APIClient, clerk: Any) -> None:
    ask(clerk, key="k")
    response = post(agent, body(), "k")
    assert (response.status_code, response.json()["code"]) == (409, "action_in_flight")
    assert response["Retry-After"] == "1"


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "a\tb", "ä"])
def test_a_key_is_required_and_printable(agent: APIClient, key: str) -> None:
    response = agent.post("/api/v1/actions", body(), format="json", headers={"Idempotency-Key": key})
    assert response.status_code == 400
    assert response.json()["code"].startswith("idempotency_key_")
    assert response["Content-Type"] == "application/problem+json"


def test_a_held_action_is_202_and_a_vote_carries_it_on(agent: APIClient, bob: Any, fake: Any) -> None:
    hold_above(10_000)
    response = post(agent, body(minor=20_000), Prefer="wait=5")
    assert (response.status_code, response["Preference-Applied"]) == (202, "wait=5")
    held = response.json()
    assert (held["state"], held["decision"]["rules"]) == ("held", ["invoices above 100.00 EUR need a person"])
    approver = signed_in(bob)
    listed = approver.get("/api/v1/approvals?state=pending").json()["results"]
    assert [entry["subject_id"] for entry in listed] == [held["id"]]
    shown = approver.get(f"/api/v1/approvals/{listed[0]['id']}").json()
    assert shown["subject"]["arguments"]["number"] == "RE-1"
    voted = approver.post(
        f"/api/v1/approvals/{shown['id']}/votes",
        {"verdict": "reject", "reason": "never ordered", "digest": shown["digest"]},
        format="json",
    )
    assert (voted.status_code, voted.json()["state"]) == (200, "rejected")
    learned = agent.get(held["url"]).json()
    assert (learned["state"], learned["code"]) == ("rejected", "rejected")
    assert "never ordered" in learned["sentence"]
    assert learned["next"]


def test_a_denial_is_a_problem_that_explains(robo: Any, book: Any) -> None:
    response = post(signed_in(robo.user), body())
    assert (response.status_code, response["Content-Type"]) == (403, "application/problem+json")
    problem = response.json()
    assert problem["code"]
    assert problem["next"]
    assert Action.objects.get(pk=problem["action"]).state == "denied"
    assert problem["url"] == f"/api/v1/actions/{problem['action']}"


def test_limits_and_duplicates_have_their_own_status(agent: APIClient) -> None:
    limit("per_day", 2)
    limit("once", 1, window="ever", key='args.supplier + "/" + args.number')
    assert post(agent, body("1")).status_code == 201
    twice = post(agent, body("1"))
    assert (twice.status_code, twice.json()["code"]) == (409, "duplicate")
    assert post(agent, body("2")).status_code == 201
    over = post(agent, body("3"))
    assert (over.status_code, over.json()["code"]) == (429, "limit_reached")


def test_what_the_system_refuses_is_a_problem_with_its_code(agent: APIClient, fake: Any) -> None:
    fake.fail_next("422")
    response = post(agent, body())
    assert response.status_code == 422
    assert response.json()["state"] == "failed"


def test_arguments_that_do_not_fit_are_422_with_pointers(agent: APIClient) -> None:
    response = post(agent, {"operation": "fake.invoice.post", "arguments": {"supplier": 1}})
    assert (response.status_code, response.json()["code"]) == (422, "invalid_arguments")
    assert response.json()["errors"]


@pytest.mark.parametrize(
    "data",
    [
        {},
        [],
        "text",
        None,
        {"operation": "fake.invoice.post"},
        {"operation": "fake.invoice.post", "arguments": []},
        {"operation": "fake.invoice.post", "arguments": {}, "surprise": 1},
        {"operation": "x" * 121, "arguments": {}},
        {"operation": {"a": 1}, "arguments": {}},
        {"operation": "fake.invoice.post", "arguments": {}, "provenance": {"a": {"b": 1}}},
        {"operation": "fake.invoice.post", "arguments": {}, "on_behalf_of": "nobody"},
        {"operation": "fake.invoice.post", "arguments": {}, "on_behalf_of": str(uuid.uuid4())},
        {"operation": "fake.invoice.post", "arguments": {}, "task": str(uuid.uuid4())},
        {"operation": "fake.invoice.post", "arguments": {"supplier": "\ud800"}},
        {"operation": "fake\ud800", "arguments": {}},
        {"operation": "fake.invoice.post", "arguments": {"a": 2**60}},
        {"operation": "fake.invoice.post", "arguments": {"a": 10**29}},
        {"operation": "fake.invoice.post", "arguments": {}, "evidence": [2**60]},
        {"operation": "fake.invoice.post", "arguments": {}, "reason": "\ud800"},
    ],
)
def test_hostile_bodies_are_refused_clearly(agent: APIClient, data: Any) -> None:
    for path in ("/api/v1/actions", "/api/v1/decisions"):
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        response = agent.post(path, json.dumps(data), content_type="application/json", headers=headers)
        assert 400 <= response.status_code < 500, (path, response.content)
        assert response.json()["detail"]


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b'{"a":1,"a":2}',
        b"[" * 1000,
        b'"\\u0000"',
        b'{"operation":1.5}',
        b"\xff",
        b"",
        b"NaN",
        b"9" * 5000,
    ],
)
def test_hostile_bytes_are_refused_clearly(agent: APIClient, raw: bytes) -> None:
    response = agent.post(
        "/api/v1/actions", raw, content_type="application/json", headers={"Idempotency-Key": "k"}
    )
    assert 400 <= response.status_code < 500


def test_other_agents_actions_do_not_exist(agent: APIClient, clerk: Any, alice: Any) -> None:
    action = ask(clerk)
    other = signed_in(new_agent(alice, "other").user)
    for response in (
        other.get(f"/api/v1/actions/{action.pk}"),
        other.post(f"/api/v1/actions/{action.pk}/withdraw", {"reason": "mine now"}, format="json"),
    ):
        assert response.status_code == 404
    assert other.get("/api/v1/actions").json()["results"] == []
    assert len(agent.get("/api/v1/actions").json()["results"]) == 1


def test_people_see_by_their_rights(clerk: Any, alice: Any, carol: Any, mallory: Any) -> None:
    action = ask(clerk)
    for user, status in ((alice, 200), (carol, 200), (mallory, 404)):
        assert signed_in(user).get(f"/api/v1/actions/{action.pk}").status_code == status


def test_people_do_not_ask_and_agents_do_not_decide(agent: APIClient, clerk: Any, alice: Any, bob: Any) -> None:
    hold_above(10_000)
    held = ask(clerk, minor=20_000)
    refused = post(signed_in(alice), body())
    assert (refused.status_code, refused.json()["code"]) == (403, "agents_only")
    for path, data in (
        (f"/api/v1/approvals/{held.approval_id}/votes", {}),
        (f"/api/v1/actions/{held.pk}/resolve", {}),
    ):
        response = agent.post(path, data, format="json")
        assert (response.status_code, response.json()["code"]) == (403, "people_only")
    assert agent.get("/api/v1/approvals").status_code == 403


def test_a_vote_on_what_one_cannot_see_is_not_found(clerk: Any, mallory: Any, bob: Any) -> None:
    hold_above(10_000)
    held = ask(clerk, minor=20_000)
    vote = {"verdict": "approve", "reason": "let it pass", "digest": held.approval.digest}
    response = signed_in(mallory).post(f"/api/v1/approvals/{held.approval_id}/votes", vote, format="json")
    assert response.status_code == 404


def test_withdrawing_what_is_held(agent: APIClient, clerk: Any, bob: Any) -> None:
    hold_above(10_000)
    held = ask(clerk, minor=20_000)
    path = f"/api/v1/actions/{held.pk}/withdraw"
    assert agent.post(path, {"reason": "changed my mind"}, format="json").json()["state"] == "withdrawn"
    again = agent.post(path, {"reason": "changed my mind"}, format="json")
    assert (again.status_code, again.json()["code"]) == (409, "not_held")


def test_operations_show_what_one_may_use_with_its_schema(
    agent: APIClient, robo: Any, alice: Any, book: Any
) -> None:
    listed = agent.get("/api/v1/operations").json()["results"]
    assert [operation["code"] for operation in listed] == ["fake.invoice.post"]
    detail = agent.get("/api/v1/operations/fake.invoice.post").json()
    assert detail["input_schema"]["required"] == ["supplier", "number", "total"]
    assert "mapping" not in detail
    assert agent.get("/api/v1/operations/fake.invoice.find").status_code == 404
    nobody = signed_in(new_agent(alice, "other").user)
    assert nobody.get("/api/v1/operations").json()["results"] == []
    grant(robo, book["find"])
    assert agent.get("/api/v1/operations/fake.invoice.find").status_code == 200


def test_a_dry_run_explains_and_records_nothing(
    agent: APIClient, clerk: Any, alice: Any, mallory: Any, bob: Any
) -> None:
    hold_above(10_000)
    before = Event.objects.count()
    mine = agent.post("/api/v1/decisions", body(minor=20_000), format="json").json()
    assert (mine["verdict"], mine["rules"]) == ("hold", ["invoices above 100.00 EUR need a person"])
    theirs = signed_in(alice).post("/api/v1/decisions", body(minor=20_000, agent="robo"), format="json")
    assert theirs.json()["explanation"]["rules"]
    assert signed_in(mallory).post("/api/v1/decisions", body(agent="robo"), format="json").status_code == 404
    assert agent.post("/api/v1/decisions", body(agent="other"), format="json").status_code == 422
    assert Event.objects.count() == before
    assert not Action.objects.exists()


def test_nobody_comes_in_without_a_name(client: Any) -> None:
    some = uuid.uuid4()
    for method, path in (
        ("get", "actions"),
        ("post", "actions"),
        ("get", f"actions/{some}"),
        ("get", f"actions/{some}?wait=1"),
        ("post", f"actions/{some}/withdraw"),
        ("post", f"actions/{some}/resolve"),
        ("get", "operations"),
        ("get", "operations/x"),
        ("post", "decisions"),
        ("get", "approvals"),
        ("get", f"approvals/{some}"),
        ("post", f"approvals/{some}/votes"),
        ("get", "schema"),
    ):
        response = getattr(client, method)(f"/api/v1/{path}")
        assert response.status_code == 401, path
        assert response["WWW-Authenticate"].startswith("Bearer")


def test_a_session_needs_its_csrf_token(bob: Any, clerk: Any) -> None:
    hold_above(10_000)
    held = ask(clerk, minor=20_000)
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(bob)
    response = client.post(f"/api/v1/approvals/{held.approval_id}/votes", {}, format="json")
    assert response.status_code == 403


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("wait=5", 5),
        ("respond-async, wait=7", 7),
        ("wait=999", 30),
        ("wait=0", 0),
        ("", None),
        ("waiter=3", None),
    ],
)
def test_preferences_are_read_as_rfc_7240_says(header: str, seconds: int | None) -> None:
    from workflows.api.actions import preferred_wait

    assert preferred_wait(header) == seconds


def test_every_endpoint_names_its_permission() -> None:
    from workflows.api.urls import urlpatterns

    for pattern in urlpatterns:
        names = {permission.__name__ for permission in pattern.callback.cls.permission_classes}
        by_signature = {"IsSigned"} if pattern.name == "hook" else set()
        assert names <= {"IsKnown", "IsAgent", "IsPerson"} | by_signature, pattern
        assert names, pattern
