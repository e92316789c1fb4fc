"""What is wrong with a definition before anybody runs it; each finding names the node and the cure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agents.decision import cel
from agents.decision.expressions import paths
from workflows.runs.engine.definition import Definition, Node

NAMES = {"input", "run", "steps"}
WAITS = {"agent", "human", "operation"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to mend. ``node`` is '' when it is about the whole."""

    node: str
    problem: str
    cure: str

    def __str__(self) -> str:
        where = f"{self.node}: " if self.node else ""
        return f"{where}{self.problem} {self.cure}"


@dataclass(frozen=True, slots=True)
class Known:
    """What exists around a workflow: codes of roles, departments and operations, names of groups."""

    roles: Collection[str]
    departments: Collection[str]
    operations: Collection[str]
    groups: Collection[str]
    schema_problems: Callable[[Any], list[str]]


def lint(definition: Definition, known: Known) -> list[Finding]:
    """Return what would go wrong: references, reachability, loops, conditions, schemas."""
    found = list(_references(definition, known))
    if any(target not in definition.nodes for node in definition.nodes.values() for target in node.targets):
        return found
    if definition.start in definition.nodes:
        found += _reachability(definition)
        found += _loops(definition)
    for node in definition.nodes.values():
        found += _ways(node)
        found += _expressions(definition, node)
        found += _schemas(node, known)
    wrong = known.schema_problems(definition.input)
    return found + [Finding("", f"input: {problem}", "Mend the schema.") for problem in wrong]


def _references(definition: Definition, known: Known) -> Iterator[Finding]:
    if definition.start not in definition.nodes:
        yield Finding("", f"It starts with {definition.start}, which is no node.", "Name one of its nodes.")
    if definition.owner not in known.groups:
        yield Finding("", f"Its owner {definition.owner} is no group.", "Name a group of people.")
    for node in definition.nodes.values():
        for target in sorted(node.targets - set(definition.nodes)):
            yield Finding(node.id, f"It leads to {target}, which is no node.", "Name one of the nodes.")
        role = node.facts.get("role")
        if role is not None and role not in known.roles:
            yield Finding(node.id, f"There is no role {role}.", "Create the role or name another.")
        department = node.facts.get("department")
        if department is not None and department not in known.departments:
            yield Finding(node.id, f"There is no department {department}.", "Create it or name another.")
        operation = node.facts.get("operation")
        if operation is not None and operation not in known.operations:
            yield Finding(node.id, f"There is no operation {operation}.", "Publish it or name another.")
        for group in node.facts.get("groups", ()):
            if group not in known.groups:
                yield Finding(node.id, f"There is no group {group}.", "Name a group of people.")


def _reachability(definition: Definition) -> Iterator[Finding]:
    reached = _from(definition, definition.start)
    for key in definition.nodes:
        if key not in reached:
            yield Finding(key, "Nothing leads to it.", "Lead a way to it or remove it.")
    ends = {key for key, node in definition.nodes.items() if node.kind == "end"}
    if not ends:
        yield Finding("", "It never ends.", "Add a node of kind end.")
    for key in reached:
        if ends and not _from(definition, key) & ends:
            yield Finding(key, "No end can be reached from it.", "Lead a way from it to an end.")


def _from(definition: Definition, start: str) -> set[str]:
    found, todo = set(), [start]
    while todo:
        here = todo.pop()
        if here not in found:
            found.add(here)
            todo += definition.nodes[here].targets
    return found


def _loops(definition: Definition) -> Iterator[Finding]:
    """A loop of branches alone would turn for ever; one through a person or an agent waits for them."""
    for key, node in definition.nodes.items():
        seen: set[str] = set()
        todo = list(node.targets) if node.kind == "branch" else []
        while todo:
            here = todo.pop()
            if here == key:
                yield Finding(key, "It leads back to itself with nobody asked on the way.", "Break the loop.")
                break
            if here not in seen and definition.nodes[here].kind == "branch":
                seen.add(here)
                todo += definition.nodes[here].targets


def _ways(node: Node) -> Iterator[Finding]:
    edges = node.edges
    if node.kind != "end" and edges and edges[-1].when:
        yield Finding(
            node.id, "If none of its conditions holds, it stops there.", "End with a way without `when`."
        )
    for edge in edges[:-1]:
        if not edge.when:
            yield Finding(
                node.id, f"The ways after the one to {edge.to} are never taken.", "Move it to the end."
            )


def _expressions(definition: Definition, node: Node) -> Iterator[Finding]:
    for place, text in node.expressions().items():
        try:
            names = cel.names_used(text)
        except cel.ConditionError as error:
            yield Finding(node.id, f"{place}: {error}.", "Mend the expression.")
            continue
        for name in sorted(names - NAMES):
            yield Finding(node.id, f"{place}: there is no {name}.", "Use input, run and steps.")
        for step in sorted(_steps_named(text) - set(definition.nodes)):
            yield Finding(node.id, f"{place}: there is no step {step}.", "Name one of the nodes.")


def _steps_named(text: str) -> set[str]:
    return {path.parts[1] for path in paths(text) if path.parts[0] == "steps" and len(path.parts) > 1}


def _schemas(node: Node, known: Known) -> Iterator[Finding]:
    for place in ("answer", "form"):
        schema: Mapping[str, Any] | None = node.facts.get(place)
        if schema:
            for problem in known.schema_problems(schema):
                yield Finding(node.id, f"{place}: {problem}", "Mend the schema.")
