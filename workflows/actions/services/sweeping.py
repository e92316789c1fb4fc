"""The clock of the one path: what is due expires, what was left lying is taken up again."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta

from django.db.models.functions import Now

from agents.services import containment, heartbeat
from workflows.actions import dispatch, registry
from workflows.actions.choices import State
from workflows.actions.models import Action, Lease
from workflows.actions.services import clocks, ending, turns
from workflows.actions.services.executing_together import hint_actions
from workflows.approvals import services as approvals
from workflows.tasks import services as tasks

IDLE_SECONDS = 5
BATCH = 100

logger = logging.getLogger(__name__)


def sweep_due() -> dict[str, int]:
    """Expire what is due and hint at what was left lying; return the counts. Run every few seconds by beat.

    Losing a sweep, or running two at once, changes nothing but time: every row is locked and asked again.
    """
    duties: dict[str, Callable[[], int]] = {
        # Before anything is late: what is stopped does not run down.
        "clocks_stopped": clocks.stand_stopped,
        "clocks_started": clocks.let_go_on,
        "approvals_reminded": approvals.remind_due,
        "approvals_escalated": approvals.escalate_due,
        "approvals_expired": approvals.expire_due,
        "actions_expired": ending.expire_due,
        "claims_lapsed": tasks.release_lapsed,
        "agents_finished": tasks.pause_finished,
        "questions_ended": tasks.sweep_questions,
        "actions_hinted": _hint_idle,
        "turns_given": turns.give_all_turns,
        "leases_hinted": _hint_lapsed,
        "processes_gone": heartbeat.sweep_points,
        "stops_unconfirmed": containment.contain_active,
    }
    return {name: _guarded(name, duty) for name, duty in duties.items()}


def _guarded(name: str, duty: Callable[[], int]) -> int:
    """One duty that fails never keeps the others from being done."""
    try:
        return duty()
    except Exception:
        logger.exception("The sweeper could not do: %s.", name)
        return 0


def _hint_idle() -> int:
    """Hint at authorized actions that nobody has begun: the asking process died or its pool was full."""
    idle = Action.objects.filter(
        state=State.AUTHORIZED,
        waits_for=None,  # whose turn has not come is hinted at when it has
        expires_at__gt=Now(),
        decided_at__lt=Now() - timedelta(seconds=IDLE_SECONDS),
    ).exclude(pk__in=Action.objects.filter(registry.waiting(), state=State.AUTHORIZED).values("pk"))
    found = list(idle.select_related("operation__system").order_by("pk")[:BATCH])
    hint_actions(found)
    return len(found)


def _hint_lapsed() -> int:
    """Hint at leases that are over: whoever held them died, or it is time to look again."""
    found = list(Lease.objects.filter(until__lt=Now()).order_by("until").values_list("pk", flat=True)[:BATCH])
    for action_id in found:
        dispatch.hint_reconcile(action_id)
    return len(found)
