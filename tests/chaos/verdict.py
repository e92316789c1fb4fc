"""What stands in the database and in somebody else's books, held against what was asked for."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tests.chaos.company import STUBBORN, numbers_of

T = TypeVar("T")


@dataclass
class Verdict:
    """The figures, and every reason why something does not hold."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    in_doubt: int = 0
    unsettled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    effects: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)

    @property
    def holds(self) -> bool:
        """Whether nothing is lost, doubled, unsettled or wrong."""
        return not (self.lost or self.doubled or self.unsettled or self.wrong)


def asked(question: Callable[[], T], seconds: float = 60) -> T:
    """Ask the database, and again while it is away."""
    from django.db import InterfaceError, OperationalError, connection

    deadline = time.monotonic() + seconds
    while True:
        try:
            return question()
        except (OperationalError, InterfaceError):
            connection.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.3)


def broken_invariants() -> list[str]:
    """Return what breaks an invariant now, in words."""
    from audit.selectors import violations

    return [f"{found.invariant} {found.id}: {found.detail}" for found in asked(violations)]


def unsettled() -> list[str]:
    """Return what is still under way: runs that go on, and events without a position.

    A run whose action nobody knows the end of is settled when people are asked about it (I12), as is the one
    that waits for it.
    """
    from audit.models import PendingEvent
    from workflows.actions.models import Action
    from workflows.runs.models import Run

    def look() -> list[str]:
        doubtful = set(Action.objects.filter(state="in_doubt").values_list("correlation_id", flat=True))
        outer = Run.objects.filter(pk__in=doubtful, parent__isnull=False).values_list("parent__run", flat=True)
        doubtful |= {str(key) for key in outer}
        open_runs = Run.objects.filter(state__in=["running", "incident"]).values_list(
            "pk", "workflow__code", "key"
        )
        found = [f"{code} {key}" for pk, code, key in open_runs if str(pk) not in doubtful]
        found += [f"action {pk}" for pk in Action.objects.filter(finished_at=None).exclude(state="in_doubt")
                  .values_list("pk", flat=True)]  # fmt: skip
        pending = PendingEvent.objects.count()
        return found + ([f"{pending} events"] if pending else [])

    return asked(look)


def judge(accepted: Mapping[str, str], effects: Sequence[Mapping[str, Any]]) -> Verdict:
    """Compare what was accepted with what was really done."""
    from workflows.actions.models import Action
    from workflows.runs.models import Run

    made = Counter(str(effect["number"]) for effect in effects)
    states: dict[str, list[str]] = {}
    for number, state in Action.objects.values_list("arguments__number", "state"):
        states.setdefault(number, []).append(state)
    runs = {key: (code, state, outcome) for key, code, state, outcome in
            Run.objects.values_list("key", "workflow__code", "state", "outcome")}  # fmt: skip
    verdict = Verdict(effects=sum(made.values()))
    verdict.in_doubt = Action.objects.filter(state="in_doubt").count()
    verdict.outcomes = Counter(f"{code} {outcome or state}" for code, state, outcome in runs.values())
    verdict.lost += [f"run {key}" for key in accepted if key not in runs]
    for key, (code, state, _) in runs.items():
        for number in numbers_of(code, key):
            _judge_invoice(verdict, code, state, number, made[number], states.get(number, []))
    return verdict


def _judge_invoice(
    verdict: Verdict, code: str, state: str, number: str, made: int, actions: Sequence[str]
) -> None:
    """One invoice: made once where it is confirmed, never where all failed, and told where nobody knows."""
    if made > 1:
        verdict.doubled.append(f"{code} {number}: made {made} times")
    if made == 0 and "confirmed" in actions:
        verdict.lost.append(f"{code} {number}: confirmed, and never made")
    if made and not {"confirmed", "in_doubt"} & set(actions):
        verdict.wrong.append(f"{code} {number}: made, and known as {actions}")
    if code == STUBBORN and state == "done" and "confirmed" not in actions:
        verdict.lost.append(f"{code} {number}: its run is done, and it was refused to the end")
    if state == "done" and not actions:
        verdict.lost.append(f"{code} {number}: its run is done, and nobody asked for it")
