"""Limits that hold under any concurrency: reserve before the effect, settle or release after it.

One row per measure, key and window is the lock and the sum; rows are taken in one stable order everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q, Sum

from agents.decision import cel, decide, wording
from agents.decision.budgets import Budget, budgets_of, is_budget, key_of
from agents.decision.context import NotDecidable, build_context
from agents.decision.counting import counted_by
from agents.decision.facts import (
    AgentFacts,
    DecisionRequest,
    MeasureDefinition,
    MeasureFacts,
    Mode,
    Snapshot,
    Verdict,
)
from agents.decision.patterns import pattern_matches, scope_binds
from agents.decision.windows import CALL, EVER, window_start
from agents.models import Measure, MeasureCounter, Reservation
from audit.selectors import database_now
from audit.vocabulary import Refusal, RefusalKind

# Above this nothing is added to any counter: the largest number that one can hold is never reached.
FULL = 9 * 10**18
# Takes the row lock and adds in one statement; no row comes back when the ceiling (inclusive) would be passed.
# What is reserved is written with it; it says who has it.
_ADD = """
INSERT INTO agents_measurecounter AS counter (measure_id, key, window_start, reserved, settled)
SELECT %(measure)s, %(key)s, %(start)s, %(amount)s, 0
ON CONFLICT (measure_id, key, window_start) DO UPDATE SET reserved = counter.reserved + excluded.reserved
 WHERE counter.settled::numeric + counter.reserved + excluded.reserved <= %(most)s::bigint
RETURNING clock_timestamp()
"""
_RESERVE = f"""
WITH added AS ({_ADD} AS at)
INSERT INTO agents_reservation AS kept (id, action_id, measure_id, key, window_start, amount, state, created_at)
SELECT %(id)s, %(action)s, %(measure)s, %(key)s, %(start)s, %(amount)s, 'reserved', at FROM added
ON CONFLICT (action_id, measure_id) DO UPDATE
   SET key = excluded.key, window_start = excluded.window_start, amount = excluded.amount,
       state = excluded.state, created_at = excluded.created_at, closed_at = NULL
RETURNING id, created_at
"""
_COUNTERS = """
SELECT measure_id, key, window_start, reserved, settled
  FROM agents_measurecounter
 WHERE (measure_id, key, window_start) IN ({places})
"""
# What is under way ends with the call, whatever came of it. Of failures in a row only a failure stays.
_CLOSE = """
UPDATE agents_reservation AS held
   SET closed_at = clock_timestamp(),
       state = CASE WHEN measure.unit = 'running' THEN 'released'
                    WHEN (measure.unit = 'failures') = (%(came_to)s = 'failed') AND %(came_to)s <> 'nothing'
                    THEN 'settled' ELSE 'released' END
  FROM agents_measure AS measure
 WHERE measure.id = held.measure_id AND held.action_id = ANY(%(actions)s) AND held.state = 'reserved'
RETURNING held.measure_id, held.key, held.window_start, held.amount, held.state, measure.unit, held.action_id
"""
_RECOUNT = "UPDATE agents_reservation SET amount = %s WHERE action_id = %s AND measure_id = %s"
# Under the counter's lock: what failed before this success is no row any more.
_ANEW = """
UPDATE agents_measurecounter SET settled = 0 WHERE measure_id = %s AND key = %s AND window_start = %s
"""
_FORGIVEN = """
UPDATE agents_reservation SET state = 'released'
 WHERE measure_id = %s AND key = %s AND window_start = %s AND state = 'settled'
"""
_SETTLE = """
UPDATE agents_measurecounter SET reserved = reserved - %s, settled = settled + %s
 WHERE measure_id = %s AND key = %s AND window_start = %s
"""
_RELEASE = """
UPDATE agents_measurecounter SET reserved = reserved - %s
 WHERE measure_id = %s AND key = %s AND window_start = %s
