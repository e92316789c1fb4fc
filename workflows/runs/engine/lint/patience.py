"""Retries and times that contradict each other, or promise what is not done."""

from __future__ import annotations

from collections.abc import Iterator

from workflows.runs.engine.definition import Definition, Node
from workflows.runs.engine.lint.findings import Finding, Known, Level

SHORTEST_HEARTBEAT = 5  # seconds


def patience(definition: Definition, known: Known) -> Iterator[Finding]:
    """Find what can never happen as it is said about attempts, times and systems that are down."""
    for node in definition.nodes.values():
        yield from _retry(node, known)
        yield from _times(node)
        if node.facts.get("stop_clock") and node.when_down != "queue":
            yield Finding(
                node.id,
                "`stop_clock` says nothing: no step waits here while the system is down.",
                "Leave it out, or say `when_down: queue`.",
            )


def _retry(node: Node, known: Known) -> Iterator[Finding]:
    retry = node.facts.get("retry")
    if retry is None:
        return
    if "attempts" in node.facts:
        yield Finding(node.id, "`attempts` and `retry` both say how often it is tried.", "Keep `retry`.")
    if retry.get("cap_seconds", 3600) < retry.get("wait_seconds", 0):
        yield Finding(
            node.id, "`cap_seconds` is less than `wait_seconds`.", "The first wait is cut: say a larger cap."
        )
    shape = known.shapes.get(node.facts.get("operation", ""))
    if retry["most"] > 1 and shape is not None and shape.effect != "read" and not shape.is_idempotent:
        yield Finding(
            node.id,
            "It is not idempotent: an attempt of which nobody knows whether it was done is never repeated.",
            "Reckon with a person who has to find that out.",
            Level.ADVICE,
        )


def _times(node: Node) -> Iterator[Finding]:
    told = node.facts.get("timeouts", {})
    total = told.get("total_seconds")
    for member in ("queue_seconds", "run_seconds", "heartbeat_seconds"):
        if total is not None and told.get(member, 0) > total:
            yield Finding(
                node.id,
                f"`{member}` is longer than `total_seconds` and never passes.",
                "Say less of it, or a longer total.",
            )
    heartbeat = told.get("heartbeat_seconds")
    if heartbeat is None:
        return
    if node.kind == "operation":
        yield Finding(node.id, "Nobody claims an operation: it has no heartbeat.", "Leave it out.")
    elif heartbeat < SHORTEST_HEARTBEAT:
        yield Finding(node.id, "No claim is shorter than 5 seconds.", "Say `heartbeat_seconds: 5` or more.")
