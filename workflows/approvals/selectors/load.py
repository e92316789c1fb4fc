"""How approvals go: read from what was asked and decided, for those who may see it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Generic, TypeVar, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import ExtractHour, ExtractIsoWeekDay

from agents.models import User
from agents.selectors import calendar_of
from workflows.approvals import registry
from workflows.approvals.models import Approval, Opening, QuickDecisions, Vote
from workflows.approvals.policies.load import (
    Decided,
    Figures,
    Slot,
    Thresholds,
    figures_from,
    forecast,
    in_order,
)
from workflows.approvals.selectors.approvals import pending_for
from workflows.tasks.selectors import database_now

SEE_ALL = "approvals.view_quickdecisions"
PERIODS = (7, 30, 90)
WEEKS = 4
MOST_VOTES = 20_000
T = TypeVar("T")
NO_RULE = "No rule: asked in any case"


@dataclass(frozen=True, slots=True)
class Load:
    """What waits, and what will by the end of the coming working days; ``figures`` by person and by rule.

    ``as_of``: when the figures were added up; what waits and what a manager was told is as it is now.
    """

    days: int
    as_of: datetime
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
    found = _kept(f"{days}:{_scope_of(people)}", lambda: _Kept(now, tallied_since(since, people)))
    tallied, slots = found.what, _kept("slots", lambda: _Kept(now, _slots_at(now)))
    by_person, by_rule = in_order(tallied.by_person), in_order(tallied.by_rule)
    names = {str(one.pk): str(one) for one in User.objects.filter(pk__in=[key for key, _ in by_person])}
    waiting = _pending_for(viewer, sees_all=sees_all).order_by().count()
    remarks = QuickDecisions.objects.filter(at__gte=since).select_related("person")
    if people is not None:
        remarks = remarks.filter(person__in=people)
    return Load(
        days=days,
        since=since,
        waiting=waiting,
        coming=coming(waiting, now, slots.what),
        as_of=min(found.at, slots.at),
        all=tallied.all,
        by_person=tuple((names.get(key, "Somebody"), figures) for key, figures in by_person),
        by_rule=by_rule,
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


# The newest votes of a period, each with how long its request was open before it and the rules that asked. One
# statement reads and adds up: twenty thousand rows of it in Python take seconds.
_VOTES = """
WITH recent AS MATERIALIZED (
    SELECT v.user_id, v.verdict = 'approve' AS approved, v.at, v.approval_id
      FROM approvals_vote v
     WHERE v.at >= %(since)s AND (%(people)s::uuid[] IS NULL OR v.user_id = ANY (%(people)s::uuid[]))
     ORDER BY v.id DESC LIMIT %(most)s
)
"""
_UNDONE = f"""{_VOTES}
SELECT DISTINCT a.subject_id
  FROM recent r JOIN approvals_approval a ON a.id = r.approval_id
 WHERE r.approved
"""
_TALLY = """
       count(*), count(*) FILTER (WHERE approved), count(seconds),
       percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds),
       count(*) FILTER (WHERE approved AND seconds IS NULL), count(*) FILTER (WHERE approved AND undone)
"""
_TALLIES = f"""{_VOTES}, told AS MATERIALIZED (
    SELECT r.user_id, r.approved, extract(epoch FROM r.at - o.at)::float8 AS seconds,
           a.subject_id = ANY (%(undone)s::text[]) AS undone,
           jsonb_path_query_array(a.explanation, '$.rules[*] ? (@.rule_id == $.deciding[*]).name') AS names
      FROM recent r JOIN approvals_approval a ON a.id = r.approval_id
      LEFT JOIN approvals_opening o
        ON o.approval_id = r.approval_id AND o.person_id = r.user_id AND o.at <= r.at
)
SELECT 'all', '', {_TALLY} FROM told
UNION ALL
SELECT 'person', user_id::text, {_TALLY} FROM told GROUP BY user_id
UNION ALL
SELECT 'rule', name, {_TALLY}
  FROM told CROSS JOIN LATERAL jsonb_array_elements_text(
       CASE WHEN names = '[]' THEN jsonb_build_array(%(no_rule)s::text) ELSE names END) AS name
 GROUP BY name
