"""How the sealing of the ledger stands, for pages, the API and the command line: read only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.utils.timesince import timesince

from audit.models import Checkpoint, Cosignature, Outlet, SigningKey

BEHIND = timedelta(seconds=60)
SEALER = "sealer"
FEW_COSIGNATURES = 20

_STANDING = """
WITH sealed AS (SELECT coalesce(max(index) + 1, 0) AS size FROM audit_leaf)
SELECT clock_timestamp(), sealed.size,
       (SELECT coalesce(max(position), 0) FROM audit_position),
       coalesce(
           (SELECT e.occurred_at FROM audit_position p JOIN audit_event e ON e.id = p.event_id
             WHERE p.position = sealed.size + 1),
           (SELECT e.occurred_at FROM audit_pendingevent q JOIN audit_event e ON e.id = q.event_id
             ORDER BY q.id LIMIT 1))
  FROM sealed
"""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something about the seals that somebody has to look at, in words, and since when."""

    title: str
    detail: str
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class OutletLine:
    """One sink or stream, and how many events it has still to get."""

    outlet: Outlet
    lag: int
    is_failing: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the ledger is sealed now."""

    now: datetime
    size: int
    newest_position: int
    oldest_unsealed_at: datetime | None
    outlets: tuple[OutletLine, ...]
    sealer: Outlet | None
    problems: tuple[Problem, ...]

    @property
    def is_red(self) -> bool:
        """Say whether somebody has to look at it."""
        return bool(self.problems)

    @property
    def unsealed(self) -> int:
        """Return how many numbered events are not sealed yet."""
        return max(0, self.newest_position - self.size)

    @property
    def has_begun(self) -> bool:
        """Say whether a sequencer ever told how its sealing goes."""
        return self.sealer is not None


def standing() -> Standing:
    """Return how sealing stands, in two queries."""
    with connection.cursor() as cursor:
        cursor.execute(_STANDING)
        now, size, newest, oldest = cursor.fetchone()
    rows = list(Outlet.objects.order_by("kind", "name"))
    sealer = next((row for row in rows if row.kind == SEALER), None)
    outlets = tuple(_line(row, size, now) for row in rows if row.kind != SEALER)
    problems = tuple(_problems(now, oldest, sealer, outlets))
    return Standing(now, size, newest, oldest, outlets, sealer, problems)


def newest_checkpoint() -> Checkpoint | None:
    """Return the checkpoint of the largest tree, None where nothing was signed yet."""
    return Checkpoint.objects.order_by("-tree_size").first()


def keys() -> list[SigningKey]:
    """Return the verifier keys, the newest first."""
    return list(SigningKey.objects.order_by("-first_size", "vkey"))


def cosignatures() -> list[Cosignature]:
    """Return the newest of what others said of checkpoints."""
    return list(Cosignature.objects.order_by("-pk")[:FEW_COSIGNATURES])


def _line(outlet: Outlet, size: int, now: datetime) -> OutletLine:
    since = outlet.failing_since
    return OutletLine(outlet, max(0, size - outlet.reached), since is not None and now - since > BEHIND)


def _problems(
    now: datetime, oldest: datetime | None, sealer: Outlet | None, outlets: tuple[OutletLine, ...]
) -> Any:
    if sealer is not None and sealer.failing_since is not None:
        yield Problem("The ledger is not sealed", sealer.last_error, sealer.failing_since)
    elif oldest is not None and now - oldest > BEHIND:
        cause = (
            "The process that seals it does not keep up, or does not run: look at the log of the sequencer."
            if sealer is not None
            else "Sealing has not begun: start the sequencer with a signing key (LEDGER_KEY_FILE)."
        )
        yield Problem(f"Sealing is behind by {timesince(oldest, now, depth=1)}", cause, oldest)
    for line in outlets:
        if line.is_failing:
            name, error = line.outlet.name, line.outlet.last_error
            yield Problem(f"{name} takes nothing", error or "It does not say why.", line.outlet.failing_since)


def in_words(given: Standing) -> list[str]:
    """Return the same as lines of text, for a terminal."""
    checkpoint = newest_checkpoint()
    lines = [f"{given.size} events are sealed, {given.unsealed} numbered ones wait."]
    if given.oldest_unsealed_at is not None:
        lines.append(f"The oldest that waits was written at {_at(given.oldest_unsealed_at)}.")
    if checkpoint is None:
        lines.append("Nothing was signed yet.")
    else:
        said = f"size {checkpoint.tree_size}, {bytes(checkpoint.root).hex()}"
        lines.append(f"The last checkpoint was signed at {_at(checkpoint.signed_at)}: {said}.")
    lines += [f"Key {key.vkey}, since {_at(key.first_used_at)} (size {key.first_size})." for key in keys()]
    for line in given.outlets:
        row = line.outlet
        ok = f"last well at {_at(row.last_ok_at)}" if row.last_ok_at else "never well yet"
        failing = f", fails since {_at(row.failing_since)}: {row.last_error}" if row.failing_since else ""
        lines.append(f"{row.kind} {row.name}: has {row.reached}, {line.lag} to go, {ok}{failing}.")
    lines += [f"WRONG: {problem.title}. {problem.detail}" for problem in given.problems]
    return lines if given.problems else [*lines, "All is well."]


def _at(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M:%S} UTC"
