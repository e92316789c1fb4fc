from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from agents.models import ChangeRequest
from audit.models import Event
from connectors.models import Account, Call, Operation, System
from connectors.services import execute
from connectors.services.secrets import reveal_for_call
from tests.connectors.conftest import PORTAL, authorized
from tests.fakes import FakeSystem, arguments

REASON = {"reason": "because it is needed"}


@pytest.fixture
def pages(client: Client, alice: Any, book: dict[str, Any]) -> Client:
    """Alice's browser."""
    client.force_login(alice)
    return client


def dialog(client: Client, name: str, pk: Any, **data: Any) -> Any:
    return client.post(
        reverse(f"admin:connectors_{name}", args=[pk]),
        {"_form_submitted": "on", **REASON, **data},
        headers={"HX-Request": "true"},
    )


def told(client: Client) -> str:
    return client.get(reverse("admin:connectors_system_changelist")).content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("model", ["system", "account", "operation", "call", "authorization"])
def test_every_list_and_page_opens(pages: Client, book: dict[str, Any], model: str) -> None:
    given = arguments(note="<script>alert(1)</script>")
    passed = authorized(book["post"], given)
    execute(actor=PORTAL, authorization_id=passed.pk, arguments=given, stop_scopes=[])
    listed = pages.get(reverse(f"admin:connectors_{model}_changelist"))
    assert listed.status_code == 200
    found = {"system": System, "account": Account, "operation": Operation, "call": Call}.get(
        model, type(passed)
    )
    page = pages.get(reverse(f"admin:connectors_{model}_change", args=[found.objects.first().pk]))
    assert page.status_code == 200
    assert b"<script>alert(1)" not in page.content


@pytest.mark.django_db
def test_the_connection_is_tested_by_a_button(pages: Client, book: dict[str, Any], fake: FakeSystem) -> None:
    dialog(pages, "system_test_connection", book["system"].pk)
    assert "The connection works" in told(pages)
    fake.key = "another"
    dialog(pages, "system_test_connection", book["system"].pk)
    assert "The test failed" in told(pages)
    assert Call.objects.filter(purpose="test", actor_label="Alice").count() == 2


@pytest.mark.django_db
def test_a_secret_is_written_and_shown_nowhere(pages: Client, book: dict[str, Any]) -> None:
    account = book["account"]
    address = reverse("admin:connectors_account_change", args=[account.pk])
    data = {"name": "clerk", "scheme": "bearer", "is_enabled": "on", "new_secret": "canary-77ab", **REASON}
    assert pages.post(address, data).status_code == 302
    account.refresh_from_db()
    assert reveal_for_call(account) == "canary-77ab"
    shown = pages.get(address).content.decode() + told(pages)
    shown += pages.get(reverse("admin:connectors_account_history", args=[account.pk])).content.decode()
    assert "canary-77ab" not in shown
    assert "Written " in shown
    del data["new_secret"]
    pages.post(address, data)
    account.refresh_from_db()
    assert reveal_for_call(account) == "canary-77ab"


@pytest.mark.django_db
def test_a_refused_save_keeps_nothing_and_says_why(pages: Client, book: dict[str, Any]) -> None:
    address = reverse("admin:connectors_system_change", args=[book["system"].pk])
    form = pages.get(address).context["adminform"].form
    data = {name: form[name].value() for name in form.fields if form[name].value() is not None}
    data |= {"allowed_hosts": "ftp://elsewhere", "private_networks": "127.0.0.1/32", "config": "{}", **REASON}
    answer = pages.post(address, data)
    assert answer.status_code == 200
    assert "http://" in answer.content.decode()
    book["system"].refresh_from_db()
    assert book["system"].allowed_hosts != ["ftp://elsewhere"]
    assert not Event.objects.filter(verb="connectors.system_changed").exists()
    data["allowed_hosts"] = ""
    assert pages.post(address, data).status_code == 302
    assert Event.objects.get(verb="connectors.system_changed").reason == REASON["reason"]


@pytest.mark.django_db
def test_operations_are_granted_from_the_page_of_the_agent(
    pages: Client, book: dict[str, Any], robot: Any
) -> None:
    address = reverse("admin:connectors_grant_to_agent", args=[robot.pk])
    assert "Find an invoice" in pages.get(address).content.decode()
    looked = pages.post(address, {"operations": [str(book["find"].pk)], "look": "1"}).content.decode()
    assert "Lets Robo T find an invoice." in looked
    assert "Reaches one new system" in looked
    assert not ChangeRequest.objects.exists()
    answer = pages.post(address, {"operations": [str(book["find"].pk)], **REASON})
    assert answer.status_code == 302
    assert "Another person has to agree" in told(pages)
    robot.lifecycle = "draft"
    robot.save()
    pages.post(address, {"operations": [str(book["post"].pk)], **REASON})
    assert "Robo T may use fake.invoice.post" in told(pages)


@pytest.mark.django_db
def test_an_operation_is_granted_and_revoked_from_its_own_page(
    pages: Client,
    book: dict[str, Any],
    robot: Any,
) -> None:
    robot.lifecycle = "draft"
    robot.save()
    dialog(pages, "operation_grant", book["post"].pk, agent=str(robot.pk))
    assert "Robo T may use fake.invoice.post" in told(pages)
    dialog(pages, "operation_revoke", book["post"].pk, agent=str(robot.pk))
    assert "may no longer use" in told(pages)


@pytest.mark.django_db
def test_who_only_looks_changes_nothing(client: Client, book: dict[str, Any], carol: Any, mallory: Any) -> None:
    client.force_login(carol)
    page = reverse("admin:connectors_system_change", args=[book["system"].pk])
    assert client.get(page).status_code == 200
    assert client.post(page, {"name": "mine", **REASON}).status_code == 403
    assert dialog(client, "system_test_connection", book["system"].pk).status_code == 403
    assert dialog(client, "operation_revoke", book["post"].pk).status_code == 403
    client.force_login(mallory)
    assert client.get(page).status_code in (302, 403, 404)
    assert client.get(reverse("admin:connectors_operation_changelist")).status_code == 403


@pytest.mark.django_db
def test_an_auditor_reads_what_is_published_and_is_asked_nothing(
    client: Client, book: dict[str, Any], carol: Any
) -> None:
    client.force_login(carol)
    text = client.get(reverse("admin:connectors_operation_change", args=[book["post"].pk])).content.decode()
    assert "additionalProperties" in text
    assert "Goes into the ledger under your name" not in text


@pytest.mark.django_db
def test_evidence_is_read_only(pages: Client, book: dict[str, Any]) -> None:
    for model in ("call", "authorization"):
        assert pages.get(reverse(f"admin:connectors_{model}_add")).status_code == 403


@pytest.mark.django_db
def test_people_ask_the_api_how_systems_are(
    client: Client, book: dict[str, Any], alice: Any, mallory: Any
) -> None:
    assert client.get("/api/v1/systems").status_code == 401
    client.force_login(mallory)
    assert client.get("/api/v1/systems").status_code == 403
    client.force_login(alice)
    found = client.get("/api/v1/systems").json()["results"][0]
    assert (found["code"], found["health"], found["last_answer_at"]) == ("fake", "Not called yet", None)
    assert not {"base_url", "config", "private_networks"} & set(found)
