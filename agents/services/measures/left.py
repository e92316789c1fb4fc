"""What is left of each limit that binds an agent, as it stands now; reserves nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from agents.decision import cel
from agents.decision.budgets import PER_RUN, is_budget
from agents.decision.counting import stored_key
from agents.decision.facts import AgentFacts, MeasureDefinition, Mode, OperationFacts, Snapshot
from agents.decision.patterns import scope_binds
from agents.decision.reach import reach_of_limit
from agents.decision.windows import CALL, window_start
from agents.models import Measure
from agents.services.measures.reading import stands_against
from agents.services.measures.shares import Share


@dataclass(frozen=True, slots=True)
class Left:
    """One limit. ``used`` is None where there is no one number: each call counts by itself, or each key does.

    Numbers are in the unit of the limit (calls, minor units of the company currency, millionths of it ...).
    """

    definition: MeasureDefinition
    used: int | None = None

    @property
    def left(self) -> int | None:
        """Return what may still be used, never below zero."""
        ceiling = self.definition.ceiling
        return None if self.used is None or ceiling is None else max(0, ceiling - self.used)

    @property
    def percent(self) -> int | None:
        """Return how much of it is used, 0 to 100."""
        if self.used is None or self.definition.ceiling is None:
            return None
        return min(100, self.used * 100 // self.definition.ceiling) if self.definition.ceiling else 100


def left_of_limits(
    agent: AgentFacts, snapshot: Snapshot, held: Mapping[str, OperationFacts], now: datetime
) -> list[Left]:
    """Return every limit with a ceiling that binds an agent, enforced or in shadow, as it stands.

    ``held``: the operations that it holds, by code. One question for all limits, and one more for each that
    counts the last so many seconds.
    """
    binding = _binding(agent, snapshot, held)
    keys = {it.measure_id: _key_of(it, agent) for it in binding}
    shares = {
        it.measure_id: Share(it, key, 0, window_start(it.window, now, snapshot.time_zone))
        for it in binding
        if (key := keys[it.measure_id]) is not None and it.window != CALL
    }
    counted = stands_against(list(shares.values()), now, "")
    return [_left(it, shares.get(it.measure_id), counted) for it in binding]


def left_now(
    counters: Iterable[tuple[str, str]], snapshot: Snapshot, now: datetime
) -> dict[tuple[str, str], Left]:
    """Return how counters stand now, each named by the code of its limit and its key, as a decision names them.

    Left out: limits that are gone, and those that look at each call by itself. One question, and one more for
    each that counts the last so many seconds.
    """
    limits = {it.code: it for it in snapshot.measures if it.ceiling is not None and it.window != CALL}
    shares = {
        (code, key): Share(limits[code], key, 0, window_start(limits[code].window, now, snapshot.time_zone))
        for code, key in counters
        if code in limits
    }
    counted = stands_against(list(shares.values()), now, "") if shares else {}
    return {counter: _left(share.definition, share, counted) for counter, share in shares.items()}


def _binding(
    agent: AgentFacts, snapshot: Snapshot, held: Mapping[str, OperationFacts]
) -> list[MeasureDefinition]:
    found = []
    for it in snapshot.measures:
        if it.mode == Mode.DRAFT or it.ceiling is None or not scope_binds(it.scope_kind, it.scope_id, agent):
            continue
        if is_budget(it) or reach_of_limit(it, agent, held).codes:
            found.append(it)
    return sorted(found, key=lambda it: (it.mode != Mode.ENFORCED, it.name, it.measure_id))


def _key_of(measure: MeasureDefinition, agent: AgentFacts) -> str | None:
    """Return the counter of this agent; None where it depends on what is asked for, or on the run."""
    key = measure.key.strip()
    if is_budget(measure):
        return None if key == PER_RUN else ""
    if not key:
        return ""
    known = {"code": agent.code, "role": agent.role_code, "department": agent.department_code}
    known |= {"id": agent.agent_id, "sponsor": agent.sponsor_id}
    try:
        found = cel.evaluate(key, cel.make_context({"agent": known}))
    except cel.ConditionError:
        return None
    return stored_key(str(found)) if isinstance(found, str | int) and not isinstance(found, bool) else None


def _left(
    measure: MeasureDefinition,
    share: Share | None,
    counted: Mapping[tuple[str, str, datetime], tuple[int, int]],
) -> Left:
    if share is None:
        return Left(measure)
    reserved, settled = counted.get(share.order(), (0, 0))
    is_running = measure.unit == Measure.Unit.RUNNING
    return Left(measure, reserved if is_running else reserved + settled)
