"""The next levels of a rule: who else may decide what is undecided, after how long. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agents.decision import speech
from agents.decision.facts import NextLevel, RuleFacts
from agents.decision.speech import count_of

MOST = 5
MOST_MINUTES = 60 * 24 * 60
WALL, WORKING = "wall", "working"
GROUP, SPONSOR, MANAGER, HEAD, REFUSE = "group", "sponsor", "manager", "head", "refuse"
WHO = {
    GROUP: "a group",
    SPONSOR: "the agent's sponsor",
    MANAGER: "the sponsor's manager",
    HEAD: "the head of the agent's department",
    REFUSE: "nobody: it is refused",
}


def read_levels(data: Sequence[Mapping[str, Any]]) -> tuple[NextLevel, ...]:
    """Return levels from texts (``minutes``, ``to``, ``group``); raises ValueError that says which is wrong."""
    if len(data) > MOST:
        raise ValueError(f"there are at most {MOST} next levels")
    found: list[NextLevel] = []
    for place, row in enumerate(data, start=1):
        level = _read(row, f"next level {place}")
        if found and level.minutes <= found[-1].minutes:
            raise ValueError(f"next level {place} must come later than the one before it")
        if found and found[-1].kind == REFUSE:
            raise ValueError("nothing comes after it is refused")
        found.append(level)
    return tuple(found)


def _read(row: Mapping[str, Any], where: str) -> NextLevel:
    if unknown := set(row) - {"minutes", "to", "group"}:
        raise ValueError(f"{where} has no {', '.join(sorted(unknown))}: write minutes, to and group")
    minutes, kind = str(row.get("minutes", "")).strip(), str(row.get("to", "")).strip()
    group = str(row.get("group", "") or "").strip()
    kind = kind or (GROUP if group else "")
    if not (minutes.isascii() and minutes.isdigit() and len(minutes) < 7 and 1 <= int(minutes) <= MOST_MINUTES):
        raise ValueError(f"{where} needs its minutes, from 1 to {MOST_MINUTES:,}")
    if kind not in WHO:
        raise ValueError(f"{where} needs whom to ask: one of {', '.join(WHO)}")
    if len(group) > 150 or not group.isprintable():
        raise ValueError(f"{where} names no group: {group[:20]!r}")
    if bool(group) != (kind == GROUP):
        raise ValueError(f"{where}: name a group where to is group, and nowhere else")
    return NextLevel(int(minutes), kind, group)


def as_data(levels: Iterable[NextLevel]) -> list[dict[str, str]]:
    """Return levels as texts, as they are stored and written."""
    return [
        {"minutes": str(one.minutes), "to": one.kind, **({"group": one.group} if one.group else {})}
        for one in levels
    ]


def levels_on_record(data: Any) -> tuple[NextLevel, ...]:
    """Return stored levels; what cannot be read lets nobody in."""
    try:
        return read_levels(data or [])
    except (ValueError, AttributeError, TypeError):
        return ()


def from_the_old_form(minutes: Any, group: str) -> list[dict[str, str]]:
    """Return the one next level that a rule had before there were several."""
    return [{"minutes": str(minutes), "to": GROUP, "group": group}] if minutes and group else []


def groups_named(values: Mapping[str, Any]) -> list[str]:
    """Return the groups of people that a rule names as it is written, empty ones too: who decides, and who does
    later, also in the form with one next level."""
    later = [str(row.get("group") or "") for row in values.get("levels") or () if isinstance(row, Mapping)]
    return [str(values.get(name) or "") for name in ("approver_group", "escalate_to")] + later


def level_words(level: NextLevel, clock: str) -> str:
    """Return a level in words: ``Undecided after 2 working hours, Directors may decide it, too``."""
    after = f"Undecided after {length_words(level.minutes, clock)}"
    if level.kind == REFUSE:
        return f"{after}, it is refused"
    return f"{after}, {level.group or WHO[level.kind]} may decide it, too"


def later_of(rule: RuleFacts) -> dict[str, Any]:
    """Return what a signed contract holds of the next levels; one group is written as it always was."""
    if not rule.levels:
        return {}
    if len(rule.levels) == 1 and rule.levels[0].kind == GROUP and rule.clock == WALL:
        return {"later": [rule.levels[0].group, rule.levels[0].minutes]}
    return {"later": [[rule.clock], *([one.kind, one.group, one.minutes] for one in rule.levels)]}


def length_words(minutes: int, clock: str) -> str:
    """Return a length in words: ``90 minutes``, ``1 day``, ``2 working hours``."""
    if clock != WORKING:
        return speech.minutes(minutes)
    if minutes % 60 == 0:
        return count_of(minutes // 60, "working hour")
    return count_of(minutes, "working minute")
