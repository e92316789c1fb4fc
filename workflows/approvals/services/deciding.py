"""Ask people, count their votes under a row lock, and tell the subject what they decided."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models.functions import Now

from agents.models import Agent
from agents.policies import require_reason
from agents.services.stepping_up import lasting
from agents.vocabulary import StepUp
from audit.services import record_event, record_refusal
from audit.vocabulary import Actor, Ref, Refusal, RefusalKind
from connectors.policies.schemas import plain_text
from workflows.approvals import registry, selectors
from workflows.approvals.models import Approval, RejectCode, Vote
from workflows.approvals.policies import Ballot, Outcome, Seat, Step, Voice, why_not_vote
from workflows.approvals.services.escalating import foresee
from workflows.approvals.services.staging import begin_next, end_stage, fix_stages, standing_of, words_of
from workflows.approvals.services.standing_in import seat_of
from workflows.approvals.services.timing import Times
from workflows.tasks.models import Task
from workflows.tasks.selectors import database_now
from workflows.tasks.services import close_if_waiting, open_task


@transaction.atomic
def request_approval(
    *,
    actor: Actor,
    subject: Ref,
    digest: str,
    sentence: str,
    expires_at: datetime,
    binding: str = "",
    quorum: int = 1,
    approver_groups: Iterable[str] = (),
    stages: Sequence[Step] = (),
    step_up: bool = False,
    policy_version: str = "",
    explanation: Mapping[str, Any] | None = None,
    excluded_ids: Iterable[str] = (),
    references: Mapping[str, str] | None = None,
    remind_seconds: int = 0,
    remind_clock: str = "wall",
    escalations: Collection[Voice] = (),
    agent: Agent | None = None,
) -> Approval:
    """Ask people about a subject; the rule for their votes is fixed here.

    ``stages``: who decides one after the other; left out, ``quorum`` of ``approver_groups`` do. ``step_up``:
    whoever approves must have shown again who they are.

    ``remind_seconds`` (0: as in the company) and ``escalations``, what each rule that asks for a group says of
    it ('' for the company's ordinary approvers), are worked out here too, and fixed. ``agent``: whose sponsor,
    department and working hours count.

    ``digest`` is the SHA-256 of what they will see, ``binding`` of the rules that asked for them. Opens the
    task that appears in their inbox. Raises Refusal ``no_approvers`` if the group does not exist: a question
    nobody can answer is refused, not parked.
    """
    steps = [
        Step(tuple(one.groups), max(1, one.quorum)) for one in stages or [Step(tuple(approver_groups), quorum)]
    ]
    asked = [(_groups(step.groups), step.quorum) for step in steps]
    groups = asked[0][0]
    times = Times(agent, escalations, expires_at, remind=(remind_seconds, remind_clock))
    expires_at = times.end
    task = open_task(
        actor=actor,
        kind=Task.Kind.APPROVAL,
        title=f"Approve: {subject.label}"[:300],
        body=sentence,
        subject=subject,
        groups=groups,
        due_at=expires_at,
        priority=2,
        references=references,
    )
    approval = Approval(
        subject_kind=subject.kind,
        subject_id=subject.id,
        subject_label=subject.label[:300],
        digest=digest,
        binding=binding,
        requester_kind=str(actor.kind),
        requester_id=actor.id,
        requester_label=actor.label[:300],
        excluded_ids=sorted({str(excluded) for excluded in excluded_ids if excluded}),
        quorum=sum(needed for _, needed in asked),
        step_up=step_up,
        policy_version=str(policy_version),
        sentence=sentence[:500],
        explanation=dict(explanation or {}),
        references=dict(references or {}),
        expires_at=expires_at,
        task=task,
        **times.columns,
    )
    approval.full_clean(exclude=["created_at"])
    approval.save(force_insert=True)
    approval.approver_groups.set(groups)
    fix_stages(approval, asked, times)
    foresee(approval, times)
    who = _names(groups) if len(asked) == 1 else words_of(asked)
    sentence = f"{who} must decide: {subject.label}"
    _record(actor, "approvals.approval_requested", approval, sentence, approval.sentence)
    return approval


def cast_vote(
    *,
    actor: Actor,
    approval_id: UUID | str,
    verdict: str,
    reason: str,
    digest: str,
    on_behalf_of: UUID | str = "",
    step_up: StepUp | None = None,
    code: str = "",
    instead: str = "",
) -> Approval:
    """Vote once, with a reason, on exactly what was shown (``digest``). Refused votes are in the ledger too.

    ``on_behalf_of`` is the id of who is away and has handed it on; left out, the vote is the voter's own. The
    vote that reaches the quorum of the last stage, or the first rejection, decides; the subject acts on it in
    the same transaction. ``step_up`` is how the voter has shown again who they are, as their session keeps it:
    an approval that asks for it is not approved without. ``code`` (``RejectCode``) and ``instead``, what the
    agent is told to do, belong to a rejection. Raises Refusal: people_only, approval_closed, approval_expired,
    four_eyes, already_voted, not_an_approver, not_their_stage, not_a_delegate,
    digest_changed, step_up_required, reason_missing.
    """
    try:
        with transaction.atomic():
            rejects = verdict == Vote.Verdict.REJECT
            said = Said(
                Vote.Verdict(verdict),
                reason.strip(),
                digest,
                RejectCode(code) if rejects and code else "",
                plain_text(instead).strip()[:1000] if rejects else "",
            )
            return _cast(actor, approval_id, str(on_behalf_of), step_up, said)
    except Refusal as refusal:
        _record_refused_vote(actor, approval_id, refusal)
        raise


@transaction.atomic
def withdraw(
    *, actor: Actor, approval_id: UUID | str, reason: str, state: str = Approval.State.WITHDRAWN
) -> Approval:
    """End a pending approval because whoever asked no longer does (``withdrawn``) or asks otherwise
    (``superseded``). The subject is not told: it is the one that withdraws."""
    approval = lock(approval_id)
    if approval.state == Approval.State.PENDING:
        _decide(actor, approval, Approval.State(state), reason)
    return approval


@transaction.atomic
def expire_due(*, limit: int = 100) -> int:
    """Expire what nobody decided in time, by the database's clock; return how many. Run by the sweeper."""
    due = (
        Approval.objects.select_for_update(of=("self",), skip_locked=True)
        .filter(state=Approval.State.PENDING, clock_stopped_at=None, expires_at__lte=Now())
        .order_by("id")[:limit]
    )
    for approval in due:
        _decide(Actor.system("sweeper"), approval, Approval.State.EXPIRED, "Nobody decided in time.")
        registry.subject_of(approval.subject_kind).on_expired(approval)
    return len(due)


def lock(approval_id: UUID | str) -> Approval:
    """Lock an approval. Order everywhere: approval first, then its subject."""
    approval = Approval.objects.select_for_update(of=("self",)).filter(pk=approval_id).first()
    if approval is None:
        raise Refusal("not_found", f"There is no approval {approval_id} for you.", kind=RefusalKind.NOT_FOUND)
    return approval


def use(*, approval: Approval) -> None:
    """Use an approved approval up; raise Refusal ``approval_used`` if it has served already."""
    used = Approval.objects.filter(pk=approval.pk, state=Approval.State.APPROVED, used_at__isnull=True).update(
        used_at=Now()
    )
    if not used:
        raise Refusal(
            "approval_used",
            f"The approval of {approval.subject_label!r} is {approval.state} or has served already.",
            kind=RefusalKind.CONFLICT,
            next_step="Ask again with a new idempotency key; people then decide anew.",
        )


@dataclass(frozen=True, slots=True)
class Said:
    """What a voter says: the verdict, why, of what they saw; of a rejection also its kind and what instead."""

    verdict: Vote.Verdict
    reason: str
    digest: str
    code: str
    instead: str


def _cast(
    actor: Actor,
    approval_id: UUID | str,
    whom: str,
    proof: StepUp | None,
    said: Said,
) -> Approval:
    approval = lock(approval_id)
    verdict, reason = said.verdict, said.reason
    approves = verdict == Vote.Verdict.APPROVE
    seat = _require_vote_allowed(actor, approval, whom, reason, said.digest, approves, proof)
    shown = proof if approval.step_up and approves else None
    vote = Vote.objects.create(
        approval=approval,
        user_id=actor.id,
        on_behalf_of_id=None if seat.is_own else seat.counts_for,
        through_id=seat.through or None,
        stage=approval.stage,
        step_up_at=shown.at if shown else None,
        step_up_method=shown.method if shown else "",
        verdict=verdict,
        reason=reason[:1000],
        code=said.code,
        instead=said.instead,
        digest=said.digest,
    )
    word = "approved" if verdict == Vote.Verdict.APPROVE else "rejected"
    who = actor.label if seat.is_own else vote.whose
    sentence = f"{who} {word}: {approval.subject_label}"
    _record(actor, "approvals.vote_cast", approval, sentence, reason, code=verdict, more=_told(seat, vote))
    stands = standing_of(approval)
    if stands.outcome is Outcome.REJECTED:
        _decide(actor, approval, Approval.State.REJECTED, reason)
        registry.subject_of(approval.subject_kind).on_rejected(actor, approval)
    elif stands.outcome is Outcome.APPROVED:
        end_stage(approval)
        _decide(actor, approval, Approval.State.APPROVED, reason)
        registry.subject_of(approval.subject_kind).on_approved(actor, approval)
    elif stands.stage > approval.stage:
        begin_next(actor, approval)
    return approval


def _told(seat: Seat, vote: Vote) -> dict[str, Any]:
    told: dict[str, Any] = {"stage": vote.stage}
    if not seat.is_own:
        told["people"] = list(seat.people)
    if vote.code:
        told["reason_code"] = vote.code
    if vote.instead:
        told["instead"] = vote.instead
    if vote.step_up_at is not None:
        told["step_up"] = {"method": vote.step_up_method, "at": vote.step_up_at.isoformat()}
    return told


def require_vote_allowed(actor: Actor, approval: Approval, whom: str, reason: str, digest: str) -> Seat:
    """Return from which seat somebody could vote now on a locked approval as it was shown; refuse like a vote.

    For what only a voter may do beside voting; it approves nothing, so that nobody signs in again for it.
    """
    return _require_vote_allowed(actor, approval, whom, reason, digest, approves=False, proof=None)


def _require_vote_allowed(
    actor: Actor,
    approval: Approval,
    whom: str,
    reason: str,
    digest: str,
    approves: bool,
    proof: StepUp | None,
) -> Seat:
    """Ask whether there is anything to decide before the form of the reason: no reason would help then."""
    seat = Seat((actor.id,)) if whom in ("", actor.id) else seat_of(actor, approval, whom)
    is_member = selectors.is_approver(seat.counts_for, approval)
    ballot = _ballot(approval, seat, is_member)
    refusal = why_not_vote(
        actor, ballot, digest=digest, is_member=is_member, seat=seat, approves=approves, proof=proof
    )
    if refusal:
        raise refusal
    require_reason(reason)
    return seat


def _ballot(approval: Approval, seat: Seat, is_member: bool) -> Ballot:
    clock = database_now()
    return Ballot(
        label=approval.subject_label,
        state=approval.state,
        digest=approval.digest,
        expires_at=approval.expires_at,
        requester_id=approval.requester_id,
        excluded_ids=approval.excluded_ids,
        voted=selectors.taken_in(approval),
        groups=_names(approval.approver_groups.all()),
        now=approval.clock_stopped_at or clock,
        names={} if seat.is_own else selectors.names_of(seat.people),
        turn="" if is_member else selectors.turn_of_others(seat.counts_for, approval),
        step_up=lasting() if approval.step_up else None,
        clock=clock,
    )


def _decide(actor: Actor, approval: Approval, state: Approval.State, reason: str) -> None:
    """Close a locked, pending approval and its task, in one step with its event."""
    if state not in Approval.TRANSITIONS[Approval.State(approval.state)]:
        raise RuntimeError(f"approval {approval.pk}: {approval.state} -> {state} is not a transition")
    approval.state = state
    approval.reason = reason[:1000]
    approval.decided_at = database_now()
    approval.save(update_fields=["state", "reason", "decided_at"])
    task_state = _TASK_STATES.get(state, Task.State.DONE)
    close_if_waiting(actor=actor, task_id=approval.task_id, state=task_state, reason=reason)
    sentence = f"{approval.get_state_display()}: {approval.subject_label}"
    _record(actor, f"approvals.approval_{state}", approval, sentence, reason)


_TASK_STATES = {
    Approval.State.EXPIRED: Task.State.EXPIRED,
    Approval.State.WITHDRAWN: Task.State.CANCELLED,
    Approval.State.SUPERSEDED: Task.State.CANCELLED,
}


def _groups(names: Iterable[str]) -> list[Group]:
    wanted = {name or settings.DEFAULT_APPROVER_GROUP for name in names}
    groups = selectors.approver_groups(wanted)
    if not groups or wanted - {group.name for group in groups}:
        raise Refusal(
            "no_approvers",
            f"Nobody can decide this: a group is missing ({', '.join(sorted(wanted)) or 'default'}).",
            next_step="A manager must create the group, or name another one in the rule.",
        )
    return groups


def _names(groups: Iterable[Group]) -> str:
    return " and ".join(group.name for group in groups)


def _record(
    actor: Actor,
    verb: str,
    approval: Approval,
    sentence: str,
    reason: str = "",
    code: str = "",
    more: Mapping[str, Any] | None = None,
) -> None:
    record_event(
        actor=actor,
        verb=verb,
        subject=approval.as_ref(),
        sentence=sentence[:500],
        reason=reason,
        code=code,
        payload={
            "digest": approval.digest,
            "binding": approval.binding,
            **(more or {}),
        },
        **approval.event_refs(),
    )


def _record_refused_vote(actor: Actor, approval_id: UUID | str, refusal: Refusal) -> None:
    approval = Approval.objects.filter(pk=approval_id).first()
    record_refusal(
        actor=actor,
        verb="approvals.vote_refused",
        subject=approval.as_ref() if approval else Ref("approvals.approval", str(approval_id)[:80]),
        refusal=refusal,
        **(approval.event_refs() if approval else {}),
    )
