"""Which verbs of the ledger a pattern names. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from fnmatch import fnmatchcase

PATTERN = re.compile(r"[a-z_*]+\.[a-z_*]+|\*")
# What triggers themselves write would only ever lead back to them.
OWN = "triggers."


def verbs_named(patterns: str, verbs: Collection[str]) -> list[str]:
    """Return the verbs that patterns name, never one that triggers write themselves."""
    found = {verb for pattern in patterns.split() for verb in verbs if fnmatchcase(verb, pattern)}
    return sorted(verb for verb in found if not verb.startswith(OWN))


def pattern_problems(patterns: str, verbs: Collection[str]) -> Iterator[str]:
    """Yield what is wrong with patterns, for people."""
    if not patterns.split():
        yield "Name at least one verb."
    for pattern in patterns.split():
        if not PATTERN.fullmatch(pattern):
            yield f"{pattern[:60]!r} is no verb: write room.what_happened, with * for any."
        elif not verbs_named(pattern, verbs):
            yield f"{pattern[:60]!r} names no event that could start a run."
