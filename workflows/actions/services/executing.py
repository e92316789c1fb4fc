"""Do what was authorized: commit that it is being done, do it outside any transaction, commit the outcome."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from agents.decision import OperationFacts
from agents.selectors import PresentAuthority, authority_now
from agents.services import measures, stops
from audit.vocabulary import Actor, Ref, Refusal
from connectors import services as connectors
from connectors.vocabulary import CallResult
from workflows.actions import dispatch, registry
from workflows.actions.choices import State
from workflows.actions.models import Action, Lease
from workflows.actions.services import turns
from workflows.actions.services.explaining import explanation
from workflows.actions.services.judging import still_allowed
from workflows.actions.services.moving import Move, lock, move, move_together
from workflows.actions.services.outcome import record_confirmed, record_failed
from workflows.tasks.selectors import database_now

LEASE_MARGIN_SECONDS = 15
HOLDER = f"{socket.gethostname()}:{os.getpid()}"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Claim:
    """The right to do one action now: the epoch of its lease fences every later write."""

    action: Action
    epoch: int
    scopes: list[Ref]


def dispatch_action(*, action: Action) -> Future[Action] | None:
    """Start an authorized action in this process, in the bounded pool of its system.

    Returns a future to wait on, or None when the pool is full; then a worker, or the sweeper, does it.
    """
    if action.state != State.AUTHORIZED or action.operation is None:
        return None
    action_id = action.pk
    try:
        return connectors.run_bounded(action.target.system, lambda: _run_in_pool(action_id))
    except Refusal:
        dispatch.hint_run_in_a_moment(action_id)
        return None


def run_action(*, action_id: UUID | str) -> Action:
    """Execute an authorized action, whoever calls, and return it as it is then.

    Safe to call twice or late: what is not authorized any more is left alone.
    """
    do_action(action_id=action_id)
    return Action.objects.select_related("agent__user", "operation__system").get(pk=action_id)


def do_action(*, action_id: UUID | str) -> None:
    """Execute an authorized action like ``run_action``, for a worker that has nobody to tell."""
    claim = _begin(action_id)
    if claim:
        perform(claim)


def perform(claim: Claim) -> None:
    """Make the one call of a claim and record what came of it. Nothing here holds a transaction open."""
    action = claim.action
    try:
        result = connectors.execute(
            actor=action.agent.user.as_actor(),
            authorization_id=str(action.authorization_id),
            arguments=action.arguments,
            stop_scopes=claim.scopes,
            correlation_id=action.correlation_id,
        )
    except Refusal as refusal:
        if refusal.code != "authorization_used":  # somebody else is making that very call: theirs to record
            record_failed(claim.action.pk, claim.epoch, code=refusal.code, sentence=refusal.message)
        return
    record(claim, result)


def take_lease(action: Action, scopes: Sequence[Ref] | None = None) -> Claim:
    """Lease a locked action to this process for longer than its call can take; the epoch goes up by one.

    ``scopes``: what ``scopes_of`` says of it, if it was asked in this transaction.
    """
    seconds = action.target.system.total_timeout + LEASE_MARGIN_SECONDS
    action.epoch += 1
    action.save(update_fields=["epoch"])
    lease = Lease(
        action=action, holder=HOLDER, until=database_now() + timedelta(seconds=seconds), epoch=action.epoch
    )
    Lease.objects.bulk_create(
        [lease], update_conflicts=True, unique_fields=["action"], update_fields=["holder", "until", "epoch"]
    )
    return Claim(action, action.epoch, list(scopes_of(action) if scopes is None else scopes))


def scopes_of(action: Action) -> list[Ref]:
    """Return every scope whose stop must prevent this action, as its agent and operation stand now."""
    return scopes_of_all([action])[action.pk]


def scopes_of_all(actions: Sequence[Action]) -> dict[UUID, list[Ref]]:
    """Return the same of several actions, by their keys. Raises Refusal ``unknown_operation``."""
    authority = authority_now()
    return {
        action.pk: stops.stop_scopes(
            authority.agent(action.agent),
            _known(authority, action.operation_code),
            workflow_id=str(action.references.get("workflow_id", "")),
        )
        for action in actions
    }


def _known(authority: PresentAuthority, code: str) -> OperationFacts:
    operation = authority.operation(code)
    if operation is None:
        raise Refusal(
            "unknown_operation",
            f"{code} was not done: the operation was switched off or removed.",
            next_step="Ask a manager which operation takes its place.",
        )
    return operation


def _run_in_pool(action_id: UUID | str) -> Action:
    try:
        return run_action(action_id=action_id)
    except Exception:
        logger.exception("Action %s was interrupted; the sweeper finds out what became of it.", action_id)
        raise


@transaction.atomic
def _begin(action_id: UUID | str) -> Claim | None:
    """Commit that an action is being done, unless it no longer may: stopped, expired or authority withdrawn.

    The shared locks on its stop scopes are held until this commits: a stop that committed before wins, one
    that comes after waits (architecture, section 3, rule 8).
    """
    action = lock(action_id)
    if action.state != State.AUTHORIZED or registry.have_to_wait([action]):
        return None  # what waits stays authorized, and is begun under a new authorization when it may
    actor = action.agent.user.as_actor()
    if not action.waits_for_turn and (action.expires_at is None or action.expires_at <= database_now()):
        _end(actor, action, State.EXPIRED, "authorization_expired", "it was not begun in time")
        return None
    try:
        scopes = scopes_of(action)
        stops.lock_and_check(scopes)
    except Refusal as refusal:
        _end(actor, action, State.STOPPED, refusal.code, refusal.message, refusal.next_step)
        return None
    if no_longer := still_allowed(action):
        _end(
            actor, action, State.DENIED, no_longer.code, no_longer.sentence, no_longer.next_step,
            explanation=explanation(no_longer),
        )  # fmt: skip
        return None
    if not turns.take_turns([action]):
        return None  # so too, once there is room for it
    move_together([being_done(action, database_now())])
    return take_lease(action, scopes)


def being_done(action: Action, at: datetime, **fields: Any) -> Move:
    """Return the transition of an action that begins now."""
    return Move(
        actor=action.agent.user.as_actor(),
        action=action,
        to=State.DISPATCHED,
        code="dispatched",
        sentence=f"being done in {action.target.system.name}",
        next_step="Wait for the outcome.",
        fields={"dispatched_at": at, **fields},
    )


def _end(
    actor: Actor, action: Action, to: State, code: str, why: str, next_step: str = "", **fields: Any
) -> None:
    """End an authorized action before anything left, and give back what it reserved."""
    measures.release(action_id=str(action.pk))
    move(
        actor=actor,
        action=action,
        to=to,
        code=code,
        sentence=why,
        next_step=next_step or "Ask again with a new idempotency key if it is still needed.",
        decision="deny",
        **fields,
    )


def record(claim: Claim, result: CallResult) -> None:
    """Record what came of the call of a claim, or have it looked up."""
    if result.outcome == "confirmed":
        record_confirmed(claim.action.pk, claim.epoch, output=result.output, remote_ref=result.remote_ref)
    elif result.outcome == "failed":
        record_failed(
            claim.action.pk,
            claim.epoch,
            code=result.error_code or "refused_by_system",
            sentence=result.error_message or "The system refused it; nothing was done.",
            temporary=result.temporary,
        )
    else:
        logger.warning("What became of action %s is unknown; looking it up.", claim.action.pk)
        dispatch.hint_look_up(claim.action.pk)
