"""Plain business words for what machines wrote: arguments, rules, states, events."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.utils.formats import date_format

from agents.decision.money import format_minor
from workflows.pages.visible import visible

MOST_FACTS = 60
ARGUMENT_IN_CONDITION = re.compile(r"\bargs((?:\.[A-Za-z_][A-Za-z0-9_]*)+)")


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of a table of facts: a name people use and a value as text. ``before`` is set for changes.

    ``told`` is what a system calls what the value stands for; '' where none said.
    """

    name: str
    value: str
    before: str | None = None
    told: str = ""


@dataclass(frozen=True, slots=True)
class Tag:
    """A short mark: word and icon always together, ``tone`` is good, wait, bad, info or nothing."""

    text: str
    icon: str
    tone: str = ""


def humanize(name: str) -> str:
    """Return ``invoice_date`` as ``Invoice date``."""
    words = name.replace("_", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:]


def pretty(value: Any) -> str:
    """Return JSON as text for the disclosure under the facts."""
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True, default=str)


def lower_first(text: str) -> str:
    """Return a name so that it fits into a sentence."""
    return text[:1].lower() + text[1:]


def uuids_in(texts: Iterable[Any]) -> list[UUID]:
    """Return what of these texts is a UUID: a subject's or a rule's id may be anything."""
    found = []
    for text in texts:
        with contextlib.suppress(ValueError):
            found.append(UUID(str(text)))
    return found


def without_verdict(sentence: str) -> str:
    """Return why something was decided without the verdict before it, where the page says that already."""
    return sentence.removeprefix("Held: ").removeprefix("Denied: ")


def facts_of(arguments: Mapping[str, Any], schema: Mapping[str, Any] | None = None) -> list[Fact]:
    """Return arguments as facts, named by their schema. Hand over what may be shown: nothing is hidden here."""
    found = list(_facts(arguments, schema or {}, ""))
    if len(found) > MOST_FACTS:
        more = len(found) - MOST_FACTS
        found = [*found[:MOST_FACTS], Fact("More", f"{more} further values, see the exact data below")]
    return found


