"""What the ledger is told of a transition beside its words: what was seen of it, and if it is as decided."""

from __future__ import annotations

import re
from collections.abc import Mapping

from workflows.actions.choices import Outcome, State

# A label of the agent's own making may be anything; only what looks like a code is kept for ever.
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
_SEEN = {
    State.CONFIRMED: ("confirmed", Outcome.UNKNOWN.value),
    State.FAILED: ("failed", Outcome.DIFFERS.value),  # it was allowed, and is not done
    State.IN_DOUBT: ("in_doubt", Outcome.UNKNOWN.value),
}


def seen_of(to: State, outcome: str) -> tuple[str, str]:
    """Return what was seen to come of an action, and whether it is as decided; empty before its end is known.

    outcome: what read-back found (``choices.Outcome``), if it was asked.
    """
    effect, agreement = _SEEN.get(to, ("", ""))
    return effect, (outcome or agreement) if to == State.CONFIRMED else agreement


def source_labels(provenance: Mapping[str, str]) -> str:
    """Return where the data of an action came from, each label once; what looks like no code is ``other``."""
    found = {label if _CODE.fullmatch(label) else "other" for label in provenance.values()}
    return ",".join(sorted(found))[:200]
