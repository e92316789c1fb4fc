"""What a limit would have counted and refused over calls that are on record: pure, exactly as it is counted.

Two counters run beside each other, one for the limit as it stands and one for the draft. A call reserves when
it was let go, and its reservation ends when it ended: done, failed, or never begun. What another rule or a
person kept out reserves in neither. What a draft would have held counts as if people had agreed, when it was
let go.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from agents.decision import cel, wording
from agents.decision.backtest import Past, Tally
from agents.decision.context import NotDecidable, build_context
from agents.decision.counting import FAILURES, RECORDS, RUNNING, counted_by
from agents.decision.facts import MeasureDefinition, MeasureFacts, Mode, Verdict
from agents.decision.patterns import pattern_matches, scope_binds
from agents.decision.windows import CALL, ROLLING, window_start

DONE, FAILED, NOTHING = "done", "failed", "nothing"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call as it went. ``at``: when it was decided; ``let_go``: whether it was authorized then;
    ``kept_out``: this limit alone refused it; ``came_to``: done, failed, nothing, or '' while it is not over;
    ``records``: how many its system said it touched."""

    past: Past
    at: datetime
    let_go: bool
    kept_out: bool = False
    ended_at: datetime | None = None
    came_to: str = ""
    records: int | None = None


@dataclass(slots=True)
class Rolled:
    """What counts in a rolling window under one key, oldest first, and its sums."""

    live: dict[str, tuple[datetime, int, bool]] = field(default_factory=dict)
    sums: list[int] = field(default_factory=lambda: [0, 0])

    def put(self, name: str, at: datetime, amount: int, *, is_settled: bool) -> None:
        """Count a call, or count it otherwise than before; it keeps its place in time."""
        self.sums[is_settled] += amount
        if was := self.live.get(name):
            self.sums[was[2]] -= was[1]
        self.live[name] = (at, amount, is_settled)

    def drop(self, name: str) -> None:
        """Count a call no more."""
        if was := self.live.pop(name, None):
            self.sums[was[2]] -= was[1]

    def forget(self, since: datetime) -> None:
        """Drop what is older."""
        while self.live:
            oldest = next(iter(self.live))
            if self.live[oldest][0] > since:
                break
            self.drop(oldest)


@dataclass(slots=True)
class Count:
    """What stands against one limit, by key and window, as the services keep it."""

    limit: MeasureDefinition
    time_zone: str = "UTC"
    fixed: dict[tuple[str, datetime], list[int]] = field(default_factory=dict)
    rolling: dict[str, Rolled] = field(default_factory=dict)

    def standing(self, key: str, at: datetime) -> tuple[int, int]:
        """Return (reserved, settled) for a call at this moment."""
        if self.limit.window == CALL:
            return 0, 0
        if self.limit.window != ROLLING:
            found = self.fixed.get((key, self.start(at)), (0, 0))
            return found[0], found[1]
        rolled = self.rolling.setdefault(key, Rolled())
        rolled.forget(at - timedelta(seconds=self.limit.window_seconds or 0))
        return rolled.sums[0], rolled.sums[1]

    def reserve(self, name: str, key: str, amount: int, at: datetime) -> None:
        """Count a call as under way."""
        if self.limit.window == ROLLING:
            self.rolling.setdefault(key, Rolled()).put(name, at, amount, is_settled=False)
        elif self.limit.window != CALL:
            self.fixed.setdefault((key, self.start(at)), [0, 0])[0] += amount

    def close(self, ended: Ending) -> None:
        """Count what came of a call."""
        stays = (ended.came_to == FAILED) if self.limit.unit == FAILURES else ended.came_to == DONE
        stays = stays and self.limit.unit != RUNNING
        counted = ended.amount
        if self.limit.unit == RECORDS and ended.records is not None:
            counted = ended.records
        if self.limit.window == ROLLING:
            self._close_rolling(ended, counted if stays else None)
            return
        counter = self.fixed.get((ended.key, self.start(ended.since)))
        if counter is None:
            return
        counter[0] -= ended.amount
        counter[1] += counted if stays else 0
        if self.limit.unit == FAILURES and ended.came_to == DONE:
            counter[1] = 0

    def forget(self, at: datetime) -> None:
        """Drop the counters of windows that are over; what is still under way in them counts nowhere else."""
        start = self.start(at)
        if self.limit.window not in (ROLLING, "ever"):
            self.fixed = {place: row for place, row in self.fixed.items() if place[1] >= start}

    def start(self, at: datetime) -> datetime:
        """Return when the window of a call began."""
        return window_start(self.limit.window, at, self.time_zone)

    def _close_rolling(self, ended: Ending, counted: int | None) -> None:
        rolled = self.rolling.get(ended.key, Rolled())
        if counted is None:
            rolled.drop(ended.name)
        elif ended.name in rolled.live:
            rolled.put(ended.name, ended.since, counted, is_settled=True)


@dataclass(frozen=True, slots=True, order=True)
class Ending:
    """A reservation that ends at a moment; sorted by it."""

    at: datetime
    name: str
    key: str = field(compare=False)
    since: datetime = field(compare=False)
    amount: int = field(compare=False)
    came_to: str = field(compare=False)
    records: int | None = field(compare=False, default=None)


