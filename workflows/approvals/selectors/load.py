"""How approvals go: read from what was asked and decided, for those who may see it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import ExtractHour, ExtractIsoWeekDay

from agents.models import User
from agents.selectors import calendar_of
from workflows.approvals import registry
from workflows.approvals.models import Approval, Opening, QuickDecisions, Vote
from workflows.approvals.policies.load import Decided, Figures, Slot, Thresholds, figures_of, forecast, grouped
from workflows.approvals.selectors.approvals import pending_for
from workflows.tasks.selectors import database_now

SEE_ALL = "approvals.view_quickdecisions"
PERIODS = (7, 30, 90)
WEEKS = 4
MOST_VOTES = 20_000


@dataclass(frozen=True, slots=True)
class Load:
    """What waits, and what will by the end of the coming working days; ``figures`` by person and by rule."""

    days: int
    since: datetime
    waiting: int
    coming: tuple[tuple[datetime, int], ...]
    all: Figures
    by_person: tuple[tuple[str, Figures], ...]
    by_rule: tuple[tuple[str, Figures], ...]
    remarks: tuple[QuickDecisions, ...]
    thresholds: Thresholds
    sees_all: bool


def load_for(viewer: User, days: int) -> Load:
    """Return how approvals went in the last so many days, as far as this person may see: with the right all,
    else their own decisions and those of who reports to them."""
    now = database_now()
    since = now - timedelta(days=days)
    sees_all = viewer.has_perm(SEE_ALL)
    people = None if sees_all else {viewer.pk, *viewer.reports.values_list("pk", flat=True)}
    votes = decided_since(since, people)
    names = {str(one.pk): str(one) for one in User.objects.filter(pk__in={vote.person for vote in votes})}
    pending = _pending_for(viewer, sees_all=sees_all)
    remarks = QuickDecisions.objects.filter(at__gte=since).select_related("person")
    if people is not None:
        remarks = remarks.filter(person__in=people)
    return Load(
        days=days,
        since=since,
        waiting=pending.count(),
        coming=coming(pending, now),
        all=figures_of(votes),
        by_person=tuple(
            (names.get(str(key), "Somebody"), found) for key, found in grouped(votes, _person).items()
        ),
        by_rule=tuple((str(key), found) for key, found in grouped(votes, _rules).items()),
        remarks=tuple(remarks[:20]),
        thresholds=thresholds(),
        sees_all=sees_all,
    )


def thresholds() -> Thresholds:
    """Return from when on decisions count as too quick, as the installation says."""
    return Thresholds(
        settings.QUICK_DECISIONS, settings.QUICK_DECISION_SECONDS, settings.QUICK_UNOPENED_PERCENT
    )


def decided_since(since: datetime, people: Collection[UUID] | None = None) -> list[Decided]:
    """Return the votes cast since then (of these people), the newest MOST_VOTES of them."""
    opened = Opening.objects.filter(
        approval=OuterRef("approval"), person=OuterRef("user"), at__lte=OuterRef("at")
    )
    votes = Vote.objects.filter(at__gte=since).annotate(opened_at=Subquery(opened.values("at")[:1]))
    if people is not None:
        votes = votes.filter(user__in=people)
    fields = ("user_id", "verdict", "at", "opened_at", "approval__subject_kind", "approval__subject_id")
    rows = list(votes.order_by("-id").values_list(*fields, "approval__explanation")[:MOST_VOTES])
    undone = registry.reversed_among({str(row[5]) for row in rows if row[1] == Vote.Verdict.APPROVE})
    return [
        Decided(
            person=str(user),
            approved=verdict == Vote.Verdict.APPROVE,
            seconds=(at - opened_at).total_seconds() if opened_at else None,
            rules=_names(explanation),
            reversed_later=str(subject) in undone,
        )
        for user, verdict, at, opened_at, _, subject, explanation in rows
    ]


def coming(pending: QuerySet[Approval], now: datetime) -> tuple[tuple[datetime, int], ...]:
    """Return how many of these will wait by the end of the next days on which people work."""
    calendar = calendar_of(None)
    zone = ZoneInfo(calendar.time_zone if calendar else settings.TIME_ZONE)
    since = now - timedelta(weeks=WEEKS)
    arrivals = _by_slot(Approval.objects.filter(created_at__gte=since), "created_at", zone)
    gone = Approval.objects.filter(decided_at__gte=since)
    decisions = _by_slot(gone, "decided_at", zone)
    waiting, found = pending.count(), []
    for number in range(8):
        day = (now.astimezone(zone) + timedelta(days=number)).date()
        spans = calendar.hours[day.weekday()] if calendar else ((540, 1020),)
        if not spans or (calendar and day in calendar.holidays):
            continue
        hours, minutes = divmod(min(spans[-1][1], 1439), 60)
        ends = datetime(day.year, day.month, day.day, hours, minutes, tzinfo=zone)
        if ends <= now:
            continue
        by = forecast(
            waiting,
            now=now,
            until=ends,
            arrivals=arrivals,
            decisions=decisions,
            weeks=WEEKS,
            zone=zone,
        )
        found.append((ends, round(by)))
    return tuple(found[:5])


def _by_slot(approvals: QuerySet[Approval], column: str, zone: ZoneInfo) -> Mapping[Slot, int]:
    slots = approvals.order_by().values_list(
        ExtractIsoWeekDay(column, tzinfo=zone), ExtractHour(column, tzinfo=zone)
    )
    return Counter((weekday - 1, hour) for weekday, hour in slots)


def _pending_for(viewer: User, *, sees_all: bool) -> QuerySet[Approval]:

    return Approval.objects.filter(state=Approval.State.PENDING) if sees_all else pending_for(viewer)


def _names(explanation: Any) -> tuple[str, ...]:
    deciding = set(explanation.get("deciding", ()))
    found = [one.get("name", "") for one in explanation.get("rules", ()) if one.get("rule_id") in deciding]
    return tuple(found) or ("No rule: asked in any case",)


def _person(one: Decided) -> Iterable[str]:
    return [one.person]


def _rules(one: Decided) -> Iterable[str]:
    return one.rules


def managers_of(person: User) -> Q:
    """Return who is told about a person's decisions: their manager, else whoever may see all of it."""
    if person.manager is not None and person.manager.is_active:
        return Q(pk=person.manager_id)
    return Q(groups__name="Managers") & ~Q(pk=person.pk)
