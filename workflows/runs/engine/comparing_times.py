"""Times in the words of a manager: how long, what happens at a deadline, what is tried again and when."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

_SECONDS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
_LATE = {"start": "If nobody has taken it after", "complete": "If it is not done after"}
_LIMITS = {
    "queue_seconds": "It may wait to be begun",
    "run_seconds": "One attempt may take",
    "heartbeat_seconds": "Whoever has it may be silent for",
    "total_seconds": "All attempts may take",
}
_RETRY: dict[str, Callable[[Any], str]] = {
    "most": lambda most: f"It is tried {most} times in all",
    "wait_seconds": lambda seconds: f"It waits {duration(seconds)} before the second attempt",
    "factor": lambda factor: f"Each further wait is {factor} times as long",
    "cap_seconds": lambda seconds: f"No wait is longer than {duration(seconds)}",
    "jitter": lambda percent: f"Waits are spread by {percent} percent",
    "never": lambda codes: f"It is not tried again when it failed as {' or '.join(codes)}",
}


def duration(seconds: int) -> str:
    """Return seconds in words, e.g. ``1 day 2 hours``."""
    found, left = [], seconds
    for size, word in _SECONDS:
        count, left = divmod(left, size)
        if count:
            found.append(f"{count} {word}{'s' if count > 1 else ''}")
    return " ".join(found) or "0 seconds"


def deadlines_changed(was: Mapping[str, Any], is_now: Mapping[str, Any]) -> Iterator[str]:
    """Tell what changes of the deadlines of work for people."""
    return _changed(was, is_now, {name: _deadline(lead) for name, lead in _LATE.items()})


def limits_changed(was: Mapping[str, Any], is_now: Mapping[str, Any]) -> Iterator[str]:
    """Tell what changes of how long work may take."""
    return _changed(was, is_now, {name: _limit(lead) for name, lead in _LIMITS.items()})


def retry_changed(was: Mapping[str, Any], is_now: Mapping[str, Any]) -> Iterator[str]:
    """Tell what changes of trying again."""
    return _changed(was, is_now, _RETRY)


def _changed(
    was: Mapping[str, Any], is_now: Mapping[str, Any], words: Mapping[str, Callable[[Any], str]]
) -> Iterator[str]:
    for name, told in words.items():
        before, after = was.get(name), is_now.get(name)
        if before == after:
            continue
        if before is None:
            yield f"{told(after)}, which is new."
        elif after is None:
            yield f"No more: {told(before)}."
        else:
            yield f"{told(after)}. Before: {told(before)}."


def _limit(lead: str) -> Callable[[Any], str]:
    return lambda seconds: f"{lead} {duration(seconds)}"


def _deadline(lead: str) -> Callable[[Any], str]:
    def told(facts: Any) -> str:
        remind = facts.get("remind_seconds")
        reminded = f", reminded of after {duration(remind)}" if remind else ""
        return f"{lead} {duration(facts['seconds'])}, {_then(facts)}{reminded}"

    return told


def _then(facts: Mapping[str, Any]) -> str:
    groups = " and ".join(facts.get("to", ()))
    if facts["then"] == "escalate":
        return f"{groups} can do it, too"
    if facts["then"] == "reassign":
        return f"{groups} can do it instead"
    answer = ", ".join(f"{name} {value}" for name, value in facts.get("answer", {}).items())
    return f"it is closed by itself{f' with {answer}' if answer else ''}"
