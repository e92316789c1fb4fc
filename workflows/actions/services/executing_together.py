"""Do several authorized actions at once whose systems answer in this process: what is slow is done one by one.

One transaction commits that all of them are being done, each call is made outside of any, and one transaction
commits what came of them. Whatever stands in the way of one of them, a stop, an expiry, a changed rule, sends
all of them the single way, which says what it is.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import DatabaseError, transaction

from agents.selectors import authority_snapshot
from agents.services import measures, stops
from audit.services import insert_rows
from audit.vocabulary import Ref, Refusal
from connectors import services as connectors
from connectors.services import Effect, Permit
from connectors.vocabulary import CallResult
from workflows.actions import dispatch, registry
from workflows.actions.choices import Outcome, State
from workflows.actions.models import Action, Lease
from workflows.actions.policies.words import records_in
from workflows.actions.services import turns
from workflows.actions.services.executing import (
    HOLDER,
    LEASE_MARGIN_SECONDS,
    Claim,
    being_done,
    do_action,
    record,
    scopes_of_all,
)
from workflows.actions.services.moving import lock_all, move_together
from workflows.actions.services.outcome import confirmed
from workflows.tasks.selectors import database_now

# How long calls are made without asking whether somebody has stopped them meanwhile.
LOOK_SECONDS = 0.05
MOST_TOGETHER = 100
_TOO_LATE = Refusal("busy", "Nothing was done: what was to be done before it took too long.")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Begun:
    """One of them: the right to do it, and its call."""

    claim: Claim
    effect: Effect


def hint_actions(actions: Iterable[Action]) -> None:
    """Ask workers to execute authorized actions soon; call it after the commit.

    Those of systems in this process go together, every other has a worker of its own.
    """
    together: list[UUID] = []
    for action in actions:
        if action.state == State.AUTHORIZED and _is_quick(action):
            together.append(action.pk)
        elif action.state == State.AUTHORIZED:
            dispatch.hint_run(action.pk)
    for first in range(0, len(together), MOST_TOGETHER):
        dispatch.hint_run_together(together[first : first + MOST_TOGETHER])


def do_actions(*, action_ids: Sequence[UUID | str]) -> None:
    """Execute authorized actions. Safe to call twice or late, as ``do_action`` is."""
    begun = _begin(action_ids)
    if begun is None:
        for action_id in action_ids:
            do_action(action_id=action_id)
    elif begun:
        _record(begun, _perform(begun))


def _begin(action_ids: Sequence[UUID | str]) -> list[Begun] | None:
    """Commit that they are being done; None when that cannot be said of all of them with one voice."""
    try:
        with transaction.atomic():
            return _begin_all([one for one in lock_all(action_ids) if one.state == State.AUTHORIZED])
    except Refusal as refusal:
        logger.info("Actions are done one by one: %s", refusal.message)
    except DatabaseError:  # one of two that waited for each other, say; each for itself waits for few
        logger.warning("Actions are begun one by one.", exc_info=True)
    return None


def _begin_all(actions: Sequence[Action]) -> list[Begun]:
    """The order of locks is that of a single one: actions, what they belong to, stop scopes, throttles."""
    kept = registry.have_to_wait(actions)
    free = [action for action in actions if action.pk not in kept]
    if not free:
        return []
    now = database_now()
    for action in free:
        if (
            action.standing_id
            or not _is_quick(action)
            or action.waits_for_turn
            or not action.expires_at
            or action.expires_at <= now
        ):
            raise _not_alike(action)
    scopes = scopes_of_all(free)
    every = list(dict.fromkeys(scope for some in scopes.values() for scope in some))
    stops.lock_and_check(every)
    version = str(authority_snapshot().version)
    if changed := next((action for action in free if action.policy_version != version), None):
        raise _not_alike(changed)
    begin = turns.take_turns(free)
    return _dispatch(begin, scopes, every) if begin else []


def _dispatch(actions: Sequence[Action], scopes: dict[UUID, list[Ref]], every: Sequence[Ref]) -> list[Begun]:
    now = database_now()
    for action in actions:
        action.epoch += 1
    move_together([being_done(action, now, epoch=action.epoch) for action in actions])
    leases = [
        Lease(action=action, holder=HOLDER, until=now + _longest(action), epoch=action.epoch)
        for action in actions
    ]
    insert_rows(leases)
    effects = connectors.begin_effects(permits=[_permit(action) for action in actions], stop_scopes=every)
    return [
        Begun(Claim(action, action.epoch, scopes[action.pk]), effect)
        for action, effect in zip(actions, effects, strict=True)
    ]


def _longest(action: Action) -> timedelta:
    """Whose turn does not come within the margin is left out, so that each lease outlasts its call."""
    return timedelta(seconds=action.target.system.total_timeout + LEASE_MARGIN_SECONDS)


def _permit(action: Action) -> Permit:
    return Permit(
        agent=action.agent,
        authorization_id=str(action.authorization_id),
        arguments=action.arguments,
        correlation_id=action.correlation_id,
    )


def _is_quick(action: Action) -> bool:
    return action.operation is not None and connectors.answers_in_process(action.target.system)


def _not_alike(action: Action) -> Refusal:
    return Refusal("not_together", f"{action.label} is to be looked at by itself.")


def _perform(begun: Sequence[Begun]) -> list[CallResult]:
    """Make the calls in turn; what a stop catches before its turn, or comes too late, is not sent."""
    results: list[CallResult] = []
    began = looked = time.monotonic()
    refusals: dict[int, Refusal] = {}
    for place, one in enumerate(begun):
        now = time.monotonic()
        if now - looked > LOOK_SECONDS:
            refusals, looked = _stopped(begun, place), now
        refusal = _TOO_LATE if now - began > LEASE_MARGIN_SECONDS / 2 else refusals.get(place)
        results.append(one.effect.leave_out(refusal) if refusal else one.effect.perform())
    return results


def _stopped(begun: Sequence[Begun], first: int) -> dict[int, Refusal]:
    """Say which of those that are still to come somebody has stopped, by their places."""
    left = {place: one for place, one in enumerate(begun) if place >= first}
    try:
        stops.check(list(dict.fromkeys(scope for one in left.values() for scope in one.claim.scopes)))
    except Refusal:
        return {place: found for place, one in left.items() if (found := _refusal(one.claim.scopes))}
    return {}


def _refusal(scopes: Sequence[Ref]) -> Refusal | None:
    try:
        stops.check(scopes)
    except Refusal as refusal:
        return refusal
    return None


def _record(begun: Sequence[Begun], results: Sequence[CallResult]) -> None:
    """Commit what came of them: together what is plainly done, one by one what needs a second look."""
    try:
        settled = _record_plain(begun, results)
    except DatabaseError:  # as above
        logger.warning("What came of some actions is recorded one by one.", exc_info=True)
        for one in begun:
            with transaction.atomic():
                connectors.finish_effects([one.effect])
        settled = set()
    connectors.tell_breakers([one.effect for one in begun])
    for one, result in zip(begun, results, strict=True):
        if one.claim.action.pk not in settled:
            record(one.claim, result)


@transaction.atomic
def _record_plain(begun: Sequence[Begun], results: Sequence[CallResult]) -> set[UUID]:
    """Record how all calls ended, and the outcomes that are plain; return the actions these are of.

    Whoever takes an action over counts its epoch up; nobody else writes one that is being done, so that it is
    as it was when it was begun.
    """
    ours = _still_ours(begun)
    connectors.finish_effects([one.effect for one in begun])
    plain = [
        (one.claim.action, result)
        for one, result in zip(begun, results, strict=True)
        if one.claim.action.pk in ours and _is_plain(result, one.claim.action)
    ]
    told = {str(action.pk): records_in(result.output) for action, result in plain}
    measures.settle_all(
        action_ids=[*told], records={key: count for key, count in told.items() if count is not None}
    )
    move_together([
        confirmed(action, result.output, result.remote_ref, outcome=Outcome.UNKNOWN)
        for action, result in plain
    ])  # fmt: skip
    return {action.pk for action, _ in plain}


def _still_ours(begun: Sequence[Begun]) -> set[UUID]:
    """Lock the actions; return those whose lease is still the one they were begun under."""
    epochs = {one.claim.action.pk: one.claim.epoch for one in begun}
    held = Action.objects.select_for_update().filter(pk__any_of=epochs, state=State.DISPATCHED).order_by("pk")
    return {key for key, epoch in held.values_list("pk", "epoch") if epoch == epochs[key]}


def _is_plain(result: CallResult, action: Action) -> bool:
    """It was done, and nothing is declared by which it could be read back."""
    return result.outcome == "confirmed" and action.target.lookup_operation_id is None
