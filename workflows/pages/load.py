"""How approvals go: how many wait by when, how long a decision takes, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from agents.decision.speech import count_of
from workflows.approvals.policies.load import FEW, Figures
from workflows.approvals.selectors.load import PERIODS, WEEKS, load_for
from workflows.pages.access import for_people, page

TOO_FEW = "too few to say"


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one person, or of one rule, as they are read."""

    name: str
    decided: int
    seconds: str
    unopened: str
    overridden: str
    undone: str


@never_cache
@require_safe
@for_people
def approvals_load(request: HttpRequest) -> HttpResponse:
    """Show how approvals go: to managers all of them, to everybody else their own."""
    days = next((one for one in PERIODS if str(one) == request.GET.get("days")), PERIODS[1])
    found = load_for(request.user, days)  # type: ignore[arg-type]
    shown: dict[str, Any] = {
        "load": found,
        "periods": PERIODS,
        "coming": _all_coming(found.coming),
        "all": row_of("All", found.all),
        "people": [row_of(name, one) for name, one in found.by_person],
        "rules": [row_of(name, one) for name, one in found.by_rule],
        "few": FEW,
        "weeks": WEEKS,
    }
    return page(request, "portal/load.html", "How approvals go", **shown)


def row_of(name: str, found: Figures) -> Row:
    """Return figures in words; of few decisions only their number."""
    return Row(
        name,
        found.decided,
        length_words(found.median_seconds),
        _percent(found.unopened_share),
        _percent(found.override_rate),
        _percent(found.reversed_share),
    )


def length_words(seconds: float | None) -> str:
    """Return a length as people say it: ``40 seconds``, ``3 minutes``."""
    if seconds is None:
        return TOO_FEW
    for size, name in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= 2 * size:
            return count_of(round(seconds / size), name)
    return f"{seconds:.0f} seconds" if seconds >= 10 else f"{seconds:g} seconds"


def _percent(share: float | None) -> str:
    return TOO_FEW if share is None else f"{share:.0%}"


def _all_coming(coming: Sequence[tuple[datetime, int]]) -> list[str]:
    """Say how many will wait by when; that none will, once instead of for each day."""
    if coming and not any(number for _at, number in coming):
        last, _none = coming[-1]
        return [f"none waiting until {last:%A}, {last:%-d %b}"]
    return [_coming(at, number) for at, number in coming]


def _coming(at: datetime, number: int) -> str:
    many = f"about {number}" if number else "none"
    return f"{many} waiting by {at:%A} {at:%H:%M}{_when(at)}"


def _when(at: datetime) -> str:
    return " (today)" if at.date() == timezone.now().astimezone(at.tzinfo).date() else f", {at:%-d %b}"
