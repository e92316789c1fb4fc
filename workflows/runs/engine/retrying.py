"""Whether and when a failed attempt is repeated; failures of the work and of what carries it count apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workflows.runs.engine.definition import Node
from workflows.runs.engine.events import Failed
from workflows.runs.engine.views import StepView

MOST_INFRA = 5
MOST_AGENT = 3
WAIT_SECONDS = 10
FACTOR = 2
CAP_SECONDS = 3600


def again(node: Node, step: StepView, event: Failed) -> tuple[int, int, int] | None:
    """Return (seconds to wait, attempts, infra attempts), or None when it has failed for good.

    A failure of what carries the work (a lost worker, an expired lease) never uses up the attempts of the work.
    """
    policy: Mapping[str, Any] = node.facts.get("retry", {})
    if event.is_infra:
        counted = step.infra_attempts + 1
        if counted >= MOST_INFRA:
            return None
        return wait(policy, counted, event.jitter), step.attempts, counted
    counted = step.attempts + 1
    if not event.retryable or event.code in policy.get("never", ()) or counted >= most_attempts(node):
        return None
    return wait(policy, counted, event.jitter), counted, step.infra_attempts


def most_attempts(node: Node) -> int:
    """Return how often the work of a node is tried: as it says, an agent three times, all else once."""
    told = node.facts.get("retry", {}).get("most") or node.facts.get("attempts")
    return int(told or (MOST_AGENT if node.kind == "agent" else 1))


def told(step: StepView, event: Failed) -> str:
    """Return what is said of a failure for good: how often it was tried, and what was said last."""
    times = step.attempts + step.infra_attempts + 1
    return event.message if times == 1 else f"Tried {times} times; the last time: {event.message}"


def wait(policy: Mapping[str, Any], failures: int, jitter: float) -> int:
    """Return the seconds before the next attempt: growing by the factor, capped, then spread by the jitter.

    ``jitter`` of the policy is a percentage: the wait lies evenly between that much less and that much more.
    """
    first = int(policy.get("wait_seconds", WAIT_SECONDS))
    factor, cap = int(policy.get("factor", FACTOR)), int(policy.get("cap_seconds", CAP_SECONDS))
    # A hundred failures of factor 10 are a number of a hundred digits; the cap is reached long before.
    grown = min(cap, first * factor ** min(failures - 1, 40))
    spread = grown * int(policy.get("jitter", 0)) / 100
    return max(0, round(grown - spread + 2 * spread * jitter))
