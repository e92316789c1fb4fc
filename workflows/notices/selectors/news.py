"""What concerns a person, out of the ledger: their agents, their proposals, stops, what their role watches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from agents.models import Agent, ChangeRequest, User
from audit import reading
from audit.selectors import events_since, visible_events
from workflows.approvals.selectors import pending_for
from workflows.notices.models import Glance, Reading
from workflows.tasks.selectors import work_waiting_for

# A bell that counts on says nothing more.
MOST_COUNTED = 100
MOST_AGENTS = 500
# What nobody looked at for so long is found in the ledger, not under a bell.
NEWS_DAYS = 14
# An agent that has reached the end of something, or whose standing changed.
OF_MY_AGENTS = (
    "agents.agent_activated", "agents.agent_paused", "agents.agent_suspended", "agents.brake_lifted",
    "agents.agent_retired", "agents.agent_promoted", "agents.agent_demoted", "agents.autonomy_set",
    "agents.agent_reassigned", "agents.budget_spent", "agents.agent_overreached", "agents.certificate_issued",
    "connectors.operation_granted", "connectors.operation_revoked", "appeals.appeal_made",
)  # fmt: skip
OF_STOPS = ("agents.stop_raised", "agents.stop_eased", "agents.stop_tightened", "agents.stop_lifted")
OF_RULES = (
    "agents.policy_created", "agents.policy_moved", "agents.rule_added", "agents.rule_changed",
    "agents.rule_removed", "agents.measure_added", "agents.measure_changed", "agents.throttle_added",
    "agents.throttle_changed", "appeals.proposal_made",
)  # fmt: skip
OF_SYSTEMS = ("connectors.breaker_opened", "connectors.breaker_closed", "notices.given_up")
OF_THE_LEDGER = (
    "audit.events_downloaded", "audit.evidence_built", "audit.ledger_exported", "audit.key_added",
    "audit.key_retired", "audit.ledger_restored", "audit.content_erased", "audit.erasing_failed",
    "audit.retention_set", "audit.hold_placed", "audit.hold_ended",
)  # fmt: skip
# What somebody with this right answers for, besides their own agents.
BY_RIGHT: Mapping[str, Sequence[str]] = {
    "agents.view_stop": OF_STOPS,
    "agents.publish_rule": OF_RULES,
    "connectors.change_system": OF_SYSTEMS,
    "agents.raise_stop": OF_SYSTEMS,
    "audit.view_every_event": OF_THE_LEDGER,
}
DECIDED = ("agents.change_applied", "agents.change_rejected", "agents.change_expired")


@dataclass(frozen=True, slots=True)
class News:
    """How far somebody has read: what is newer is unread, unless they marked it by hand."""

    read_at: datetime | None = None
    by_hand: Mapping[str, bool] = field(default_factory=dict)


def reading_of(user: User) -> News:
    """Return how far a person has read."""
    read_at = Reading.objects.filter(pk=user.pk).values_list("read_at", flat=True).first()
    marked = Glance.objects.filter(person=user).order_by("-at").values_list("key", "is_read")
    return News(read_at, dict(marked[: 10 * MOST_COUNTED]))


def is_unread(news: News, key: str, at: datetime | None) -> bool:
    """Tell whether something that came at a moment is unread."""
    if key in news.by_hand:
        return not news.by_hand[key]
    return news.read_at is None or at is None or at > news.read_at


def news_for(user: User, *, since: datetime | None = None, before: UUID | None = None) -> Any:
    """Return what concerns a person of what they may see and did not do themselves, newest first."""
    found = _concerning(visible_events(user).filter(reading.in_period(_begin(since), None)), user)
    return (found if before is None else found.filter(pk__lt=before)).order_by("-id")


def _begin(since: datetime | None) -> datetime:
    oldest = timezone.now() - timedelta(days=NEWS_DAYS)
    return max(since, oldest) if since else oldest


def _concerning(events: Any, user: User) -> Any:
    return events.filter(_concerns(user)).exclude(actor_id=str(user.pk))


def unread_news(user: User, news: News) -> int:
    """Return how much of the news is unread, at most MOST_COUNTED."""
    marked_unread = sum(not is_read for is_read in news.by_hand.values())
    # On every page, and mostly there is nothing: who may see what is the dear part of the question.
    if not marked_unread and not _concerning(events_since(_begin(news.read_at)), user).exists():
        return 0
    rows = news_for(user, since=news.read_at).values_list("pk", "occurred_at")[:MOST_COUNTED]
    fresh = [key for key, at in rows if is_unread(news, str(key), at)]
    older = marked_unread - sum(str(key) in news.by_hand for key in fresh) if marked_unread else 0
    return min(MOST_COUNTED, len(fresh) + (_still_there(user, news) if older > 0 else 0))


def _still_there(user: User, news: News) -> int:
    """Return how many older things were marked unread by hand and still concern this person."""
    keys = [UUID(key) for key, is_read in news.by_hand.items() if not is_read]
    older = news_for(user).filter(pk__in=keys)
    return int((older.filter(occurred_at__lte=news.read_at) if news.read_at else older.none()).count())


def unread_waiting(user: User, news: News) -> int:
    """Return how much of what waits for a person they have not read, at most MOST_COUNTED."""
    fields = ("pk", "created_at", "reminded_at")
    free = Q(claimed_by=None) | Q(claimed_by=user) | Q(claimed_by__is_active=False)
    tasks = work_waiting_for(user).filter(free).order_by("pk")
    approvals = pending_for(user).order_by("-pk").values_list(*fields)[:MOST_COUNTED]
    rows = [*approvals, *tasks.values_list(*fields)[:MOST_COUNTED]]
    return min(MOST_COUNTED, sum(is_unread(news, str(key), reminded or at) for key, at, reminded in rows))


def _concerns(user: User) -> Q:
    verbs = {verb for right, some in BY_RIGHT.items() if user.has_perm(right) for verb in some}
    found = Q(verb__in=sorted(verbs)) if verbs else Q(pk__in=[])
    mine = [str(key) for key in _answered_for(user)]
    if mine:
        found |= Q(agent_id__in=mine, verb__in=OF_MY_AGENTS)
        found |= Q(agent_id__in=mine, effect__in=["failed", "in_doubt"])
    proposed = [str(key) for key in _proposed(user)]
    if proposed:
        found |= Q(subject_kind="agents.changerequest", subject_id__in=proposed, verb__in=DECIDED)
    return found


def _answered_for(user: User) -> Iterable[UUID]:
    mine = Agent.objects.filter(Q(sponsor=user) | Q(deputy=user)).order_by("-pk")
    return mine.values_list("pk", flat=True)[:MOST_AGENTS]


def _proposed(user: User) -> Iterable[UUID]:
    since = timezone.now() - timedelta(days=NEWS_DAYS)
    decided = ChangeRequest.objects.filter(proposer=user, decided_at__gte=since).order_by("-pk")
    return decided.values_list("pk", flat=True)[:MOST_COUNTED]
