"""Reserve before the effect: what an action adds to every measure that binds it, or a refusal."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext

from django.db import connection, transaction

from agents.decision import decide, wording
from agents.decision.facts import DecisionRequest, Mode, Snapshot, Verdict
from agents.decision.windows import CALL
from agents.models import Measure, Reservation
from agents.services.measures.adding import ADD, added
from agents.services.measures.reading import reading_of, rolling_used, standing_of
from agents.services.measures.shares import Share, counted_shares
from audit.selectors import database_now
from audit.vocabulary import Refusal, RefusalKind

# Adds, and writes who has it, in one statement.
_RESERVE = f"""
WITH added AS ({ADD} AS at)
INSERT INTO agents_reservation AS kept (id, action_id, measure_id, key, window_start, amount, state, created_at)
SELECT %(id)s, %(action)s, %(measure)s, %(key)s, %(start)s, %(amount)s, 'reserved', at FROM added
ON CONFLICT (action_id, measure_id) DO UPDATE
   SET key = excluded.key, window_start = excluded.window_start, amount = excluded.amount,
       state = excluded.state, created_at = excluded.created_at, closed_at = NULL
RETURNING id, created_at
"""


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
    shares = sorted(counted_shares(request, snapshot), key=Share.order)
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


def _covered_by_approval(request: DecisionRequest, snapshot: Snapshot) -> frozenset[str]:
    """Return the limits that people agreed to exceed: those that decided, under an approval that counts."""
    if request.approved is None:
        return frozenset()
    decision = decide(request, snapshot)
    return frozenset(decision.deciding) if decision.verdict == Verdict.ALLOW else frozenset()


def _reserve_one(
    action_id: str,
    share: Share,
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
        if not free and reading_of(share, (0, 0)).exceeded:
            raise _limit_refusal(share, request, snapshot)
        return None
    is_rolling = definition.window == Measure.Window.ROLLING
    reservation = _take(action_id, share, None if free or is_rolling else definition.ceiling)
    if reservation is None and (free or definition.ceiling is None):
        return None  # one huge number has filled it: it says so to who reads it, and shuts nobody out
    if reservation is None or (is_rolling and not free and _rolling_exceeded(share, reservation)):
        raise _limit_refusal(share, request, snapshot)
    return reservation


def _refuse_uncounted(share: Share, enforced: bool, request: DecisionRequest) -> None:
    """Without a rate an amount in money is unknown; the decision has held for that, and a person said yes."""
    unpriced = request.money is not None and request.money.company_minor is None
    if not enforced or (unpriced and share.definition.unit == "money" and request.approved is not None):
        return
    raise Refusal(
        "rule_error",
        f"Denied: the limit {share.definition.name!r} could not be checked: {share.error}.",
        next_step=wording.next_after_denial("rule_error"),
    )


def _take(action_id: str, share: Share, ceiling: int | None) -> Reservation | None:
    """Add to the counter, which stays locked, and write who has it; None when the ceiling would be passed."""
    found = Reservation(
        action_id=action_id,
        measure_id=share.definition.measure_id,
        key=share.key,
        window_start=share.window_start,
        amount=share.amount,
    )
    row = added(_RESERVE, share, ceiling, id=found.pk, action=action_id)
    if row is None:
        return None
    found.pk, found.created_at = row
    found._state.adding, found._state.db = False, connection.alias
    return found


def _rolling_exceeded(share: Share, taken: Reservation) -> bool:
    ceiling, before = share.definition.ceiling, rolling_used(share, taken.created_at, taken.action_id)
    return ceiling is not None and sum(before) + share.amount > ceiling


def _limit_refusal(share: Share, request: DecisionRequest, snapshot: Snapshot) -> Refusal:
    definition = share.definition
    facts = reading_of(share, standing_of(share, database_now()))
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
