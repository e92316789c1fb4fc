"""What one look writes, gathered and written with a few statements however many steps it is about.

The runs are locked, so that the values of frames and steps are written as they are, not as differences.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, transaction

from audit.services import Fact, record_events
from workflows.runs import dispatch
from workflows.runs.choices import OPEN_STEPS
from workflows.runs.services import lanes

Row = tuple[Any, ...]

_NEW_STEPS = """
INSERT INTO runs_step (id, run_id, node, kind, name, frame_id, index, scope, generation, state, input, answer,
                       error, attempts, infra_attempts, priority, is_parked, joins_id, undone, chosen_because,
                       held_because, clock_stopped_by, started_at, finished_at)
SELECT id, run_id, node, kind, name, frame_id, index, scope, generation, state, '{}', answer::jsonb,
       error::jsonb, 0, 0, priority, is_parked, joins_id, '', '', '', '[]',
       CASE WHEN state = 'ready' THEN NULL ELSE clock_timestamp() END,
       CASE WHEN state = 'ready' THEN NULL ELSE clock_timestamp() END
  FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::uuid[], %s::int[], %s::text[],
              %s::int[], %s::text[], %s::text[], %s::text[], %s::int[], %s::bool[], %s::uuid[])
    AS made (id, run_id, node, kind, name, frame_id, index, scope, generation, state, answer, error, priority,
             is_parked, joins_id)
"""
_STEPS = """
UPDATE runs_step s
   SET state = new.state, answer = new.answer::jsonb, error = new.error::jsonb, attempts = new.attempts,
       infra_attempts = new.infra_attempts, is_parked = new.is_parked,
       started_at = coalesce(s.started_at, clock_timestamp()),
       finished_at = CASE WHEN new.state IN ('ready', 'running') THEN NULL
                          ELSE coalesce(s.finished_at, clock_timestamp()) END
  FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::int[], %s::int[], %s::bool[])
    AS new (id, state, answer, error, attempts, infra_attempts, is_parked)
 WHERE s.id = new.id
"""
_UNDONE = """
UPDATE runs_step s
   SET undone = new.undone,
       undo_action_id = CASE WHEN new.undone = 'running' THEN NULL ELSE s.undo_action_id END
  FROM unnest(%s::uuid[], %s::text[]) AS new (id, undone)
 WHERE s.id = new.id
"""
_UNDOES = """
UPDATE runs_step s SET undoes_id = new.undoes FROM unnest(%s::uuid[], %s::uuid[]) AS new (id, undoes)
 WHERE s.id = new.id
"""
_DROP_TIMERS = "DELETE FROM runs_timer WHERE step_id = ANY(%s::uuid[])"
_DROP_SUBSCRIPTIONS = "DELETE FROM runs_subscription WHERE step_id = ANY(%s::uuid[])"
_NEW_FRAMES = """
INSERT INTO runs_frame (id, run_id, opener_id, node, outer_id, index, size, started, arrived, failed, dead,
                        is_fired, is_closed)
SELECT id, run_id, opener_id, node, outer_id, index, size, started, 0, 0, dead, false, false
  FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::text[], %s::uuid[], %s::int[], %s::int[], %s::int[],
              %s::int[])
    AS made (id, run_id, opener_id, node, outer_id, index, size, started, dead)
"""
_FRAMES = """
UPDATE runs_frame f
   SET started = new.started, arrived = new.arrived, failed = new.failed, is_fired = new.fired,
       is_closed = new.closed
  FROM unnest(%s::uuid[], %s::int[], %s::int[], %s::int[], %s::bool[], %s::bool[])
    AS new (id, started, arrived, failed, fired, closed)
 WHERE f.id = new.id
"""
_NEW_ITEMS = """
INSERT INTO runs_item (frame_id, index, item, how)
SELECT frame_id, index, item::jsonb, how FROM unnest(%s::uuid[], %s::int[], %s::text[], %s::text[])
    AS made (frame_id, index, item, how)
"""
_ITEMS = """
UPDATE runs_item i SET how = new.how, value = new.value::jsonb
  FROM unnest(%s::uuid[], %s::int[], %s::text[], %s::text[]) AS new (frame_id, index, how, value)
 WHERE i.frame_id = new.frame_id AND i.index = new.index
"""
_RUNS = """
UPDATE runs_run r
   SET state = new.state, outcome = new.outcome, output = new.output::jsonb, label = new.label,
       problem = new.problem, is_compensating = new.compensating,
       finished_at = CASE WHEN new.state IN ('running', 'incident') THEN NULL ELSE clock_timestamp() END
  FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bool[])
    AS new (id, state, outcome, output, label, problem, compensating)
 WHERE r.id = new.id
"""


@dataclass
class Pen:
    """Rows to be written, and what services do after that."""

    new_steps: dict[str, Row] = field(default_factory=dict)
    steps: dict[str, Row] = field(default_factory=dict)
    undone: dict[str, Row] = field(default_factory=dict)
    undoes: dict[str, Row] = field(default_factory=dict)
    new_frames: list[Row] = field(default_factory=list)
    frames: dict[str, Row] = field(default_factory=dict)
    new_items: list[Row] = field(default_factory=list)
    items: dict[tuple[str, int], Row] = field(default_factory=dict)
    ready: dict[str, Row] = field(default_factory=dict)
    runs: dict[str, Row] = field(default_factory=dict)
    served: list[str] = field(default_factory=list)  # steps that wait for no signal any more
    facts: list[Fact] = field(default_factory=list)
    later: list[Callable[[], None]] = field(default_factory=list)

    def write(self) -> None:
        """Write everything, in the caller's transaction. References are checked at its end, so order is free.

        Afterwards there is nothing left to write, and the same pen may be used on.
        """
        _run(_NEW_STEPS, self.new_steps.values())
        _run(_NEW_FRAMES, self.new_frames)
        _run(_NEW_ITEMS, self.new_items)
        _run(_STEPS, self.steps.values())
        _run(_UNDONE, self.undone.values())
        _run(_UNDOES, self.undoes.values())
        _run(_DROP_TIMERS, [(row[0],) for row in self.steps.values() if row[1] not in OPEN_STEPS])
        _run(_DROP_SUBSCRIPTIONS, [(step_id,) for step_id in self.served])
        _run(_FRAMES, self.frames.values())
        _run(_ITEMS, self.items.values())
        _run(lanes.PUT, self.ready.values())
        _run(_RUNS, self.runs.values())
        record_events(self.facts)
        if self.ready:
            transaction.on_commit(dispatch.hint_tick)
        later = list(self.later)
        for gathered in (self.new_frames, self.new_items, self.served, self.facts, self.later):
            gathered.clear()
        for changed in (
            self.new_steps, self.steps, self.undone, self.undoes, self.frames, self.items, self.ready,
            self.runs,
        ):  # fmt: skip
            changed.clear()
        for work in later:
            work()


def as_json(value: Any) -> str | None:
    """Return a value as JSON text; None stays SQL's null."""
    return None if value is None else json.dumps(value, ensure_ascii=False, default=str)


def _run(statement: str, rows: Iterable[Row]) -> None:
    found: Sequence[Row] = list(rows)
    if not found:
        return
    with connection.cursor() as cursor:
        cursor.execute(statement, [list(column) for column in zip(*found, strict=True)])