@dataclass(slots=True)
class Side:
    """One limit and what is under way against it. ``limit`` None: there was none, and all passes."""

    limit: MeasureDefinition | None
    count: Count
    endings: list[Ending] = field(default_factory=list)

    def until(self, at: datetime) -> None:
        """Let everything end that has ended by now."""
        while self.endings and self.endings[0].at <= at:
            self.count.close(heapq.heappop(self.endings))

    def judge(self, attempt: Attempt, context: Any, currency: str) -> tuple[Verdict, str]:
        """Say what the limit does with a call, and count it if it would have been let go."""
        self.until(attempt.at)
        limit = self.limit
        if limit is None:
            return Verdict.ALLOW, ""
        try:
            key, amount = counted_by(limit, context)
        except cel.ConditionError as error:
            return Verdict.DENY, f"{limit.name} could not be checked: {error}"
        reserved, settled = self.count.standing(key, attempt.at)
        facts = MeasureFacts(limit.code, limit.name, limit.unit, key, amount, reserved, settled, limit.ceiling)
        verdict = Verdict.ALLOW
        if facts.exceeded:
            verdict = Verdict.HOLD if limit.on_exceed == "hold" else Verdict.DENY
        words = wording.measure_words(limit, facts, currency) if facts.exceeded else limit.name
        passes = verdict == Verdict.ALLOW or (verdict == Verdict.HOLD and attempt.let_go)
        if passes and (attempt.let_go or attempt.kept_out):
            self._take(attempt, key, amount)
        return verdict, words

    def _take(self, attempt: Attempt, key: str, amount: int) -> None:
        name = attempt.past.action_id
        self.count.reserve(name, key, amount, attempt.at)
        # What was kept out would have been done, as far as anybody can tell.
        ended_at, came_to = (attempt.ended_at, attempt.came_to) if attempt.let_go else (attempt.at, DONE)
        if ended_at is not None and came_to:
            ending = Ending(ended_at, name, key, attempt.at, amount, came_to, attempt.records)
            heapq.heappush(self.endings, ending)


class Replay:
    """A draft of a limit against calls in the order in which they were decided."""

    def __init__(
        self,
        before: MeasureDefinition | None,
        after: MeasureDefinition,
        *,
        since: datetime,
        time_zone: str = "UTC",
        currency: str = "",
    ) -> None:
        binding = before is not None and before.mode == Mode.ENFORCED
        self.own = before.measure_id if before else after.measure_id
        enforced = replace(after, mode=Mode.ENFORCED.value)
        self.before = Side(before if binding else None, Count(before or after, time_zone))
        self.after = Side(enforced, Count(enforced, time_zone))
        self.since, self.time_zone, self.currency = since, time_zone, currency

    def look_at(self, attempts: Iterable[Attempt], tally: Tally) -> None:
        """Judge calls by both and count what would have been otherwise; before ``since`` they only count."""
        last: datetime | None = None
        for attempt in attempts:
            last = attempt.at
            tally.looked_at += 1
            if not (attempt.let_go or attempt.kept_out):
                continue
            if found := self._of(attempt):
                (old, _), (new, words) = found
                if attempt.at >= self.since and old != new:
                    tally.note(attempt.past, old, new, words)
        if last is not None:
            for side in (self.before, self.after):
                side.until(last)
                side.count.forget(last)

    def _of(self, attempt: Attempt) -> tuple[tuple[Verdict, str], tuple[Verdict, str]] | None:
        request = attempt.past.request
        sides = [side for side in (self.before, self.after) if side.limit and binds(side.limit, attempt)]
        if request.operation is None or not sides:
            return None
        try:
            context = cel.make_context(build_context(request, request.operation, self.time_zone))
        except (NotDecidable, cel.ConditionError):
            return None
        passes = Verdict.ALLOW, ""
        old, new = (
            side.judge(attempt, context, self.currency) if side in sides else passes
            for side in (self.before, self.after)
        )
        return old, new

    def as_json(self) -> dict[str, Any]:
        """Return what has to be kept to go on later."""
        return {"before": _kept(self.before), "after": _kept(self.after)}

    def go_on(self, told: Mapping[str, Any]) -> None:
        """Go on from what ``as_json`` told."""
        for side, kept in ((self.before, told.get("before")), (self.after, told.get("after"))):
            if kept:
                _restore(side, kept)


def binds(limit: MeasureDefinition, attempt: Attempt) -> bool:
    """Tell whether a limit counts a call."""
    request = attempt.past.request
    try:
        bound = scope_binds(limit.scope_kind, limit.scope_id, request.agent)
        return bound and pattern_matches(limit.operations, request.operation_code)
    except ValueError:
        return False


def _kept(side: Side) -> dict[str, Any]:
    count = side.count
    return {
        "fixed": [[key, at.isoformat(), *row] for (key, at), row in count.fixed.items() if any(row)],
        "rolling": [
            [key, name, at.isoformat(), amount, is_settled]
            for key, rolled in count.rolling.items()
            for name, (at, amount, is_settled) in rolled.live.items()
        ],
        "endings": [
            {**asdict(one), "at": one.at.isoformat(), "since": one.since.isoformat()} for one in side.endings
        ],
    }


def _restore(side: Side, kept: Mapping[str, Any]) -> None:
    count = side.count
    count.fixed = {
        (key, datetime.fromisoformat(at)): [reserved, settled] for key, at, reserved, settled in kept["fixed"]
    }
    count.rolling = {}
    for key, name, at, amount, is_settled in kept["rolling"]:
        rolled = count.rolling.setdefault(key, Rolled())
        rolled.put(name, datetime.fromisoformat(at), amount, is_settled=is_settled)
    side.endings = [
        Ending(**{
            **one, "at": datetime.fromisoformat(one["at"]), "since": datetime.fromisoformat(one["since"])
        })
        for one in kept["endings"]
    ]  # fmt: skip
    heapq.heapify(side.endings)
