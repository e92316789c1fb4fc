"""A feed of what happened: its filters, its rows, and how both are read. Activity and the console show it.

The filters stand in the address (``show``, ``agent``, ``run``, ``kind``, ``severity``) and hold for what is
read and for what comes live alike: a row carries what they ask for, and ``frontend/src/feed.ts`` asks the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from agents.models import User
from agents.selectors import visible_agents
from audit import reading
from audit.registry import registered_verbs
from audit.selectors import FeedPage, feed, newest_position
from audit.wording import said
from workflows.pages.lines import line_of
from workflows.pages.words import ECHOED, is_echo, look_of

FIRST_PAGE = 60
GAP_PAGE = 250
MOST_REASON = 200
LONGEST_NAME = 200

# The steps in between, which the outcome says again: a person who follows the work need not read them.
STEPS = (
    "actions.action_authorized",
    "actions.action_dispatched",
    "agents.token_issued",
    "connectors.call_begun",
    "connectors.call_finished",
)
# An agent that a person stopped or paused asks again and again: that it was stopped says it.
CALL_REFUSED = "agents.call_refused"
EXPECTED = ("stopped", "agent_paused", "agent_suspended")


@dataclass(frozen=True, slots=True)
class Choice:
    """What may be shown alone: its word, what holds for an event of it, and what is left out.

    ``with_expected``: calls that are refused because a person stopped or paused the agent are shown, too.
    """

    key: str
    word: Any
    is_so: Mapping[str, str] = field(default_factory=dict)
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = STEPS
    with_expected: bool = False

    def condition(self) -> Q:
        """Return the condition on the events of this choice."""
        left_out = ECHOED | Q(verb__in=self.without)
        if not self.with_expected:
            left_out |= Q(verb=CALL_REFUSED, code__in=EXPECTED)
        found = Q(**self.is_so) & ~left_out
        return found & Q(verb__in=self.only) if self.only else found

    def narrow(self, events: QuerySet[Any]) -> QuerySet[Any]:
        """Return the events of this choice."""
        return events.filter(self.condition())

    def matches(self, event: Any) -> bool:
        """Say the same of one event that is at hand already."""
        is_so = all(getattr(event, name) == value for name, value in self.is_so.items())
        is_left_out = is_echo(event) or event.verb in self.without
        is_left_out |= not self.with_expected and event.verb == CALL_REFUSED and event.code in EXPECTED
        return is_so and not is_left_out and (not self.only or event.verb in self.only)


CHOICES = (
    Choice("all", _("What happened")),
    Choice("held", _("Held for people"), {"decision": "hold"}),
    Choice("refused", _("Refused"), {"decision": "deny"}, with_expected=True),
    Choice(
        "failed",
        _("Failed or in doubt"),
        only=("actions.action_failed", "actions.action_in_doubt", "connectors.breaker_opened"),
    ),
    Choice("agents", _("By agents"), {"actor_kind": "agent"}),
    Choice("people", _("By people"), {"actor_kind": "person"}),
    Choice("steps", _("Every step"), without=(), with_expected=True),
)

# Which rooms a kind of event is told by; the last one is everything else.
KINDS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "actions": (_("Actions in systems"), ("actions",)),
    "decisions": (_("Decisions of people"), ("approvals", "appeals")),
    "work": (_("Runs and work"), ("runs", "tasks", "triggers", "documents")),
    "agents": (_("Agents and rules"), ("agents", "backtests")),
    "systems": (_("Systems"), ("connectors",)),
    "portal": (_("The portal itself"), ()),
}
TROUBLE, ATTENTION, ORDINARY = "trouble", "attention", "ordinary"
SEVERITIES = {ATTENTION: _("Attention and trouble"), TROUBLE: _("Trouble only")}
_SEVERITY_OF_TONE = {"bad": TROUBLE, "wait": ATTENTION}


def kind_of(verb: str) -> str:
    """Return the kind of an event, by the room that tells it."""
    room = verb.partition(".")[0]
    return next((kind for kind, (_word, rooms) in KINDS.items() if room in rooms), "portal")


def severity_of(verb: str, decision: str) -> str:
    """Return how grave an event is: the same as its colour says."""
    return _SEVERITY_OF_TONE.get(look_of(verb, decision)[1], ORDINARY)


@lru_cache(maxsize=8)
def _grave(severity: str) -> Q:
    """Return the condition on events that are so grave, or graver."""
    wanted = {TROUBLE} if severity == TROUBLE else {TROUBLE, ATTENTION}
    found = Q(pk__in=[])
    for decision in ("", "allow", "hold", "deny"):
        verbs = [verb for verb in registered_verbs() if severity_of(verb, decision) in wanted]
        found |= Q(decision=decision, verb__in=verbs)
    return found


@dataclass(frozen=True, slots=True)
class Filter:
    """What somebody wants to see of a feed; empty is everything. ``agent`` and ``run`` are ids."""

    show: Choice = CHOICES[0]
    agent: str = ""
    run: str = ""
    kind: str = ""
    severity: str = ""

    def question(self) -> reading.Question:
        """Return the same as it is asked of the ledger: by an index where there is one."""
        ways = [(Q(agent_id=self.agent),)] if self.agent else []
        ways += [(Q(run_id=self.run),)] if self.run else []
        return reading.Question(tuple(ways), self._rest())

    def condition(self) -> Q:
        """Return the condition on Event."""
        named = {name: value for name, value in (("agent_id", self.agent), ("run_id", self.run)) if value}
        return Q(**named) & self._rest()

    def query(self, **other: str) -> str:
        """Return it as the query of an address, beginning with ``?``; '' when there is nothing to say."""
        show = "" if self.show.key == "all" else self.show.key
        own = {"show": show, "agent": self.agent, "run": self.run, "kind": self.kind, "severity": self.severity}
        said = {name: value for name, value in {**own, **other}.items() if value}
        return f"?{urlencode(said)}" if said else ""

    @property
    def narrows(self) -> bool:
        """Say whether anything is left out by it, apart from the steps in between."""
        return bool(self.query())

    def _rest(self) -> Q:
        found = self.show.condition()
        if self.severity:
            found &= _grave(self.severity)
        if self.kind:
            rooms = KINDS[self.kind][1]
            known = [room for _word, them in KINDS.values() for room in them]
            told = Q(pk__in=[])
            for room in rooms or known:
                told |= Q(verb__startswith=f"{room}.")
            found &= told if rooms else ~told
        return found


def filter_of(request: HttpRequest) -> Filter:
    """Return the filter that an address asks for; what is not known is not asked for."""
    asked: Mapping[str, str] = request.GET
    key = asked.get("show", "all")
    return Filter(
        show=next((choice for choice in CHOICES if choice.key == key), CHOICES[0]),
        agent=_agent(request.user, asked.get("agent", "").strip()[:LONGEST_NAME]),
        run=_uuid(asked.get("run", "")),
        kind=kind if (kind := asked.get("kind", "")) in KINDS else "",
        severity=graver if (graver := asked.get("severity", "")) in SEVERITIES else "",
    )


def _uuid(text: str) -> str:
    with suppress(ValueError):
        return str(UUID(text))
    return ""


def _agent(user: Any, text: str) -> str:
    """Return the id of an agent that is named by id, code or name; what names none stays, and finds nothing."""
    if not text or _uuid(text):
        return _uuid(text)
    found = visible_agents(user).filter(Q(code__iexact=text) | Q(name__iexact=text)).order_by("pk")
    return str(found.values_list("pk", flat=True).first() or text)


def _agent_asked(user: Any, text: str) -> str:
    """Return what stands in the field of the agent: for an id its code, which people can read and type."""
    key = _uuid(text)
    return (
        str(visible_agents(user).filter(pk=key).values_list("code", flat=True).first() or text) if key else text
    )


@dataclass(frozen=True, slots=True)
class Row:
    """One event as a row of a feed, the same for everybody who may see it. Its words are never markup.

    ``shows`` are the choices it belongs to; ``agent`` and ``run`` are ids.
    """

    key: str
    position: int
    at: datetime
    icon: str
    tone: str
    severity: str
    kind: str
    who: str
    sentence: str
    reason: str
    link: str
    agent: str
    run: str
    run_link: str
    shows: list[str]

    def as_data(self) -> dict[str, Any]:
        """Return it as a page reads it, in the language that is active."""
        return {
            **asdict(self),
            "at": self.at.isoformat(),
            "sentence": said(self.sentence),
            "who": said(self.who),
        }


def row_of(event: Any) -> Row:
    """Return one event, annotated with its position, as a row."""
    line = line_of(event)
    run = _uuid(event.run_id)
    reason = line.reason if len(line.reason) <= MOST_REASON else f"{line.reason[: MOST_REASON - 1]}…"
    return Row(
        key=str(event.pk),
        position=event.position,
        at=line.at,
        icon=line.icon,
        tone=line.tone,
        severity=severity_of(event.verb, event.decision),
        kind=kind_of(event.verb),
        # Who is in the sentence is not said again below it.
        who="" if not reason and line.sentence.startswith(line.who) else line.who,
        sentence=line.sentence,
        reason=reason,
        # A story names its events by position: it opens at this one.
        link=f"{line.link}#event-{event.position}" if line.link else "",
        agent=event.agent_id,
        run=run,
        run_link=reverse("run", args=[run]) if run else "",
        shows=[choice.key for choice in CHOICES if choice.matches(event)],
    )


def rows_of(events: Iterable[Any]) -> list[Row]:
    """Return events as rows, in the same order."""
    return [row_of(event) for event in events]


@dataclass(frozen=True, slots=True)
class Older:
    """Rows of a feed, newest first, and the key before which it goes on ('' at its end).

    ``looked``: so many entries were looked through without finding a whole page.
    """

    rows: list[Row]
    older: str
    looked: bool = False


def rows_before(user: User, wanted: Filter, before: str, *, size: int = FIRST_PAGE) -> Older:
    """Return what was before an event (its id; '' is now): only what has its place in the ledger."""
    placed = reading.Question(rest=Q(placement__position__isnull=False))
    key = _uuid(before)
    place = reading.Place(before=UUID(key) if key else None)
    found = reading.page(user, wanted.question() & placed, place, size)
    return Older(rows_of(found.events), str(found.older or ""), found.looked)


def rows_after(user: User, wanted: Filter, after: int, *, limit: int = GAP_PAGE) -> FeedPage:
    """Return the events after a position, oldest first, and how far the feed has looked."""
    return feed(user, after, limit=limit, only=wanted.condition(), with_payload=False)


def feed_of(request: HttpRequest) -> dict[str, Any]:
    """Return what ``portal/feed.html`` shows: ``{% include "portal/feed.html" %}`` with this as ``feed``."""
    user: User = request.user  # type: ignore[assignment]
    wanted, before = filter_of(request), _uuid(request.GET.get("before", ""))
    # Read the position first: what comes between the two reads is fetched again as the gap, and shown once.
    position = newest_position()
    found = rows_before(user, wanted, before)
    return {
        "wanted": wanted,
        "agent_asked": _agent_asked(user, request.GET.get("agent", "").strip()[:LONGEST_NAME]),
        "agent_unknown": bool(wanted.agent) and not _uuid(wanted.agent),
        "rows": found.rows,
        "older": found.older,
        "looked": found.looked,
        "before": before,
        "position": position,
        "address": f"{reverse('activity-rows')}{wanted.query()}",
        "way": wanted.query() or "?",
        "older_way": wanted.query(before=found.older),
        "agent_way": f"{others}&agent=" if (others := wanted.query(agent="")) else "?agent=",
        "choices": [(choice, _shown(wanted, choice)) for choice in CHOICES],
        "kinds": [(key, word) for key, (word, _rooms) in KINDS.items()],
        "severities": list(SEVERITIES.items()),
    }


def _shown(wanted: Filter, choice: Choice) -> str:
    """Return the way to another choice, with everything else as it is."""
    return wanted.query(show="" if choice.key == "all" else choice.key) or "?"
