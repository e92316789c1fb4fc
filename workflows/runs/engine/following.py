"""What comes next: one closed step, the definition and everything before it decide, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agents.decision import cel
from workflows.runs.engine.definition import Definition, Node
from workflows.runs.engine.wording import NEXT_STEP, unsure

# A loop goes through people or the outside world; without them it could turn for ever.
MOST_VISITS = 20


@dataclass(frozen=True, slots=True)
class Goto:
    """Go on with a node."""

    node: str


@dataclass(frozen=True, slots=True)
class Finish:
    """The run is over."""

    outcome: str
    output: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stuck:
    """Nothing says how it goes on: a person must look."""

    code: str
    why: str


Next = Goto | Finish | Stuck


def after(definition: Definition, node_id: str, facts: Mapping[str, Any]) -> Next:
    """Return what follows a step that is closed. ``facts`` is ``context_of`` with that step in it.

    Done: the first way whose condition holds. Failed or refused: the way named for that, else it is stuck. A
    condition that cannot be evaluated is stuck too: nothing is guessed.
    """
    node = definition.nodes[node_id]
    if node.kind == "end":
        return _finish(node, facts)
    if facts["steps"].get(node_id, {}).get("state") == "failed":
        if node.when_failed:
            return Goto(node.when_failed)
        error = facts["steps"][node_id].get("error", {})
        return Stuck(str(error.get("code", "failed")), str(error.get("message", f"{node.name} failed.")))
    return _way_on(definition, node, facts)


def evaluated(members: Mapping[str, str], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what CEL texts amount to, by member; null is left out. Raises ConditionError naming the member."""
    context = cel.make_context(facts)
    found = {}
    for member, text in members.items():
        try:
            value = cel.evaluate(text, context)
        except cel.ConditionError as error:
            raise cel.ConditionError(f"{member}: {error}") from None
        if value is not None:
            found[member] = value
    return found


def context_of(*, run: Mapping[str, Any], input: Mapping[str, Any], steps: Mapping[str, Any]) -> dict[str, Any]:
    """Return what CEL may read: ``input``, ``run`` and the newest state of every step by node."""
    return {"run": dict(run), "input": dict(input), "steps": dict(steps)}


def _finish(node: Node, facts: Mapping[str, Any]) -> Next:
    try:
        return Finish(node.facts["outcome"], evaluated(node.facts.get("output", {}), facts))
    except cel.ConditionError as error:
        return Stuck("output_failed", f"{node.name}: its output could not be put together: {error}.")


def _way_on(definition: Definition, node: Node, facts: Mapping[str, Any]) -> Next:
    context = cel.make_context(facts)
    for edge in node.edges:
        try:
            if cel.holds(edge.when, context):
                return Goto(edge.to)
        except cel.ConditionError as error:
            why = unsure(definition, NEXT_STEP, [edge.when], error)
            return Stuck("condition_failed", f"{node.name}: {why}.")
    return Stuck("no_way_on", f"{node.name}: none of its conditions holds.")
