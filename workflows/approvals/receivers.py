"""Changes of authority are approved like everything else: the approval applies exactly what was proposed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import CharField, Q
from django.db.models.functions import Cast

from agents.models import ChangeRequest, User
from agents.services import changes, leading
from audit.registry import Telling
from audit.vocabulary import Actor, Ref
from workflows.approvals import selectors, services
from workflows.approvals.models import Approval
from workflows.approvals.registry import ApprovalSubject
from workflows.tasks.selectors import database_now

KIND = "agents.changerequest"
VERBS = {
    "approvals.approval_requested": "People were asked to decide.",
    "approvals.vote_cast": "A person voted.",
    "approvals.vote_refused": "A vote was refused.",
    "approvals.stage_begun": "As many as one stage needs have approved, and the people of the next are asked.",
    "approvals.approval_approved": "The quorum approved.",
    "approvals.approval_rejected": "It was rejected.",
    "approvals.approval_expired": "Nobody decided in time; that is a refusal.",
    "approvals.approval_withdrawn": "Whoever asked no longer does.",
    "approvals.approval_superseded": "A newer question took its place.",
    "approvals.approval_escalated": "Nobody decided in time, and others may vote, too.",
    "approvals.approval_reassigned": "Somebody asked other people in particular who may decide it, too.",
    "approvals.decisions_too_quick": "Decisions came too quickly to have been read; a manager was told.",
    "approvals.clock_stopped": "The clock of an approval stands still, because what it is about is stopped.",
    "approvals.clock_started": "The clock of an approval goes on.",
    "approvals.delegation_given": "Somebody is away on certain days, and another person decides for them.",
    "approvals.delegation_withdrawn": "A delegation was ended before its time.",
}
REMEDIES = {
    "approvals.approval_rejected": "rejected",
    "approvals.approval_expired": "expired",
    "approvals.approval_withdrawn": "withdrawn",
    "approvals.approval_superseded": "superseded",
}


def on_change_request(actor: Actor, change: ChangeRequest) -> None:
    """Ask people about a proposed change, and stop asking once it was decided by another way."""
    if change.state == ChangeRequest.State.PENDING:
        _ask(actor, change)
        return
    open_question = Approval.objects.filter(
        subject_kind=KIND, subject_id=str(change.pk), state=Approval.State.PENDING
    ).first()
    if open_question:
        reason = change.decision_reason or change.get_state_display()
        services.withdraw(actor=actor, approval_id=open_question.pk, reason=reason)


def describe(approval: Approval) -> dict[str, Any]:
    """Return what a second person must see before they let a change of authority through."""
    change = ChangeRequest.objects.select_related("proposer").get(pk=approval.subject_id)
    return {
        "kind": "change",
        "label": change.summary,
        "authority": change.authority,
        "target": change.target_label,
        "proposer": str(change.proposer),
        "reason": change.reason,
        "change": change.payload,
    }


def on_approved(actor: Actor, approval: Approval) -> None:
    """Apply it: ``apply_change`` itself holds that this is another person than the proposer."""
    services.use(approval=approval)
    changes.apply_change(
        actor=actor,
        change_request=_change(approval),
        reason=approval.reason,
        in_place_of=selectors.stood_in_for(approval, actor.id),
    )


def on_rejected(actor: Actor, approval: Approval) -> None:
    """Refuse the change with the voter's reason."""
    changes.reject_change(
        actor=actor,
        change_request=_change(approval),
        reason=approval.reason,
        in_place_of=selectors.stood_in_for(approval, actor.id),
    )


def on_expired(approval: Approval) -> None:
    """Close the change with it: what nobody decided changes nothing, and may be proposed again."""
    changes.expire_change(change_request=_change(approval), reason=approval.reason)


def shown_to(user: User) -> Q | None:
    """Nobody else: voters and the proposer see it already."""
    return None


CHANGE = ApprovalSubject(
    describe=describe,
    on_approved=on_approved,
    on_rejected=on_rejected,
    on_expired=on_expired,
    visible_to=shown_to,
)


def visible_events(user: Any) -> Q | None:
    """Who is away and who decides for them see what becomes of it."""
    if user.kind != User.Kind.PERSON:
        return None
    text = Cast("pk", CharField())
    mine = selectors.visible_delegations(user).order_by().annotate(text=text).values("text")
    return Q(subject_kind="approvals.delegation", subject_id__in=mine) if mine.exists() else None


def _ask(actor: Actor, change: ChangeRequest) -> None:
    services.request_approval(
        actor=actor,
        subject=Ref(KIND, str(change.pk), change.summary[:300]),
        digest=change.payload_digest,
        sentence=f"A change that gives more authority needs a second person: {change.reason}",
        expires_at=database_now() + timedelta(seconds=settings.APPROVAL_SECONDS),
        approver_groups=[settings.CHANGE_APPROVER_GROUP],
        excluded_ids=[str(change.proposer_id), *_who_gains(change)],
    )


def _who_gains(change: ChangeRequest) -> list[str]:
    """Who would get a say by it does not vote on it, nor through another."""
    named = {services.GIVE: "delegate", leading.SET_MANAGER: "manager", leading.SET_HEAD: "manager"}
    return [str(change.payload[named[change.kind]])] if change.kind in named else []


def _change(approval: Approval) -> ChangeRequest:
    return ChangeRequest.objects.get(pk=approval.subject_id)


_ENDS = frozenset(
    f"approvals.approval_{end}" for end in ("approved", "rejected", "expired", "withdrawn", "superseded")
)


def _who_is_asked(event: Any) -> str:
    """Return whom a request for a decision names: its sentence begins with them."""
    whom, found, _ = event.sentence.partition(" must decide")
    return whom if found else "a decision"


_VOTE = "approvals.vote_cast"
# What became of a question is told by what was asked about; the last vote is over as soon as it is cast.
TELLINGS = {
    **{verb: Telling(echoes=True) for verb in _ENDS},
    "approvals.approval_requested": Telling(waits_for=_who_is_asked, until=_ENDS | {_VOTE}),
    _VOTE: Telling(waits_for=lambda event: "the next who must decide", until=_ENDS | {_VOTE}),
}
