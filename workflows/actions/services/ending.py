"""How an action ends without an effect, and how people end a doubt."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from agents.models import User
from agents.policies import require_reason
from agents.services import measures
from audit.services import record_refusal
from audit.vocabulary import Actor, ActorKind, Refusal, RefusalKind
from workflows.actions import registry
from workflows.actions.choices import Outcome, State
from workflows.actions.models import Action
from workflows.actions.services.moving import lock, move
from workflows.actions.services.outcome import close_incidents
from workflows.approvals import services as approvals
from workflows.approvals.models import Approval
from workflows.tasks.selectors import database_now


def withdraw_action(*, actor: Actor, action_id: UUID | str, reason: str) -> Action:
    """The agent no longer wants what is held or waits for its turn. Only its own, and before it begins."""
    return _recorded(
        actor, action_id, "actions.withdrawal_refused", lambda: _withdraw(actor, action_id, reason)
    )


@transaction.atomic
def drop_action(*, actor: Actor, action_id: UUID | str, reason: str) -> Action:
    """Take back what has not begun because the work it belongs to is no longer wanted. For higher sub-packages,
    which have asked whether the actor may; what has begun, or is over, is left as it is."""
    action = _locked_after_approval(action_id)
    if action.state == State.HELD:
        _take_back(actor, action, reason, _unwanted(actor))
    elif action.state == State.AUTHORIZED:
        measures.release(action_id=str(action.pk))
        move(
            actor=actor,
            action=action,
            to=State.WITHDRAWN,
            code="no_longer_wanted",
            sentence=_unwanted(actor),
            next_step="Leave it; the work it belongs to is over.",
            reason=reason,
        )
    return action


def resolve_in_doubt(*, actor: Actor, action_id: UUID | str, outcome: str, reason: str) -> Action:
    """A person who looked says whether an action in doubt was done (``confirmed``) or not (``failed``).

    Needs ``actions.resolve_action``; never an agent. Settles or gives back what it reserved.
    """
    return _recorded(
        actor, action_id, "actions.resolution_refused", lambda: _resolve(actor, action_id, outcome, reason)
    )


def rejected(actor: Actor, approval: Approval) -> None:
    """People said no: end the action with their reason, so that the agent learns it."""
    sentence = f"{actor.label} rejected it: {approval.reason}"
    vote = approval.votes.filter(verdict="reject").order_by("-id").first()
    instead = f"{actor.label} says what to do instead: {vote.instead}" if vote and vote.instead else ""
    _end_held(actor, approval, State.REJECTED, "rejected", sentence, instead)


def expired(approval: Approval) -> None:
    """Nobody decided in time: that is a refusal."""
    _end_held(Actor.system("sweeper"), approval, State.EXPIRED, "approval_expired", "nobody decided in time")


@transaction.atomic
def expire_due(*, limit: int = 100) -> int:
    """End what was authorized and not begun in time, by the database's clock; return how many.

    What waits for its turn, or for a paused run, is not late.
    """
    due = (
        Action.objects.select_for_update(of=("self",), skip_locked=True)
        .select_related("agent__user", "operation__system")
        .filter(state=State.AUTHORIZED, waits_for=None, expires_at__lte=Now())
        .exclude(pk__in=Action.objects.filter(registry.waiting(), state=State.AUTHORIZED).values("pk"))
        .order_by("pk")[:limit]
    )
    for action in due:
        measures.release(action_id=str(action.pk))
        move(
            actor=Actor.system("sweeper"),
            action=action,
            to=State.EXPIRED,
            code="authorization_expired",
            sentence="it was not begun in time",
            next_step="Ask again with a new idempotency key if it is still needed.",
            decision="deny",
        )
    return len(due)


@transaction.atomic
def _withdraw(actor: Actor, action_id: UUID | str, reason: str) -> Action:
    action = _locked_after_approval(action_id)
    if actor.kind is not ActorKind.AGENT or actor.id != str(action.agent.user_id):
        raise Refusal("not_found", f"There is no action {action_id} for you.", kind=RefusalKind.NOT_FOUND)
    if action.waits_for_turn:
        return _leave_line(actor, action, reason)
    if action.state != State.HELD:
        raise Refusal(
            "not_held",
            f"{action.label} was not withdrawn: it is {action.get_state_display().lower()}.",
            kind=RefusalKind.CONFLICT,
            next_step="Only what waits for a person, or for its turn, can be withdrawn.",
        )
    return _take_back(actor, action, reason, "withdrawn by the agent")


def _leave_line(actor: Actor, action: Action, reason: str) -> Action:
    """End what waits for a throttle; what it reserved is free. Who waits behind it is tried, as at any end."""
    measures.release(action_id=str(action.pk))
    sentence = "withdrawn by the agent while it waited for its turn"
    return move(
        actor=actor, action=action, to=State.WITHDRAWN, code="withdrawn", sentence=sentence, reason=reason
    )


def _locked_after_approval(action_id: UUID | str) -> Action:
    approval_id = Action.objects.filter(pk=action_id).values_list("approval", flat=True).first()
    if approval_id:
        approvals.lock(approval_id)
    return lock(action_id)


def _unwanted(actor: Actor) -> str:
    """Say who no longer wants it, where that is a person: of its own processes the portal gives the reason."""
    return f"no longer wanted, says {actor.label}" if actor.kind is ActorKind.PERSON else "no longer wanted"


def _take_back(actor: Actor, action: Action, reason: str, sentence: str) -> Action:
    approvals.withdraw(actor=actor, approval_id=str(action.approval_id), reason=reason)
    return move(
        actor=actor, action=action, to=State.WITHDRAWN, code="withdrawn", sentence=sentence, reason=reason
    )


@transaction.atomic
def _resolve(actor: Actor, action_id: UUID | str, outcome: str, reason: str) -> Action:
    action = lock(action_id)
    _require_resolver(actor, action)
    if outcome not in (State.CONFIRMED, State.FAILED):
        raise Refusal(
            "outcome_unknown",
            f"{outcome!r} is no outcome. Say confirmed or failed.",
            kind=RefusalKind.INVALID,
        )
    require_reason(reason)
    if action.state != State.IN_DOUBT:
        raise Refusal(
            "not_in_doubt",
            f"{action.label} was not changed: it is {action.get_state_display().lower()}.",
            kind=RefusalKind.CONFLICT,
            next_step="Nothing is left to resolve.",
        )
    done = outcome == State.CONFIRMED
    (measures.settle if done else measures.fail)(action_id=str(action.pk))
    move(
        actor=actor,
        action=action,
        to=State(outcome),
        code="resolved_by_person",
        sentence=f"{actor.label} found that it was {'done' if done else 'not done'}",
        reason=reason,
        epoch=action.epoch + 1,
        outcome=Outcome.UNKNOWN if done else "",
    )
    close_incidents(action, reason)
    return action


def _require_resolver(actor: Actor, action: Action) -> None:
    if actor.kind is not ActorKind.PERSON:
        raise Refusal(
            "people_only",
            f"{action.label} was not changed: only people resolve a doubt.",
            next_step="Wait; a person finds out whether it was done.",
        )
    if not User.objects.get(pk=actor.id).has_perm("actions.resolve_action"):
        raise Refusal(
            "not_permitted",
            f"{actor.label} may not resolve doubts.",
            next_step="Ask an operator to find out whether it was done.",
        )


def _end_held(
    actor: Actor, approval: Approval, to: State, code: str, sentence: str, next_step: str = ""
) -> None:
    action = lock(approval.subject_id)
    if action.state != State.HELD or action.approval_id != approval.pk:
        return
    move(
        actor=actor,
        action=action,
        to=to,
        code=code,
        sentence=sentence,
        next_step=next_step[:500]
        or "Change what was objected to and ask again with a new idempotency key, or leave it.",
        reason=approval.reason,
        decision="deny",
        decided_at=database_now(),
    )


def _recorded(actor: Actor, action_id: UUID | str, verb: str, attempt: Callable[[], Action]) -> Action:
    try:
        return attempt()
    except Refusal as refusal:
        action = Action.objects.select_related("agent").filter(pk=action_id).first()
        if action:
            record_refusal(
                actor=actor,
                verb=verb,
                subject=action.as_ref(),
                refusal=refusal,
                agent_id=str(action.agent_id),
                action_id=str(action.pk),
                department_id=str(action.agent.department_id),
                correlation_id=action.correlation_id,
                operation=action.operation_code,
                delegated_id=str(action.on_behalf_of_id or ""),
            )
        raise
