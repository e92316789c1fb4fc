"""The evidence of a run: the same on paper, as data and as PDF; who takes a file along is on record."""

from __future__ import annotations

import hashlib
import json
import re
from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse

from agents.models import User
from audit.models import Event
from tests.workflows.conftest import hold_above
from tests.workflows.test_pages_runs import browser, read, workflow
from tests.workflows.test_runs import begun, claim, complete
from workflows.actions.models import Action
from workflows.actions.services import run_action
from workflows.approvals.models import Approval
from workflows.approvals.services import cast_vote
from workflows.pages.run_evidence import evidence_of
from workflows.pages.run_pdf import facts_of, parts_of, pdf_of
from workflows.runs import services
from workflows.runs.models import Run

__all__ = ["workflow"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("hints")]


@pytest.fixture
def decided(workflow, alice, bob, clerk, fake) -> Run:
    """A run in which bob approved what an agent asked for, and it was done."""
    hold_above(10_000)
    run = begun(alice)
    complete(clerk, claim(clerk), kind="order")
    question = Approval.objects.get(state="pending")
    cast_vote(
        actor=bob.as_actor(),
        approval_id=question.pk,
        verdict="approve",
        reason="ours <i>",
        digest=question.digest,
    )
    run_action(action_id=Action.objects.get().pk)
    services.tick()
    run.refresh_from_db()
    return run


def test_it_says_what_by_whom_and_what_was_found(decided, carol):
    record = evidence_of(decided, carol)
    assert record["format"] == "autonomy-os.run-evidence/1"
    assert (record["run"]["id"], record["run"]["state"]) == (str(decided.pk), "done")
    assert [one["kind"] for one in record["decisions"]] == ["rule", "vote", "rule"]
    assert [one["state"] for one in record["actions"]] == ["confirmed"]
    assert {one["node"] for one in record["steps"]["rows"]} >= {"read", "enter"}
    assert record["made_by"] == str(carol)
    assert record["ledger"]["entries"] == sorted(record["ledger"]["entries"], key=lambda one: one["position"])
    paper = read(carol, "run-evidence", decided.pk)
    for words in (
        "Bob",
        "ours &lt;i&gt;",
        "Approved",
        "Export them with proofs",
        record["run"]["workflow"]["sha256"],
    ):
        assert words in paper


def test_a_file_is_on_record_with_its_checksum(decided, carol, bob):
    for form in ("json", "pdf"):
        answer = browser(carol).get(reverse(f"run-evidence-{form}", args=[decided.pk]))
        assert answer.status_code == 200
        assert f'.{form}"' in answer["Content-Disposition"]
        event = Event.objects.filter(verb="runs.evidence_downloaded").latest("pk")
        assert (event.run_id, event.actor_id) == (str(decided.pk), str(carol.pk))
        assert event.payload.data["sha256"] == hashlib.sha256(answer.content).hexdigest()
        assert event.payload.data["format"] == form
    assert json.loads(browser(carol).get(reverse("run-evidence-json", args=[decided.pk])).content)["actions"]
    read(carol, "run-evidence", decided.pk)
    assert Event.objects.filter(verb="runs.evidence_downloaded").count() == 3


def test_who_sees_less_takes_less_along(decided, alice, bob):
    bob.user_permissions.clear()
    record = evidence_of(decided, bob)
    assert record["run"]["id"] == str(decided.pk)
    assert all(one["kind"] in ("rule", "vote", "operator") for one in record["decisions"])


def test_the_pdf_says_the_same_and_runs_nothing(decided, carol):
    record = evidence_of(decided, carol)
    drawn = pdf_of(record)
    assert drawn.startswith(b"%PDF")
    assert drawn == pdf_of(record)
    assert b"/JavaScript" not in drawn
    said = " ".join(one.said for one in facts_of(record))
    assert str(decided.pk) in said
    rows = {part.key: part.rows for part in parts_of(record)}
    assert len(rows["actions"]) == 1
    assert any("ours <i>" in cell for row in rows["decisions"] for cell in row)


def test_the_document_says_it_in_words_and_no_code(decided, carol):
    record = evidence_of(decided, carol)
    rows = {part.key: part.rows for part in parts_of(record)}
    ((asked, _, arguments, *_rest),) = rows["actions"]
    assert asked == f"{record['actions'][0]['label']}\nPost an invoice"
    assert "Total: 123.00 EUR" in arguments
    assert not any(
        "{" in cell or ".invoice.post" in cell for part in rows.values() for row in part for cell in row
    )


def test_the_ledger_is_told_in_words_and_times_as_people_write_them(decided, carol):
    record = evidence_of(decided, carol)
    began = {"verb": "runs.run_started", "words": "Alice began it", "at": record["made_at"]}
    record["ledger"]["entries"] = [{"position": 7, "id": "e1", **began}]
    (row,) = next(part for part in parts_of(record) if part.key == "ledger").rows
    assert (row[0], row[2]) == ("7", "Alice began it")
    assert re.fullmatch(r"\d{1,2} [A-Z][a-z]{2} \d{4}, \d\d:\d\d:\d\d", row[1])


def test_the_page_says_times_by_its_readers_clock_and_in_their_language(decided, carol):
    User.objects.filter(pk=carol.pk).update(language="de", time_zone="America/New_York")
    carol.refresh_from_db()
    paper = read(carol, "run-evidence", decided.pk)
    began = decided.started_at.astimezone(ZoneInfo("America/New_York"))
    assert f"{began:%H:%M:%S (%Z)}" in paper
    assert "Zusammengestellt von" in paper
    assert "UTC" not in paper.split('id="evidence-title"')[1]
    assert "Post an invoice" in paper


def test_a_run_that_has_done_nothing_yet_can_be_taken_along(workflow, alice, carol):
    run = services.start_run(
        actor=alice.as_actor(), workflow_code="letters", input={"topic": "<b>&"}, key="fresh"
    ).run
    assert pdf_of(evidence_of(run, carol)).startswith(b"%PDF")
    assert "It has not begun" in read(carol, "run-evidence", run.pk) or "About to begin" in read(
        carol, "run-evidence", run.pk
    )
