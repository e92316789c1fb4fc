"""Workflows over HTTP: read by who may, compared in words, proposed as YAML and decided by a second person."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from audit.models import Event
from tests.workflows.conftest import signed_in
from tests.workflows.test_runs import approve, letters, publish, written
from workflows.approvals.models import Approval
from workflows.runs.models import WorkflowVersion

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("hints")]
AT = "/api/v1/workflows"


def later() -> dict[str, Any]:
    """Return the next version: fewer pages are looked at by people."""
    content = letters()
    content["nodes"]["read"]["next"][1]["when"] = "steps.read.answer.pages > 5"
    return content


SAID = ["Read it: Goes to Look at it when steps.read.answer.pages > 5 instead of 10."]


def test_a_version_is_proposed_read_and_compared(clerk: Any, alice: Any, bob: Any, carol: Any) -> None:
    publish(alice, bob)
    text = written(later())
    answer = signed_in(alice).post(AT, {"text": text, "reason": "fewer pages"}, format="json")
    assert (answer.status_code, answer["Location"]) == (201, f"{AT}/letters/versions/2")
    told = signed_in(carol).get(f"{AT}/letters/versions/2").json()
    assert (told["text"], told["state"], told["proposed_by"]) == (text, "proposed", "alice")
    diff = signed_in(carol).get(f"{AT}/letters/versions/2/diff").json()
    assert diff == {"version": 2, "compared_with": 1, "differences": SAID}
    approve(bob)
    assert signed_in(carol).get(f"{AT}/letters").json()["current"] == 2
    assert signed_in(carol).get(f"{AT}/letters/versions/2/diff").json()["differences"] == SAID
    back = signed_in(carol).get(f"{AT}/letters/versions/1/diff?from=2").json()
    assert back["differences"] == [SAID[0].replace("> 5 instead of 10", "> 10 instead of 5")]
    assert signed_in(carol).get(f"{AT}/letters/versions/1/diff").json()["compared_with"] is None
    listed = signed_in(carol).get(f"{AT}/letters/versions").json()["results"]
    assert [version["number"] for version in listed] == [2, 1]


def test_what_is_not_there_or_wrong_is_said(clerk: Any, alice: Any, bob: Any, mallory: Any) -> None:
    publish(alice, bob)
    client = signed_in(alice)
    assert client.get(f"{AT}/letters/versions/9").status_code == 404
    assert client.get(f"{AT}/letters/versions/1/diff?from=9").status_code == 404
    assert client.get(f"{AT}/letters/versions/1/diff?from=x").status_code == 422
    assert signed_in(mallory).get(f"{AT}/letters").status_code == 404
    content = later()
    content["nodes"]["read"]["role"] = "nobody"
    refused = client.post(AT, {"text": written(content), "reason": "a try"}, format="json")
    assert (refused.status_code, refused.json()["code"]) == (422, "definition_invalid")
    assert any("There is no role nobody" in error["message"] for error in refused.json()["errors"])
    assert Event.objects.filter(code="definition_invalid", actor_id=str(alice.pk)).exists()
    assert not WorkflowVersion.objects.filter(number=2).exists()


def test_the_second_person_and_the_page_of_a_version_see_what_differs(
    clerk: Any, alice: Any, bob: Any, client: Client
) -> None:
    publish(alice, bob)
    signed_in(alice).post(AT, {"text": written(later()), "reason": "fewer pages"}, format="json")
    client.force_login(bob)
    question = Approval.objects.get(state="pending")
    page = client.get(reverse("inbox-approval", args=[question.pk])).content.decode()
    assert SAID[0].replace(">", "&gt;") in page
    client.force_login(alice)
    version = WorkflowVersion.objects.get(number=2)
    page = client.get(reverse("admin:runs_workflowversion_change", args=[version.pk])).content.decode()
    assert SAID[0].replace(">", "&gt;") in page
    assert "Against version 1" in page
