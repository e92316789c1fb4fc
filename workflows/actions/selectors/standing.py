"""What was approved in advance: what of it counts now, who may see it, and how it stands in words."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.db.models import CharField, Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Cast, Now

from agents.decision import Obligations, OperationFacts
from agents.decision.standing import StandingFacts
from agents.models import Agent, User
from agents.selectors import visible_agents
from agents.selectors.offers import agents_seen_by
from workflows.actions.models import StandingApproval

_ABOUT = ("agent", "role", "operation", "granted_by", "agreed_by", "revoked_by")


def visible_standing(user: User) -> QuerySet[StandingApproval]:
    """Return the standing approvals a person may see: their own, those their groups would be asked about, those
    of agents they may see; all by permission. Agents see none here: their contract names them."""
    found = StandingApproval.objects.select_related(*_ABOUT).prefetch_related("approver_groups")
    if not user.is_active or user.kind != User.Kind.PERSON:
        return found.none()
    if user.has_perm("actions.view_standingapproval"):
        return found
    shown = Q(granted_by=user) | Q(agreed_by=user) | Q(agent__in=visible_agents(user)) | _asks(user)
    return found.filter(shown)


def agents_of_standing(user: User) -> QuerySet[Agent]:
    """Return the agents a person may see, and those of the standing approvals they may see, by name."""
    named = visible_standing(user).prefetch_related(None).filter(agent__isnull=False).order_by()
    return agents_seen_by(user, shown=named.values("agent"))


def visible_standing_ids(user: User) -> QuerySet[StandingApproval, Any]:
    """Return their ids as text, as other rooms refer to them; a subquery."""
    text = Cast("pk", CharField())
    return visible_standing(user).prefetch_related(None).order_by().annotate(text=text).values("text")


def is_asked(user: User, standing: StandingApproval) -> bool:
    """Say whether somebody is of every group that would be asked, were there no standing approval."""
    return StandingApproval.objects.filter(_asks(user), pk=standing.pk).exists()


def in_force() -> QuerySet[StandingApproval]:
    """Return what counts now by the database's clock and is not used up."""
    return StandingApproval.objects.select_related(*_ABOUT).filter(
        revoked_at=None, starts_at__lte=Now(), until__gt=Now(), used__lt=F("most_uses")
    )


def asks_step_up(duties: Obligations, operation: OperationFacts | None) -> bool:
    """Say whether whoever approves must have shown again who they are: by a rule or by a setting."""
    return duties.step_up or (operation is not None and operation.effect in settings.STEP_UP_EFFECTS)


def covering(operation_code: str, binding: str) -> list[StandingApproval]:
    """Return what might answer a hold of these very rules, what ends first before the others."""
    found = in_force().filter(operation__code=operation_code, binding=binding)
    return list(found.prefetch_related("approver_groups").order_by("until", "pk"))


def standing_facts(standing: StandingApproval) -> StandingFacts:
    """Return a standing approval for the decision. Only who would be asked about the like now counts for it; if
    whoever granted it would not, nobody does."""
    return StandingFacts(
        standing_id=str(standing.pk),
        agent_id=str(standing.agent_id or ""),
        role_id=str(standing.role_id or ""),
        operation=standing.operation.code,
        revision=standing.revision,
        binding=standing.binding,
        condition=standing.condition,
        most_minor=standing.most_minor,
        people=_people(standing),
        starts_at=standing.starts_at,
        until=standing.until,
        revoked=standing.revoked_at is not None,
    )


def _people(standing: StandingApproval) -> tuple[str, ...]:
    asked = {group.pk for group in standing.approver_groups.all()}
    able = [
        str(user.pk)
        for user in User.objects.filter(
            pk__in=[standing.granted_by_id, standing.agreed_by_id], is_active=True, kind=User.Kind.PERSON
        ).prefetch_related("groups")
        if asked and asked <= {group.pk for group in user.groups.all()}
    ]
    return tuple(sorted(able)) if str(standing.granted_by_id) in able else ()


def state_of(standing: StandingApproval, now: datetime) -> str:
    """Return how it stands: revoked, over, used_up, to_come, void or in_force."""
    if standing.revoked_at is not None:
        return "revoked"
    if standing.until <= now:
        return "over"
    if standing.used >= standing.most_uses:
        return "used_up"
    revision = standing.operation.current_revision
    if revision is None or revision.number != standing.revision or not standing_facts(standing).people:
        return "void"
    return "to_come" if standing.starts_at > now else "in_force"


def standing_told(standing: StandingApproval) -> dict[str, Any]:
    """Return what a decision says of the standing approval that it went by."""
    return {
        "id": str(standing.pk),
        "words": standing.words,
        "granted_by": str(standing.granted_by),
        "agreed_by": str(standing.agreed_by),
        "until": standing.until.isoformat(),
        "used": standing.used,
        "most_uses": standing.most_uses,
    }


def standing_words(standing: StandingApproval) -> str:
    """Return why something was not asked, as a sentence for people."""
    return (
        f"{standing.granted_by} approved the like in advance, and {standing.agreed_by} agreed,"
        f" until {standing.until:%Y-%m-%d} ({standing.used} of {standing.most_uses} used)"
    )


def contract_words(agent: Agent) -> Iterable[str]:
    """Return what of an agent is approved in advance now, for its contract. It does not bind: people may end it
    at any time."""
    found = in_force().filter(Q(agent=agent) | Q(role=agent.role_id)).order_by("until", "pk")
    for standing in found[:20]:
        left = standing.most_uses - standing.used
        yield f"Approved in advance, until somebody ends it: {standing.words} So many are left: {left}."


def _asks(user: User) -> Q:
    asked = StandingApproval.approver_groups.through.objects.filter(standingapproval=OuterRef("pk"))
    mine = Group.objects.filter(user=user).values("pk")
    return Q(Exists(asked)) & ~Q(Exists(asked.exclude(group__in=mine)))


def most_days() -> int:
    """Return for how many days a standing approval may be given at most."""
    days: int = settings.STANDING_APPROVAL_DAYS
    return days
