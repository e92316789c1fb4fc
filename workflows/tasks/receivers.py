"""What tasks hear: work that was kept back may be taken, and the agents that wait for it are woken."""

from __future__ import annotations

from agents.models import Agent, Stop, Throttle
from workflows.tasks import broadcast
from workflows.tasks.models import Task


def on_throttle_loosened(throttle: Throttle) -> None:
    """Wake the agent that may have more tasks at once, with the others of its role."""
    if throttle.scope_kind == Throttle.ScopeKind.AGENT:
        for role_id in Agent.objects.filter(pk=throttle.scope_id).values_list("role_id", flat=True):
            broadcast.tell_work(role_id)


def on_stop_eased(_stop: Stop) -> None:
    """Wake the agents of every role for which there is work."""
    waiting = Task.objects.filter(state=Task.State.OPEN, role__isnull=False, waits_for="").order_by()
    for role_id in waiting.values_list("role_id", flat=True).distinct():
        if role_id is not None:
            broadcast.tell_work(role_id)
