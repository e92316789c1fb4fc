"""The list of tasks in the admin: the newest first, narrowed without reading every task there was."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests.workflows.test_pages_runs import browser
from workflows.tasks.models import Task

pytestmark = pytest.mark.django_db


@pytest.fixture
def tasks(clerk: Any) -> list[Task]:
    told = {"kind": Task.Kind.HUMAN_WORK, "subject_kind": "runs.step", "subject_id": "1"}
    return [Task.objects.create(title=f"Task {at}", priority=at, **told) for at in (3, 1, 5)]


def rows(user: Any, **asked: str) -> list[str]:
    answer = browser(user).get(reverse("admin:tasks_task_changelist"), asked)
    assert answer.status_code == 200
    return [task.title for task in answer.context_data["cl"].result_list]


def test_the_newest_stands_first_and_urgency_and_time_narrow_it(alice: Any, tasks: list[Task]) -> None:
    assert rows(alice) == ["Task 5", "Task 1", "Task 3"]
    assert rows(alice, priority="1") == ["Task 1"]
    assert rows(alice, priority="four") == ["Task 5", "Task 1", "Task 3"]
    assert rows(alice, created_at__gte="2999-01-01 00:00:00+00:00") == []


def test_what_it_can_be_narrowed_by_is_not_asked_of_every_task(alice: Any, tasks: list[Task]) -> None:
    with CaptureQueriesContext(connection) as asked:
        rows(alice)
    whole = re.compile(r'SELECT (DISTINCT "tasks_task"."priority"|MIN|DISTINCT DATE_TRUNC).* FROM "tasks_task"')
    assert [query["sql"] for query in asked if whole.match(query["sql"])] == []
