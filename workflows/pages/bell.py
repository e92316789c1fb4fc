"""The bell: what needs me first, what others decided meanwhile, and what changed that I answer for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

from django.db.models import OuterRef
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from agents.models import User
from audit.lookups import EachRow
from audit.selectors import newest_position
from workflows.approvals.models import Approval, Vote
from workflows.approvals.selectors import asked_of
from workflows.notices.selectors import (
    MOST_COUNTED,
    News,
    is_unread,
    news_for,
    reading_of,
    unread_news,
    unread_waiting,
)
from workflows.notices.services import mark_one, read_all
from workflows.pages.access import for_people, is_person, page, part
from workflows.pages.lines import Line
from workflows.pages.news_lines import news_lines
from workflows.pages.waiting import Row, rows_of
from workflows.tasks.models import Task

MOST_WAITING = 30
MOST_NEWS = 50
MOST_DECIDED = 10
DECIDED_SINCE = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Bell:
    """What the header shows: how much is unread, in words that end at 99."""

    count: int

    @property
    def words(self) -> str:
        """Return the number as it is shown: ``99+`` from a hundred on."""
        return f"{MOST_COUNTED - 1}+" if self.count >= MOST_COUNTED else str(self.count)


@dataclass(frozen=True, slots=True)
class Need:
    """Something that waits for this person."""

    row: Row
    unread: bool


@dataclass(frozen=True, slots=True)
class Item:
    """One piece of news."""

    key: str
    line: Line
    unread: bool


@dataclass(frozen=True, slots=True)
class Day:
    """The news of one day."""

    name: str
    items: list[Item]


def bell_of(request: HttpRequest) -> Bell:
    """Return what the bell in the header says to this person; nobody else has one."""
    return Bell(unread_count(request.user)) if is_person(request.user) else Bell(0)


def unread_count(user: User) -> int:
    """Return how much somebody has not read, at most MOST_COUNTED."""
    news = reading_of(user)
    waiting = unread_waiting(user, news)
    return min(MOST_COUNTED, waiting + (unread_news(user, news) if waiting < MOST_COUNTED else 0))


@never_cache
@require_safe
@for_people
def bell(request: HttpRequest) -> HttpResponse:
    """Show what concerns this person, what needs them first."""
    return page(request, "portal/bell.html", _("News"), **_shown(request))


@never_cache
@require_safe
@for_people
def bell_parts(request: HttpRequest) -> HttpResponse:
    """Return the same without the frame, for a page that follows it live."""
    return part(request, "portal/bell_parts.html", **_shown(request))


@require_POST
@for_people
def bell_read(request: HttpRequest) -> HttpResponse:
    """Take everything that was shown as read; what came since stays unread."""
    until = _moment(request.POST.get("until", ""))
    read_all(actor=_user(request).as_actor(), until=until)
    return redirect("bell")


@require_POST
@for_people
def bell_mark(request: HttpRequest, key: UUID) -> HttpResponse:
    """Mark one thing as read, or as unread again."""
    mark_one(actor=_user(request).as_actor(), key=str(key), is_read=request.POST.get("read") == "yes")
    return redirect("bell")


def _shown(request: HttpRequest) -> dict[str, Any]:
    user, position, now = _user(request), newest_position(), timezone.now()
    news = reading_of(user)
    before = _key(request.GET.get("before", ""))
    events = list(news_for(user, before=before)[: MOST_NEWS + 1])
    needs = [] if before else _needs(user, news)
    return {
        "position": position,
        "until": now.isoformat(),
        "needs": needs,
        "is_more": len(needs) == MOST_WAITING,
        "decided": [] if before else _decided(user, now),
        "days": _days(events[:MOST_NEWS], news),
        "onward": events[MOST_NEWS - 1].pk if len(events) > MOST_NEWS else None,
        "before": before,
        "unread": Bell(unread_count(user)),
    }


def _needs(user: User, news: News) -> list[Need]:
    rows = rows_of(user, "mine", MOST_WAITING).rows
    came = _came([row.key for row in rows])
    return [Need(row, is_unread(news, row.key, came.get(row.key))) for row in rows]


def _came(keys: list[str]) -> Mapping[str, datetime]:
    """Return when what waits came, or was reminded of."""
    found: dict[str, datetime] = {}
    for model in (Approval, Task):
        rows = model._default_manager.filter(pk__in=keys).values_list("pk", "created_at", "reminded_at")
        found |= {str(key): reminded or at for key, at, reminded in rows}
    return found


def _decided(user: User, now: datetime) -> list[Approval]:
    """Return what no longer waits for this person, since others have decided it or it is gone."""
    since = now - DECIDED_SINCE
    own = Vote.objects.filter(user=user, approval=OuterRef("pk"))
    found = asked_of(user).filter(~EachRow(own), decided_at__gte=since)
    return list(found.order_by("-decided_at")[:MOST_DECIDED])


def _days(events: list[Any], news: News) -> list[Day]:
    items = [
        Item(str(event.pk), line, is_unread(news, str(event.pk), event.occurred_at))
        for event, line in zip(events, news_lines(events), strict=True)
    ]
    days = groupby(items, key=lambda item: timezone.localtime(item.line.at).date())
    return [Day(_day(day), list(some)) for day, some in days]


def _day(day: date) -> str:
    today = timezone.localdate()
    if day == today:
        return _("Today")
    return _("Yesterday") if day == today - timedelta(days=1) else date_format(day, "l j F Y")


def _moment(text: str) -> datetime | None:
    try:
        found = parse_datetime(text[:40])
    except ValueError:
        return None
    return found if found is not None and timezone.is_aware(found) else None


def _key(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _user(request: HttpRequest) -> User:
    return request.user  # type: ignore[return-value]
