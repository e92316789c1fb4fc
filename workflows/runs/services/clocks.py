"""The clocks of steps: deadlines that run, stand still while something beyond them prevents it, and go on.

A clock that stands keeps what is left: its timers do not fire, and starting it again moves every time by as
long as it stood. It may stand for several reasons at once, and goes on when the last of them is gone.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from audit.services import Fact, record_events
from audit.vocabulary import Actor
from workflows.runs.models import Run, Step, Timer
from workflows.tasks.selectors import database_now
from workflows.tasks.services import move_clocks, stand_clocks

_STOP = """
UPDATE runs_step
   SET clock_stopped_by = clock_stopped_by || to_jsonb(%(why)s::text),
       clock_stopped_at = coalesce(clock_stopped_at, clock_timestamp())
 WHERE id = ANY(%(steps)s::uuid[]) AND state IN ('ready', 'running') AND NOT clock_stopped_by ? %(why)s
RETURNING id, run_id, task_id, clock_stopped_at
"""
_START = """
WITH found AS (
    SELECT id, clock_stopped_by - %(why)s::text AS left_over, clock_stopped_at AS since FROM runs_step
     WHERE id = ANY(%(steps)s::uuid[]) AND clock_stopped_by ? %(why)s
)
UPDATE runs_step s
   SET clock_stopped_by = f.left_over,
       clock_stopped_at = CASE WHEN jsonb_array_length(f.left_over) = 0 THEN NULL ELSE f.since END
  FROM found f WHERE s.id = f.id
RETURNING s.id, s.run_id, s.task_id, clock_timestamp() - f.since, s.clock_stopped_at IS NULL
"""
# What a wait waits for is no deadline.
_MOVE_TIMERS = """
UPDATE runs_timer t SET fire_at = t.fire_at + moved.by
  FROM unnest(%s::uuid[], %s::interval[]) AS moved (step, by)
 WHERE t.step_id = moved.step AND t.kind <> 'wake'
"""


def stop_clocks(*, actor: Actor, steps: Iterable[UUID], why: str, reason: str) -> int:
    """Let the deadlines of open steps stand still; return how many were stopped for this.

    ``why`` is the word under which they stand (``system_down``, ``paused``, ``stopped``) and the one to start
    them with; the same word twice changes nothing. The caller has locked the runs of the steps and asked
    whether the actor may.
    """
    stopped = _rows(_STOP, {"why": why, "steps": [str(step) for step in steps]})
    stand_clocks({task: since for _, _, task, since in stopped if task is not None})
    _tell(actor, "runs.clocks_stopped", "The clock stands still", why, reason, [row[:2] for row in stopped])
    return len(stopped)


def start_clocks(*, actor: Actor, steps: Iterable[UUID], why: str, reason: str) -> int:
    """Let deadlines go on that stood for ``why``; return how many stand for nothing else and go on now.

    Every time of such a step moves by as long as its clock stood. The caller has locked the runs of the steps.
    """
    found = _rows(_START, {"why": why, "steps": [str(step) for step in steps]})
    going = [row for row in found if row[4]]
    if going:
        with connection.cursor() as cursor:
            cursor.execute(_MOVE_TIMERS, [[row[0] for row in going], [row[3] for row in going]])
    move_clocks({task: by for _, _, task, by, _ in going if task is not None})
    _tell(actor, "runs.clocks_started", "The clock goes on", why, reason, [row[:2] for row in going])
    return len(going)


def set_timer(step: Step, kind: Timer.Kind, seconds: int) -> None:
    """Let something happen to a step so many seconds from now, as its clock tells the time."""
    now = step.clock_stopped_at or database_now()
    fire_at = now + timedelta(seconds=seconds)
    Timer.objects.update_or_create(step=step, kind=kind, defaults={"fire_at": fire_at})


def _rows(statement: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())


def _tell(actor: Actor, verb: str, words: str, why: str, reason: str, found: list[tuple[Any, ...]]) -> None:
    """Record one fact for each run, however many of its steps it is about."""
    steps: dict[UUID, list[str]] = {}
    for step, run in found:
        steps.setdefault(run, []).append(str(step))
    runs = Run.objects.in_bulk(steps)
    record_events([
        Fact(
            actor=actor, verb=verb, subject=run.as_ref(), code=why[:60], reason=reason,
            sentence=f"{run.label}: {words} for {len(steps[key])} step{'s'[: len(steps[key]) > 1]}."[:500],
            payload={"steps": steps[key][:1000]}, **run.event_refs(),
        )
        for key, run in sorted(runs.items())
    ])  # fmt: skip
