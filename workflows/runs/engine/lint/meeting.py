"""Where workflows meet others: no circle of them can be published, and what waits for a signal says so."""

from __future__ import annotations

from collections.abc import Iterator

from workflows.runs.engine.definition import Definition
from workflows.runs.engine.lint.findings import Finding, Known, Level

_OF_SIGNALS = frozenset({"match", "timeout_seconds", "late"})


def meeting(definition: Definition, known: Known) -> Iterator[Finding]:
    """Find workflows that would begin themselves, and members that mean nothing without a signal."""
    for node in definition.nodes.values():
        if node.kind == "sub" and (way := _back(definition.code, node.facts["workflow"], known)):
            said = f"{definition.code} would begin itself: {' → '.join(way)}."
            yield Finding(node.id, said, "Name a workflow that does not lead back to this one.")
        if node.kind == "wait" and "signal" not in node.facts:
            for member in sorted(_OF_SIGNALS & set(node.facts)):
                said = f"`{member}` means nothing without `signal`."
                yield Finding(node.id, said, "Leave it out.", Level.ADVICE)


def _back(code: str, begun: str, known: Known) -> list[str]:
    """Return the shortest way from what is begun back to a workflow, [] if there is none in force."""
    ways, seen = [[code, begun]], {begun}
    while ways:
        way = ways.pop(0)
        if way[-1] == code:
            return way
        for following in sorted(known.calls.get(way[-1], ())):
            if following not in seen:
                seen.add(following)
                ways.append([*way, following])
    return []
