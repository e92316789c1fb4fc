"""What a model's check constraints say: all of them asked at once, each named when it fails."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError

from agents.models import Policy
from workflows.tasks.models import Task

pytestmark = pytest.mark.django_db


def wrong(task: Task, *exclude: str) -> list[str]:
    try:
        task.validate_constraints(exclude={"created_at", "turn", "available_at", *exclude})
    except ValidationError as error:
        return sorted(message.split("“")[1].split("”")[0] for message in error.messages)
    return []


def test_what_holds_is_asked_in_one_statement(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(3):  # the question and the savepoint around it
        assert wrong(Task(title="Read it")) == []


def test_every_check_that_fails_is_named() -> None:
    assert wrong(Task(title="Read it", state="claimed", priority=9)) == [
        "task_claim_has_claimer",
        "task_priority_1_to_5",
    ]


def test_what_is_not_known_does_not_fail() -> None:
    assert wrong(Task(title="Read it", priority=None)) == []


def test_a_check_about_what_is_left_out_stands_in_no_others_way() -> None:
    assert wrong(Task(title="Read it", state="unknown", priority=9), "state") == ["task_priority_1_to_5"]


def test_a_key_that_was_just_made_is_not_asked_for_and_what_is_taken_is(
    django_assert_num_queries: Any, alice: Any
) -> None:
    Policy.objects.create(code="payments", name="Payments")
    new = Policy(code="payments", name="Other payments")
    with django_assert_num_queries(1), pytest.raises(ValidationError, match="ode"):
        new.validate_unique()
