"""What stands against each measure that binds a request; reserves nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Q, Sum

from agents.decision.facts import DecisionRequest, MeasureFacts, Snapshot
from agents.models import Measure, Reservation
from agents.services.measures.shares import Share, limits_binding, shares_of

_COUNTERS = """
SELECT measure_id, key, window_start, reserved, settled
  FROM agents_measurecounter
 WHERE (measure_id, key, window_start) IN ({places})
"""


def is_bound(request: DecisionRequest, snapshot: Snapshot) -> bool:
    """Say whether any limit counts this request."""
    return bool(limits_binding(request, snapshot))


def readings(request: DecisionRequest, snapshot: Snapshot, *, action_id: str = "") -> dict[str, MeasureFacts]:
    """Return the reading of every measure that binds this request, by code; reserves nothing.

    What ``action_id`` itself holds is left out, so that an action decided again does not stand in its own way.
    """
    now = request.now
    shares = shares_of(request, snapshot, now)
    if not shares:
        return {}
    found = stands_against([share for share in shares if not share.error], now, action_id)
    return {share.definition.code: reading_of(share, found.get(share.order(), (0, 0))) for share in shares}


def with_readings(request: DecisionRequest, snapshot: Snapshot, *, action_id: str = "") -> DecisionRequest:
    """Return the request with its measures filled in."""
    return replace(request, measures=readings(request, snapshot, action_id=action_id))


def standing_of(share: Share, now: datetime) -> tuple[int, int]:
    """Return (reserved, settled) of the counter of one share."""
    return stands_against([share], now, "").get(share.order(), (0, 0))


def stands_against(
    shares: Sequence[Share], now: datetime, action_id: str
) -> dict[tuple[str, str, datetime], tuple[int, int]]:
    """Return (reserved, settled) of every counter, by its place; without what an action itself holds."""
    fixed = [share for share in shares if share.definition.window != Measure.Window.ROLLING]
    found = {share.order(): (0, 0) for share in fixed}
    if fixed:
        places = ", ".join(["(%s, %s, %s)"] * len(fixed))
        with connection.cursor() as cursor:
            cursor.execute(
                _COUNTERS.format(places=places), [value for share in fixed for value in share.order()]
            )
            found.update({(str(row[0]), row[1], row[2]): (row[3], row[4]) for row in cursor.fetchall()})
    own = Reservation.objects.filter(action_id=action_id, state=Reservation.State.RESERVED) if action_id else ()
    for row in own:
        place = (str(row.measure_id), row.key, row.window_start)
        if place in found:
            found[place] = (found[place][0] - row.amount, found[place][1])
    for share in shares:
        if share.definition.window == Measure.Window.ROLLING:
            found[share.order()] = rolling_used(share, now, action_id)
    return found


def rolling_used(share: Share, at: datetime, action_id: str) -> tuple[int, int]:
    """Return (reserved, settled) of the last so many seconds; under the counter's lock this is exact."""
    since = at - timedelta(seconds=share.definition.window_seconds or 0)
    live = Reservation.objects.filter(
        measure_id=share.definition.measure_id, key=share.key, created_at__gt=since
    ).exclude(action_id=action_id)
    sums = live.aggregate(
        reserved=Sum("amount", filter=Q(state=Reservation.State.RESERVED)),
        settled=Sum("amount", filter=Q(state=Reservation.State.SETTLED)),
    )
    return int(sums["reserved"] or 0), int(sums["settled"] or 0)


def reading_of(share: Share, counted: tuple[int, int]) -> MeasureFacts:
    """Return a share and what stands against it as a decision reads them."""
    definition = share.definition
    return MeasureFacts(
        code=definition.code,
        name=definition.name,
        unit=definition.unit,
        key=share.key,
        amount=share.amount,
        reserved=counted[0],
        settled=counted[1],
        ceiling=definition.ceiling,
        error=share.error,
    )
