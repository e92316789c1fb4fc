"""Departments take turns: whoever floods the engine or the agents starves nobody; nothing waits for ever."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from agents.models import Department
from audit.vocabulary import Ref
from tests.workflows.conftest import TESTS
from tests.workflows.test_runs import begun, letters, publish, start
from workflows.runs.models import Ready, Run, Step
from workflows.runs.services import lanes, ticking
from workflows.tasks import services as tasks
from workflows.tasks.models import Task
from workflows.tasks.services import claiming

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("hints")]


@pytest.fixture
def like(clerk: Any, alice: Any, bob: Any) -> Run:
    """One run that is copied as often as a test needs; it has no turn itself."""
    publish(alice, bob)
    run = start(alice)
    Ready.objects.all().delete()
    return run


@pytest.fixture
def departments() -> tuple[Department, Department]:
    """Two that compete."""
    return Department.objects.create(code="a", name="A"), Department.objects.create(code="b", name="B")


def queue(like: Run, department: Department | None, count: int, *, priority: int = 3) -> list[UUID]:
    """Put so many runs of a department in line; return the runs."""
    copies = [
        Run(
            workflow_id=like.workflow_id,
            version_id=like.version_id,
            key=str(uuid7()),
            label="copy",
            input_digest=like.input_digest,
            started_by_kind="system",
            priority=priority,
            department=department,
        )
        for _ in range(count)
    ]
    Run.objects.bulk_create(copies)
    steps = [Step(run=run, node="read", kind="agent", name="Read it") for run in copies]
    Step.objects.bulk_create(steps)
    lanes.put_in_line([step.pk for step in steps])
    return [run.pk for run in copies]


def in_order() -> list[UUID]:
    return list(Ready.objects.order_by("priority", "turn", "step").values_list("step__run", flat=True))


def test_one_run_of_b_is_among_the_first_though_a_has_a_thousand(like: Run, departments: Any) -> None:
    a, b = departments
    queue(like, a, 1000)
    (late,) = queue(like, b, 1)
    assert in_order().index(late) < 3
    assert late in ticking._lock_due(50)


def test_two_that_flood_take_turns_to_the_end(like: Run, departments: Any) -> None:
    a, b = departments
    queue(like, a, 60)
    of_b = set(queue(like, b, 60))
    turns = [run in of_b for run in in_order()]
    for first in range(0, 120, 10):
        assert 3 <= sum(turns[first : first + 10]) <= 7


def test_urgent_work_comes_first_whoever_asks(like: Run, departments: Any) -> None:
    a, b = departments
    queue(like, b, 3)
    urgent = set(queue(like, a, 20, priority=1))
    assert set(in_order()[:20]) == urgent


def test_what_belongs_to_no_department_takes_turns_like_one(like: Run, departments: Any) -> None:
    a, _ = departments
    queue(like, a, 100)
    (nobodys,) = queue(like, None, 1)
    assert in_order().index(nobodys) < 3


def test_a_step_has_one_turn_and_keeps_it(like: Run, departments: Any) -> None:
    queue(like, departments[0], 1)
    ready = Ready.objects.get()
    lanes.put_in_line([ready.pk])
    assert Ready.objects.get().turn == ready.turn


def test_one_look_in_ten_is_for_what_has_waited_longest(
    like: Run, departments: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (old,) = queue(like, departments[0], 1, priority=5)
    Ready.objects.update(not_before="2026-01-01T00:00:00Z")
    queue(like, departments[1], 60, priority=1)
    monkeypatch.setattr(ticking, "_looks", iter(range(1, 100)))
    looks = [ticking._lock_due(50) for _ in range(10)]
    assert not any(old in look for look in looks[:9])
    assert looks[9] == [old]


def test_a_run_belongs_to_the_department_its_workflow_names_or_to_that_of_who_starts_it(
    clerk: Any, alice: Any, bob: Any
) -> None:
    legal = Department.objects.create(code="legal", name="Legal")
    alice.department = Department.objects.get(code="finance")
    alice.save(update_fields=["department"])
    publish(alice, bob)
    run = begun(alice)
    assert run.department == alice.department
    task = Task.objects.get(kind="agent_work")
    assert task.lane == alice.department.pk
    publish(alice, bob, {**letters(), "department": "legal"})
    assert start(alice, key="letter-2").department == legal
    assert Ready.objects.get().lane == legal.pk


class TestTasks:
    """The same for the work that agents claim."""

    @staticmethod
    def offer(clerk: Any, lane: UUID, count: int, **more: Any) -> list[Task]:
        return [
            tasks.open_task(
                actor=TESTS,
                kind=Task.Kind.AGENT_WORK,
                title=f"Work {number}",
                subject=Ref("tests", str(number), "work"),
                role=clerk.role,
                lane=lane,
                **more,
            )
            for number in range(count)
        ]

    def test_one_task_of_b_is_among_the_first(self, clerk: Any, departments: Any) -> None:
        a, b = departments
        self.offer(clerk, a.pk, 20)
        (late,) = self.offer(clerk, b.pk, 1)
        assert late in tasks.claim_next(actor=clerk.user.as_actor(), most=2)

    def test_what_has_waited_long_comes_to_its_turn(
        self, clerk: Any, departments: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (old,) = self.offer(clerk, departments[0].pk, 1, priority=5)
        self.offer(clerk, departments[1].pk, 3, priority=1)
        monkeypatch.setattr(claiming.random, "random", lambda: 0.0)
        assert old not in tasks.claim_next(actor=clerk.user.as_actor())
        Task.objects.filter(pk=old.pk).update(available_at="2026-01-01T00:00:00Z")
        assert tasks.claim_next(actor=clerk.user.as_actor()) == [old]
