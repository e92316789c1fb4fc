"""What a careful author says: what is promised, what undoes an effect; and what is not run at all yet."""

from __future__ import annotations

from collections.abc import Iterator

from workflows.runs.engine.definition import Definition, Node
from workflows.runs.engine.lint.findings import Finding, Known, Level, OperationShape

_COMMON = frozenset({"kind", "name", "label"})


def duties(definition: Definition, known: Known) -> Iterator[Finding]:
    """Advise on a missing promise of time and on effects that nothing undoes."""
    if definition.sla_seconds is None:
        yield _advice("", "Nothing says how long a run may take.", "Say `sla_seconds`.")
    for node in definition.nodes.values():
        yield from _time(node)
        yield from _undo(node, known)


def not_run_yet(definition: Definition, known: Known) -> Iterator[Finding]:
    """Find what can be written and is not executed: nobody publishes what would not happen."""
    if known.able is None:
        return
    for node in definition.nodes.values():
        if node.kind not in known.able:
            yield Finding(node.id, f"The kind {node.kind} is not run yet.", "Use another kind.")
            continue
        for member in sorted(set(node.facts) - _COMMON - set(known.able[node.kind])):
            yield Finding(node.id, f"`{member}` is not run yet at the kind {node.kind}.", "Leave it out.")


def _time(node: Node) -> Iterator[Finding]:
    said = {"due_seconds", "deadlines", "timeouts"} & set(node.facts)
    if node.kind in ("agent", "human") and not said:
        yield _advice(node.id, "Nothing says when it should be done.", "Say `due_seconds`.")
    if "signal" in node.facts and "timeout_seconds" not in node.facts:
        yield _advice(
            node.id, "It may wait for its signal for ever.", "Say `timeout_seconds`, and `late` for what then."
        )


def _undo(node: Node, known: Known) -> Iterator[Finding]:
    shape = known.shapes.get(node.facts.get("operation", ""))
    if node.kind == "operation" and shape and shape.effect != "read" and "undo" not in node.facts:
        cure = f"Say {_undoing(node, shape, known)}, or `undo: none`."
        yield _advice(node.id, "Nothing says how its effect is undone.", cure)


def _undoing(node: Node, shape: OperationShape, known: Known) -> str:
    """Return the `undo` to write, whole if all it needs is there by name: in the answer, or as it was given.

    It is not taken by itself: what is done in a system is what a second person has read and approved.
    """
    taken = known.shapes.get(shape.undo)
    needed = list(taken.input.get("required", ())) if taken else []
    there = {
        **node.facts.get("arguments", {}),
        **{name: f"steps.{node.id}.answer.{name}" for name in shape.output.get("properties", {})},
    }
    if not needed or not set(needed) <= set(there):
        return f"`undo` with {shape.undo or 'an operation'}"
    arguments = ", ".join(f"{name}: {there[name]}" for name in needed)
    return f"`undo: {{operation: {shape.undo}, arguments: {{{arguments}}}}}`"


def _advice(node: str, problem: str, cure: str) -> Finding:
    return Finding(node, problem, cure, Level.ADVICE)
