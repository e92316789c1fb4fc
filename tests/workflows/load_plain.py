"""The figures of decisions as they are defined, one decision after the other."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable

from workflows.approvals.policies.load import Decided, Figures, figures_of, in_order


def grouped(
    decided: Iterable[Decided], keys: Callable[[Decided], Iterable[Hashable]]
) -> dict[Hashable, Figures]:
    """Return the figures for each key, the most decisions first."""
    found: dict[Hashable, list[Decided]] = {}
    for one in decided:
        for key in keys(one):
            found.setdefault(key, []).append(one)
    return dict(in_order({key: figures_of(some) for key, some in found.items()}))
