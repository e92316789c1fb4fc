"""The doors for role templates and for copying an agent: HTTP and pages. Looking changes nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from agents.models import Agent, ChangeRequest, Department, Role, Rule
from agents.services.role_catalogue import shipped_texts
from audit.models import Event
from tests.agents.test_role_templates import OWN

pytestmark = pytest.mark.django_db
WHY = "Accounts payable needs a clerk"
GROUPS = {"Payables leads": "Approvers"}


def signed_in(somebody: Any) -> Client:
    client = Client()
    client.force_login(somebody)
    return client


def sent(client: Client, path: str, **body: Any) -> Any:
    return client.post(f"/api/v1/{path}", json.dumps(body), content_type="application/json")


def test_a_role_is_listed_looked_at_taken_and_exported_over_http(clerk: Any, alice: Any) -> None:
    client = signed_in(alice)
    listed = client.get("/api/v1/role-templates").json()
    assert {it["code"] for it in listed} == set(shipped_texts())
    code = listed[0]["code"]
    text = client.get(f"/api/v1/role-templates/{code}.yaml").content.decode()
    assert text == shipped_texts()[code]
    seen = sent(client, "role-templates/preview", text=OWN, mode="enforced", groups=GROUPS)
    assert seen.status_code == 200, seen.content
    body = seen.json()
    assert body["rules"][0] == {
        "name": "Large invoices",
        "mode": "enforced",
        "words": [
            "An amount above 500.00 EUR needs a person.",
            "One person of Approvers must agree.",
            "Undecided after 1 hour, Approvers may decide it, too.",
        ],
    }
    assert body["limits"] == ["Invoices in an hour: at most 10 per hour. What is more is refused."]
    assert body["performance"] == ["Cycle time: at most 4 hours."]
    assert body["needed"][0]["fits"] == ["fake.invoice.find", "fake.invoice.post"]
    assert not Role.objects.filter(code="payables-clerk").exists()
    done = sent(client, "role-templates/apply", text=OWN, mode="enforced", groups=GROUPS, reason=WHY)
    assert done.status_code == 200, done.content
    assert Rule.objects.filter(name="Large invoices", mode="enforced").exists()
    waiting = [line["change_request"] for line in done.json()["lines"] if line["state"] == "waits"]
    assert {str(it.pk) for it in ChangeRequest.objects.filter(kind="connectors.grant")} == set(waiting)
    exported = client.get("/api/v1/roles/payables-clerk.yaml").content.decode()
    again = sent(client, "role-templates/preview", text=exported).json()
    assert [line["state"] for line in again["lines"]] == ["waits_already", "waits_already"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"text": OWN, "template": "finance-clerk", "reason": WHY}, "invalid"),
        ({"reason": WHY}, "invalid"),
        ({"template": "nobody", "reason": WHY}, "not_found"),
        ({"text": "kind: role\nformat: 9", "reason": WHY}, "role_template_invalid"),
        ({"text": OWN, "reason": WHY}, "groups_missing"),
        ({"text": OWN, "mode": "forced", "reason": WHY}, "invalid"),
        ({"text": OWN, "groups": {"a": "b" * 200}, "reason": WHY}, "invalid"),
    ],
)
def test_what_is_wrong_is_a_problem_that_says_what_to_do(clerk: Any, alice: Any, body: Any, code: str) -> None:
    answer = sent(signed_in(alice), "role-templates/apply", **body)
    assert answer.status_code == 422, answer.content
    assert answer.json()["code"] == code
    assert not Role.objects.filter(code="payables-clerk").exists()


@pytest.mark.full
def test_a_manager_takes_a_shipped_role_on_its_page(clerk: Any, alice: Any) -> None:
    client = signed_in(alice)
    roles = client.get(reverse("admin:agents_role_changelist")).content.decode()
    assert reverse("role-templates") in roles
    listed = client.get(reverse("role-templates")).content.decode()
    assert "Accounts payable clerk" in listed
    page = reverse("role-template", args=["finance-clerk"])
    shown = client.get(page).content.decode()
    for words in (
        "An amount above 5,000.00 EUR needs a person.",
        "This company has no group of people Finance approvers, Finance controllers.",
        "Postings reversed by people: at most 0.5 percent.",
        "Kept as drafts, because nothing here fits them yet",
    ):
        assert words in shown, words
    given = {"mode": "enforced", "grants": "on", "reason": WHY, "take": "1"}
    refused = client.post(page, given)
    assert refused.status_code == 422
    assert "Say for each which group of yours stands for it" in refused.content.decode()
    assert client.post(page, {**given, "reason": ""}).status_code == 422
    groups = {"group_0": "Approvers", "group_1": "Managers"}
    looked = client.post(page, {**given, **groups, "take": "", "look": "1"} | {"take": ""})
    assert looked.status_code in (200, 302)
    taken = client.post(page, {**given, **groups})
    role = Role.objects.get(code="finance-clerk")
    assert taken["Location"] == reverse("role-file", args=[role.pk])
    file = client.get(taken["Location"]).content.decode()
    assert "Taken from the template finance-clerk, version 1." in file
    assert "Postings reversed by people: at most 0.5 percent." in file
    again = client.get(page).content.decode()
    assert "Nothing: this role is as the template says already." not in again  # grants wait
    assert "You have this role" in client.get(reverse("role-templates")).content.decode()
    exported = client.get(reverse("role-export", args=["finance-clerk"]))
    assert exported.content.decode().startswith("kind: role\n")
    events = Event.objects.filter(verb="agents.role_taken").count()
    assert events >= 1


def test_a_file_of_ones_own_is_looked_at_and_its_errors_are_shown(clerk: Any, alice: Any) -> None:
    client, page = signed_in(alice), reverse("role-template", args=["own"])
    assert client.get(page)["Location"] == reverse("role-templates")
    wrong = client.post(page, {"text": "kind: role\nformat: 1\nbad: <script>"})
    assert wrong.status_code == 422
    text = wrong.content.decode()
    assert "There is no such field" in text
    assert "<script>bad" not in text
    assert client.post(page, {"text": ""}).status_code == 422
    upload = SimpleUploadedFile("role.yaml", b"\xff\xfe")
    assert "not UTF-8" in client.post(page, {"file": upload}).content.decode()
    hostile = OWN.replace("Posts invoices.", "<img src=x onerror=alert(1)>")
    shown = client.post(page, {"file": SimpleUploadedFile("role.yaml", hostile.encode())}).content.decode()
    assert "<img src=x" not in shown
    assert "&lt;img src=x" in shown


def test_who_may_not_add_roles_sees_no_template(clerk: Any, bob: Any) -> None:
    client = signed_in(bob)
    for name, args in (("role-templates", ()), ("role-template", ["finance-clerk"])):
        assert client.get(reverse(name, args=args)).status_code == 403
    assert client.get("/roles/templates/nobody/").status_code == 403


def test_a_manager_writes_figures_as_sentences(clerk: Any, alice: Any) -> None:
    client, role = signed_in(alice), Role.objects.get(code="bookkeeper")
    page = reverse("admin:agents_role_change", args=[role.pk])
    given = {
        "name": "Bookkeeper",
        "job_description": "Books.",
        "responsibilities": "",
        "expected_performance": "",
        "labels": "german",
        "reason": "What good work is",
    }
    wrong = client.post(page, {**given, "figures": "fast"})
    assert "names no figure" in wrong.content.decode()
    client.post(page, {**given, "figures": "Cycle time: at most 4 hours\r\nQuality: at least 99.5 percent."})
    role.refresh_from_db()
    assert [(it["code"], it["better"], it["target"]) for it in role.performance] == [
        ("cycle_time", "lower", "4"),
        ("quality", "higher", "99.5"),
    ]
    assert role.labels == ["german"]


def test_an_agent_is_copied_over_http_and_on_its_page(clerk: Any, alice: Any) -> None:
    client = signed_in(alice)
    Department.objects.create(code="logistics", name="Logistics")
    body = {"name": "Robo L", "code": "robo-l", "department": "logistics", "sponsor": "alice", "reason": WHY}
    refused = sent(client, f"agents/{clerk.pk}/clone", **body)
    assert (refused.status_code, refused.json()["code"]) == (422, "sponsor_elsewhere")
    answer = sent(client, f"agents/{clerk.pk}/clone", **body, sponsor_from_elsewhere=True)
    assert answer.status_code == 201, answer.content
    said = answer.json()
    assert (said["agent"]["code"], said["agent"]["lifecycle"], len(said["waiting"])) == ("robo-l", "draft", 1)
    assert any("secrets" in it for it in said["not_copied"])
    assert sent(client, f"agents/{clerk.pk}/clone", **body).status_code == 422
    verb = f"/admin/agents/agent/{clerk.pk}/clone/"
    given = {
        "_form_submitted": "1",
        "name": "Robo M",
        "code": "robo-m",
        "department": str(Department.objects.get(code="logistics").pk),
        "sponsor": str(alice.pk),
        "sponsor_from_elsewhere": "on",
        "reason": WHY,
    }
    client.post(verb, given, headers={"HX-Request": "true"})
    made = Agent.objects.get(code="robo-m")
    assert made.cloned_from == clerk
    file = client.get(reverse("admin:agents_agent_change", args=[made.pk])).content.decode()
    assert "Copied from Robo" in file
    assert "Compared with Robo" in file
