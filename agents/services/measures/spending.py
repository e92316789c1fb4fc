"""Budgets of model use: what has been spent is added when it is reported, whatever the ceiling."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from django.db import connection

from agents.decision.budgets import Budget, budgets_of, key_of
from agents.decision.facts import AgentFacts, Snapshot
from agents.models import Reservation
from agents.services.measures.adding import SETTLE, add
from agents.services.measures.reading import reading_of, standing_of
from agents.services.measures.shares import Share, left_of
from audit.selectors import database_now


def count_model_use(
    *, report_id: str, agent: AgentFacts, run_id: str, spent: Mapping[str, int], snapshot: Snapshot
) -> list[Budget]:
    """Add what a report says to every budget that counts for the agent; return them as they stand then.

    ``spent``: how much by unit (tokens; cost in millionths of the company currency). No ceiling keeps it
    out: it has been spent. Must run inside the transaction that keeps the report.
    """
    found = []
    for share, now in _budget_shares(agent, run_id, snapshot):
        added = spent[share.definition.unit]
        if added:
            _count_spent(report_id, replace(share, amount=added))
        found.append(Budget(share.definition, reading_of(share, standing_of(share, now)), added))
    return found


def budgets(agent: AgentFacts, run_id: str, snapshot: Snapshot) -> list[Budget]:
    """Return every budget that counts for an agent, in a run or outside of any, with what stands against it."""
    return [
        Budget(share.definition, reading_of(share, standing_of(share, now)))
        for share, now in _budget_shares(agent, run_id, snapshot)
    ]


def _budget_shares(agent: AgentFacts, run_id: str, snapshot: Snapshot) -> Iterator[tuple[Share, datetime]]:
    """Yield what asks each budget of an agent whether anything is left, with the time it is asked for."""
    now: datetime | None = None
    for budget in budgets_of(snapshot.measures, agent):
        if key_of(budget, run_id) is not None:
            now = now or database_now()
            yield left_of(budget, run_id, now, snapshot.time_zone), now


def _count_spent(report_id: str, share: Share) -> None:
    at = add(share, None)
    if at is None:
        raise RuntimeError("a counter without a ceiling takes everything")
    Reservation.objects.create(
        action_id=report_id,
        measure_id=share.definition.measure_id,
        key=share.key,
        window_start=share.window_start,
        amount=share.amount,
        state=Reservation.State.SETTLED,
        created_at=at,
        closed_at=at,
    )
    with connection.cursor() as cursor:
        place = (share.definition.measure_id, share.key, share.window_start)
        cursor.execute(SETTLE, (share.amount, share.amount, *place))
