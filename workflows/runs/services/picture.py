"""What the machine has to know of some locked runs, read with a few statements however many they are."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet

from workflows.runs import engine, selectors
from workflows.runs.choices import OPEN_RUNS, OPEN_STEPS
from workflows.runs.engine import FrameView, RunView, Slot, StepView
from workflows.runs.engine.views import around
from workflows.runs.models import Run, Step
from workflows.runs.services.definitions import definition_of
from workflows.runs.services.routing import Roster

ROOT_SCOPE = ""

_STEPS = """
SELECT DISTINCT ON (s.run_id, s.scope, s.node)
       s.id::text, s.run_id::text, s.node, s.state, coalesce(s.frame_id::text, ''), s.index, s.generation,
       s.answer, s.error, s.attempts, s.infra_attempts, s.priority, s.is_parked, coalesce(s.joins_id::text, ''),
       s.scope, s.task_id::text, s.action_id::text, a.code
  FROM runs_step s LEFT JOIN agents_agent a ON a.id = s.agent_id
 WHERE (s.run_id, s.scope) IN (SELECT * FROM unnest(%s::uuid[], %s::text[]))
 ORDER BY s.run_id, s.scope, s.node, s.generation DESC
"""
_CHOSEN = _STEPS.replace("DISTINCT ON (s.run_id, s.scope, s.node)", "").replace(
    "(s.run_id, s.scope) IN (SELECT * FROM unnest(%s::uuid[], %s::text[]))", "s.id = ANY(%s::uuid[])"
)
_FRAMES = """
WITH RECURSIVE chain AS (
    SELECT f.* FROM runs_frame f
     WHERE f.id IN (SELECT unnest(ARRAY[frame_id, joins_id]) FROM runs_step WHERE id = ANY(%s::uuid[]))
     UNION
    SELECT f.* FROM runs_frame f JOIN chain c ON f.id = c.outer_id
)
SELECT id::text, node, opener_id::text, size, coalesce(outer_id::text, ''), index, started, arrived, dead,
       failed, is_fired, is_closed
  FROM chain
"""
_ITEMS = """
SELECT frame_id::text, index, item, how FROM runs_item
 WHERE (frame_id, index) IN (SELECT * FROM unnest(%s::uuid[], %s::int[]))
"""
_GATHERED = """
SELECT frame_id::text, index, value FROM runs_item
 WHERE frame_id = ANY(%s::uuid[]) AND how = 'arrived' AND value IS NOT NULL
