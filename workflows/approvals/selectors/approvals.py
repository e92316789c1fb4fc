"""Read-only questions about approvals."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import Group
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from agents.models import User
from audit.lookups import EachRow
from workflows.approvals import registry
from workflows.approvals.models import Approval, Stage
from workflows.approvals.policies import Seat, Shape, open_seats
from workflows.approvals.selectors import asking
from workflows.approvals.selectors.delegations import seats_for

MOST_LOOKED_AT = 500
MOST_NAMED = 50


def pending() -> QuerySet[Approval]:
    """Return the approvals that still wait."""
    return Approval.objects.filter(state=Approval.State.PENDING)


def visible_to(user: User) -> QuerySet[Approval]:
    """Return the approvals a user may see: their group's, those of who is away and they decide for, what they
    voted on, what their subject shows them, or all by permission.

    Agents see none: they read the action, which carries the decision and its reason.
    """
    if not user.is_active or user.kind != User.Kind.PERSON:
        return Approval.objects.none()
    if user.has_perm("approvals.view_approval"):
        return Approval.objects.all()
    seats, me = seats_for(user), str(user.pk)
    shown, about = _by_subject(user)
    shown |= Q(requester_id=me) | asking.asked_at_any_stage(seats) | Q(EachRow(asking.votes_of([me])))
    if about is None:
        return Approval.objects.filter(shown)
    sides = [*asking.sides_of(_whose(seats)), *asking.sides_of_votes(me), *about]
    return Approval.objects.filter(asking.narrowed(shown, sides))


def _by_subject(user: User) -> tuple[Q, list[QuerySet[Any, Any]] | None]:
    """Return what a person sees by what it is about, and from where that comes: None where it is much."""
    shown, sides, is_much = Q(pk__in=[]), [], False
    for kind, subject in registry.subject_kinds().items():
        if (extra := subject.visible_to(user)) is None:
            continue
        shown |= Q(subject_kind=kind) & extra
        seen = subject.few_seen(user)
        is_much = is_much or seen is None
        sides.append(Approval.objects.filter(subject_kind=kind, subject_id__in=seen or ()).values_list("pk"))
    return shown, None if is_much else sides


def _whose(seats: Iterable[Seat]) -> list[str]:
    return [seat.counts_for for seat in seats]


def pending_for(user: User, *, kept: bool = False) -> QuerySet[Approval]:
    """Return what a user could decide now, for themselves or for who is away, soonest first.

    ``kept``: asked again and again later as it is, and so of what comes then, too.
    """
    if user.kind != User.Kind.PERSON:
        return Approval.objects.none()
    seats = seats_for(user)
    mine = asking.any_of(map(asking.open_to, seats))
    return (
        pending()
        .filter(mine if kept else asking.narrowed(mine, asking.sides_of(_whose(seats))))
        .select_related("task")
        .prefetch_related("approver_groups")
        .order_by("expires_at", "id")
    )


def asked_of(user: User, *, kept: bool = False) -> QuerySet[Approval]:
    """Return the approvals that are, were or will be for a person to decide, at whichever stage, or for who is
    away and they decide for.

    ``kept``: asked again and again later as it is, and so of what comes then, too.
    """
    if not user.is_active or user.kind != User.Kind.PERSON:
        return Approval.objects.none()
    seats = seats_for(user)
    shown = asking.asked_at_any_stage(seats)
    return Approval.objects.filter(shown if kept else asking.narrowed(shown, asking.sides_of(_whose(seats))))


def asked_through_others(user: User, among: Iterable[Approval]) -> dict[Any, str]:
    """Return for whom a person would decide these, by key: of those they cannot decide for themselves."""
    own, *others = seats_for(user)
    if not others:
        return {}
    keys = [approval.pk for approval in among]
    names = names_of([seat.counts_for for seat in others])
    mine = set(Approval.objects.filter(asking.open_to(own), pk__in=keys).values_list("pk", flat=True))
    found: dict[Any, str] = {}
    for seat in others:
        for key in Approval.objects.filter(asking.open_to(seat), pk__in=keys).values_list("pk", flat=True):
            if key not in mine:
                found.setdefault(key, names[seat.counts_for])
    return found


def seats_open_to(user: User, approval: Approval) -> tuple[Seat, ...]:
    """Return from which seats a person could vote on this now; whether it is still open is another question."""
    seats = seats_for(user)
    return open_seats(
        seats,
        barred={approval.requester_id, *approval.excluded_ids},
        taken=taken_in(approval),
        may_decide={seat.counts_for for seat in seats if is_approver(seat.counts_for, approval)},
    )


def voters_for(user: User, approval: Approval) -> list[str]:
    """Return the user names of whom a person could vote for now, their own first."""
    order = [seat.counts_for for seat in seats_open_to(user, approval)]
    names = {str(key): name for key, name in User.objects.filter(pk__in=order).values_list("pk", "username")}
    return [names[key] for key in order]


def taken_in(approval: Approval) -> set[str]:
    """Return the ids of everybody a vote on this went through already."""
    votes = approval.votes.values_list("user_id", "on_behalf_of_id", "through_id")
    return {str(person) for vote in votes for person in vote if person}


def stood_in_for(approval: Approval, user_id: str) -> User | None:
    """Return for whom somebody voted on this, None for themselves."""
    vote = approval.votes.filter(user_id=user_id).select_related("on_behalf_of").first()
    return vote.on_behalf_of if vote else None


def names_of(user_ids: Iterable[str]) -> dict[str, str]:
    """Return the names of people by their ids."""
    return {str(user.pk): str(user) for user in User.objects.filter(pk__in=list(user_ids))}


def approver_groups(names: Iterable[str]) -> list[Group]:
    """Return the groups an obligation names; no name means the company's ordinary approvers."""
    return list(
        Group.objects.filter(name__in=list(names) or [settings.DEFAULT_APPROVER_GROUP]).order_by("name")
    )


