"""What people changed in an action before it became what it is now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from workflows.actions.models import Action
from workflows.actions.policies import MOST_EDITS, Difference, differences, redacted


@dataclass(frozen=True, slots=True)
class Edit:
    """One change by a person: who, why, and every value that became another. What a rule hides is left out."""

    who: str
    reason: str
    at: Any
    differences: tuple[Difference, ...]
    replaced_id: str


def edits_of(action: Action) -> list[Edit]:
    """Return what people changed in an action and in those it replaces, the newest first."""
    found: list[Edit] = []
    while action.replaces is not None and len(found) < MOST_EDITS:
        old = action.replaces
        found.append(
            Edit(
                str(action.edited_by),
                action.edit_reason,
                action.requested_at,
                changed(old, action),
                str(old.pk),
            )
        )
        action = old
    return found


def changed(old: Action, new: Action, hides: tuple[str, ...] = ()) -> tuple[Difference, ...]:
    """Return what is other in ``new``, without what a rule hides in either (``hides``: in the new one, too)."""
    hidden = [*hidden_in_action(old), *hidden_in_action(new), *hides]
    schema = new.revision.input_schema if new.revision else None
    return differences(redacted(old.arguments, hidden), redacted(new.arguments, hidden), schema)


def hidden_in_action(action: Action) -> list[str]:
    """Return the paths (``args.<path>``) that a rule hides, also those it hid before people changed the action:
    a value changed so that the rule no longer applies shows nobody what was hidden."""
    paths: list[str] = action.explanation.get("obligations", {}).get("redact", [])
    if action.replaces is None:
        return paths
    return [*paths, *(path for path in hidden_in_action(action.replaces) if path not in paths)]
