"""Who may say who decides for somebody who is away. Pure questions; dates are days of the company's clock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from audit.vocabulary import Refusal, RefusalKind

MOST_DAYS = 366


@dataclass(frozen=True, slots=True)
class Absence:
    """From one day to another, both included, somebody else decides. ``giver`` and ``delegate`` are ids."""

    giver: str
    delegate: str
    first_day: date
    last_day: date

    def overlaps(self, other: Absence) -> bool:
        """Say whether both are in force on some day."""
        return self.first_day <= other.last_day and other.first_day <= self.last_day


def why_not_away(wish: Absence, others: Iterable[Absence], *, today: date) -> Refusal | None:
    """Return why somebody cannot hand on as they wish, or None. ``others`` are in force or will be."""
    together = [other for other in others if other.overlaps(wish)]
    return _oneself(wish) or _days(wish, today) or _twice(wish, together) or _cycle(wish, together)


def _oneself(wish: Absence) -> Refusal | None:
    if wish.giver != wish.delegate:
        return None
    why = "nobody decides for themselves while they are away."
    return _refused("delegate_is_oneself", why, "Choose another.")


def _days(wish: Absence, today: date) -> Refusal | None:
    if wish.last_day < wish.first_day:
        return _refused("days_wrong", "the last day is before the first.", "Correct the days.")
    if wish.last_day < today:
        return _refused("days_wrong", "the last day is over.", "Choose a day from today on.")
    if wish.last_day - max(wish.first_day, today) >= timedelta(days=MOST_DAYS):
        return _refused("days_wrong", f"it is longer than {MOST_DAYS} days.", "Choose an earlier last day.")
    return None


def _twice(wish: Absence, together: list[Absence]) -> Refusal | None:
    if all(other.giver != wish.giver for other in together):
        return None
    return _refused(
        "already_away",
        "somebody else decides already on one of these days.",
        "End that first, or choose other days.",
        RefusalKind.CONFLICT,
    )


def _cycle(wish: Absence, together: list[Absence]) -> Refusal | None:
    """Follow whom the delegate hands on to meanwhile: it must not come back."""
    reached: set[str] = set()
    found = {wish.delegate}
    while found - reached:
        reached |= found
        found = {other.delegate for other in together if other.giver in reached}
    if wish.giver not in reached:
        return None
    return _refused(
        "delegation_cycle",
        "whoever you choose is away on one of these days too, and it would come back to where it began.",
        "Choose somebody who is there.",
        RefusalKind.CONFLICT,
    )


def _refused(code: str, why: str, next_step: str, kind: RefusalKind = RefusalKind.INVALID) -> Refusal:
    return Refusal(code, f"Nothing was changed: {why}", kind=kind, next_step=next_step)
