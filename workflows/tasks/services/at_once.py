"""How many tasks an agent has at once: a throttle of the agent says it of its calls and of its tasks."""

from __future__ import annotations

from agents.models import Agent, Throttle
from agents.services.throttles import lock_throttles
from audit.vocabulary import Ref, RefusalKind
from workflows.tasks.models import Task
from workflows.tasks.selectors import held_by
from workflows.tasks.services.records import refused


def places_left(agent: Agent, *, at_most: int) -> int:
    """Return how many tasks an agent may take now; its throttles stay locked until the transaction ends.

    Call it after the locks of the agent's stop scopes are shared, as ``lock_throttles`` asks.
    """
    most = [throttle.most_at_once for throttle in _throttles(agent) if throttle.most_at_once is not None]
    return max(0, min(at_most, min(most) - held_by(agent).count())) if most else at_most


def require_place(agent: Agent, task: Task) -> None:
    """Raise Refusal too_many_at_once (LIMITED) if this task would be one too many; taking again what one has is
    not."""
    for throttle in _throttles(agent):
        most = throttle.most_at_once
        if most is not None and held_by(agent).exclude(pk=task.pk).count() >= most:
            raise refused(
                "too_many_at_once",
                f"The task {task.title!r} was not taken: {agent.name} has {most} already, and has "
                f"{throttle.words}.",
                "Finish a task that you have, or give it back, and claim again.",
                kind=RefusalKind.LIMITED,
            )


def _throttles(agent: Agent) -> list[Throttle]:
    return lock_throttles([Ref(Throttle.ScopeKind.AGENT, str(agent.pk))])
