"""What became of a policy from one version to the next, in words. Pure: it reads what the versions keep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agents.decision import levels

# What a rule says of itself, and of where it stands, is no change of it.
_NO_CHANGE = {"rule_id", "policy_id", "policy_code", "scope_kind", "scope_id", "version"}
# What the sentence says already, where the sentence itself has changed.
_IN_THE_SENTENCE = {"field", "comparison", "value", "also", "condition"}
_SPOKEN = {
    "also": "further comparisons",
    "approver_group": "who is asked",
    "clock": "how its time counts",
    "effects": "kinds of operations",
    "levels": "who is asked later",
    "operations": "operations",
    "quorum": "how many must agree",
    "redact": "what is hidden",
    "remind_minutes": "reminder after minutes",
    "stage": "stage",
    "step_up": "sign in again",
}
_VALUES = {
    "mode": {"draft": "draft", "shadow": "shadow", "enforced": "enforced"},
    "verdict": {"deny": "deny", "hold": "ask", "none": "allow with duties"},
    "clock": {"wall": "at any time", "working": "in working hours"},
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is otherwise than in the version before: added, removed, changed or moved."""

    what: str
    name: str
    words: str


def version_difference(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> list[Difference]:
    """Return what a version changed; of the first, everything it began with."""
    return list(_differences(before or {}, after))


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Difference]:
    if before and before.get("scope") != after.get("scope"):
        yield Difference("moved", "Whom it binds", "It binds others than before.")
    old = {rule["rule_id"]: rule for rule in before.get("rules", ())}
    new = {rule["rule_id"]: rule for rule in after.get("rules", ())}
    for key, rule in new.items():
        if key not in old:
            yield Difference("added", rule["name"], f"{_sentence(rule)} ({_value('mode', rule['mode'])})")
        elif changed := list(_changed(old[key], rule)):
            yield Difference("changed", rule["name"], "; ".join(changed))
    for key, rule in old.items():
        if key not in new:
            yield Difference("removed", rule["name"], _sentence(rule))


def _sentence(rule: Mapping[str, Any]) -> str:
    return str(rule.get("sentence") or rule["name"])


def _changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    told = old.get("sentence") != new.get("sentence")
    for name, value in new.items():
        if name in _NO_CHANGE or old.get(name) == value or (told and name in _IN_THE_SENTENCE):
            continue
        if name == "condition" and new.get("field"):
            continue  # the comparison says it in words
        if name == "sentence":
            yield f"“{old.get(name) or 'no sentence'}” becomes “{value}”"
        else:
            yield f"{_SPOKEN.get(name, name)}: {_value(name, old.get(name))} becomes {_value(name, value)}"


def _value(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_part(part) for part in value) or "none"
    known = _VALUES.get(name, {})
    return known.get(str(value), str(value)) if value not in (None, "", 0) else "none"


def _part(part: Any) -> str:
    if not isinstance(part, Mapping):
        return str(part)
    if "minutes" in part:
        return f"after {part['minutes']} minutes {part.get('group') or levels.WHO.get(part['to'], part['to'])}"
    return (
        f"{part.get('joined', '')} {part.get('field', '')} {part.get('comparison', '')} {part.get('value', '')}"
    )