"""


@dataclass(frozen=True, slots=True)
class _Share:
    """What one request adds to one measure. ``error`` is set when that could not be computed."""

    definition: MeasureDefinition
    key: str
    amount: int
    window_start: datetime
    error: str = ""

    def order(self) -> tuple[str, str, datetime]:
        """Return the place in the one order in which counters are locked."""
        return self.definition.measure_id, self.key, self.window_start


def reserve(
    *, action_id: str, request: DecisionRequest, snapshot: Snapshot, is_first: bool = False
) -> list[Reservation]:
    """Reserve what this action adds to every measure that binds it; the ceiling is inclusive.

    ``is_first``: nothing was ever reserved for it, so that nobody asks.

    Must run inside the deciding transaction; a refusal leaves nothing reserved. Raises Refusal
    ``limit_reached`` (LIMITED), ``duplicate`` (CONFLICT: window for ever, ceiling 1), ``limit_hold`` (CONFLICT:
    on_exceed is hold and no approval covers it; decide again, the fresh reading holds) or ``rule_error``. A
    shadow measure counts and never refuses. Reserving twice for one action changes nothing.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("A reservation belongs to the transaction that decides.")
    shares = sorted(_counted_shares(request, snapshot), key=_Share.order)
    if not shares:
        return []
    covered = _covered_by_approval(request, snapshot)
    # One statement that adds nothing leaves nothing behind; several need a way back to before the first.
    is_all_or_nothing = len(shares) == 1 and shares[0].definition.window != Measure.Window.ROLLING
    with nullcontext() if is_all_or_nothing else transaction.atomic():
        rows = () if is_first else Reservation.objects.filter(action_id=action_id)
        already = {str(row.measure_id): row for row in rows}
        return [
            reservation
            for share in shares
            if (reservation := _reserve_one(action_id, share, already, covered, request, snapshot)) is not None
        ]


def settle(*, action_id: str, records: int | None = None) -> int:
    """Count what the action reserved as done; returns how many reservations changed. Twice changes nothing.

    ``records``: how many its system says were touched; limits of records count these, also above a ceiling.
    A success also ends a row of failures.
    """
    return settle_all(action_ids=[action_id], records={} if records is None else {action_id: records})


def settle_all(*, action_ids: Sequence[str], records: Mapping[str, int] | None = None) -> int:
    """Do that for several actions."""
    return _close(action_ids, _DONE, records or {})


def release(*, action_id: str) -> int:
    """Give back what the action reserved; what is settled stays. Twice changes nothing."""
    return _close([action_id], _NOTHING)


def fail(*, action_id: str) -> int:
    """Give back what the action reserved, because it failed: only limits of failures in a row count it."""
    return _close([action_id], _FAILED)


def begin_anew(*, measure_id: UUID, key: str | None = None) -> int:
    """End the rows of failures of a limit, under one key or all; return how many are no longer counted."""
    counters = MeasureCounter.objects.select_for_update().filter(measure_id=measure_id, settled__gt=0)
    found = list((counters if key is None else counters.filter(key=key)).order_by("key", "window_start"))
    with connection.cursor() as cursor:
        for row in found:
            _count_anew(cursor, (measure_id, row.key, row.window_start))
    return sum(row.settled for row in found)


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
        found.append(Budget(share.definition, _reading(share, _standing(share, now)), added))
    return found


def budgets(agent: AgentFacts, run_id: str, snapshot: Snapshot) -> list[Budget]:
    """Return every budget that counts for an agent, in a run or outside of any, with what stands against it."""
    return [
        Budget(share.definition, _reading(share, _standing(share, now)))
        for share, now in _budget_shares(agent, run_id, snapshot)
    ]


def _budget_shares(agent: AgentFacts, run_id: str, snapshot: Snapshot) -> Iterator[tuple[_Share, datetime]]:
    """Yield what asks each budget of an agent whether anything is left, with the time it is asked for."""
    now: datetime | None = None
    for budget in budgets_of(snapshot.measures, agent):
        if key_of(budget, run_id) is not None:
            now = now or database_now()
            yield _left_of(budget, run_id, now, snapshot.time_zone), now


def _standing(share: _Share, now: datetime) -> tuple[int, int]:
    return _counted([share], now, "").get(share.order(), (0, 0))


def _count_spent(report_id: str, share: _Share) -> None:
    at = _add(share, None)
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
        cursor.execute(_SETTLE, (share.amount, share.amount, *place))


def is_bound(request: DecisionRequest, snapshot: Snapshot) -> bool:
    """Say whether any limit counts this request."""
    return bool(_binding(request, snapshot))


def readings(request: DecisionRequest, snapshot: Snapshot, *, action_id: str = "") -> dict[str, MeasureFacts]:
    """Return the reading of every measure that binds this request, by code; reserves nothing.

    What ``action_id`` itself holds is left out, so that an action decided again does not stand in its own way.
    """
    now = request.now
    shares = _shares(request, snapshot, now)
    if not shares:
        return {}
    counted = _counted([share for share in shares if not share.error], now, action_id)
    return {share.definition.code: _reading(share, counted.get(share.order(), (0, 0))) for share in shares}


def with_readings(request: DecisionRequest, snapshot: Snapshot, *, action_id: str = "") -> DecisionRequest:
    """Return the request with its measures filled in."""
    return replace(request, measures=readings(request, snapshot, action_id=action_id))


# --- What a request adds.


