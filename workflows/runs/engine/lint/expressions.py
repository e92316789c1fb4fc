"""Every CEL text parses, and reads only what it may and what can have happened before."""

from __future__ import annotations

from collections.abc import Iterator

from agents.decision import cel
from agents.decision.expressions import paths
from workflows.runs.engine.definition import Definition, Node
from workflows.runs.engine.lint.findings import Finding
from workflows.runs.engine.lint.flow import after
from workflows.runs.engine.regions import Region

NAMES = frozenset({"input", "run", "steps"})
# Read when the node itself is done: its own answer is there.
_AFTERWARDS = ("when of the way", "label", "undo/", "collect")


def expressions(definition: Definition) -> Iterator[Finding]:
    """Find what does not parse, names that are not there, and steps that cannot be known yet."""
    later = {key: after(definition, key) for key in definition.nodes}
    for node in definition.nodes.values():
        for place, text in node.expressions().items():
            try:
                names = cel.names_used(text)
            except cel.ConditionError as error:
                yield Finding(node.id, f"{place}: {error}.", "Mend the expression.")
                continue
            yield from _names(definition, node, place, names)
            for step in sorted(steps_named(text)):
                yield from _step(definition, node, place, step, later)
    yield from _same_agent(definition, later)


def steps_named(text: str) -> set[str]:
    """Return the nodes a CEL text reads by name."""
    return {path.parts[1] for path in paths(text) if path.parts[0] == "steps" and len(path.parts) > 1}


def scopes(definition: Definition, node: Node, place: str) -> frozenset[Region]:
    """Return the regions a text is read in: ``collect`` is read where a branch or an item ends."""
    if place == "collect" and (opener := definition.opener_of.get(node.id)):
        starts = definition.nodes[opener].starts
        home = definition.regions.homes.get(node.id, ())
        return frozenset((*home, (opener, index)) for index in range(len(starts)))
    return definition.regions.of(node.id)


def items_of(definition: Definition, region: Region) -> dict[str, str]:
    """Return the maps whose body a region is in, by the name of their item; the inner one wins."""
    maps = [opener for opener, _ in region if definition.nodes[opener].kind == "map"]
    return {definition.nodes[opener].item: opener for opener in maps}


def _names(definition: Definition, node: Node, place: str, names: set[str]) -> Iterator[Finding]:
    offered = set(NAMES)
    inside = [set(items_of(definition, region)) for region in scopes(definition, node, place)]
    items = set.intersection(*inside) if inside else set()
    offered |= items | ({"index"} if items else set()) | ({"signal"} if place == "match" else set())
    said = ", ".join(sorted(offered))
    for name in sorted(names - offered):
        yield Finding(node.id, f"{place}: there is no {name}.", f"Use {said}.")


def _step(
    definition: Definition, node: Node, place: str, step: str, later: dict[str, set[str]]
) -> Iterator[Finding]:
    if step not in definition.nodes:
        yield Finding(node.id, f"{place}: there is no step {step}.", "Name one of the nodes.")
        return
    itself = step == node.id and place.startswith(_AFTERWARDS)
    if not itself and node.id not in later[step]:
        yield Finding(node.id, f"{place}: {step} cannot have happened before.", "Read an earlier step.")
        return
    for region in scopes(definition, node, place):
        if problem := _hidden(definition, region, step, place):
            yield Finding(node.id, f"{place}: {problem[0]}", problem[1])
            return


def _hidden(definition: Definition, region: Region, step: str, place: str) -> tuple[str, str] | None:
    """Say why a step cannot be read from a region: it runs beside it, or there is one for each item."""
    home = definition.regions.homes.get(step, ())
    shared = 0
    while shared < min(len(home), len(region)) and home[shared] == region[shared]:
        shared += 1
    opener = home[shared][0] if shared < len(home) else ""
    if opener and shared < len(region) and region[shared][0] == opener and place != "collect":
        return (f"{step} runs beside it.", f"Read it after the join {definition.nodes[opener].join}.")
    if any(definition.nodes[opener].kind == "map" for opener, _ in home[shared:]):
        return (f"{step} is done once for each item.", "Read the items that the join collects.")
    return None


def _same_agent(definition: Definition, later: dict[str, set[str]]) -> Iterator[Finding]:
    for node in definition.nodes.values():
        named = node.facts.get("same_agent_as")
        if named is None:
            continue
        found = definition.nodes.get(named)
        if found is None or found.kind != "agent":
            yield Finding(node.id, f"same_agent_as: {named} is no agent's step.", "Name a node of kind agent.")
        else:
            yield from _step(definition, node, "same_agent_as", named, later)
