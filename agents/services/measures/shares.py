"""What one request adds to each measure that binds it, and under which key. Asks nobody."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from agents.decision import cel
from agents.decision.budgets import is_budget, key_of
from agents.decision.context import NotDecidable, build_context
from agents.decision.counting import counted_by
from agents.decision.facts import DecisionRequest, MeasureDefinition, Mode, Snapshot
from agents.decision.patterns import pattern_matches, scope_binds
from agents.decision.windows import EVER, window_start


@dataclass(frozen=True, slots=True)
class Share:
    """What one request adds to one measure. ``error`` is set when that could not be computed."""

    definition: MeasureDefinition
    key: str
    amount: int
    window_start: datetime
    error: str = ""

    def order(self) -> tuple[str, str, datetime]:
        """Return the place in the one order in which counters are locked."""
        return self.definition.measure_id, self.key, self.window_start


def shares_of(request: DecisionRequest, snapshot: Snapshot, now: datetime) -> list[Share]:
    """Return what a request adds to each measure that binds it; what cannot be worked out says why."""
    binding = limits_binding(request, snapshot)
    if request.operation is None:
        return []
    zone = snapshot.time_zone
    if all(_is_plain(measure) and _counts(measure, request) for measure in binding):
        # Calls that are only counted read nothing of what is asked.
        return [
            Share(measure, "", int(measure.amount), window_start(measure.window, now, zone))
            for measure in binding
        ]
    try:
        bare = replace(request, measures={})
        context = cel.make_context(build_context(bare, request.operation, snapshot.time_zone))
    except (NotDecidable, cel.ConditionError) as error:
        return [Share(measure, "", 0, EVER, str(error)) for measure in binding]
    return [
        left_of(measure, request.run_id, now, zone)
        if is_budget(measure)
        else _share(measure if _counts(measure, request) else _as_read(measure), context, now, zone)
        for measure in binding
    ]


def counted_shares(request: DecisionRequest, snapshot: Snapshot) -> list[Share]:
    """Return what a request adds where it counts. What was worked out for its reading is not worked out again.

    What a model took is counted when it is reported, not here.
    """
    counting = [it for it in limits_binding(request, snapshot) if not is_budget(it) and _counts(it, request)]
    read = [(it, request.measures.get(it.code)) for it in counting]
    if any(facts is None or facts.error for _, facts in read):
        wanted = {it.measure_id for it in counting}
        return [it for it in shares_of(request, snapshot, request.now) if it.definition.measure_id in wanted]
    return [
        Share(it, facts.key, facts.amount, window_start(it.window, request.now, snapshot.time_zone))
        for it, facts in read
        if facts
    ]


def _is_plain(measure: MeasureDefinition) -> bool:
    return not measure.key.strip() and measure.amount.strip() == "1" and not is_budget(measure)


def _as_read(measure: MeasureDefinition) -> MeasureDefinition:
    return replace(measure, key=measure.read_key, amount="0")


def left_of(budget: MeasureDefinition, run_id: str, now: datetime, zone: str) -> Share:
    """Ask for one token, or a millionth: whether anything of a budget is left."""
    return Share(budget, key_of(budget, run_id) or "", 1, window_start(budget.window, now, zone))


def limits_binding(request: DecisionRequest, snapshot: Snapshot) -> list[MeasureDefinition]:
    """Return every measure that counts a request, or that its rules read."""
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


def _share(measure: MeasureDefinition, context: Any, now: datetime, zone: str) -> Share:
    start = window_start(measure.window, now, zone)
    try:
        key, amount = counted_by(measure, context)
    except cel.ConditionError as error:
        return Share(measure, "", 0, start, str(error))
    return Share(measure, key, amount, start)
