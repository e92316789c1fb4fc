"""Use what was approved in advance: a use is taken in the transaction that decides, and never given back."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import F, Q
from django.db.models.functions import Now

from agents.decision import ApprovalFacts, Decision, DecisionRequest
from agents.decision.standing import StandingFacts, why_not_covered
from workflows.actions import selectors
from workflows.actions.choices import State
from workflows.actions.models import Action, StandingApproval
from workflows.actions.registry import people_behind
from workflows.approvals.models import Approval
from workflows.tasks.selectors import database_now


def take_use(
    *, action: Action, request: DecisionRequest, decision: Decision, time_zone: str
) -> StandingApproval | None:
    """Take one use of a standing approval that answers this hold, named on the action; None: people decide.

    Only what was just asked for: what people have changed, or were asked about already, they decide. The update
    of its counter is the lock: of any number at once exactly so many get one.
    """
    if action.state != State.REQUESTED or action.edited_by_id or action.operation_id is None:
        return None
    for standing, _ in _answering(request, decision, time_zone):
        # Who agreed to it has no part in what it lets through, also where they would not decide the like.
        behind = {request.on_behalf_of, *people_behind(action)}
        if behind & _givers(standing) or not _count(standing, _minor(request)):
            continue
        standing.refresh_from_db(fields=["used", "spent_minor"])
        action.standing = standing  # it is written with what is decided
        return standing
    return None


def foreseen(*, request: DecisionRequest, decision: Decision, time_zone: str) -> ApprovalFacts | None:
    """Return what was approved in advance for such a hold, and take nothing of it."""
    minor = _minor(request)
    for standing, facts in _answering(request, decision, time_zone):
        left = standing.total_minor is None or standing.spent_minor + minor <= standing.total_minor
        if left and standing.used < standing.most_uses and request.on_behalf_of not in _givers(standing):
            return ApprovalFacts(
                facts.standing_id, facts.binding, facts.people, selectors.standing_words(standing)
            )
    return None


def _answering(
    request: DecisionRequest, decision: Decision, time_zone: str
) -> Iterator[tuple[StandingApproval, StandingFacts]]:
    """Yield what answers such a hold, as long as any of it is left."""
    duties = decision.obligations
    if selectors.asks_step_up(duties, request.operation):
        return
    for standing in selectors.covering(request.operation_code, decision.binding):
        facts = selectors.standing_facts(standing)
        if not why_not_covered(facts, request, binding=decision.binding, duties=duties, time_zone=time_zone):
            yield standing, facts


def _minor(request: DecisionRequest) -> int:
    return request.money.company_minor or 0 if request.money else 0


def _givers(standing: StandingApproval) -> set[str]:
    return {str(standing.granted_by_id), str(standing.agreed_by_id)}


def approval_facts(action: Action) -> ApprovalFacts | None:
    """Return what was approved in advance for an action, as long as it counts."""
    if action.standing_id is None:
        return None
    standing = StandingApproval.objects.select_related("operation", "granted_by", "agreed_by").get(
        pk=action.standing_id
    )
    facts = selectors.standing_facts(standing)
    if not facts.is_in_force(database_now()) or not facts.people:
        return None
    return ApprovalFacts(facts.standing_id, facts.binding, facts.people, selectors.standing_words(standing))


def is_over(action: Action) -> bool:
    """Say whether an authorized action went by a standing approval that counts no longer.

    Its row stays locked until the transaction ends: whoever ends it comes before, and is seen, or after.
    """
    if action.standing_id is None or (action.approval and action.approval.state == Approval.State.APPROVED):
        return False
    StandingApproval.objects.select_for_update(of=("self",), no_key=True).get(pk=action.standing_id)
    return approval_facts(action) is None


def _count(standing: StandingApproval, minor: int) -> bool:
    within = Q(total_minor=None) | Q(total_minor__gte=F("spent_minor") + minor)
    counted = StandingApproval.objects.filter(
        within,
        pk=standing.pk,
        revoked_at=None,
        starts_at__lte=Now(),
        until__gt=Now(),
        used__lt=F("most_uses"),
    ).update(used=F("used") + 1, spent_minor=F("spent_minor") + minor)
    return counted == 1
