"""Find out what became of an action whose process died or whose call had no answer. Never a blind repeat."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db import transaction

from agents.services import stops
from audit.vocabulary import Actor, Refusal
from connectors import services as connectors
from connectors.models import Authorization, Call
from connectors.vocabulary import LookUp, Probe
from workflows.actions.choices import State
from workflows.actions.models import Action, Lease
from workflows.actions.policies import Remedy, remedy
from workflows.actions.services.deciding import mint
from workflows.actions.services.executing import Claim, perform, take_lease
from workflows.actions.services.judging import still_allowed
from workflows.actions.services.moving import lock, note
from workflows.actions.services.outcome import (
    look_again_at,
    record_confirmed,
    record_failed,
    record_in_doubt,
)
from workflows.tasks.selectors import database_now

MOST_ATTEMPTS = 3
LATE_ANSWER_SECONDS = 5


def reconcile_action(*, action_id: UUID | str) -> Action:
    """Take over an action whose lease is over: run it if nothing was sent, else look it up and act on that.

    Found: confirmed. Absent, or begun and resumable, after the longest a call can take, or idempotent: done
    again under a new authorization, three times in all. Anything else: in doubt, for a person. In doubt
    already: looked up again, never repeated.
    """
    claim = _take_over(action_id)
    if claim:
        _resume(claim)
    return Action.objects.select_related("agent__user", "operation__system").get(pk=action_id)


def look_up_early(*, action_id: UUID | str) -> None:
    """Look at once after a call without an answer: found confirms it; anything else waits for its lease."""
    action = Action.objects.select_related("agent__user", "operation__system").get(pk=action_id)
    if action.state != State.DISPATCHED:
        return
    found = _look_up(action)
    if found.result == "found":
        _confirm(action, found)


def _resume(claim: Claim) -> None:
    action = claim.action
    call = Call.objects.filter(action_id=str(action.pk), purpose="execute").order_by("-started_at").first()
    current = call is not None and call.authorization_id == action.authorization_id
    if call is None or (not current and call.outcome == Call.Outcome.FAILED):
        _run_again(claim)  # nothing ever left under this authorization
    elif current and call.outcome == Call.Outcome.FAILED:
        record_failed(action.pk, claim.epoch, code=call.error_code, sentence=call.error_message)
    else:
        _follow_up(claim, call)


def _follow_up(claim: Claim, call: Call) -> None:
    action = claim.action
    found = _look_up(action)
    if call.outcome == Call.Outcome.CONFIRMED and found.result != "found":
        record_confirmed(action.pk, claim.epoch, output={}, remote_ref=call.remote_ref)
        return
    settled = _settled(action, call)
    follows = remedy(
        found=found.result,
        resumable=found.resumable,
        effect=action.target.effect,
        idempotent=action.target.idempotent,
        settled=settled,
        attempts_left=0 if action.state == State.IN_DOUBT else max(0, MOST_ATTEMPTS - action.attempt),
    )
    if follows is Remedy.RETRY:
        conclusive = action.target.reads_only or (found.result == "absent" and settled)
        _repeat(claim, found, nothing_done=conclusive)
    else:
        _apply(claim, found, follows)


def _apply(claim: Claim, found: LookUp, follows: Remedy) -> None:
    action = claim.action
    if follows is Remedy.CONFIRM:
        _confirm(action, found)
    elif follows is Remedy.FAIL:
        record_failed(
            action.pk, claim.epoch, code="no_answer", sentence="The system gave no answer.", temporary=True
        )
    elif action.state == State.IN_DOUBT and found.result == "absent":
        record_failed(
            action.pk, claim.epoch, code="not_done", sentence="The system does not have it; it was not done."
        )
    elif follows is Remedy.WAIT:
        _look_again(action.pk, claim.epoch)
    else:
        _leave_in_doubt(claim, found)


def _leave_in_doubt(claim: Claim, found: LookUp) -> None:
    _look_again(claim.action.pk, claim.epoch)
    record_in_doubt(claim.action.pk, claim.epoch, why=_DOUBTS[found.result])


_DOUBTS = {
    "absent": "The call had no answer and the system shows nothing of it.",
    "partial": "The system has begun it and not finished.",
    "unknown": "The call had no answer and the system could not be asked what became of it.",
    "none": "The call had no answer and there is no way to look it up.",
}


_ONCE_MORE = {
    "absent": "done once more, because the call left nothing in the system",
    "partial": "taken up again, because the system has begun it and not finished",
    "unknown": "done once more, because doing it twice is the same as doing it once",
}


def _run_again(claim: Claim) -> None:
    """Nothing was sent: if it still may be done, the same authorization serves, or a new one once it lapsed."""
    with transaction.atomic():
        action = lock(claim.action.pk)
        if action.epoch != claim.epoch:
            return
        refused = _why_not_now(action, claim)
        if refused is None and not _has_authorization(action):
            _give_new_authorization(action)
    if refused:
        record_failed(action.pk, claim.epoch, code=refused.code, sentence=refused.message)
        return
    perform(Claim(action, claim.epoch, claim.scopes))


def _repeat(claim: Claim, found: LookUp, *, nothing_done: bool) -> None:
    """Do it once more under a new authorization, and say in the ledger on what evidence.

    When it no longer may be done, it has failed only if the evidence is conclusive (``nothing_done``).
    """
    with transaction.atomic():
        action = lock(claim.action.pk)
        if action.epoch != claim.epoch:
            return
        refused = _why_not_now(action, claim)
        if refused is None:
            note(
                actor=Actor.system("portal"),
                action=action,
                verb="actions.action_repeated",
                sentence=f"{action.label}: {_ONCE_MORE.get(found.result, _ONCE_MORE['unknown'])}",
                code="repeated",
            )
            _give_new_authorization(action)
    if refused is None:
        perform(Claim(action, claim.epoch, claim.scopes))
    elif nothing_done:
        record_failed(action.pk, claim.epoch, code=refused.code, sentence=refused.message)
    else:
        _leave_in_doubt(claim, found)


def _why_not_now(action: Action, claim: Claim) -> Refusal | None:
    """Ask again what the first attempt was asked: authority may have been withdrawn since."""
    try:
        stops.lock_and_check(claim.scopes)
    except Refusal as refusal:
        return refusal
    no_longer = still_allowed(action)
    return Refusal(no_longer.code, no_longer.sentence) if no_longer else None


def _has_authorization(action: Action) -> bool:
    return Authorization.objects.filter(
        pk=str(action.authorization_id), consumed_at=None, expires_at__gt=database_now()
    ).exists()


def _give_new_authorization(action: Action) -> None:
    columns = mint(action)
    for name, value in columns.items():
        setattr(action, name, value)
    action.save(update_fields=list(columns))


@transaction.atomic
def _take_over(action_id: UUID | str) -> Claim | None:
    action = lock(action_id)
    lease = Lease.objects.filter(pk=action.pk).first()
    if action.state not in (State.DISPATCHED, State.IN_DOUBT) or (lease and lease.until > database_now()):
        return None
    try:
        return take_lease(action)
    except Refusal:  # the operation is gone: no stop scope to ask, nothing to repeat, but it can be looked up
        return Claim(action, action.epoch, [])


@transaction.atomic
def _look_again(action_id: UUID | str, epoch: int) -> None:
    action = lock(action_id)
    if action.epoch == epoch and not action.is_final and action.dispatched_at:
        waited = (database_now() - action.dispatched_at).total_seconds()
        look_again_at(action, int(min(max(waited, 5), 600)))


def _confirm(action: Action, found: LookUp) -> None:
    record_confirmed(
        action.pk, action.epoch, output=found.output, remote_ref=found.remote_ref, how="found, so it was done,"
    )


def _look_up(action: Action) -> LookUp:
    if action.target.lookup_operation_id is None:
        return LookUp(result="none", call_id="")
    probe = Probe(
        actor=Actor.system("portal"),
        purpose="look_up",
        agent_id=str(action.agent_id),
        action_id=str(action.pk),
        correlation_id=action.correlation_id,
    )
    return connectors.look_up(probe=probe, operation=action.target, arguments=action.arguments)


def _settled(action: Action, call: Call) -> bool:
    longest = timedelta(seconds=action.target.system.total_timeout + LATE_ANSWER_SECONDS)
    return database_now() > call.started_at + longest
