"""The doors for policies as a file: one over HTTP, one page. Looking changes nothing; what loosens waits."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from agents.models import ChangeRequest, Policy, Rule
from audit.models import Event

pytestmark = pytest.mark.django_db
FILE = """kind: policy
code: purchasing
name: Purchasing
binds: company
rules:
  - name: Nights
    operations: '*'
    field: clock.hour
    comparison: below
    value: '6'
    verdict: hold
    mode: enforced
"""


def signed_in(somebody: Any) -> Client:
    client = Client()
    client.force_login(somebody)
    return client


def sent(client: Client, verb: str, **body: Any) -> Any:
    return client.post(f"/api/v1/policies/{verb}", json.dumps(body), content_type="application/json")


def test_a_file_is_looked_at_imported_and_taken_out_again_over_http(clerk: Any, alice: Any) -> None:
    client, why = signed_in(alice), "Reviewed in the repository"
    seen = sent(client, "preview", text=FILE)
    assert seen.status_code == 200, seen.content
    assert [line["state"] for line in seen.json()["lines"]] == ["added", "added"]
    assert not Policy.objects.filter(code="purchasing").exists()
    assert sent(client, "import", text=FILE, reason=why).json()["at_once"]
    answer = client.get("/api/v1/policies/purchasing.yaml", headers={"accept": "application/yaml"})
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/yaml; charset=utf-8")
    assert answer.content.decode() == FILE
    assert FILE in client.get("/api/v1/policies.yaml").content.decode()
    looser = sent(client, "import", text=FILE.replace("'6'", "'5'"), reason=why).json()
    [line] = looser["lines"]
    assert (line["state"], bool(line["authority"])) == ("waits", True)
    assert line["change_request"] == str(ChangeRequest.objects.get().pk)
    assert Rule.objects.get(name="Nights").value == "6"


def test_what_is_wrong_is_a_problem_with_lines_and_on_record(clerk: Any, alice: Any) -> None:
    answer = sent(signed_in(alice), "import", text="kind: policy\nx: 1", reason="Reviewed in the repository")
    assert (answer.status_code, answer["Content-Type"]) == (422, "application/problem+json")
    told = answer.json()
    assert told["code"] == "policy_file_invalid"
    assert told["errors"][0] == {
        "line": 2,
        "path": "x",
        "message": "There is no such field. Those that can be set are kind, code, name, purpose, binds, rules.",
    }
    assert Event.objects.filter(code="policy_file_invalid", actor_id=str(alice.pk)).exists()


def test_the_page_shows_what_a_file_would_change_and_then_imports_it(clerk: Any, alice: Any) -> None:
    client, address = signed_in(alice), reverse("policies-import")
    upload = SimpleUploadedFile("policies.yaml", FILE.encode())
    text = client.post(address, {"file": upload, "look": "1"}).content.decode()
    assert "Adds a hold for" in text
    assert "comparison: below" in text  # what is imported next is what was looked at
    assert not Policy.objects.filter(code="purchasing").exists()
    unsaid = client.post(address, {"text": FILE, "import": "1"})
    assert (unsaid.status_code, Policy.objects.filter(code="purchasing").exists()) == (422, False)
    done = client.post(address, {"text": FILE, "import": "1", "reason": "Reviewed"}, follow=True)
    assert "Imported: 2 changed at once" in done.content.decode()
    assert address in done.content.decode()  # from the list of policies
    policy = Policy.objects.get(code="purchasing")
    shown = client.get(reverse("admin:agents_policy_change", args=[policy.pk])).content.decode()
    export = f"{reverse('policies-export')}?policy=purchasing"
    assert export in shown
    assert client.get(export).content.decode() == FILE
    wrong = client.post(address, {"text": "kind: policy\n<b>: 1", "look": "1"})
    assert wrong.status_code == 422
    assert "<b>" not in wrong.content.decode()
    not_text = client.post(address, {"file": SimpleUploadedFile("x", b"\xff\xfe"), "look": "1"})
    assert (not_text.status_code, "not UTF-8" in not_text.content.decode()) == (422, True)
