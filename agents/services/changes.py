"""Changes of authority that need a second person."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import rfc8785
from django.db import transaction
from django.utils import timezone

from agents import policies, registry, selectors
from agents.decision.authority import Authority
from agents.models import ChangeRequest, User
from agents.services.history import lock_row, stamp
from audit.services import record_event
from audit.vocabulary import Actor, ActorKind, Ref, Refusal, RefusalKind

State = ChangeRequest.State


def propose_change(
    *,
    actor: Actor,
    kind: str,
    target: Ref,
    payload: Mapping[str, Any],
    summary: str,
    reason: str,
    target_version: str = "",
    authority: Sequence[str] = (),
    present: Authority | None = None,
) -> ChangeRequest:
    """Ask for a change of authority; it waits until another person applies or rejects it.

    ``target_version`` is what the kind's ``current_fn`` will answer as long as the target has not moved on.
    ``authority`` says in words what it lets whom do, of a kind that no snapshot foresees.
    ``present`` is authority as it stands with the agents that it can concern, where these are known: all of it
    is read for want of it.
    Raises Refusal ``already_proposed`` while another change of this kind waits for the same target.
    """
    with transaction.atomic():
        policies.require(policies.may_act_as_person(actor, "propose this change"))
        policies.require_reason(reason)
        proposer = policies.user_of(actor)
        if proposer is None:
            raise Refusal("not_a_person", "Nothing was proposed: only a person can ask for more authority.")
        registry.change_kind(kind)  # an unknown kind could never be applied
        _refuse_second_proposal(kind, target)
        change_request = ChangeRequest(
            kind=kind,
            target_kind=target.kind,
            target_id=target.id,
            target_label=target.label[:200],
            target_version=target_version,
            summary=summary,
            payload=dict(payload),
            payload_digest=digest_of(kind, target.kind, target.id, payload),
            proposer=proposer,
            reason=reason,
        )
        foreseen = [said.text for said in selectors.difference_of_change(change_request, present)]
        change_request.authority = foreseen or list(authority)
        change_request.full_clean(exclude=["payload"])
        stamp(change_request, actor=actor, reason=reason).save()
        _record(actor, "agents.change_proposed", change_request, f"{actor.label} proposed: {summary}", reason)
        registry.tell_change_listeners(actor, change_request)
        return change_request


def apply_change(
    *, actor: Actor, change_request: ChangeRequest, reason: str, in_place_of: User | None = None
) -> ChangeRequest:
    """Apply exactly what was proposed; the actor must be a person other than the proposer, whoever calls this.

    ``in_place_of`` is who is away and whose right it is: only the votes, which ask for that, may name somebody.
    Raises Refusal ``not_a_person``, ``same_person``, ``permission_missing``, ``already_decided``,
    ``payload_changed`` or ``stale_target``.
    """
    with transaction.atomic():
        change_request = lock_row(ChangeRequest, change_request.pk)
        approver = _second_person(actor, change_request, in_place_of)
        policies.require_reason(reason)
        _require_pending(change_request)
        _require_unchanged(change_request)
        apply_fn, current_fn = registry.change_kind(change_request.kind)
        if current_fn is not None and current_fn(change_request) != change_request.target_version:
            raise Refusal(
                "stale_target",
                f"Nothing was changed: {change_request.target_label} has changed since this was proposed.",
                kind=RefusalKind.CONFLICT,
                next_step="Reject it and have it proposed again.",
            )
        _decide(change_request, State.APPLIED, actor, approver, reason)
        apply_fn(actor, change_request)
        sentence = _told(actor, in_place_of, "approved", change_request)
        _record(actor, "agents.change_applied", change_request, sentence, reason)
        registry.tell_change_listeners(actor, change_request)
        return change_request


def reject_change(
    *, actor: Actor, change_request: ChangeRequest, reason: str, in_place_of: User | None = None
) -> ChangeRequest:
    """Refuse a proposed change; the proposer may withdraw, but not reject, their own."""
    with transaction.atomic():
        change_request = lock_row(ChangeRequest, change_request.pk)
        approver = _second_person(actor, change_request, in_place_of)
        policies.require_reason(reason)
        sentence = _told(actor, in_place_of, "rejected", change_request)
        return _close(change_request, State.REJECTED, actor, approver, reason, sentence)


def withdraw_change(*, actor: Actor, change_request: ChangeRequest, reason: str) -> ChangeRequest:
    """Take back one's own proposal."""
    with transaction.atomic():
        change_request = lock_row(ChangeRequest, change_request.pk)
        if actor.id != str(change_request.proposer_id):
            raise Refusal(
                "not_the_proposer",
                f"Nothing was changed: only {change_request.proposer} can withdraw this.",
                next_step="Reject it instead.",
            )
        policies.require_reason(reason)
        sentence = f"{actor.label} withdrew: {change_request.summary}"
        return _close(change_request, State.WITHDRAWN, actor, None, reason, sentence)