def _in_order(value: Mapping[str, Any], schema: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Put what the schema requires first, in its order, and lists last: the database keeps no order of keys."""
    required = {name: place for place, name in enumerate(schema.get("required", ()))}
    return sorted(
        value.items(), key=lambda item: (isinstance(item[1], list), required.get(item[0], len(required)))
    )


def _facts(value: Any, schema: Mapping[str, Any], name: str) -> Iterator[Fact]:
    if (amount := _money(value)) is not None:
        yield Fact(name, amount)
    elif isinstance(value, Mapping):
        yield from _members(value, schema, name)
    elif isinstance(value, list):
        for number, inner in enumerate(value, start=1):
            yield from _facts(inner, schema.get("items", {}), f"{name} {number}")
    elif value in schema.get("enum", ()) and isinstance(value, str):
        yield Fact(name, humanize(value))  # as it was chosen
    elif schema.get("format") == "date" and (day := _day(value)) is not None:
        yield Fact(name, date_format(day))
    else:
        yield Fact(name, in_words(value))


def _members(value: Mapping[str, Any], schema: Mapping[str, Any], name: str) -> Iterator[Fact]:
    currency = value.get("currency")
    for key, inner in _in_order(value, schema):
        inner_schema = schema.get("properties", {}).get(key, {})
        inner_name = _join(name, str(inner_schema.get("title") or humanize(key)))
        if _is_minor(key, inner) and isinstance(currency, str):
            yield Fact(inner_name, format_minor(inner, currency))
        else:
            yield from _facts(inner, inner_schema, inner_name)


def _money(value: Any) -> str | None:
    if not isinstance(value, Mapping) or set(value) != {"currency", "minor"}:
        return None
    if not isinstance(value["minor"], int) or not isinstance(value["currency"], str):
        return None
    return format_minor(value["minor"], value["currency"])


def _day(value: Any) -> date | None:
    """Return the day that a schema says a text is; None where it is none."""
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _is_minor(key: str, value: Any) -> bool:
    return key.endswith("minor") and isinstance(value, int) and not isinstance(value, bool)


def _join(name: str, inner: str) -> str:
    return f"{name}: {inner[:1].lower()}{inner[1:]}" if name else inner


def in_words(value: Any) -> str:
    """Return a single JSON value as people write it."""
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return visible(value)


def values_in(condition: str, arguments: Mapping[str, Any], amount: str) -> list[Fact]:
    """Return what the names in a rule's condition stand for in this case, in the order they appear."""
    found: dict[str, str] = {}
    if amount and re.search(r"\bamount\b", condition):
        found["amount"] = amount
    for match in ARGUMENT_IN_CONDITION.finditer(condition):
        value: Any = arguments
        for key in match.group(1)[1:].split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        found[match.group(1)[1:]] = in_words(value)
    return [Fact(name, value) for name, value in found.items()]


IN_LINE = Tag("Waits for its turn", "hourglass_top", "wait")

# Events that only repeat in their own room what another one says better: left out of stories and of the feed.
ECHOES = (
    *("tasks.task_opened", "tasks.task_completed", "tasks.task_cancelled", "tasks.task_expired"),
    # What became of a question is told by what was asked about: an action, a change, a version.
    *(f"approvals.approval_{end}" for end in ("approved", "rejected", "expired", "withdrawn", "superseded")),
    "approvals.approval_escalated",  # its task says whom
    # A version is a change that was proposed and decided.
    *(f"runs.version_{end}" for end in ("proposed", "approved", "rejected")),
)
# In a feed, what is held or proposed tells that people are asked, the run that its work was given away.
IN_A_FEED = (*ECHOES, "approvals.approval_requested", "tasks.task_redirected")
# A vote on an action says who decided; one on a change is said again by the change itself.
VOTE = "approvals.vote_cast"
ECHOED = Q(verb__in=IN_A_FEED) | Q(verb=VOTE, action_id="")


def is_echo(event: Any) -> bool:
    """Say the same as ``ECHOED`` of one event that is at hand."""
    return event.verb in IN_A_FEED or (event.verb == VOTE and not event.action_id)


# How an event looks in a feed, by the end of its verb. A verb that is not listed looks like plain news.
_BY_VERB = {
    "requested": ("chat_bubble", "info"),
    "held": ("front_hand", "wait"),
    "held_again": ("front_hand", "wait"),
    "authorized": ("verified_user", "info"),
    "put_off": ("hourglass_top", "wait"),
    "dispatched": ("send", "info"),
    "confirmed": ("check_circle", "good"),
    "approved": ("thumb_up", "good"),
    "applied": ("published_with_changes", "good"),
    "activated": ("play_circle", "good"),
    "resumed": ("play_circle", "good"),
    "lifted": ("play_circle", "good"),
    "denied": ("block", "bad"),
    "refused": ("block", "bad"),
    "rejected": ("thumb_down", "bad"),
    "failed": ("error", "bad"),
    "stopped": ("front_hand", "bad"),
    "raised": ("front_hand", "bad"),
    "suspended": ("lock", "bad"),
    "paused": ("pause_circle", "wait"),
    "doubt": ("help", "wait"),
    "expired": ("timer_off", "wait"),
    "withdrawn": ("undo", ""),
    "superseded": ("swap_horiz", ""),
    "cast": ("how_to_vote", "info"),
    "retired": ("logout", ""),
    "started": ("play_circle", "info"),
    "finished": ("flag", "good"),
    "completed": ("check_circle", "good"),
    "cancelled": ("cancel", ""),
    "parked": ("report", "bad"),
    "overdue": ("alarm", "wait"),
    "proposed": ("edit_note", "info"),
    "clocks_stopped": ("timer_pause", "wait"),
    "clocks_started": ("timer_play", ""),
    "not_started": ("alarm", "wait"),
    "reminded": ("notifications", "wait"),
    "escalated": ("group_add", "wait"),
    "reassigned": ("group", "wait"),
    "handed_off": ("forward", "info"),
    "finishing": ("pause_circle", "wait"),
    "instructed": ("chat", "info"),
    "instruction_read": ("mark_email_read", ""),
    "by_hand": ("error", "wait"),
    "redirected": ("forward", "info"),
    "asked": ("help", "info"),
    "unpaused": ("play_circle", "good"),
    "priority_changed": ("priority_high", "info"),
    "deadline_changed": ("edit_calendar", "info"),
    "skipped": ("skip_next", "wait"),
    "overridden": ("edit_note", "info"),
    "rerun": ("replay", "info"),
    "migrated": ("swap_horiz", "info"),
    "compensated": ("undo", "wait"),
    "undone": ("undo", ""),
    "released": ("undo", ""),
    "signal_sent": ("mail", "info"),
    "signal_taken": ("mark_email_read", "info"),
}
_BY_DECISION = {"deny": ("block", "bad"), "hold": ("front_hand", "wait"), "allow": ("verified_user", "info")}


def look_of(verb: str, decision: str = "") -> tuple[str, str]:
    """Return (icon, tone) for an event."""
    for length in (2, 1):
        end = "_".join(verb.rpartition(".")[2].split("_")[-length:])
        if end in _BY_VERB:
            return _BY_VERB[end]
    return _BY_DECISION.get(decision, ("circle", ""))


_BY_STATE = {
    "requested": ("chat_bubble", "info"),
    "held": ("front_hand", "wait"),
    "authorized": ("verified_user", "info"),
    "dispatched": ("send", "info"),
    "confirmed": ("check_circle", "good"),
    "failed": ("error", "bad"),
    "denied": ("block", "bad"),
    "rejected": ("thumb_down", "bad"),
    "stopped": ("front_hand", "bad"),
    "in_doubt": ("help", "wait"),
    "expired": ("timer_off", "wait"),
    "withdrawn": ("undo", ""),
    "superseded": ("swap_horiz", ""),
    "pending": ("hourglass_top", "wait"),
    "approved": ("thumb_up", "good"),
    "ready": ("schedule", ""),
    "open": ("inbox", "info"),
    "claimed": ("person", "info"),
    "running": ("play_circle", "info"),
    "incident": ("report", "bad"),
    "done": ("check_circle", "good"),
    "cancelled": ("cancel", ""),
}


def state_tag(state: str, text: str) -> Tag:
    """Return a state as a word with its icon and tone."""
    icon, tone = _BY_STATE.get(state, ("circle", ""))
    return Tag(text, icon, tone)


def action_tag(action: Any) -> Tag:
    """Return where an action stands; one that may be done and has no place yet says that it waits."""
    if action.waits_for_turn:
        return IN_LINE
    return state_tag(action.state, action.get_state_display())


def effect_tags(effect: str, *, amount: str, undo: bool, environment: str) -> list[Tag]:
    """Return what an operation does to the world: how grave, whether it can be taken back, where it lands."""
    moves = f"Moves {amount}" if amount else "Moves money"
    tags = [
        {
            "read": Tag("Only reads", "visibility"),
            "write": Tag("Changes records", "edit"),
            "financial": Tag(moves, "payments", "wait"),
            "destructive": Tag("Destroys data", "delete_forever", "bad"),
        }.get(effect, Tag(humanize(effect), "bolt"))
    ]
    if effect != "read":
        tags.append(Tag("Can be undone", "undo") if undo else Tag("Cannot be undone", "lock_clock", "wait"))
    if environment and environment != "production":
        kept = {"test": "Test system", "sandbox": "Sandbox"}
        tags.append(Tag(kept.get(environment) or humanize(environment), "science", "info"))
    return tags
