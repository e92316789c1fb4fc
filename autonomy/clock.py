"""The clock of the portal: it rings for a job when PostgreSQL says that there is something to do.

In most rounds nothing is to be done. To send five messages, and have workers ask two dozen questions, in order
to find that out cost an idle portal more than all else. One prepared statement asks for all of them instead.
"""

from __future__ import annotations

import logging
import time
from functools import cache
from typing import Any

from celery.beat import PersistentScheduler, ScheduleEntry
from django.conf import settings
from django.db import connection

from agents.selectors.containment import silent_after
from workflows.actions import dispatch as actions
from workflows.backtests import dispatch as backtests
from workflows.notices import dispatch as notices
from workflows.runs import dispatch as runs
from workflows.triggers import dispatch as triggers

# What was answered a moment ago answers the other jobs of the same round.
FRESH_SECONDS = 1.0

logger = logging.getLogger(__name__)


@cache
def conditions() -> dict[str, str]:
    """Return by the name of a job when it is worth a message, as SQL; a job that is not in it always is."""
    return {
        actions.SWEEP: actions.SWEEP_WHEN.format(silent_seconds=silent_after().total_seconds()),
        runs.SWEEP: runs.SWEEP_WHEN.format(unclaimed_seconds=settings.UNCLAIMED_SECONDS),
        triggers.SCAN: triggers.SCAN_WHEN,
        triggers.FIRE: triggers.FIRE_WHEN,
        triggers.REACT: triggers.REACT_WHEN,
        backtests.SWEEP: backtests.SWEEP_WHEN,
        notices.TELL: notices.TELL_WHEN,
    }


def question() -> str:
    """Return the one statement that asks for all jobs; its columns are in the order of ``conditions``."""
    return "SELECT " + ", ".join(f"({condition})" for condition in conditions().values())


def prepare() -> None:
    """Have PostgreSQL plan the question once for this connection: planning costs more than the answer."""
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = '2s'")  # better to ring for nothing than to wait
        cursor.execute(f"PREPARE what_is_due AS {question()}")


def worth_a_message() -> dict[str, bool]:
    """Ask PostgreSQL on a prepared connection which jobs have something to do."""
    with connection.cursor() as cursor:
        cursor.execute("EXECUTE what_is_due")
        return dict(zip(conditions(), cursor.fetchone(), strict=True))


class Clock(PersistentScheduler):
    """Celery's scheduler, but that it sends a job only when there is something to do.

    Nothing depends on the answer for long: whatever it is, each job is sent every
    ``settings.SWEEP_ANYWAY_SECONDS``, and always while PostgreSQL does not answer.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._sent: dict[str, float] = {}  # by the name of the entry
        self._answers: dict[str, bool] = {}
        self._asked = 0.0
        super().__init__(*args, **kwargs)

    def apply_entry(self, entry: ScheduleEntry, producer: Any = None) -> None:
        """Send a job that is due by the hour, if it is worth it."""
        now, name = time.monotonic(), entry.name or ""
        if now - self._sent.get(name, 0.0) >= settings.SWEEP_ANYWAY_SECONDS or self._is_worth(entry, now):
            self._sent[name] = now
            super().apply_entry(entry, producer=producer)

    def adjust(self, n: Any, drift: float = 0.005) -> Any:
        """Wake a moment after the hour of an entry; Celery wakes 10 ms before it and spins until it comes."""
        return super().adjust(n, drift)

    def _is_worth(self, entry: ScheduleEntry, now: float) -> bool:
        if entry.task not in conditions():
            return True
        if entry.task not in self._answers or now - self._asked > FRESH_SECONDS:
            self._answers, self._asked = self._ask(), now
        return self._answers.pop(entry.task)

    def _ask(self) -> dict[str, bool]:
        try:
            if connection.connection is None:
                prepare()
            return worth_a_message()
        except Exception as error:  # noqa: BLE001 - whatever it is: the clock goes on, and rings
            logger.warning("PostgreSQL does not say what is due: %s", str(error).strip().splitlines()[:1])
            connection.close()
            return dict.fromkeys(conditions(), True)