"""


@dataclass(frozen=True, slots=True)
class Tallied:
    """What the votes of a period show: of all, by person (their id) and by the name of the rule that asked."""

    all: Figures
    by_person: Mapping[str, Figures]
    by_rule: Mapping[str, Figures]


def tallied_since(since: datetime, people: Collection[UUID] | None = None) -> Tallied:
    """Return what the votes cast since then show (of these people), of the newest MOST_VOTES of them."""
    given: dict[str, Any] = {
        "since": since,
        "people": None if people is None else list(people),
        "most": MOST_VOTES,
        "no_rule": NO_RULE,
    }
    found: dict[str, dict[str, Figures]] = {"all": {}, "person": {}, "rule": {}}
    with connection.cursor() as cursor:
        cursor.execute(_UNDONE, given)
        undone = registry.reversed_among({subject for (subject,) in cursor.fetchall()})
        cursor.execute(_TALLIES, {**given, "undone": list(undone)})
        for what, key, *numbers in cursor.fetchall():
            found[what][key] = figures_from(*numbers)
    return Tallied(found["all"][""], found["person"], found["rule"])


def coming(waiting: int, now: datetime, slots: Slots) -> tuple[tuple[datetime, int], ...]:
    """Return how many will wait by the end of the next days on which people work, of so many that do now."""
    calendar = calendar_of(None)
    found: list[tuple[datetime, int]] = []
    for number in range(8):
        day = (now.astimezone(slots.zone) + timedelta(days=number)).date()
        spans = calendar.hours[day.weekday()] if calendar else ((540, 1020),)
        if not spans or (calendar and day in calendar.holidays):
            continue
        hours, minutes = divmod(min(spans[-1][1], 1439), 60)
        ends = datetime(day.year, day.month, day.day, hours, minutes, tzinfo=slots.zone)
        if ends <= now:
            continue
        by = forecast(
            waiting,
            now=now,
            until=ends,
            arrivals=slots.arrivals,
            decisions=slots.decisions,
            weeks=WEEKS,
            zone=slots.zone,
        )
        found.append((ends, round(by)))
    return tuple(found[:5])


@dataclass(frozen=True, slots=True)
class Slots:
    """How many requests came and were decided in the last WEEKS, by weekday and hour of the company."""

    zone: ZoneInfo
    arrivals: Mapping[Slot, int]
    decisions: Mapping[Slot, int]


def _slots_at(now: datetime) -> Slots:
    calendar = calendar_of(None)
    zone = ZoneInfo(calendar.time_zone if calendar else settings.TIME_ZONE)
    since = now - timedelta(weeks=WEEKS)
    arrivals = _by_slot(Approval.objects.filter(created_at__gte=since), "created_at", zone)
    decisions = _by_slot(Approval.objects.filter(decided_at__gte=since), "decided_at", zone)
    return Slots(zone, arrivals, decisions)


@dataclass(frozen=True, slots=True)
class _Kept(Generic[T]):
    at: datetime
    what: T


def _kept(name: str, add_up: Callable[[], _Kept[T]]) -> _Kept[T]:
    """Return what was added up lately, or add it up: twenty thousand votes are too many for each look."""
    found = cache.get_or_set(f"approvals-load:{name}", add_up, settings.APPROVALS_LOAD_SECONDS)
    return cast("_Kept[T]", found)


def _scope_of(people: Collection[UUID] | None) -> str:
    """Name whose decisions are looked at: for others, and for other reports of theirs, it is another name."""
    if people is None:
        return "*"
    return sha256(",".join(sorted(map(str, people))).encode()).hexdigest()


def _by_slot(approvals: QuerySet[Approval], column: str, zone: ZoneInfo) -> Mapping[Slot, int]:
    day, hour = ExtractIsoWeekDay(column, tzinfo=zone), ExtractHour(column, tzinfo=zone)
    slots = approvals.order_by().values_list(day, hour).annotate(many=Count("*"))
    return {(weekday - 1, at): many for weekday, at, many in slots}


def _pending_for(viewer: User, *, sees_all: bool) -> QuerySet[Approval]:

    return Approval.objects.filter(state=Approval.State.PENDING) if sees_all else pending_for(viewer)


def _names(explanation: Any) -> tuple[str, ...]:
    deciding = set(explanation.get("deciding", ()))
    found = [one.get("name", "") for one in explanation.get("rules", ()) if one.get("rule_id") in deciding]
    return tuple(found) or (NO_RULE,)


def managers_of(person: User) -> Q:
    """Return who is told about a person's decisions: their manager, else whoever may see all of it."""
    if person.manager is not None and person.manager.is_active:
        return Q(pk=person.manager_id)
    return Q(groups__name="Managers") & ~Q(pk=person.pk)
