"""Who is away, and who decides for whom now, by the company's clock."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Q, QuerySet
from django.db.models.functions import Now, TruncDate

from agents.models import User
from audit.once import once
from workflows.approvals.models import Delegation
from workflows.approvals.policies import Absence, Handing, Seat, seats_of
from workflows.tasks.selectors import database_now


def company_day() -> date:
    """Return which day it is for the company, by the database's clock."""
    return database_now().astimezone(ZoneInfo(settings.TIME_ZONE)).date()


def in_force() -> QuerySet[Delegation]:
    """Return the delegations that count today: not withdrawn, between people with active accounts."""
    today = TruncDate(Now(), tzinfo=ZoneInfo(settings.TIME_ZONE))
    return Delegation.objects.filter(
        first_day__lte=today,
        last_day__gte=today,
        withdrawn_at=None,
        giver__is_active=True,
        giver__kind=User.Kind.PERSON,
        delegate__is_active=True,
        delegate__kind=User.Kind.PERSON,
    ).select_related("giver", "delegate")


def absences() -> list[Absence]:
    """Return who is or will be away, and who decides for them."""
    today = TruncDate(Now(), tzinfo=ZoneInfo(settings.TIME_ZONE))
    waiting = Delegation.objects.filter(withdrawn_at=None, last_day__gte=today)
    return [
        Absence(str(giver), str(delegate), first_day, last_day)
        for giver, delegate, first_day, last_day in waiting.values_list(
            "giver", "delegate", "first_day", "last_day"
        )
    ]


def handed_to(user: User) -> list[Delegation]:
    """Return the delegations somebody may decide by now: to them, and to whoever hands on to them."""
    return once(("handed_to", user.pk), lambda: _handed_to(user))


def _handed_to(user: User) -> list[Delegation]:
    direct = list(in_force().filter(delegate=user))
    if not direct:
        return []
    behind = in_force().filter(delegate__in=[one.giver_id for one in direct]).exclude(giver=user)
    return [*direct, *behind]


def seats_for(user: User) -> tuple[Seat, ...]:
    """Return every seat somebody may vote from today, their own first."""
    handings = [
        Handing(str(one.giver_id), str(one.delegate_id), one.given_by_id != one.giver_id)
        for one in handed_to(user)
    ]
    return seats_of(str(user.pk), handings)


def visible_delegations(user: User) -> QuerySet[Delegation]:
    """Return the delegations a person may see: their own, those to them, or all by permission."""
    found = Delegation.objects.select_related("giver", "delegate", "given_by", "withdrawn_by")
    if not user.is_active or user.kind != User.Kind.PERSON:
        return found.none()
    if user.has_perm("approvals.view_delegation"):
        return found
    return found.filter(Q(giver=user) | Q(delegate=user))
