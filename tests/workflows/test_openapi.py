from __future__ import annotations

import uuid
from typing import Any

import pytest
from drf_spectacular.drainage import GENERATOR_STATS
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.workflows.conftest import body, hold_above, signed_in
from tests.workflows.test_runs import publish
from workflows.api import openapi
from workflows.runs.services import tick


def description_for(user: Any) -> dict[str, Any]:
    headers = {"Accept": "application/vnd.oai.openapi+json"}
    document: dict[str, Any] = signed_in(user).get("/api/v1/schema", headers=headers).json()
    return document


def assert_described(document: dict[str, Any], path: str, method: str, answer: Any) -> None:
    """The status, the media type and every member of an answer are as the description says."""
    described = document["paths"][path][method]["responses"][str(answer.status_code)]["content"]
    media_type = answer["Content-Type"].partition(";")[0]
    assert media_type in described, (path, answer.status_code, media_type)
    schema = {**described[media_type]["schema"], "components": document["components"]}
    assert [
        (error.json_path, error.message) for error in Draft202012Validator(schema).iter_errors(answer.json())
    ] == []
    if media_type == "application/problem+json":
        known = document["components"]["schemas"]["Problem"]["properties"]
        assert set(answer.json()) <= set(known), answer.json()


@pytest.mark.django_db
def test_the_description_of_the_api_is_valid_openapi_3_1(carol: Any) -> None:
    response = signed_in(carol).get("/api/v1/schema", headers={"Accept": "application/vnd.oai.openapi+json"})
    assert response.status_code == 200
    document = response.json()
    assert document["openapi"].startswith("3.1")
    errors = list(OpenAPIV31SpecValidator(document).iter_errors())
    assert errors == []
    assert {"/api/v1/actions", "/api/v1/approvals/{approval_id}/votes"} <= set(document["paths"])


@pytest.mark.django_db
def test_the_description_is_for_those_who_are_signed_in(client: Any) -> None:
    assert client.get("/api/v1/schema").status_code == 401


@pytest.mark.django_db
def test_no_two_parts_of_the_description_share_a_name(carol: Any) -> None:
    openapi._KEPT.clear()  # so that it is built here
    GENERATOR_STATS.reset()
    document = description_for(carol)
    assert not GENERATOR_STATS._warn_cache
    assert not GENERATOR_STATS._error_cache
    schemas = document["components"]["schemas"]
    assert schemas["Reason"]["properties"]["reason"]["minLength"] > 1  # people say why in a few words at least
    assert set(schemas["Withdrawal"]["properties"]) == {"reason"}
    assert "/oauth/token" in document["paths"]


@pytest.mark.usefixtures("inline_pool", "hints")
@pytest.mark.django_db
def test_real_answers_are_as_described(clerk: Any, carol: Any) -> None:
    document = description_for(carol)
    hold_above(1_000_000)
    agent = signed_in(clerk.user)
    actions = "/api/v1/actions"

    def post(data: Any, key: str = "", **more: Any) -> Any:
        return agent.post(
            actions, data, headers={"Idempotency-Key": key or str(uuid.uuid4())}, **{"format": "json", **more}
        )

    expected = {
        201: post(body("RE-1")),
        202: post(body("RE-2", minor=2_000_000)),
        400: agent.post(actions, body("RE-3"), format="json"),
        401: type(agent)().post(actions, body("RE-4"), format="json"),
        403: post({"operation": "fake.party.create", "arguments": {}}),
        415: post("a=b", content_type="text/plain", format=None),
        422: post({"operation": "fake.invoice.post", "arguments": {}}),
    }
    for status, answer in expected.items():
        assert answer.status_code == status, answer.content
        assert_described(document, actions, "post", answer)
    unknown_member = post({**body("RE-5"), "arguements": {}})
    assert unknown_member.status_code == 422
    assert_described(document, actions, "post", unknown_member)
    done, held = expected[201].json(), expected[202].json()
    assert_described(document, f"{actions}/{{action_id}}", "get", agent.get(done["url"]))
    assert_described(document, f"{actions}/{{action_id}}", "get", agent.get(f"{actions}/{uuid.uuid4()}"))
    withdraw = f"{actions}/{{action_id}}/withdraw"
    back = agent.post(f"{held['url']}/withdraw", {"reason": "not needed"}, format="json")
    assert_described(document, withdraw, "post", back)
    again = agent.post(f"{held['url']}/withdraw", {"reason": "not needed"}, format="json")
    assert again.status_code == 409
    assert_described(document, withdraw, "post", again)
    assert_described(document, actions, "get", agent.get(actions))
    assert_described(document, "/api/v1/operations", "get", agent.get("/api/v1/operations"))
    assert_described(document, "/api/v1/me", "get", agent.get("/api/v1/me"))


