"""How much waits for a person, and a text that changes whenever that does: asked often, made ready seldom."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet

from agents.models import User
from workflows.pages.shelves import decisions_for, work_for
from workflows.pages.waiting import MOST_COUNTED

Statement = tuple[str, tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Waits:
    """Two statements made of what a person may decide and do. They hold as long as their rights do."""

    approvals: Statement | None
    tasks: Statement | None

    def asked(self) -> tuple[int, str]:
        """Return how much waits (``MOST_COUNTED`` + 1 stands for more), and the mark of its beginning."""
        approvals, tasks = _rows(self.approvals), _rows(self.tasks)
        count = min(MOST_COUNTED + 1, len(approvals) + len(tasks))
        lines = ["|".join(map(str, row)) for row in (*approvals[:MOST_COUNTED], *tasks[:MOST_COUNTED])]
        return count, hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def waits_of(user: User) -> Waits:
    """Make ready what is asked about a person."""
    tasks = work_for(user).order_by("due_at", "pk").values_list("pk", "epoch", "reminded_at")
    approvals = decisions_for(user, kept=True).values_list(
        "pk", "reminded_at", "clock_stopped_at", "task__epoch"
    )
    return Waits(_statement(approvals[: MOST_COUNTED + 1]), _statement(tasks[: MOST_COUNTED + 1]))


def _statement(asked: QuerySet[Any, Any]) -> Statement | None:
    try:
        sql, params = asked.query.sql_with_params()
    except EmptyResultSet:
        return None
    return sql, tuple(params)


def _rows(asked: Statement | None) -> list[Iterable[Any]]:
    if asked is None:
        return []
    with connection.cursor() as cursor:
        cursor.execute(*asked)
        return list(cursor.fetchall())
