"""In the inbox a person passes work on, or asks somebody first: only who takes part in it can be chosen."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from tests.workflows.test_pages_runs import browser, read, work, workflow
from workflows.tasks import services as tasks
from workflows.tasks.models import Task

__all__ = ["work", "workflow"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("hints")]
ASKED = {"ask-to": "person:alice", "ask-question": "Who sent it?", "ask-within": "86400"}


def post(user: Any, task: Task, deed: str, **fields: str) -> Any:
    body = {"deed": deed, "epoch": task.epoch, **fields}
    return browser(user).post(reverse("inbox-task-do", args=[task.pk]), body)


def test_work_is_passed_on_with_a_reason_and_is_off_the_list(work, alice, bob, mallory):
    page = read(bob, "inbox-task", work.pk)
    for whom in ("group:Approvers", "group:Managers", "person:alice"):
        assert f'value="{whom}"' in page
    for nobody in ("mallory", "person:bob"):
        assert nobody not in page
    given = {"pass_on-to": "person:alice", "pass_on-note": "Page 2 is missing"}
    unsaid = post(bob, work, "pass_on", **given)
    assert unsaid.status_code == 422
    assert 'id="pass_on" open' in unsaid.content.decode()
    done = post(bob, work, "pass_on", **given, **{"pass_on-reason": "She knows the sender"})
    assert (done.status_code, done["Location"]) == (302, reverse("inbox"))
    work.refresh_from_db()
    assert list(work.candidate_users.all()) == [alice]
    page = read(alice, "inbox-task", work.pk)
    assert "She knows the sender" in page
    assert "Page 2 is missing" in page
    forged = {"pass_on-to": "person:mallory", "pass_on-reason": "for a friend"}
    assert post(alice, work, "pass_on", **forged).status_code == 422


def test_somebody_is_asked_and_the_answer_appears_where_the_work_is(work, alice, bob):
    done = post(bob, work, "ask", **ASKED)
    assert (done.status_code, done["Location"]) == (302, reverse("inbox-task", args=[work.pk]))
    question = Task.objects.get(asked_for=work)
    assert (question.candidate_users.get(), Task.objects.get(pk=work.pk).claimed_by) == (alice, bob)
    shown = read(alice, "inbox-task", question.pk)
    assert "Who sent it?" in shown
    assert "Pass it on" not in shown  # it was put to her
    forced = post(alice, question, "pass_on", **{"pass_on-to": "person:bob", "pass_on-reason": "Ask yourself"})
    assert forced.status_code == 422
    assert "Alice: “Who sent it?”" in read(bob, "inbox-task", work.pk)
    answer = {"answer": "Brauer & Sons"}
    held = tasks.claim_task(actor=alice.as_actor(), task_id=question.pk)
    tasks.complete_task(actor=alice.as_actor(), task_id=question.pk, epoch=held.epoch, answer=answer)
    assert "Brauer &amp; Sons" in read(bob, "inbox-task", work.pk)


def test_what_somebody_else_has_is_neither_passed_on_nor_asked_about(work, alice, bob, dave):
    dave.groups.set(bob.groups.all())
    tasks.claim_task(actor=dave.as_actor(), task_id=work.pk)
    page = read(bob, "inbox-task", work.pk)
    assert "Pass it on" not in page
    said = post(bob, work, "ask", **ASKED)
    assert said.status_code == 409
    assert not Task.objects.filter(asked_for=work).exists()
