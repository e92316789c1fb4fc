"""Appeals that say the same: against one rule, about one operation, over one comparison."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

# So often by one agent on one day is one complaint, however often it was made.
LEAST_SPREAD = 2


@dataclass(frozen=True, slots=True, order=True)
class Ground:
    """What an appeal is against: ``kind`` rule, limit or grant; ``shape``: what was compared."""

    kind: str
    subject_id: str
    operation: str
    shape: str


@dataclass(frozen=True, slots=True)
class Contested:
    """One appeal. ``value``: what was compared (money in minor units of the company currency, decimals in
    millionths), None where nothing comparable was; ``shown``: the same for people."""

    appeal_id: str
    agent_id: str
    agent: str
    day: date
    value: int | str | None = None
    shown: str = ""
    upheld: bool = False


@dataclass(frozen=True, slots=True)
class Cluster:
    """All appeals on one ground, oldest first."""

    ground: Ground
    cases: tuple[Contested, ...]

    @property
    def standing(self) -> tuple[Contested, ...]:
        """Return the cases in which nobody said that the rule is right."""
        return tuple(case for case in self.cases if not case.upheld)

    @property
    def agents(self) -> tuple[str, ...]:
        """Return who contested, by name."""
        return tuple(sorted({case.agent for case in self.cases}))

    @property
    def days(self) -> tuple[date, ...]:
        """Return on which days."""
        return tuple(sorted({case.day for case in self.cases}))

    def is_ripe(self, least: int) -> bool:
        """Tell whether it is more than one complaint: ``least`` cases, by two agents or on two days."""
        cases = self.standing
        agents, days = {case.agent_id for case in cases}, {case.day for case in cases}
        return len(cases) >= max(1, least) and max(len(agents), len(days)) >= LEAST_SPREAD


def clusters(contested: Iterable[tuple[Ground, Contested]]) -> list[Cluster]:
    """Return appeals by what they are about, most cases first; their order means nothing."""
    found: dict[Ground, dict[str, Contested]] = {}
    for ground, case in contested:
        found.setdefault(ground, {})[case.appeal_id] = case
    return sorted(
        (
            Cluster(ground, tuple(sorted(cases.values(), key=lambda case: (case.day, case.appeal_id))))
            for ground, cases in found.items()
        ),
        key=lambda cluster: (-len(cluster.cases), cluster.ground),
    )