def is_approver(user_id: str, approval: Approval) -> bool:
    """Say whether somebody is active and in every group of an approval, or stands in for it, now."""
    return (
        User.objects.filter(pk=user_id, is_active=True).exists()
        and Approval.objects.filter(asking.asked(user_id), pk=approval.pk).exists()
    )


def others_who_may(user: User, approval: Approval) -> list[User]:
    """Return other people who could vote on this for themselves now, at most MOST_NAMED."""
    groups = Q(groups__in=approval.approver_groups.all())
    later = approval.escalations.filter(stage=approval.stage, done_at__isnull=False, passed_over="")
    asked = groups | Q(groups__in=later.values("group")) | Q(pk__in=later.values("person"))
    people = User.objects.filter(asked, is_active=True, kind=User.Kind.PERSON).exclude(pk=user.pk).distinct()
    barred = {approval.requester_id, *approval.excluded_ids, *taken_in(approval)}
    found = [one for one in people.order_by("first_name", "username")[:200] if str(one.pk) not in barred]
    return [one for one in found if is_approver(str(one.pk), approval)][:MOST_NAMED]


def shapes_of(approvals: Sequence[Approval]) -> dict[UUID, Shape]:
    """Return in what approvals are alike, by their keys; without those that are decided by themselves."""
    found: dict[UUID, Shape] = {}
    for kind, subject in registry.subject_kinds().items():
        if some := [one for one in approvals if one.subject_kind == kind]:
            found |= subject.shapes_of(some)
    return found


def alike_for(user: User, among: Collection[UUID] | None = None) -> list[list[Approval]]:
    """Return what a person could vote on together now: lists of two and more that are alike, soonest first.

    ``among``: only of these, and also one that is alone.
    """
    own, *_ = seats_for(user)
    waiting = pending_for(user).filter(asking.open_to(own), clock_stopped_at=None, expires_at__gt=Now())
    if among is not None:
        waiting = waiting.filter(pk__in=among)
    approvals = list(waiting[:MOST_LOOKED_AT])
    shapes = shapes_of(approvals)
    lists: dict[str, list[Approval]] = {}
    for approval in approvals:
        if shape := shapes.get(approval.pk):
            lists.setdefault(shape.key, []).append(approval)
    return [some for some in lists.values() if len(some) > 1 or among is not None]


def description(approval: Approval) -> dict[str, Any]:
    """Return what a voter must see, as its subject describes it."""
    return registry.subject_of(approval.subject_kind).describe(approval)


def stages_of(approval: Approval) -> list[Stage]:
    """Return the stages of an approval in order, with their groups."""
    return list(approval.stages.prefetch_related("groups"))


def groups_of(stage: Stage) -> list[Group]:
    """Return whose members decide at a stage together."""
    return list(stage.groups.order_by("name"))


def turn_of_others(user_id: str, approval: Approval) -> str:
    """Return whose turn it is, if somebody decides at another stage of an approval; '' otherwise."""
    if not Approval.objects.filter(asking.asked_at_some_stage(user_id), pk=approval.pk).exists():
        return ""
    return " and ".join(approval.approver_groups.order_by("name").values_list("name", flat=True))
