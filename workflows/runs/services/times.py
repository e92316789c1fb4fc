"""The times of a node (`timeouts`) as timers of its step."""

from __future__ import annotations

from workflows.runs import engine
from workflows.runs.models import Step, Timer
from workflows.runs.services.clocks import set_timer

Kind = Timer.Kind
TIMES = {
    Kind.QUEUE: ("queue_seconds", "timed_out_queue", "nobody began it in time"),
    Kind.RUN: ("run_seconds", "timed_out_run", "an attempt took too long"),
    Kind.TOTAL: ("total_seconds", "timed_out_total", "all attempts together took too long"),
}


def set_times(step: Step, node: engine.Node) -> None:
    """Set the timers of an attempt that begins, and of all attempts when it is the first.

    Trying whether a system is back is no new attempt: its time in the queue goes on.
    """
    told = node.facts.get("timeouts", {})
    there = set(Timer.objects.filter(step=step).values_list("kind", flat=True)) if told else set()
    for kind, (member, _, _) in TIMES.items():
        if member in told and kind not in there and (kind != Kind.TOTAL or step.started_at is None):
            set_timer(step, kind, told[member])


def total_passed(step: Step, node: engine.Node) -> bool:
    """Say whether the time for all attempts is over: its timer was set, and has gone off."""
    told = "total_seconds" in node.facts.get("timeouts", {})
    return told and not Timer.objects.filter(step=step, kind=Kind.TOTAL).exists()
