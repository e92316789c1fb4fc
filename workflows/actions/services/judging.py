"""What the present authority says of an action: decided, and nothing done about it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from agents.decision import ApprovalFacts, Decision, DecisionRequest, Snapshot, Verdict, decide
from agents.models import Agent, Reservation
from agents.selectors import PresentAuthority, authority_now, authority_snapshot, money_facts
from agents.services import measures
from workflows.actions.models import Action
from workflows.actions.services import in_advance
from workflows.approvals.models import Approval, Vote


@dataclasses.dataclass(frozen=True)
class Judgement:
    """One decision with what it was made from."""

    request: DecisionRequest
    snapshot: Snapshot
    decision: Decision


def judge(
    *,
    agent: Agent,
    operation_code: str,
    arguments: Mapping[str, Any],
    on_behalf_of: str = "",
    provenance: Mapping[str, str] | None = None,
    action: Action | None = None,
    workflow_id: str = "",
    run_id: str = "",
    authority: PresentAuthority | None = None,
) -> Judgement:
    """Decide on the present authority. Pass the action to count its approval, and not its own reservation.

    ``authority``: as it was just read.
    """
    authority = authority or authority_now()
    operation, now, snapshot = authority.operation(operation_code), authority.now, authority.snapshot
    request = DecisionRequest(
        agent=authority.agent(agent),
        operation_code=operation_code,
        operation=operation,
        arguments=arguments,
        now=now,
        on_behalf_of=on_behalf_of,
        provenance=provenance or {},
        money=money_facts(operation, arguments, now.date(), authority) if operation else None,
        approved=_approval_facts(action) if action else None,
        workflow_id=workflow_id,
        run_id=run_id,
    )
    request = measures.with_readings(request, snapshot)
    if action:
        request = _without_own_reservation(request, action)
    return Judgement(request, snapshot, decide(request, snapshot))


def judge_action(action: Action) -> Judgement:
    """Decide again on an action as it was asked."""
    return judge(
        agent=action.agent,
        operation_code=action.operation_code,
        arguments=action.arguments,
        on_behalf_of=str(action.on_behalf_of_id or ""),
        provenance=action.provenance,
        action=action,
        workflow_id=str(action.references.get("workflow_id", "")),
        run_id=str(action.references.get("run_id", "")),
    )


def as_foreseen(judgement: Judgement) -> Judgement:
    """Return what would come of a decision where people approved the like in advance; takes nothing of it."""
    request, decision, snapshot = judgement.request, judgement.decision, judgement.snapshot
    if decision.verdict is not Verdict.HOLD:
        return judgement
    ahead = in_advance.foreseen(request=request, decision=decision, time_zone=snapshot.time_zone)
    if ahead is None:
        return judgement
    request = dataclasses.replace(request, approved=ahead)
    again = Judgement(request, snapshot, decide(request, snapshot))
    return again if again.decision.verdict is Verdict.ALLOW else judgement


def still_allowed(action: Action) -> Decision | None:
    """Return the decision that no longer allows an authorized action, or None while it still may go.

    Decides anew only when authority changed since: the version moves with every grant, rule, brake and limit;
    and when what was approved in advance is over.
    """
    is_over = in_advance.is_over(action)
    if not is_over and str(authority_snapshot().version) == action.policy_version:
        return None
    decision = judge_action(action).decision
    if is_over:
        return _no_longer_in_advance(decision)
    return None if decision.verdict is Verdict.ALLOW else decision


def _no_longer_in_advance(decision: Decision) -> Decision:
    """Whatever would be decided now, what it went by is gone: it has to be asked for again."""
    return dataclasses.replace(
        decision,
        verdict=Verdict.DENY,
        code="standing_approval_over",
        sentence=f"Denied: what was approved in advance was ended or is over. {decision.sentence}"[:500],
        next_step="Ask again with a new idempotency key; people then decide on it.",
    )


def _approval_facts(action: Action) -> ApprovalFacts | None:
    approval = action.approval
    if approval is None or approval.state != Approval.State.APPROVED:
        return in_advance.approval_facts(action)
    yes = approval.votes.filter(verdict=Vote.Verdict.APPROVE).values_list("user_id", flat=True)
    return ApprovalFacts(str(approval.pk), approval.binding, tuple(str(user_id) for user_id in yes))


def _without_own_reservation(request: DecisionRequest, action: Action) -> DecisionRequest:
    """Take out of the readings what this action itself has reserved, or it would be its own duplicate."""
    own = Reservation.objects.filter(action_id=str(action.pk), state="reserved").select_related("measure")
    readings = dict(request.measures)
    for reservation in own:
        code = reservation.measure.code
        if code in readings:
            left = max(0, readings[code].reserved - reservation.amount)
            readings[code] = dataclasses.replace(readings[code], reserved=left)
    return dataclasses.replace(request, measures=readings)
