"""Record what came of a call, once: settle or give back what it reserved, tell whoever waits.

Every write carries the epoch of the lease it was made under; an older one is dropped, because somebody else
has taken over and knows more.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import transaction

from agents.services import measures
from audit.vocabulary import Actor
from connectors import services as connectors
from connectors.vocabulary import Probe
from workflows.actions.choices import Outcome, State
from workflows.actions.models import Action, Lease
from workflows.actions.policies.words import record_words, records_in
from workflows.actions.services import turns
from workflows.actions.services.moving import Move, lock, move, move_together, references
from workflows.tasks.models import Task
from workflows.tasks.selectors import database_now
from workflows.tasks.services import close_if_waiting, open_task

LOOK_AGAIN_SECONDS = 30
DONE_STATES = (State.DISPATCHED, State.IN_DOUBT)

logger = logging.getLogger(__name__)


def record_confirmed(
    action_id: UUID | str, epoch: int, *, output: Mapping[str, Any], remote_ref: str, how: str = "done"
) -> None:
    """The system did it: read it back, settle the limits, say whether what stands there is what was asked."""
    action = Action.objects.select_related(
        "agent__user", "operation__system", "operation__current_revision", "operation__lookup_operation"
    ).get(pk=action_id)
    outcome, differences = _read_back(action, remote_ref)
    with transaction.atomic():
        locked = _fenced(action_id, epoch)
        if locked is None:
            return
        measures.settle(action_id=str(action_id), records=records_in(output))
        move_together([confirmed(locked, output, remote_ref, outcome, differences, how=how)])
        close_incidents(locked, "The system has it.")
        if outcome == Outcome.DIFFERS:
            _open_incident(
                locked,
                f"Differs: {locked.label}",
                f"{locked.target.system.name} holds something else than was asked. Compare and correct it.",
            )


def confirmed(
    action: Action,
    output: Mapping[str, Any],
    remote_ref: str,
    outcome: str,
    differences: Sequence[Any] = (),
    how: str = "done",
) -> Move:
    """Return the transition of an action that its system has done, with what read-back found."""
    return Move(
        actor=Actor.system("portal"),
        action=action,
        to=State.CONFIRMED,
        code="confirmed",
        sentence=f"{how} in {action.target.system.name}{record_words(output, remote_ref)}",
        payload={
            "result": dict(output),
            "remote_ref": remote_ref,
            "outcome": outcome,
            "differences": [*differences],
        },
        fields={"result": dict(output), "remote_ref": remote_ref[:200], "outcome": outcome},
    )


def record_failed(
    action_id: UUID | str, epoch: int, *, code: str, sentence: str, temporary: bool = False
) -> None:
    """Nothing was done: give back what was reserved and say what the agent may do next."""
    with transaction.atomic():
        action = _fenced(action_id, epoch)
        if action is None:
            return
        measures.fail(action_id=str(action_id))
        move(
            actor=Actor.system("portal"),
            action=action,
            to=State.FAILED,
            code=code,
            sentence=sentence,
            is_temporary=temporary,
            next_step=(
                "Ask again later with a new idempotency key."
                if temporary
                else "Correct what the system refused and ask again with a new idempotency key."
            ),
        )
        close_incidents(action, "Nothing was done.")


def record_in_doubt(action_id: UUID | str, epoch: int, *, why: str) -> None:
    """Nobody can tell whether it was done: keep what is reserved, look again later, and call a person."""
    with transaction.atomic():
        action = _fenced(action_id, epoch)
        if action is None or action.state == State.IN_DOUBT:
            return
        move(
            actor=Actor.system("portal"),
            action=action,
            to=State.IN_DOUBT,
            code="in_doubt",
            sentence=why,
            next_step="Do not repeat it. A person finds out whether it was done.",
        )
        turns.pass_on([action])
        look_again_at(action, LOOK_AGAIN_SECONDS)
        _open_incident(
            action,
            f"In doubt: {action.label}",
            f"{why} Look in {action.target.system.name} whether it is there, then resolve the action as "
            "done or not done.",
        )


def look_again_at(action: Action, seconds: int) -> None:
    """Plan the next look-up of a locked action; its lease row is the timer."""
    Lease.objects.update_or_create(
        action=action,
        defaults={
            "holder": "waiting for a look-up",
            "until": database_now() + timedelta(seconds=seconds),
            "epoch": action.epoch,
        },
    )


def _fenced(action_id: UUID | str, epoch: int) -> Action | None:
    action = lock(action_id)
    if action.epoch != epoch or action.state not in DONE_STATES:
        logger.warning("A late answer for action %s was dropped: epoch %s is over.", action_id, epoch)
        return None
    return action


def _read_back(action: Action, remote_ref: str) -> tuple[str, list[Any]]:
    """Read the record back and compare it with what was asked; what cannot be read is unknown, no error."""
    operation = action.target
    if operation.lookup_operation_id is None or operation.current_revision is None:
        return Outcome.UNKNOWN, []
    probe = Probe(
        actor=Actor.system("portal"),
        purpose="read_back",
        agent_id=str(action.agent_id),
        action_id=str(action.pk),
        correlation_id=action.correlation_id,
    )
    try:
        found = connectors.read_back(
            probe=probe, operation=operation, arguments=action.arguments, remote_ref=remote_ref
        )
    except Exception:  # the effect is done: not being able to look at it is an outcome, not a failure
        logger.warning("Action %s could not be read back.", action.pk, exc_info=True)
        return Outcome.UNKNOWN, []
    if found.result != "found" or not operation.current_revision.mapping.get("read_back"):
        return Outcome.UNKNOWN, []
    return (Outcome.DIFFERS if found.differences else Outcome.AGREES), [*found.differences]


def _open_incident(action: Action, title: str, body: str) -> None:
    open_task(
        actor=Actor.system("portal"),
        kind=Task.Kind.INCIDENT,
        title=title,
        body=body,
        subject=action.as_ref(),
        groups=Group.objects.filter(name=settings.INCIDENT_GROUP),
        users=[action.agent.sponsor],
        priority=1,
        references=references(action),
    )


def close_incidents(action: Action, reason: str) -> None:
    """Close what people were asked about an action that is clear by now."""
    waiting = Task.objects.filter(
        kind=Task.Kind.INCIDENT,
        subject_kind="actions.action",
        subject_id=str(action.pk),
        state__in=Task.WAITING,
    )
    for task_id in waiting.values_list("pk", flat=True):
        close_if_waiting(actor=Actor.system("portal"), task_id=task_id, state=Task.State.DONE, reason=reason)