def expire_change(*, change_request: ChangeRequest, reason: str) -> ChangeRequest:
    """Close a proposal that nobody decided in time: it changes nothing and may be proposed again."""
    actor = Actor.system("portal")
    with transaction.atomic():
        change_request = lock_row(ChangeRequest, change_request.pk)
        sentence = f"Nobody decided in time what {change_request.proposer} proposed: {change_request.summary}"
        return _close(change_request, State.EXPIRED, actor, None, reason, sentence)


def _close(
    change_request: ChangeRequest,
    state: ChangeRequest.State,
    actor: Actor,
    approver: User | None,
    reason: str,
    sentence: str,
) -> ChangeRequest:
    """End a proposal that changes nothing, and tell whoever listens."""
    _require_pending(change_request)
    _decide(change_request, state, actor, approver, reason)
    _record(actor, f"agents.change_{state}", change_request, sentence, reason)
    registry.tell_change_listeners(actor, change_request)
    return change_request


def digest_of(kind: str, target_kind: str, target_id: str, payload: Mapping[str, Any]) -> str:
    """Return the SHA-256 (hex) of the RFC 8785 form of what is to be changed."""
    document: Any = {"kind": kind, "target": [target_kind, target_id], "payload": dict(payload)}
    return hashlib.sha256(rfc8785.dumps(document)).hexdigest()


def _refuse_second_proposal(kind: str, target: Ref) -> None:
    waiting = ChangeRequest.objects.filter(
        kind=kind, target_kind=target.kind, target_id=target.id, state=State.PENDING
    )
    if waiting.exists():
        raise Refusal(
            "already_proposed",
            f"Nothing was proposed: a change of {target.label or target.kind} is waiting already.",
            kind=RefusalKind.CONFLICT,
            next_step="Have it decided or withdraw it first.",
        )


def _second_person(actor: Actor, change_request: ChangeRequest, in_place_of: User | None = None) -> User:
    """Four eyes, enforced here and again by the database: a person, not who asked, nor in their place."""
    user = policies.user_of(actor)
    if actor.kind != ActorKind.PERSON or user is None or user.is_agent:
        raise Refusal(
            "not_a_person",
            "Nothing was changed: more authority is given by a person, never by an agent or a process.",
            next_step="Ask a person who may decide it.",
        )
    if change_request.proposer_id in (user.pk, in_place_of.pk if in_place_of else None):
        raise Refusal(
            "same_person",
            "Nothing was changed: you proposed this yourself, so somebody else must decide it.",
            next_step="Ask a colleague, or withdraw it.",
        )
    policies.require(policies.may_decide_change(in_place_of.as_actor() if in_place_of else actor))
    return user


def _told(actor: Actor, in_place_of: User | None, word: str, change_request: ChangeRequest) -> str:
    who = f"{actor.label} for {in_place_of}" if in_place_of else actor.label
    return f"{who} {word} what {change_request.proposer} proposed: {change_request.summary}"


def _require_pending(change_request: ChangeRequest) -> None:
    if change_request.state != State.PENDING:
        raise Refusal(
            "already_decided",
            f"Nothing was changed: this is already {change_request.get_state_display().lower()}.",
            kind=RefusalKind.CONFLICT,
        )


def _require_unchanged(change_request: ChangeRequest) -> None:
    found = digest_of(
        change_request.kind, change_request.target_kind, change_request.target_id, change_request.payload
    )
    if found != change_request.payload_digest:
        raise Refusal(
            "payload_changed",
            "Nothing was changed: the proposal is not what was proposed; somebody altered it since.",
            kind=RefusalKind.CONFLICT,
            next_step="Reject it and tell an administrator.",
        )


def _decide(
    change_request: ChangeRequest, state: ChangeRequest.State, actor: Actor, approver: User | None, reason: str
) -> None:
    change_request.state = state
    change_request.approver = approver
    change_request.decision_reason = reason
    change_request.decided_at = timezone.now()
    fields = ["state", "approver", "decision_reason", "decided_at"]
    change_request.full_clean(exclude=["payload"])
    stamp(change_request, actor=actor, reason=reason).save(update_fields=fields)


def _record(actor: Actor, verb: str, change_request: ChangeRequest, sentence: str, reason: str) -> None:
    record_event(
        actor=actor,
        verb=verb,
        subject=change_request.as_ref(),
        sentence=sentence,
        reason=reason,
        agent_id=change_request.target_id if change_request.target_kind == "agents.agent" else "",
        payload={
            "kind": change_request.kind,
            "target": [change_request.target_kind, change_request.target_id],
            "payload": change_request.payload,
            "digest": change_request.payload_digest,
            "authority": change_request.authority,
        },
    )
