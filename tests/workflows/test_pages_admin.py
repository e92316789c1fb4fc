"""Workflows in the admin: written as text, refused by name, in force when a second person has agreed."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from audit import adminfields
from tests.workflows.conftest import ask, hold_above
from tests.workflows.test_runs import approve, begun, letters, publish, written
from workflows.approvals.models import Approval
from workflows.runs.models import Run, Workflow, WorkflowVersion

pytestmark = pytest.mark.usefixtures("hints")
ADD = "admin:runs_workflow_add"
CHANGE = "admin:runs_workflow_change"


def browser(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def save(user: Any, text: str, workflow: Workflow | None = None, reason: str = "we answer by hand") -> Any:
    address = reverse(CHANGE, args=[workflow.pk]) if workflow else reverse(ADD)
    return browser(user).post(address, {"definition": text, "reason": reason}, follow=True)


@pytest.fixture
def workflow(clerk, alice, bob) -> Workflow:
    return publish(alice, bob)


def test_a_workflow_is_written_in_the_admin_and_waits_for_a_second_person(clerk, alice, bob):
    page = save(alice, written(letters()).replace("\n", "\r\n")).content.decode()
    assert "Not in force yet: version 1 of Answer letters waits for a second person" in page
    question = Approval.objects.get(state="pending")
    assert page.count(reverse("inbox-approval", args=[question.pk])) == 2
    approve(bob)
    workflow = Workflow.objects.get()
    assert workflow.current.text == written(letters())
    page = browser(alice).get(reverse(CHANGE, args=[workflow.pk])).content.decode()
    assert "Version 1" in page
    assert "code: letters" in page
    assert "waits for a second person" not in page


def test_every_finding_stands_at_the_field_and_nothing_is_written(clerk, alice):
    text = written(letters(read={"role": "pilot"}, enter={"operation": "fake.nothing"}))
    page = save(alice, text).content.decode()
    assert "There is no role pilot" in page
    assert "There is no operation fake.nothing" in page
    assert "role: pilot" in page  # as it was typed
    assert save(alice, "code: [").status_code == 200
    assert not Workflow.objects.exists()


def test_a_new_version_is_proposed_and_a_foreign_code_is_refused(workflow, alice):
    save(alice, written(letters(done={"outcome": "replied"})), workflow)
    version = WorkflowVersion.objects.get(number=2)
    assert (version.state, version.reason) == ("proposed", "we answer by hand")
    again = save(alice, written(letters(done={"outcome": "sent"})), workflow).content.decode()
    assert "still waits" in again
    other = written({**letters(), "code": "others"})
    assert "is another workflow" in save(alice, other, workflow).content.decode()
    assert WorkflowVersion.objects.count() == 2


def test_who_may_only_read_reads_and_changes_nothing(workflow, carol, bob, mallory):
    address = reverse(CHANGE, args=[workflow.pk])
    page = browser(carol).get(address).content.decode()
    assert "code: letters" in page
    assert "<textarea" not in page
    assert save(carol, written(letters(done={"outcome": "x"})), workflow).status_code == 403
    assert browser(mallory).get(address).status_code in (302, 403)
    version = reverse("admin:runs_workflowversion_change", args=[workflow.current.pk])
    assert "code: letters" in browser(carol).get(version).content.decode()


def dialog(user: Any, name: str, obj: Any, reason: str = "it goes wrong") -> Any:
    model = type(obj)._meta.model_name
    return browser(user).post(
        reverse(f"admin:runs_{model}_{name}", args=[obj.pk]),
        {"_form_submitted": "1", "reason": reason},
        headers={"HX-Request": "true"},
    )


def test_a_workflow_is_switched_off_and_on_with_a_reason(workflow, alice, carol):
    assert dialog(carol, "switch_off", workflow).status_code == 403
    dialog(alice, "switch_off", workflow)
    workflow.refresh_from_db()
    assert not workflow.is_enabled
    assert workflow.history.first().history_change_reason == "it goes wrong"
    dialog(alice, "switch_on", workflow)
    workflow.refresh_from_db()
    assert workflow.is_enabled


def test_a_run_is_read_by_all_and_steered_by_operators(workflow, alice, dave, carol, clerk):
    run = begun(alice)
    page = browser(carol).get(reverse("admin:runs_run_change", args=[run.pk])).content.decode()
    assert "Read it" in page
    assert dialog(carol, "cancel", run).status_code == 403
    assert dialog(dave, "cancel", run)["Location"] == reverse("run-cancel", args=[run.pk])


@pytest.mark.parametrize("many", [2, 8])
def test_the_lists_cost_the_same_for_few_and_for_many(
    many, workflow, alice, carol, django_assert_max_num_queries
):
    for number in range(many):
        begun(alice, key=f"letter-{number}")
    assert Run.objects.count() == many
    client = browser(carol)
    for name in ("workflow", "run", "workflowversion"):
        client.get(reverse(f"admin:runs_{name}_changelist"))
        with django_assert_max_num_queries(40):
            client.get(reverse(f"admin:runs_{name}_changelist"))


def test_a_list_of_evidence_says_that_it_was_not_counted_to_its_end(clerk, bob, carol, monkeypatch):
    hold_above(10_000)
    for number in range(3):
        ask(clerk, minor=20_000, number=f"RE-{number}")
    monkeypatch.setattr(adminfields, "MOST_COUNTED", 3)
    address = reverse("admin:approvals_approval_changelist")
    assert "more than" not in _foot(carol, address)
    ask(clerk, minor=20_000, number="RE-3")
    assert "more than 3 approvals" in _foot(carol, address)
    monkeypatch.setattr(adminfields, "MOST_COUNTED", 20_000)
    assert "4 approvals" in _foot(carol, address)


def test_the_same_in_german_with_its_own_thousands(clerk, carol, monkeypatch):
    monkeypatch.setattr(adminfields.PagesOfMany, "_counted", 20_001)
    address = reverse("admin:approvals_approval_changelist")
    assert "mehr als 20.000" in _foot(carol, address, language="de")


def _foot(user: Any, address: str, language: str = "en") -> str:
    page = browser(user).get(address, headers={"accept-language": language}).content.decode()
    return " ".join(page.split())