@pytest.mark.usefixtures("hints")
@pytest.mark.django_db
def test_what_is_told_of_work_documents_and_runs_is_as_described(clerk: Any, alice: Any, bob: Any) -> None:
    document = description_for(alice)
    publish(alice, bob)
    person, agent = signed_in(alice), signed_in(clerk.user)

    def told(client: Any, method: str, path: str, data: Any = None, **keys: str) -> Any:
        address = path.format(**keys)
        answer = client.get(address) if method == "get" else client.post(address, data or {}, format="json")
        assert_described(document, path, method, answer)
        return answer.json()

    api = "/api/v1"
    start = {"workflow": "letters", "input": {"topic": "bolts"}, "key": "1"}
    run = told(person, "post", f"{api}/runs", start)["id"]
    told(person, "post", f"{api}/runs", start)
    told(agent, "post", f"{api}/runs", start)
    tick()
    (task,) = told(agent, "post", f"{api}/tasks/claim")["tasks"]
    one = f"{api}/tasks/{{task_id}}"
    told(agent, "get", one, task_id=task["id"])
    told(agent, "get", f"{api}/tasks")
    told(agent, "post", f"{one}/heartbeat", {"epoch": 1}, task_id=task["id"])
    told(agent, "post", f"{one}/complete", {"epoch": 9}, task_id=task["id"])
    told(agent, "post", f"{one}/complete", {"epoch": 1, "answer": {}}, task_id=task["id"])
    told(
        agent,
        "post",
        f"{one}/complete",
        {"epoch": 1, "answer": {"kind": "chat", "pages": 1}},
        task_id=task["id"],
    )
    tick()
    told(person, "get", f"{api}/runs")
    told(person, "get", f"{api}/runs/{{run_id}}", run_id=run)
    told(person, "post", f"{api}/runs/{{run_id}}/cancel", {"reason": "too late for that"}, run_id=run)
    for content, status in ((b"<a/>", 201), (b"<a/>", 200), (b"", 422)):
        up = agent.generic("POST", f"{api}/documents", content, content_type="application/xml")
        assert up.status_code == status
        assert_described(document, f"{api}/documents", "post", up)
    key = agent.get(f"{api}/documents").json()["results"][0]["id"]
    told(agent, "get", f"{api}/documents")
    told(agent, "get", f"{api}/documents/{{document_id}}", document_id=key)
    down = agent.get(f"{api}/documents/{key}/content")
    described = document["paths"][f"{api}/documents/{{document_id}}/content"]["get"]["responses"]["200"][
        "content"
    ]
    assert down["Content-Type"] in described


@pytest.mark.django_db
def test_what_is_kept_of_the_description_does_not_grow_with_what_is_asked(carol: Any) -> None:
    client = signed_in(carol)
    for number in range(3):
        assert client.get(f"/api/v1/schema?version={number}&lang=qq-{number}").status_code == 200
    client.get("/api/v1/schema")
    assert set(openapi._KEPT) <= {"en", "de"}
