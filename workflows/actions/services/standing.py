"""Approve the like in advance: one approver asks, a second person agrees, any one of them ends it at once.

It gives more freedom, so it is a change of authority. It never answers anything but the hold of the very rules
it was agreed for: a rule changed, added or published anew, and people are asked again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from uuid_utils.compat import uuid7

from agents import policies, registry
from agents.decision import ApprovalFacts, DecisionRequest, Effect, Verdict, decide, lines
from agents.decision.facts import Line
from agents.decision.money import format_minor
from agents.decision.standing import StandingFacts, why_not_covered
from agents.models import ChangeRequest, User
from agents.selectors import company_currency
from agents.services import changes
from audit.services import record_event
from audit.vocabulary import Actor, Ref, Refusal, RefusalKind
from workflows.actions import selectors
from workflows.actions.models import Action, StandingApproval
from workflows.actions.services.judging import Judgement, judge
from workflows.approvals.models import Approval
from workflows.approvals.selectors import is_approver
from workflows.approvals.selectors import visible_to as visible_approvals
from workflows.tasks.selectors import database_now

GIVE = "actions.standing.give"
REVOKE = "actions.revoke_standingapproval"
KIND = "actions.standingapproval"
MOST_USES = 1000
MOST_LINES = lines.MOST - 1
# The second person agrees to what they read: nothing of it is ever cut off.
LONGEST_WORDS = 470
SECOND = "second"  # stands for whoever agrees later


@dataclass(frozen=True, slots=True)
class Bounds:
    """Within what the like is approved. Amounts are minor units of the company's currency.

    ``lines``: what must be so of the arguments, all of it. ``for_role``: of every agent of the role.
    """

    until: datetime
    most_uses: int
    lines: Sequence[Line] = ()
    most_minor: int | None = None
    total_minor: int | None = None
    starts_at: datetime | None = None
    for_role: bool = False


@transaction.atomic
def propose_standing_approval(
    *, actor: Actor, approval_id: UUID | str, bounds: Bounds, reason: str
) -> ChangeRequest:
    """Ask that the like of a held action is approved in advance; a second person has to agree.

    Only who is asked about it may, for themselves. Raises Refusal: people_only, not_found, not_an_approver,
    four_eyes, reason_missing, not_held, rules_changed, bounds_wrong, hidden_field, never_in_advance.
    """
    policies.require(policies.may_act_as_person(actor, "approve anything in advance"))
    person = policies.user_of(actor)
    if person is None:
        raise Refusal("people_only", "Nothing was changed: only a person approves anything in advance.")
    approval, action = _modelled_on(person, approval_id)
    policies.require_reason(reason)
    judgement, condition = _require_possible(approval, action, bounds)
    words = _words(action, judgement, bounds)
    return changes.propose_change(
        actor=actor,
        kind=GIVE,
        target=Ref(KIND, str(uuid7()), action.label[:200]),
        payload={
            "approval": str(approval.pk),
            "agent": "" if bounds.for_role else str(action.agent_id),
            "role": str(action.agent.role_id) if bounds.for_role else "",
            "operation": action.operation_code,
            "revision": action.revision_number,
            "binding": approval.binding,
            "lines": lines.as_data(bounds.lines),
            "condition": condition,
            "most_minor": bounds.most_minor,
            "total_minor": bounds.total_minor,
            "most_uses": bounds.most_uses,
            "starts_at": (bounds.starts_at or judgement.request.now).isoformat(),
            "until": bounds.until.isoformat(),
            "words": words,
        },
        summary=f"Approves in advance: {words}"[:500],
        reason=reason,
        authority=[f"{words} Until now people decide on each of them."],
    )


@transaction.atomic
def revoke_standing_approval(*, actor: Actor, standing_id: UUID | str, reason: str) -> StandingApproval:
    """End it at once. What was let through by it and has not begun is decided anew. One person is enough."""
    policies.require(policies.may_act_as_person(actor, "end a standing approval"))
    person = policies.user_of(actor)
    standing = StandingApproval.objects.select_for_update(of=("self",)).filter(pk=standing_id).first()
    if (
        standing is None
        or person is None
        or not selectors.visible_standing(person).filter(pk=standing_id).exists()
    ):
        message = f"There is no standing approval {standing_id} for you."
        raise Refusal("not_found", message, kind=RefusalKind.NOT_FOUND)
    if person.pk not in (standing.granted_by_id, standing.agreed_by_id) and not selectors.is_asked(
        person, standing
    ):
        policies.require(policies.may(actor, REVOKE, "end a standing approval"))
    policies.require_reason(reason)
    if standing.revoked_at is not None:
        raise _refused("already_revoked", "it was ended before.", "", RefusalKind.CONFLICT)
    standing.revoked_at, standing.revoked_by = database_now(), person
    standing.revoke_reason = reason.strip()[:1000]
    standing.save(update_fields=["revoked_at", "revoked_by", "revoke_reason"])
    _record(actor, "actions.standing_revoked", standing, f"{actor.label} ended: {standing.words}", reason)
    return standing


def register_change_kinds() -> None:
    """Tell the registry how a standing approval is given."""
    registry.register_change_kind(GIVE, _apply)


def _modelled_on(person: User, approval_id: UUID | str) -> tuple[Approval, Action]:
    approval = visible_approvals(person).filter(pk=approval_id).first()
    if approval is None:
        message = f"There is no approval {approval_id} for you."
        raise Refusal("not_found", message, kind=RefusalKind.NOT_FOUND)
    if approval.subject_kind != "actions.action":
        raise _refused("never_in_advance", "only what an agent asks to do is approved in advance.")
    if approval.step_up:
        raise _refused("never_in_advance", "whoever approves it has to show each time anew who they are.")
    if not is_approver(str(person.pk), approval):
        groups = " and ".join(group.name for group in approval.approver_groups.all())
        raise _refused("not_an_approver", f"you are no member of {groups}.", f"Ask a member of {groups}.")
    if str(person.pk) in {approval.requester_id, *approval.excluded_ids}:
        raise _refused("four_eyes", "who asks or is served does not approve, nor in advance.")
    return approval, _action_of(approval)


def _action_of(approval: Approval) -> Action:
    found = Action.objects.select_related("agent__role__group", "agent__user", "operation", "revision")
    return found.get(pk=approval.subject_id)


def _require_possible(approval: Approval, action: Action, bounds: Bounds) -> tuple[Judgement, str]:
    """Refuse what would not answer even what it is modelled on; return how that is decided now, and the CEL."""
    if approval.state not in (Approval.State.PENDING, Approval.State.APPROVED) or action.edited_by_id:
        why = "the request it is modelled on was changed by a person, or ended otherwise than approved."
        then = "Begin from a request that waits or was approved; reject a change that was modelled on this one."
        raise _refused("not_held", why, then, RefusalKind.CONFLICT)
    judgement = judge(
        agent=action.agent,
        operation_code=action.operation_code,
        arguments=action.arguments,
        on_behalf_of=str(action.on_behalf_of_id or ""),
        provenance=action.provenance,
        workflow_id=str(action.references.get("workflow_id", "")),
        run_id=str(action.references.get("run_id", "")),
    )
    decision, request = judgement.decision, judgement.request
    if decision.verdict is not Verdict.HOLD or decision.binding != approval.binding:
        why = f"the like is not held by the same rules any more. {decision.sentence}"
        raise _refused("rules_changed", why, "Choose a newer request.", RefusalKind.CONFLICT)
    _require_bounds(bounds, request)
    condition = _condition(action, bounds, judgement)
    facts = _as_foreseen(action, approval, bounds, condition, request.now)
    zone = judgement.snapshot.time_zone
    duties = dataclasses.replace(
        decision.obligations, step_up=selectors.asks_step_up(decision.obligations, request.operation)
    )
    if why := why_not_covered(facts, request, binding=decision.binding, duties=duties, time_zone=zone):
        raise _refused("never_in_advance", f"it would not answer even this request: {why}.")
    ahead = ApprovalFacts("", decision.binding, facts.people, "in advance")
    if decide(dataclasses.replace(request, approved=ahead), judgement.snapshot).verdict is not Verdict.ALLOW:
        raise _refused("never_in_advance", "it is held by more than rules, and that is looked at each time.")
    return judgement, condition


def _require_bounds(bounds: Bounds, request: DecisionRequest) -> None:
    now, days = request.now, selectors.most_days()
    start = bounds.starts_at or now
    wrong = ""
    if not now < bounds.until <= now + timedelta(days=days):
        wrong = f"it ends within {days} days from now."
    elif not now - timedelta(minutes=1) <= start < bounds.until:
        wrong = "it begins from now on, and before it ends."
    elif not 1 <= bounds.most_uses <= MOST_USES:
        wrong = f"it counts 1 to {MOST_USES} times."
    elif any(minor is not None and minor <= 0 for minor in (bounds.most_minor, bounds.total_minor)):
        wrong = "an amount is more than nothing."
    elif request.operation and request.operation.effect == Effect.FINANCIAL and bounds.most_minor is None:
        wrong = "what moves money needs a largest amount."
    elif bounds.total_minor is not None and bounds.total_minor < (bounds.most_minor or 0):
        wrong = "all together is less than one alone."
    elif len(bounds.lines) > MOST_LINES or any(line.joined != lines.AND for line in bounds.lines):
        wrong = f"at most {MOST_LINES} comparisons must all hold; none of them joins by or."
    if wrong:
        raise _refused("bounds_wrong", wrong, "Correct it and ask again.", RefusalKind.INVALID)


def _condition(action: Action, bounds: Bounds, judgement: Judgement) -> str:
    """Return the CEL of what must be so of the arguments."""
    operation = judgement.request.operation
    if not bounds.lines or operation is None:
        return ""
    hidden = set(judgement.decision.obligations.redact)
    for line in bounds.lines:
        if any(line.field == path or line.field.startswith(f"{path}.") for path in hidden):
            raise _refused("hidden_field", f"{line.field.removeprefix('args.')} is hidden by a rule.")
    try:
        known = lines.known(list(bounds.lines), [operation])
        return lines.condition_of(known, company_currency())
    except ValueError as error:
        raise _refused("bounds_wrong", f"{error}.", "Correct the comparison.", RefusalKind.INVALID) from error


def _as_foreseen(
    action: Action, approval: Approval, bounds: Bounds, condition: str, now: datetime
) -> StandingFacts:
    return StandingFacts(
        standing_id="",
        agent_id=str(action.agent_id),
        role_id="",
        operation=action.operation_code,
        revision=action.revision_number,
        binding=approval.binding,
        condition=condition,
        most_minor=bounds.most_minor,
        people=("first", SECOND),
        starts_at=now,
        until=bounds.until,
    )


def _words(action: Action, judgement: Judgement, bounds: Bounds) -> str:
    """Say what it lets through, e.g. ``Lets Robo post an invoice up to 900.00 EUR each, ...``."""
    who = f"every agent of {action.agent.role.name}" if bounds.for_role else action.agent.name
    name = action.target.name
    said = [f"Lets {who} do without asking: {name[:1].lower()}{name[1:]}"]
    operation, currency = judgement.request.operation, company_currency()
    if bounds.lines and operation is not None:
        said.append(
            "with " + " ".join(lines.phrases_of(lines.known(list(bounds.lines), [operation]), currency))
        )
    if bounds.most_minor is not None:
        said.append(f"up to {format_minor(bounds.most_minor, currency)} each")
    if bounds.total_minor is not None:
        said.append(f"{format_minor(bounds.total_minor, currency)} in all")
    times = "once" if bounds.most_uses == 1 else f"{bounds.most_uses} times"
    words = f"{', '.join(said)}, {times}, until {_day(bounds.until)}."
    if len(words) > LONGEST_WORDS:
        why = f"in words it is {len(words)} characters, and nobody agrees to more than {LONGEST_WORDS}."
        then = "Take fewer or shorter comparisons, or ask for several of them."
        raise _refused("bounds_wrong", why, then, RefusalKind.INVALID)
    return words


def _day(at: datetime) -> str:
    """Return a moment as the pages write it, by the company's clock."""
    return f"{at.astimezone(ZoneInfo(settings.TIME_ZONE)):%-d %b %Y, %H:%M %Z}"


