"""How often the task of an agent is tried, and when again: its node says so, and the task asks here."""

from __future__ import annotations

import random
from collections.abc import Callable

from workflows.runs import engine
from workflows.runs.engine.events import Failed
from workflows.runs.models import Step
from workflows.runs.services.definitions import definition_of
from workflows.tasks.models import Task


def waits_of_task(task: Task) -> Callable[[str], int | None] | None:
    """Return what says how long a failed task waits (None: no more); None where its node has no ``retry``."""
    step = Step.objects.select_related("run__version").filter(task=task).first()
    node = definition_of(step.run.version).nodes.get(step.node) if step else None
    if node is None or "retry" not in node.facts:
        return None

    def wait(code: str) -> int | None:
        so_far = engine.StepView(
            "", node.id, "running", attempts=max(0, task.attempts - 1), infra_attempts=task.lapses
        )
        found = engine.again(node, so_far, Failed(code, "", jitter=jitter()))
        return found[0] if found else None

    return wait


def jitter() -> float:
    """Return a number drawn from [0, 1): what spreads the attempts of many steps."""
    return random.random()  # noqa: S311 - nothing secret depends on it