def _shares(request: DecisionRequest, snapshot: Snapshot, now: datetime) -> list[_Share]:
    binding = _binding(request, snapshot)
    if request.operation is None:
        return []
    zone = snapshot.time_zone
    if all(_is_plain(measure) and _counts(measure, request) for measure in binding):
        # Calls that are only counted read nothing of what is asked.
        return [
            _Share(measure, "", int(measure.amount), window_start(measure.window, now, zone))
            for measure in binding
        ]
    try:
        bare = replace(request, measures={})
        context = cel.make_context(build_context(bare, request.operation, snapshot.time_zone))
    except (NotDecidable, cel.ConditionError) as error:
        return [_Share(measure, "", 0, EVER, str(error)) for measure in binding]
    return [
        _left_of(measure, request.run_id, now, zone)
        if is_budget(measure)
        else _share(measure if _counts(measure, request) else _as_read(measure), context, now, zone)
        for measure in binding
    ]


def _counted_shares(request: DecisionRequest, snapshot: Snapshot) -> list[_Share]:
    """Return what a request adds where it counts. What was worked out for its reading is not worked out again.

    What a model took is counted when it is reported, not here.
    """
    counting = [it for it in _binding(request, snapshot) if not is_budget(it) and _counts(it, request)]
    read = [(it, request.measures.get(it.code)) for it in counting]
    if any(facts is None or facts.error for _, facts in read):
        wanted = {it.measure_id for it in counting}
        return [it for it in _shares(request, snapshot, request.now) if it.definition.measure_id in wanted]
    return [
        _Share(it, facts.key, facts.amount, window_start(it.window, request.now, snapshot.time_zone))
        for it, facts in read
        if facts
    ]


def _is_plain(measure: MeasureDefinition) -> bool:
    return not measure.key.strip() and measure.amount.strip() == "1" and not is_budget(measure)


def _as_read(measure: MeasureDefinition) -> MeasureDefinition:
    return replace(measure, key=measure.read_key, amount="0")


def _left_of(budget: MeasureDefinition, run_id: str, now: datetime, zone: str) -> _Share:
    """Ask for one token, or a millionth: whether anything of a budget is left."""
    return _Share(budget, key_of(budget, run_id) or "", 1, window_start(budget.window, now, zone))


def _binding(request: DecisionRequest, snapshot: Snapshot) -> list[MeasureDefinition]:
    return [measure for measure in snapshot.measures if _binds(measure, request)]


def _binds(measure: MeasureDefinition, request: DecisionRequest) -> bool:
    if measure.mode == Mode.DRAFT or request.operation is None:
        return False
    if is_budget(measure) and key_of(measure, request.run_id) is None:
        return False
    return scope_binds(measure.scope_kind, measure.scope_id, request.agent) and (
        _counts(measure, request) or _is_only_read(measure, request)
    )


def _counts(measure: MeasureDefinition, request: DecisionRequest) -> bool:
    return pattern_matches(measure.operations, request.operation_code)


def _is_only_read(measure: MeasureDefinition, request: DecisionRequest) -> bool:
    """Its rules read what others have counted: whether this was checked, say, before it is posted."""
    return bool(measure.read_for) and pattern_matches(measure.read_for, request.operation_code)


def _share(measure: MeasureDefinition, context: Any, now: datetime, zone: str) -> _Share:
    start = window_start(measure.window, now, zone)
    try:
        key, amount = counted_by(measure, context)
    except cel.ConditionError as error:
        return _Share(measure, "", 0, start, str(error))
    return _Share(measure, key, amount, start)


# --- Reserving.


def _covered_by_approval(request: DecisionRequest, snapshot: Snapshot) -> frozenset[str]:
    """Return the limits that people agreed to exceed: those that decided, under an approval that counts."""
    if request.approved is None:
        return frozenset()
    decision = decide(request, snapshot)
    return frozenset(decision.deciding) if decision.verdict == Verdict.ALLOW else frozenset()


def _reserve_one(
    action_id: str,
    share: _Share,
    already: Mapping[str, Reservation],
    covered: frozenset[str],
    request: DecisionRequest,
    snapshot: Snapshot,
) -> Reservation | None:
    definition = share.definition
    enforced = definition.mode != Mode.SHADOW
    if share.error:
        _refuse_uncounted(share, enforced, request)
        return None
    held = already.get(definition.measure_id)
    if held is not None and held.state != Reservation.State.RELEASED:
        return held
    free = not enforced or definition.measure_id in covered
    if definition.window == CALL:
        if not free and _reading(share, (0, 0)).exceeded:
            raise _limit_refusal(share, request, snapshot)
        return None
    is_rolling = definition.window == Measure.Window.ROLLING
    reservation = _take(action_id, share, None if free or is_rolling else definition.ceiling)
    if reservation is None and (free or definition.ceiling is None):
        return None  # one huge number has filled it: it says so to who reads it, and shuts nobody out
    if reservation is None or (is_rolling and not free and _rolling_exceeded(share, reservation)):
        raise _limit_refusal(share, request, snapshot)
    return reservation