def _apply(actor: Actor, change: ChangeRequest) -> None:
    """Give it as it was proposed, if its rules still hold the like and enough of those they ask have agreed."""
    told: Mapping[str, Any] = change.payload
    approval = Approval.objects.get(pk=told["approval"])
    action = _action_of(approval)
    bounds = Bounds(
        until=datetime.fromisoformat(told["until"]),
        most_uses=told["most_uses"],
        lines=lines.further_lines(told["lines"]) if told["lines"] else (),
        most_minor=told["most_minor"],
        total_minor=told["total_minor"],
        for_role=bool(told["role"]),
    )
    judgement, condition = _require_possible(approval, action, bounds)
    quorum = judgement.decision.obligations.quorum
    agreed = [key for key in (str(change.proposer_id), actor.id) if is_approver(key, approval)]
    barred = {approval.requester_id, *approval.excluded_ids}
    if str(change.proposer_id) not in agreed or len(set(agreed) - barred) < quorum:
        why = f"the rules ask {quorum} of those who decide it, and both who agree to it must be such, then."
        raise _refused("not_an_approver", why, "Another of them must agree to it.")
    now = database_now()
    standing = StandingApproval(
        pk=UUID(change.target_id),
        agent_id=told["agent"] or None,
        role_id=told["role"] or None,
        operation=action.target,
        revision=told["revision"],
        binding=told["binding"],
        lines=told["lines"],
        condition=condition,
        words=told["words"],
        most_minor=bounds.most_minor,
        total_minor=bounds.total_minor,
        most_uses=bounds.most_uses,
        starts_at=max(now, datetime.fromisoformat(told["starts_at"])),
        until=bounds.until,
        quorum=quorum,
        modelled_on=approval,
        granted_by=change.proposer,
        agreed_by_id=actor.id,
        reason=change.reason[:1000],
    )
    standing.full_clean(exclude=["created_at", "approver_groups"])
    standing.save(force_insert=True)
    standing.approver_groups.set(approval.approver_groups.all())
    said = f"{change.proposer} and {actor.label} approved in advance: {standing.words}"
    _record(actor, "actions.standing_given", standing, said, change.reason)


def _refused(code: str, why: str, next_step: str = "", kind: RefusalKind = RefusalKind.FORBIDDEN) -> Refusal:
    return Refusal(code, f"Nothing was approved in advance: {why}"[:500], kind=kind, next_step=next_step)


def _record(actor: Actor, verb: str, standing: StandingApproval, sentence: str, reason: str) -> None:
    record_event(
        actor=actor,
        verb=verb,
        subject=standing.as_ref(),
        sentence=sentence[:500],
        reason=reason,
        agent_id=str(standing.agent_id or ""),
        payload={
            "binding": standing.binding,
            "condition": standing.condition,
            "most_minor": standing.most_minor,
            "total_minor": standing.total_minor,
            "most_uses": standing.most_uses,
            "used": standing.used,
            "until": standing.until.isoformat(),
            "granted_by": str(standing.granted_by_id),
            "agreed_by": str(standing.agreed_by_id),
        },
    )