"""


@dataclass
class Picture:
    """One locked run: the steps and frames that a decision about some of its steps can need."""

    run: Run
    definition: engine.Definition
    steps: dict[str, StepView] = field(default_factory=dict)
    scopes: dict[str, str] = field(default_factory=dict)
    newest: dict[str, dict[str, StepView]] = field(default_factory=dict)
    frames: dict[str, FrameView] = field(default_factory=dict)
    items: dict[tuple[str, int], tuple[Any, str]] = field(default_factory=dict)
    gathered: dict[str, dict[int, Any]] = field(default_factory=dict)
    undoing: dict[str, str] = field(default_factory=dict)  # by whom (or itself) -> what
    roster: Roster = field(default_factory=Roster)  # of the whole look

    def put(self, step: StepView, scope: str) -> None:
        """Take a step over, as it is now."""
        self.steps[step.id] = step
        self.scopes[step.id] = scope
        among = self.newest.setdefault(scope, {})
        known = among.get(step.node)
        if known is None or known.generation <= step.generation or known.id == step.id:
            among[step.node] = step

    def done_by(self, step_id: str, agent: str) -> None:
        """Note which agent did a step."""
        step = self.steps[step_id]
        self.put(replace(step, facts={**step.facts, "agent": agent}), self.scopes[step_id])

    def scope_of(self, slot: Slot) -> str:
        """Return which item of a map a slot is inside of, as ``frame:index``; '' outside of maps."""
        for frame, index in self.around(slot):
            if self.definition.nodes[frame.node].kind == "map":
                return f"{frame.id}:{index}"
        return ROOT_SCOPE

    def around(self, slot: Slot) -> list[tuple[FrameView, int]]:
        """Return the frames around a slot from the inside out, each with the index inside it."""
        return list(around(self.frames, slot))

    def view(self, step_id: str = "") -> RunView:
        """Return what the machine may see for an event about a step, or about the run."""
        run = self.run
        step = self.steps.get(step_id)
        chain = self.around(step.slot) if step else []
        frames = {frame.id: self._with_item(frame, index) for frame, index in chain}
        gathered: Mapping[int, Any] = {}
        if step is not None and step.joins:
            frames[step.joins] = self.frames[step.joins]
            gathered = self.gathered.get(step.joins, {})
        return RunView(
            definition=self.definition,
            about={"id": str(run.pk), "key": run.key, "workflow": run.workflow.code, "label": run.label},
            input=run.input,
            step=step,
            steps=self._seen_from(chain),
            frames=frames,
            gathered=gathered,
            undoing=self.undoing.get(step_id, ""),
            over=run.state not in OPEN_RUNS,
            compensating=run.is_compensating,
        )

    def _seen_from(self, chain: Sequence[tuple[FrameView, int]]) -> dict[str, StepView]:
        seen = dict(self.newest.get(ROOT_SCOPE, {}))
        for frame, index in reversed(chain):
            seen.update(self.newest.get(f"{frame.id}:{index}", {}))
        return seen

    def _with_item(self, frame: FrameView, index: int) -> FrameView:
        item, how = self.items.get((frame.id, index), (None, ""))
        return replace(frame, item=item, here=how if how in ("arrived", "failed") else "")


def pictures_of(runs: Iterable[Run], step_ids: Sequence[str]) -> dict[str, Picture]:
    """Read what events about these steps can need, by run. The runs are locked."""
    roster = Roster()
    found = {str(run.pk): Picture(run, definition_of(run.version), roster=roster) for run in runs}
    _read_frames(found, step_ids)
    _read_steps(found)
    return found


def standing_of(run: Run) -> QuerySet[Step]:
    """Return the steps that are open or wait for an operator, in the order they were begun."""
    return Step.objects.filter(Q(state__in=OPEN_STEPS) | Q(is_parked=True), run=run).order_by("pk")


def show(picture: Picture, step_id: str) -> None:
    """Read what an event about one more step can need. Everything else must have been written before."""
    if step_id not in picture.steps:
        found = {str(picture.run.pk): picture}
        _read_frames(found, [step_id])
        _read_steps(found)


def _read_frames(found: Mapping[str, Picture], step_ids: Sequence[str]) -> None:
    """Read the steps themselves first: where they stand says which frames and items are around them."""
    rows = _rows(_CHOSEN, [list(step_ids)])
    frames = {row[0]: FrameView(*row) for row in _rows(_FRAMES, [list(step_ids)])} if _in_frames(rows) else {}
    for row in rows:
        picture = found[row[1]]
        picture.frames.update(frames)
        picture.put(_step(row), row[14])
    slots = {
        (frame.id, index) for p in found.values() for s in p.steps.values() for frame, index in p.around(s.slot)
    }
    if slots:
        _read_items(found, sorted(slots))
    closing = {
        step.joins: picture for picture in found.values() for step in picture.steps.values() if step.joins
    }
    for frame, index, value in _rows(_GATHERED, [list(closing)]) if closing else ():
        closing[frame].gathered.setdefault(frame, {})[index] = _json(value)


def _in_frames(rows: Iterable[Sequence[Any]]) -> bool:
    return any(row[4] or row[13] for row in rows)


def _read_items(found: Mapping[str, Picture], slots: Sequence[tuple[str, int]]) -> None:
    frames, indexes = zip(*slots, strict=True)
    for frame, index, item, how in _rows(_ITEMS, [list(frames), list(indexes)]):
        for picture in found.values():
            if frame in picture.frames:
                picture.items[frame, index] = (_json(item), how)


def _read_steps(found: Mapping[str, Picture]) -> None:
    """Read the newest step of every node outside of maps and in the items the chosen ones belong to."""
    wanted = {(key, ROOT_SCOPE) for key in found}
    for key, picture in found.items():
        for step in picture.steps.values():
            wanted |= {(key, f"{frame.id}:{index}") for frame, index in picture.around(step.slot)}
    runs, scopes = zip(*sorted(wanted), strict=True)
    rows = _rows(_STEPS, [list(runs), list(scopes)])
    more = selectors.done_for_steps([(row[15], row[16]) for row in rows if row[15] or row[16]])
    for row in rows:
        facts = {"agent": row[17] or "", **more.get((row[15], row[16]), {})}
        found[row[1]].put(_step(row, facts), row[14])


def _step(row: Sequence[Any], facts: Mapping[str, Any] = MappingProxyType({})) -> StepView:
    return StepView(
        id=row[0], node=row[2], state=row[3], frame=row[4], index=row[5], generation=row[6],
        answer=_json(row[7]),
        error=_json(row[8]) or {}, attempts=row[9], infra_attempts=row[10], priority=row[11], parked=row[12],
        joins=row[13], facts=facts,
    )  # fmt: skip


def _json(value: str | None) -> Any:
    """Django leaves jsonb as text in plain statements."""
    return None if value is None else json.loads(value)


def _rows(statement: str, parameters: Sequence[Any]) -> list[Sequence[Any]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())
