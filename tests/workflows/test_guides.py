"""The guides: where somebody stands is read from what there is; each step calls the service of all doors."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from django.test import Client

from agents.models import Agent, ChangeRequest, Measure, Role, Rule
from connectors.models import Account, Operation, System
from connectors.vocabulary import TestResult
from tests.company import grant_operation
from workflows.approvals.models import Approval
from workflows.approvals.services import cast_vote
from workflows.pages.guides import systems
from workflows.runs.models import Workflow
from workflows.triggers.models import Schedule, Webhook

pytestmark = pytest.mark.django_db
WHY = {"reason": "The company begins"}


def signed_in(somebody: Any) -> Client:
    client = Client()
    client.force_login(somebody)
    return client


def agree(bob: Any) -> None:
    """Let Bob approve the change that waits."""
    change = ChangeRequest.objects.get(state="pending")
    question = Approval.objects.get(subject_id=str(change.pk))
    cast_vote(
        actor=bob.as_actor(),
        approval_id=question.pk,
        verdict="approve",
        reason="Read it",
        digest=question.digest,
    )


def place(fake: Any, **more: Any) -> dict[str, Any]:
    return {
        "name": "Invoice book",
        "base_url": fake.url,
        "inside": "on",
        "category": "erp",
        "environment": "test",
        "settings-test_path": "/health",
        **WHY,
        **more,
    }  # fmt: skip


BY_HAND = {
    "name": "Post an invoice",
    "effect": "financial",
    "method": "POST",
    "path": "/invoices",
    "field_0": "supplier",
    "type_0": "text",
    "needed_0": "on",
    "field_1": "number",
    "type_1": "code",
    "needed_1": "on",
    "field_2": "amount",
    "type_2": "money",
    "needed_2": "on",
    "result": "id, state",
    "reference_field": "reference",
    **WHY,
}


def test_a_system_is_connected_tested_and_told_what_may_be_asked_of_it(alice, fake):
    client = signed_in(alice)
    assert b"Tryton ERP" in client.get("/guides/systems/").content
    page = client.post("/guides/systems/?kind=http", place(fake, base_url="ftp://nowhere", inside=""))
    assert (page.status_code, System.objects.filter(name="Invoice book").exists()) == (422, False)
    assert b"An address starts with http:// or https://." in page.content
    saved = client.post("/guides/systems/?kind=http", place(fake))
    system = System.objects.get(name="Invoice book")
    here = f"/guides/systems/{system.pk}/"
    assert saved.headers["Location"] == f"{here}?step=account"
    assert (system.code, system.private_networks) == ("invoice-book", ["127.0.0.1/32"])
    assert client.post("/guides/systems/?kind=http", place(fake)).status_code == 422
    page = client.post(f"{here}?step=account", {"scheme": "bearer", **WHY})
    assert "Paste the key or the password." in page.text
    client.post(f"{here}?step=account", {"scheme": "bearer", "secret": "wrong-key-0123456789", **WHY})
    account = Account.objects.get(system=system)
    assert account.secret_id
    assert client.get(here).headers["Location"] == f"{here}?step=test"


def test_what_a_failed_test_means_is_said_with_where_it_is_mended(alice, book, monkeypatch):
    wrong = TestResult(False, "It answered 401.", 3, str(uuid.uuid4()))
    monkeypatch.setattr(systems.services, "test_connection", lambda **_: wrong)
    monkeypatch.setattr(systems, "_advice", lambda *_: systems.ADVICE["401"])
    here = f"/guides/systems/{book['system'].pk}/?step=test"
    page = signed_in(alice).post(here, follow=True).text
    assert "It answered 401." in page
    assert "does not take this key" in page
    assert f"/guides/systems/{book['system'].pk}/?step=account" in page


def test_what_is_typed_is_there_again_after_going_back_and_a_secret_never(alice, fake):
    client = signed_in(alice)
    client.post("/guides/systems/?kind=http", place(fake, back="1", name="Half typed"))
    assert not System.objects.filter(name="Half typed").exists()
    assert "Half typed" in client.get("/guides/systems/?kind=http").text
    client.post("/guides/systems/?kind=http", place(fake))
    here = f"/guides/systems/{System.objects.get(name='Invoice book').pk}/"
    kept = {"scheme": "header", "header_name": "X-Key", "secret": "never-kept-0123456789", "back": "1"}
    client.post(f"{here}?step=account", kept)
    page = client.get(f"{here}?step=account").text
    assert "X-Key" in page
    assert "never-kept" not in page + json.dumps(dict(client.session.items()), default=str)


def test_an_operation_is_described_by_hand_and_by_openapi(alice, book):
    client = signed_in(alice)
    here = f"/guides/systems/{book['system'].pk}/?step=operations"
    page = client.post(f"{here}&how=hand", {**BY_HAND, "type_2": "text"})
    assert "What moves money has to be told an amount" in page.text
    assert client.post(f"{here}&how=hand", BY_HAND).status_code == 302
    made = Operation.objects.get(code="fake.post_an_invoice")
    assert (made.effect, made.money_path, made.reference_field) == ("financial", "/amount", "reference")
    assert made.current_revision.mapping["request"]["body"]["amount"] == {"$decimal": {"$arg": "/amount"}}
    text = json.dumps({
        "openapi": "3.0.0",
        "paths": {
            "/tickets": {"post": {
                "operationId": "createTicket",
                "summary": "Create a ticket",
                "requestBody": {"content": {"application/json": {
                    "schema": {"$ref": "#/components/schemas/T"}}}},
                "responses": {"201": {"description": "made"}},
            }},
            "/tickets/{id}": {"get": {
                "operationId": "getTicket",
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}],
            }},
            "/files": {"post": {"operationId": "upload", "requestBody": {
                "required": True, "content": {"multipart/form-data": {}}}}},
        },
        "components": {"schemas": {"T": {"type": "object", "required": ["subject"], "properties": {
            "subject": {"type": "string", "maxLength": 80}, "hours": {"type": "number"}}}}},
    })  # fmt: skip
    page = client.post(f"{here}&how=description", {"text": text}).text
    assert "Create a ticket" in page
    assert "it takes no JSON" in page
    taken = {"text": text, "take": "1", "chosen": ["create_ticket", "get_ticket"], **WHY}
    assert client.post(f"{here}&how=description", taken).status_code == 302
    made = Operation.objects.get(code="fake.create_ticket")
    assert made.current_revision.input_schema["properties"]["hours"]["format"] == "decimal"
    assert (
        Operation.objects.get(code="fake.get_ticket").current_revision.mapping["request"]["path"]
        == "/tickets/{/id}"
    )
    assert client.post(f"{here}&how=description", {"text": "openapi: 2"}).status_code == 422


def test_an_agent_is_registered_with_its_department_granted_given_a_key_and_started(alice, bob, book):
    client = signed_in(alice)
    job = {"job": "new", "title": "Payer", "duties": "Pays.", **WHY}
    assert client.post("/guides/agents/", {**job, "title": ""}).status_code == 422
    assert client.post("/guides/agents/", job).headers["Location"] == "/guides/agents/?role=payer"
    who = {
        "name": "Payer 1",
        "purpose": "Pays what was agreed to.",
        "sponsor": str(alice.pk),
        "new_department": "Treasury",
        "autonomy": "by_contract",
        "reached_by": "polls",
        **WHY,
    }
    page = client.post("/guides/agents/?role=payer", {**who, "new_department": ""})
    assert "Say where it works." in page.text
    assert client.post("/guides/agents/?role=payer", who).status_code == 302
    agent = Agent.objects.get(name="Payer 1")
    here = f"/guides/agents/{agent.pk}/"
    assert (agent.department.name, agent.code, agent.lifecycle) == ("Treasury", "payer-1", "draft")
    assert client.get(here).headers["Location"] == f"{here}?step=may"
    client.post(f"{here}?step=may", {"operations": [str(book["post"].pk)], **WHY})
    assert client.get(here).headers["Location"] == f"{here}?step=key"
    page = client.post(f"{here}?step=key", {"days": "90", **WHY}).text
    assert "aos_cs_" in page
    assert "aos_cs_" not in client.get(f"{here}?step=key").text
    client.post(f"{here}?step=start", WHY)
    page = client.get(f"{here}?step=start").text
    assert "One of these can agree: Bob" in page
    agree(bob)
    page = client.get(f"{here}parts/").text
    assert "It is at work." in page
    assert "Waiting for its program." in page


def test_a_contract_is_written_tried_put_into_force_and_signed(alice, clerk):
    client = signed_in(alice)
    here = f"/guides/contracts/agents/{clerk.pk}/"
    assert "Robo" in client.get("/guides/contracts/?q=rob").text
    page = client.post(f"{here}?step=rules", {"choice_0": "above", "amount_0": "", **WHY})
    assert "Write an amount above nothing" in page.text
    client.post(f"{here}?step=rules", {"choice_0": "above", "amount_0": "1,000.00", **WHY})
    rule = Rule.objects.get(policy__scope_id=str(clerk.pk))
    assert (rule.mode, rule.value, rule.verdict) == ("draft", "1000.00", "hold")
    limit = {"what": "*", "unit": "times", "most": "20", "window": "day", "on_exceed": "hold", **WHY}
    assert client.post(f"{here}?step=limits", {**limit, "most": "many"}).status_code == 422
    client.post(f"{here}?step=limits", limit)
    assert client.get(here).headers["Location"] == f"{here}?step=force"
    client.post(f"{here}?step=force", WHY)
    rule.refresh_from_db()
    assert (rule.mode, Measure.objects.get(scope_id=str(clerk.pk)).mode) == ("enforced", "enforced")
    page = client.get(f"{here}?step=sign")
    digest = page.context["contract"].digest
    client.post(f"{here}?step=sign", {"digest": digest, **WHY})
    assert "Signed by" in client.get(f"{here}?step=sign").text
    # To take it back gives freedom, so it waits.
    client.post(f"{here}?step=rules", {"choice_0": "alone", **WHY})
    assert ChangeRequest.objects.filter(kind="agents.rule.remove", state="pending").exists()
    assert "checked" in client.get(f"{here}?step=rules").text


def test_a_role_has_a_contract_too(alice, clerk, book):
    grant = f"/guides/contracts/roles/{clerk.role.code}/"
    client = signed_in(alice)
    assert "It may not ask for anything yet" in client.get(f"{grant}?step=rules").text
    from tests.company import TESTS

    grant_operation(actor=TESTS, operation=book["post"], role=clerk.role, reason="set up for a test")
    client.post(f"{grant}?step=rules", {"choice_0": "never", **WHY})
    assert Rule.objects.get(policy__scope_kind="role").verdict == "deny"
    assert "Robo" in client.get(f"{grant}?step=sign").text


def fill(**more: Any) -> dict[str, Any]:
    return {"name": "Pay a supplier", "purpose": "Paid within two days.", **WHY, **more}


def test_a_workflow_is_filled_in_approved_and_set_to_begin(alice, bob, clerk, book):
    from django.contrib.auth.models import Group

    client = signed_in(alice)
    managers, approvers = (Group.objects.get(name=name) for name in ("Managers", "Approvers"))
    Role.objects.create(code="idle", name="Idle", group=Group.objects.create(name="Role: idle"))
    answers = fill(
        operation=str(book["post"].pk),
        role=str(clerk.role_id),
        people=str(approvers.pk),
        owner=str(managers.pk),
    )
    idle = {**answers, "role": str(Role.objects.get(code="idle").pk)}
    assert "No agent has this job yet" in client.post("/guides/workflows/?template=ask-and-do", idle).text
    done = client.post("/guides/workflows/?template=ask-and-do", answers)
    assert done.status_code == 302, done.text[-3000:]
    workflow = Workflow.objects.get(name="Pay a supplier")
    here = f"/guides/workflows/{workflow.pk}/"
    page = client.get(here, follow=True).text
    assert "It waits for a second person." in page
    agree(bob)
    assert "It is approved and in force." in client.get(f"{here}parts/").text
    page = client.get(f"{here}?step=trigger").text
    assert "At fixed times" in page
    assert "When a file is dropped" not in page
    times = {"times": "own", "cron": "61 * * * *", "time_zone": "UTC", "input-supplier": "S-1",
             "input-number": "1",
             "input-total_0": "10.00", "input-total_1": "EUR", **WHY}  # fmt: skip
    assert client.post(f"{here}?step=trigger&how=schedule", times).status_code == 422
    times["times"] = "0 9 * * mon"
    assert client.post(f"{here}?step=trigger&how=schedule", times).status_code == 302
    assert Schedule.objects.get().give["total"] == '{"minor": 1000, "currency": "EUR"}'
    page = client.post(f"{here}?step=trigger&how=webhook", WHY).text
    assert "whsec_" in page
    assert Webhook.objects.get().give["number"] == "data.number"
    assert f"/workflows/{workflow.pk}/start/" in client.get(f"{here}?step=run").text


@pytest.mark.parametrize("code", ["ask-and-do", "look-and-tell", "read-and-decide"])
def test_every_template_that_is_shipped_can_be_proposed(code, alice, bob, clerk, book):
    from django.contrib.auth.models import Group

    from tests.company import TESTS

    grant_operation(actor=TESTS, operation=book["find"], agent=clerk, reason="set up for a test")
    people = Group.objects.get(name="Approvers").pk
    operation = book["find"] if code == "look-and-tell" else book["post"]
    answers = fill(operation=str(operation.pk), role=str(clerk.role_id), people=str(people), owner=str(people))
    done = signed_in(alice).post(f"/guides/workflows/?template={code}", answers)
    assert done.status_code == 302, done.context["refused"]


def test_the_guides_are_for_who_may_do_one_of_them(alice, bob, mallory, carol):
    assert signed_in(bob).get("/guides/").status_code == 403
    assert signed_in(mallory).get("/guides/agents/").status_code == 403
    page = signed_in(alice).get("/guides/").text
    assert page.count("portal-row") >= 4
    assert "Set up" in signed_in(alice).get("/").text
    assert 'href="/guides/"' not in signed_in(carol).get("/").text