def _refuse_uncounted(share: _Share, enforced: bool, request: DecisionRequest) -> None:
    """Without a rate an amount in money is unknown; the decision has held for that, and a person said yes."""
    unpriced = request.money is not None and request.money.company_minor is None
    if not enforced or (unpriced and share.definition.unit == "money" and request.approved is not None):
        return
    raise Refusal(
        "rule_error",
        f"Denied: the limit {share.definition.name!r} could not be checked: {share.error}.",
        next_step=wording.next_after_denial("rule_error"),
    )


def _take(action_id: str, share: _Share, ceiling: int | None) -> Reservation | None:
    """Add to the counter, which stays locked, and write who has it; None when the ceiling would be passed."""
    found = Reservation(
        action_id=action_id,
        measure_id=share.definition.measure_id,
        key=share.key,
        window_start=share.window_start,
        amount=share.amount,
    )
    row = _added(_RESERVE, share, ceiling, id=found.pk, action=action_id)
    if row is None:
        return None
    found.pk, found.created_at = row
    found._state.adding, found._state.db = False, connection.alias
    return found


def _add(share: _Share, ceiling: int | None) -> datetime | None:
    """Add to the counter, which stays locked; return the time, or None when the ceiling would be passed."""
    row = _added(_ADD, share, ceiling)
    return row[0] if row else None


def _added(statement: str, share: _Share, ceiling: int | None, **more: Any) -> tuple[Any, ...] | None:
    most = FULL if ceiling is None else min(ceiling, FULL)
    if share.amount > most:
        return None
    with connection.cursor() as cursor:
        cursor.execute(
            statement,
            {
                "measure": share.definition.measure_id,
                "key": share.key,
                "start": share.window_start,
                "amount": share.amount,
                "most": most,
                **more,
            },
        )
        row: tuple[Any, ...] | None = cursor.fetchone()
    return row


def _rolling_exceeded(share: _Share, taken: Reservation) -> bool:
    ceiling, before = share.definition.ceiling, _rolling_used(share, taken.created_at, taken.action_id)
    return ceiling is not None and sum(before) + share.amount > ceiling


def _rolling_used(share: _Share, at: datetime, action_id: str) -> tuple[int, int]:
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


def _limit_refusal(share: _Share, request: DecisionRequest, snapshot: Snapshot) -> Refusal:
    definition = share.definition
    facts = _reading(share, _standing(share, database_now()))
    words = wording.measure_words(definition, facts, snapshot.company_currency)
    detail = {"measure": definition.code, "headroom": facts.headroom}
    if definition.on_exceed == "hold":
        return Refusal(
            "limit_hold",
            wording.sentence("Held", words),
            detail,
            RefusalKind.CONFLICT,
            "Decide again: it is held now.",
        )
    duplicate = wording.is_no_duplicate(definition)
    code = "duplicate" if duplicate else "limit_reached"
    kind = RefusalKind.CONFLICT if duplicate else RefusalKind.LIMITED
    return Refusal(code, wording.sentence("Denied", words), detail, kind, wording.next_after_denial(code))


# --- Closing.


_DONE, _FAILED, _NOTHING = "done", "failed", "nothing"


def _close(action_ids: Sequence[str], came_to: str, records: Mapping[str, int] | None = None) -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_CLOSE, {"came_to": came_to, "actions": list(action_ids)})
        # The same order as in reserve, so that no two actions ever wait for each other in a circle.
        rows = sorted(cursor.fetchall(), key=lambda row: (str(row[0]), row[1], row[2]))
        for *place, amount, state, unit, action_id in rows:
            if state == Reservation.State.SETTLED:
                counted = amount
                if unit == Measure.Unit.RECORDS and (told := (records or {}).get(action_id)) is not None:
                    counted = told
                    cursor.execute(_RECOUNT, [counted, action_id, place[0]])
                cursor.execute(_SETTLE, [amount, counted, *place])
            else:
                cursor.execute(_RELEASE, [amount, *place])
            if unit == Measure.Unit.FAILURES and came_to == _DONE:
                _count_anew(cursor, place)
        return len(rows)


def _count_anew(cursor: Any, place: Sequence[Any]) -> None:
    cursor.execute(_ANEW, place)
    cursor.execute(_FORGIVEN, place)


# --- Reading.


def _counted(
    shares: Sequence[_Share], now: datetime, action_id: str
) -> dict[tuple[str, str, datetime], tuple[int, int]]:
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
            found[share.order()] = _rolling_used(share, now, action_id)
    return found


def _reading(share: _Share, counted: tuple[int, int]) -> MeasureFacts:
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
