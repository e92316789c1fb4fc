"""Carry a decision out: denied, held for people, or authorized. In the caller's transaction."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from agents.decision import Decision, Escalation, Verdict
from agents.decision.budgets import is_budget
from agents.services import measures
from agents.services.model_use import pause_for_limit
from audit.services import in_one_message
from audit.vocabulary import Actor, Refusal
from connectors.policies.digests import canonical_digest, digest_of
from connectors.services.authorizations import Leave, mint_authorizations
from workflows.actions import dispatch
from workflows.actions.choices import State
from workflows.actions.models import Action
from workflows.actions.registry import people_behind
from workflows.actions.selectors import asks_step_up, standing_told, standing_words
from workflows.actions.services import in_advance
from workflows.actions.services.explaining import explanation, readings
from workflows.actions.services.judging import Judgement, judge_action
from workflows.actions.services.moving import Move, lock, move, move_together, note, references
from workflows.approvals.models import Approval
from workflows.approvals.policies import Level, Step, Voice
from workflows.approvals.services import request_approval, use
from workflows.tasks.selectors import database_now


def carry_out(*, actor: Actor, action: Action, judgement: Judgement) -> Action:
    """Do what was decided: deny, hold for people, or reserve and authorize."""
    verdict = judgement.decision.verdict
    if verdict is Verdict.DENY:
        _brake_if_a_limit_says_so(action, judgement)
        return deny(actor=actor, action=action, decision=judgement.decision)
    if verdict is Verdict.HOLD and (ahead := _in_advance(action, judgement)):
        return _let_through(actor=actor, action=action, judgement=ahead)
    if verdict is Verdict.HOLD:
        return hold(actor=actor, action=action, judgement=judgement)
    return authorize(actor=actor, action=action, judgement=judgement)


def _let_through(*, actor: Actor, action: Action, judgement: Judgement) -> Action:
    """Authorize what was approved in advance, and say in the ledger who granted that."""
    authorize(actor=actor, action=action, judgement=judgement)
    if action.standing is not None and action.state == State.AUTHORIZED:
        words = standing_words(action.standing)
        told = standing_told(action.standing)
        note(
            actor=actor,
            action=action,
            verb="actions.standing_used",
            sentence=f"{words}: {action.label}",
            code="approved_in_advance",
            payload={"standing": told},
        )
    return action


def _in_advance(action: Action, judgement: Judgement) -> Judgement | None:
    """Take a use of what people approved in advance, and decide anew on it; None: people are asked."""
    with transaction.atomic():
        standing = in_advance.take_use(
            action=action,
            request=judgement.request,
            decision=judgement.decision,
            time_zone=judgement.snapshot.time_zone,
        )
        again = judge_action(action) if standing else None
        if again and again.decision.verdict is Verdict.ALLOW:
            return again
        transaction.set_rollback(standing is not None)
    action.standing = None
    return None


def _brake_if_a_limit_says_so(action: Action, judgement: Judgement) -> None:
    """After the commit: whoever stops an agent waits for what is just being decided about it."""
    deciding = set(judgement.decision.deciding)
    for limit in judgement.snapshot.measures:
        # A budget pauses whoever spends it, when that is reported, and nobody else.
        if limit.on_exceed == "pause" and limit.measure_id in deciding and not is_budget(limit):
            transaction.on_commit(partial(pause_for_limit, action.agent_id, limit.name))


def deny(*, actor: Actor, action: Action, decision: Decision) -> Action:
    """Refuse it, with the rule in words and the legal next move."""
    return move(
        actor=actor,
        action=action,
        to=State.DENIED,
        code=decision.code,
        sentence=decision.sentence,
        next_step=decision.next_step,
        decision="deny",
        payload={"explanation": explanation(decision)},
        **_decided(decision),
    )


def hold(*, actor: Actor, action: Action, judgement: Judgement) -> Action:
    """Ask people. Nothing is reserved meanwhile; the explanation shows the headroom that is left."""
    decision = judgement.decision
    try:
        with transaction.atomic():
            approval = _ask_people(action, judgement)
    except Refusal as refusal:
        return deny(actor=actor, action=action, decision=_denied_by(refusal, decision))
    changes = {**_decided(decision), "approval": approval, "expires_at": approval.expires_at}
    if action.state == State.HELD:
        return _held_again(actor, action, decision, changes)
    return move(
        actor=actor,
        action=action,
        to=State.HELD,
        code=decision.code,
        sentence=decision.sentence,
        next_step=decision.next_step,
        decision="hold",
        payload={"explanation": explanation(decision, judgement.request)},
        **changes,
    )


def authorize(*, actor: Actor, action: Action, judgement: Judgement) -> Action:
    """Reserve what it adds to every limit, mint its one-time authorization, and note that it may go."""
    try:
        measures.reserve(
            action_id=str(action.pk),
            request=judgement.request,
            snapshot=judgement.snapshot,
            is_first=action.state == State.REQUESTED,
        )
    except Refusal as refusal:
        return _limited(actor, action, judgement, refusal)
    with in_one_message() if action._state.adding else nullcontext():
        (minted,) = mint_all([action], judgement.request.now)
        move_together([allowed(actor=actor, action=action, judgement=judgement, minted=minted)])
    return action


def allowed(*, actor: Actor, action: Action, judgement: Judgement, minted: Mapping[str, Any]) -> Move:
    """Return the transition of an action that may be done, under the authorization it was given (``mint``)."""
    decision, request = judgement.decision, judgement.request
    decided = _decided(decision, request.now)
    if action.standing is not None:
        decided["explanation"]["standing"] = standing_told(action.standing)
    return Move(
        actor=actor,
        action=action,
        to=State.AUTHORIZED,
        code=decision.code,
        sentence=decision.sentence,
        next_step="Wait for the outcome.",
        decision="allow",
        payload={"explanation": {**decided["explanation"], **readings(request)}},
        fields={**decided, **minted},
    )


@transaction.atomic
def let_go(*, action_id: UUID | str) -> None:
    """Let an authorized action begin that had to wait: its authorization counts from now, and once.

    Whether it is still allowed is asked when it begins, as always.
    """
    action = lock(action_id)
    if action.state != State.AUTHORIZED:
        return
    fresh = {**mint(action), "attempt": action.attempt}
    for name, value in fresh.items():
        setattr(action, name, value)
    action.save(update_fields=list(fresh))
    transaction.on_commit(lambda: dispatch.hint_run(action.pk))


def mint(action: Action) -> dict[str, Any]:
    """Give an action one authorization for exactly its arguments; return the columns that name it."""
    return mint_all([action])[0]


def mint_all(actions: Sequence[Action], now: datetime | None = None) -> list[dict[str, Any]]:
    """Give each of these actions one; return the columns in their order. ``now``: by the database, just now."""
    leaves = [
        Leave(
            action_id=str(action.pk),
            operation=action.target,
            revision=action.revision_number,
            arguments_digest=action.arguments_digest,
            agent_id=str(action.agent_id),
        )
        for action in actions
    ]
    minted = mint_authorizations(leaves, ttl=timedelta(seconds=settings.AUTHORIZATION_SECONDS), now=now)
    return [
        {"authorization_id": one.pk, "expires_at": one.expires_at, "attempt": action.attempt + 1}
        for action, one in zip(actions, minted, strict=True)
    ]


@transaction.atomic
def decide_again(*, actor: Actor, approval: Approval) -> Action:
    """People approved: use their approval up and decide anew, in the transaction of the last vote.

    What is approved is exactly what was held: other arguments, another revision of the operation or other
    rules are not covered. Then it is denied, superseded or held again, and says why.
    """
    action = lock(approval.subject_id)
    use(approval=approval)
    if action.state != State.HELD or action.approval_id != approval.pk:
        return action
    action.approval = approval
    if approval_digest(action) != approval.digest:
        return _superseded(actor, action, "arguments_changed", "what was approved is not what would be done")
    if action.operation is None or action.operation.current_revision_id != action.revision_id:
        return _superseded(
            actor, action, "operation_changed", "the operation was published anew since it was asked"
        )
    carry_out(actor=actor, action=action, judgement=judge_action(action))
    if action.state == State.AUTHORIZED:
        transaction.on_commit(lambda: dispatch.hint_run(action.pk))
    return action


def approval_digest(action: Action) -> str:
    """Return what an approval is bound to: arguments, operation, revision, requester, on whose behalf.

    Computed from the arguments as they are now, so that a changed byte shows.
    """
    return digest_of(
        {
            "arguments": canonical_digest(action.operation_code, action.revision_number, action.arguments),
            "requester": str(action.agent_id),
            "on_behalf_of": str(action.on_behalf_of_id or ""),
        }
    )


def _voice(said: Escalation, stage: int) -> Voice:
    levels = tuple(Level(level.minutes * 60, level.kind, level.group) for level in said.levels)
    return Voice(said.group, levels, said.clock, stage)


def _decided(decision: Decision, at: datetime | None = None) -> dict[str, Any]:
    return {
        "verdict": str(decision.verdict),
        "explanation": explanation(decision),
        "policy_version": str(decision.policy_version),
        "binding": decision.binding,
        "decided_at": at or database_now(),
    }


def _ask_people(action: Action, judgement: Judgement) -> Approval:
    decision = judgement.decision
    duties = decision.obligations
    places = {stage.number: place for place, stage in enumerate(duties.stages, 1)}
    return request_approval(
        actor=action.agent.user.as_actor(),
        subject=action.as_ref(),
        digest=approval_digest(action),
        sentence=decision.sentence,
        expires_at=database_now() + timedelta(seconds=settings.APPROVAL_SECONDS),
        binding=decision.binding,
        stages=[Step(stage.groups, stage.quorum) for stage in duties.stages],
        step_up=asks_step_up(duties, judgement.request.operation),
        remind_seconds=duties.remind_minutes * 60,
        remind_clock=duties.remind_clock,
        escalations=[_voice(one, places.get(one.stage, 1)) for one in duties.escalations],
        agent=action.agent,
        policy_version=str(decision.policy_version),
        explanation=explanation(decision, judgement.request),
        excluded_ids=[str(action.on_behalf_of_id or ""), *people_behind(action), *action.edit_people],
        references=references(action),
    )


def _held_again(actor: Actor, action: Action, decision: Decision, changes: dict[str, Any]) -> Action:
    """The rules that held it changed while people decided: the old approval covers nothing, ask again."""
    sentence = f"asked again, because the rules changed since it was approved: {decision.sentence}"
    changes.update(code=decision.code, sentence=sentence[:500], next_step=decision.next_step[:500])
    for name, value in changes.items():
        setattr(action, name, value)
    action.save(update_fields=list(changes))
    note(
        actor=actor,
        action=action,
        verb="actions.action_held_again",
        sentence=f"{action.label}: {sentence}",
        code=decision.code,
        decision="hold",
        payload={"explanation": explanation(decision)},
    )
    return action


def _limited(actor: Actor, action: Action, judgement: Judgement, refusal: Refusal) -> Action:
    """A limit said no under its lock: ``limit_hold`` asks people on a fresh reading, all else is a denial."""
    if refusal.code == "limit_hold":
        again = judge_action(action)
        if again.decision.verdict is Verdict.HOLD:
            return hold(actor=actor, action=action, judgement=again)
    return deny(actor=actor, action=action, decision=_denied_by(refusal, judgement.decision))


def _denied_by(refusal: Refusal, decision: Decision) -> Decision:
    return dataclasses.replace(
        decision,
        verdict=Verdict.DENY,
        code=refusal.code,
        sentence=refusal.message,
        next_step=refusal.next_step,
    )


def _superseded(actor: Actor, action: Action, code: str, why: str) -> Action:
    return move(
        actor=actor,
        action=action,
        to=State.SUPERSEDED,
        code=code,
        sentence=f"The approval was not used: {why}.",
        next_step="Ask again with a new idempotency key; people then decide on what it is now.",
        decision="deny",
    )
