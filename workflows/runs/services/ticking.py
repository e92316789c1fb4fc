"""The engine's hand: take what is ready of many runs, begin it or go on after it, all in one transaction.

A look locks its runs with SKIP LOCKED, before anything else, as cancelling does: two that took their locks in
another order would wait for each other. It deletes the rows of what it looks at with everything it did: a
worker that dies leaves them to the next. No call to the outside and no waiting happens here; agents, people and
systems have leases of their own (tasks and actions), and their ends come back as ready rows.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Mapping, Sequence
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection, transaction

from audit.lookups import attach, by_key
from workflows.actions.models import Action
from workflows.runs import engine
from workflows.runs.choices import OPEN_RUNS
from workflows.runs.engine import WORK
from workflows.runs.engine.events import Begun
from workflows.runs.models import Run, Step, Workflow, WorkflowVersion
from workflows.runs.services.breaking import park_broken
from workflows.runs.services.carrying import carry_on
from workflows.runs.services.leaving import news_of
from workflows.runs.services.look import Look
from workflows.runs.services.undoing import being_undone, news_of_undoing
from workflows.tasks.models import Task

MOST_LOOKS = 200
RUNS_AT_ONCE = 100

_looks = itertools.count(1)
logger = logging.getLogger(__name__)

_PATIENT = "r.not_before <= clock_timestamp() - interval '1 minute'"
# Runs that another worker has are passed over, so that each finds as many as it may take. A run with several
# ready steps comes several times.
_LOCK_DUE = """
SELECT u.id
  FROM runs_ready r JOIN runs_step s ON s.id = r.step_id JOIN runs_run u ON u.id = s.run_id
 WHERE r.not_before <= clock_timestamp() AND NOT u.is_paused
 ORDER BY r.priority, r.turn LIMIT %s
   FOR UPDATE OF u SKIP LOCKED
"""
# Urgent work comes first, and within a priority departments take turns (services.lanes). One look in ten is for
# what has waited longest, so that what is not urgent comes to its turn however much is.
_LOCK_OLDEST = _LOCK_DUE.replace("r.not_before <= clock_timestamp()", _PATIENT).replace(
    "r.priority, r.turn", "r.not_before"
)
_TAKE = """
DELETE FROM runs_ready r USING runs_step s
 WHERE r.step_id = s.id AND s.run_id = ANY(%s) AND r.not_before <= clock_timestamp()
RETURNING s.id::text, s.run_id::text, s.undone = 'running'
"""


def tick(
    *, most: int = MOST_LOOKS, runs_at_once: int = RUNS_AT_ONCE, most_passed: int = engine.MOST_PASSED
) -> int:
    """Look at what is ready until nothing is; return how many steps were looked at.

    ``runs_at_once``: of how many runs one transaction is about. ``most_passed``: how many nodes that need
    nobody are passed in one turn of a run; 0 gives each a turn.
    """
    looks = 0
    while looks < most and (found := _look_at_some(runs_at_once, most_passed)):
        looks += found
    return looks


def _look_at_some(runs_at_once: int, most_passed: int) -> int:
    try:
        with transaction.atomic():
            return _look_at(_lock_due(runs_at_once), most_passed)
    except (OperationalError, InterfaceError):
        raise  # the database is away or chose us in a deadlock: nothing was done, and the rows are still there
    except Exception:
        logger.exception("The engine could not look at some runs together; it looks at each alone.")
        return _one_by_one()


def _one_by_one() -> int:
    """Look at each run alone; one that breaks the engine is parked, so that it hinders no other."""
    with transaction.atomic():
        waiting = _lock_due(RUNS_AT_ONCE)
    looks = 0
    for run_id in waiting:
        try:
            with transaction.atomic():
                looks += _look_at(_lock([run_id]))
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            logger.exception("The engine could not look at run %s.", run_id)
            park_broken(run_id)
            looks += 1
    return looks


def _lock_due(runs_at_once: int) -> list[UUID]:
    waited = _lock_some(_LOCK_OLDEST, runs_at_once) if next(_looks) % 10 == 0 else []
    return waited or _lock_some(_LOCK_DUE, runs_at_once)


def _lock_some(statement: str, runs_at_once: int) -> list[UUID]:
    with connection.cursor() as cursor:
        cursor.execute(statement, [runs_at_once])
        return sorted({row[0] for row in cursor.fetchall()})


def _lock(run_ids: Sequence[UUID]) -> list[UUID]:
    found = Run.objects.select_for_update(of=("self",)).filter(pk__in=run_ids, is_paused=False).order_by("pk")
    return list(found.values_list("pk", flat=True))


def _look_at(run_ids: Sequence[UUID], most_passed: int = engine.MOST_PASSED) -> int:
    """Look at everything that is ready in locked runs; return how many steps that was."""
    if not run_ids:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, [list(run_ids)])
        taken = sorted(cursor.fetchall())
    if not taken:
        return 0
    undone = being_undone(step for step, _, is_undone in taken if is_undone)
    # Undoing is news for the step it is done for, or for the run, if an operator wanted it.
    wanted_by = [by for _, by in undone.values() if by]
    steps = [*(step for step, _, _ in taken), *wanted_by]
    look = Look(_read_runs(run_ids), steps, most_passed=most_passed)
    for step, run, is_undone in taken:
        if is_undone:
            _note_undoing(look, run, step, *undone[step])
    at_work = [(step, run) for step, run, is_undone in taken if not is_undone]
    under_way = [step for step, run in at_work if look.runs[run].picture.steps[step].state == "running"]
    rows = _read_under_way(under_way)
    to_begin = [(step, run) for step, run in at_work if _go_on(look, step, run, rows)]
    carry_on(look, to_begin)
    return len(taken)


def _read_runs(run_ids: Sequence[UUID]) -> list[Run]:
    runs = list(Run.objects.filter(pk__any_of=run_ids))
    attach(runs, "workflow", Workflow.objects.all())
    attach(runs, "version", WorkflowVersion.objects.defer("text", "content"))
    return runs


def _read_under_way(step_ids: Sequence[str]) -> dict[UUID, Step]:
    """Read what is at work with what came of its work, and not what that was asked with."""
    steps = by_key(Step.objects.defer("input", "answer", "routing"), step_ids)
    attach(steps.values(), "task", Task.objects.select_related("claimed_by__agent"))
    attach(
        steps.values(),
        "action",
        Action.objects.defer("arguments", "explanation", "evidence", "provenance", "references"),
    )
    return steps


def _note_undoing(look: Look, run_id: str, target: str, step: Step, by: str) -> None:
    """Follow what came of undoing a step, also when the run is over: what was begun is noted."""
    picture = look.runs[run_id].picture
    picture.undoing[by or target] = target
    if step.undo_action is None:
        look.runs[run_id].to_undo.append(target)  # ordered while the run was paused
    elif (event := news_of_undoing(target, step.name, step.undo_action)) is not None:
        look.tell(run_id, by or target, event)


def _go_on(look: Look, step_id: str, run_id: str, rows: Mapping[UUID, Step]) -> bool:
    """Follow what has happened to a step; say whether its work has still to be begun."""
    to = look.runs[run_id]
    step = to.picture.steps[step_id]
    if to.picture.run.state not in OPEN_RUNS or to.finish is not None or not step.is_open or step.parked:
        return False
    if step.state == "ready":
        if to.picture.definition.nodes[step.node].kind in WORK:
            return True
        look.tell(run_id, step_id, Begun())
        return False
    if (event := news_of(rows[UUID(step_id)], to.picture)) is not None:
        look.tell(run_id, step_id, event)
    return False
