"""Whom an approval asks: as a condition on its row, and looked for from the side of a person.

A condition alone is asked row by row, which is quick where it holds for many: a page of the newest is found at
once. Where it holds for few, those who may be meant are listed first, and it is asked of them alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import lru_cache, reduce
from operator import or_
from typing import Any
from uuid import UUID

from django.db.models import OuterRef, Q, QuerySet

from agents.models import User
from audit.lookups import EachRow
from audit.once import once
from workflows.approvals.models import Approval, Escalation, Stage, Vote
from workflows.approvals.policies import Seat

# Above it, somebody sees so many that the newest fifty are soon found among all.
MOST_LISTED = 2_000


def any_of(conditions: Iterable[Q]) -> Q:
    """Return what one of these conditions holds for."""
    return reduce(or_, conditions)


def listed(sides: Iterable[QuerySet[Any, Any]]) -> set[UUID] | None:
    """Return the keys that several questions (of one column each) answer; None where they are many."""
    first, *others = (side.order_by() for side in sides)
    found = [key for (key,) in first.union(*others, all=True)[: MOST_LISTED + 1]]
    return None if len(found) > MOST_LISTED else set(found)


def narrowed(condition: Q, sides: Iterable[QuerySet[Any, Any]]) -> Q:
    """Return a condition on rows, asked only of those the sides name if they are few.

    The sides have to name every row that it holds for, and may name others. What is listed is of this moment:
    a condition that is kept, for a stream or a statement made ready, must not be narrowed.
    """
    keys = listed(sides)
    return condition if keys is None else Q(pk__any_of=keys) & condition


def sides_of(people: Collection[str]) -> list[QuerySet[Any, Any]]:
    """Return from where the approvals come that may ask these people, at whichever stage."""
    # By name, not by another question: of how many rows a group is, the planner knows.
    members = User.groups.through.objects.filter(user_id__in=people)
    groups = once(
        ("groups_of", frozenset(people)), lambda: list(members.values_list("group", flat=True).distinct())
    )
    asked = Approval.approver_groups.through.objects.filter(group__in=groups)
    staged = Stage.groups.through.objects.filter(group__in=groups)
    late = Escalation.objects.filter(done_at__isnull=False)
    return [
        asked.values_list("approval"),
        staged.values_list("stage__approval"),
        late.filter(group__in=groups).values_list("approval"),
        late.filter(person__in=[UUID(key) for key in people]).values_list("approval"),
    ]


def sides_of_votes(person: str) -> list[QuerySet[Any, Any]]:
    """Return from where the approvals come that somebody asked for, or that a vote of theirs is on."""
    names = ("user", "on_behalf_of", "through")
    votes = [Vote.objects.filter(**{name: person}).values_list("approval") for name in names]
    return [Approval.objects.filter(requester_id=person).values_list("pk"), *votes]


def asked_at_any_stage(seats: Iterable[Seat]) -> Q:
    """Return what is for the people of these seats to decide now, or at another stage of it."""
    return any_of(asked(seat.counts_for) | asked_at_some_stage(seat.counts_for) for seat in seats)


# Conditions are made of ids alone, and asked for several times a page; what they hold for is asked each time.
@lru_cache(maxsize=1024)
def open_to(seat: Seat) -> Q:
    """What may be decided from a seat: nobody in it asked for it, is barred, or has voted."""
    barred = Q(requester_id__in=seat.people) | Q(EachRow(votes_of(seat.people)))
    for person in seat.people:
        barred |= Q(excluded_ids__contains=person)
    return asked(seat.counts_for) & ~barred


@lru_cache(maxsize=1024)
def asked(user_id: str) -> Q:
    """For a person to decide: of every group of an approval they are, or stand in for it since it was late."""
    mine = User.groups.through.objects.filter(user_id=user_id).values("group")
    groups = Approval.approver_groups.through.objects.filter(approval=OuterRef("pk"))
    # Of one level somebody must be all it asks; what was passed over asks nobody. Only of the stage that is on.
    unmet = Escalation.objects.filter(
        approval=OuterRef("approval"),
        stage=OuterRef("stage"),
        stands_for=OuterRef("stands_for"),
        level=OuterRef("level"),
    ).filter(
        Q(done_at__isnull=True)
        | ~Q(passed_over="")
        | (Q(group__isnull=False) & ~Q(group__in=mine))
        | (Q(group__isnull=True) & (Q(person__isnull=True) | ~Q(person=user_id)))
    )
    later = Escalation.objects.filter(
        ~EachRow(unmet),
        approval=OuterRef("approval"),
        stage=OuterRef("approval__stage"),
        stands_for=OuterRef("group"),
        done_at__isnull=False,
    )
    return Q(EachRow(groups)) & ~Q(EachRow(groups.exclude(group__in=mine).exclude(EachRow(later))))


@lru_cache(maxsize=1024)
def asked_at_some_stage(user_id: str) -> Q:
    """Of every group of one of its stages, be that over or still to come."""
    mine = User.groups.through.objects.filter(user_id=user_id).values("group")
    named = Stage.groups.through.objects.filter(stage=OuterRef("pk"))
    theirs = Stage.objects.filter(
        EachRow(named), ~EachRow(named.exclude(group__in=mine)), approval=OuterRef("pk")
    )
    return Q(EachRow(theirs))


def votes_of(people: Collection[str]) -> QuerySet[Vote]:
    """Return the votes on an approval that went through one of these people."""
    through = Q(user__in=people) | Q(on_behalf_of__in=people) | Q(through__in=people)
    return Vote.objects.filter(through, approval=OuterRef("pk"))
