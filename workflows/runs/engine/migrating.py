"""Moving a run to another version: what stands must have a place of the same kind in the same block."""

from __future__ import annotations

from collections.abc import Mapping

from workflows.runs.engine.definition import Definition
from workflows.runs.engine.draft import Draft
from workflows.runs.engine.events import Migrated
from workflows.runs.engine.orders import Rename
from workflows.runs.engine.regions import Region


def migrated(draft: Draft, event: Migrated) -> str:
    """Order the new names of all nodes, or say what hinders it."""
    problems = obstacles(draft.definition, event.to, event.nodes, {step.node for step in draft.view.standing})
    if problems:
        return " ".join(problems)
    names = {key: event.nodes.get(key, key) for key in draft.definition.nodes}
    draft.add(Rename({old: new for old, new in names.items() if old != new and new in event.to.nodes}))
    return ""


def obstacles(old: Definition, new: Definition, nodes: Mapping[str, str], standing: set[str]) -> list[str]:
    """Return in words why steps that stand at these nodes cannot go on in another version; none: they can."""
    found = [f"There is no node {key}." for key in sorted(set(nodes) - set(old.nodes))]
    found += [f"The new version has no node {key}." for key in sorted(set(nodes.values()) - set(new.nodes))]
    for key in sorted(standing):
        found += _obstacle(old, new, nodes, key)
    return found


def collisions(old: Definition, nodes: Mapping[str, str], present: set[str]) -> list[str]:
    """Return in words which nodes that have steps would become one and the same; none: none would."""
    became: dict[str, str] = {}
    found = []
    for key in sorted(present):
        to = nodes.get(key, key)
        if to in became:
            name, other = (old.nodes[node].name if node in old.nodes else node for node in (key, became[to]))
            found.append(f"{other} and {name} would both become {to}, and both were begun.")
        became[to] = key
    return found


def _obstacle(old: Definition, new: Definition, nodes: Mapping[str, str], key: str) -> list[str]:
    name, to = old.nodes[key].name, nodes.get(key, key)
    if to not in new.nodes:
        return [f"{name} is under way, and the new version has no {to}: say which node it becomes."]
    if new.nodes[to].kind != old.nodes[key].kind:
        return [f"{name} is of kind {old.nodes[key].kind}, and {to} is of kind {new.nodes[to].kind}."]
    for member in ("signal", "workflow"):
        waits_for, then = (version.nodes[node].facts.get(member) for version, node in ((old, key), (new, to)))
        if waits_for != then:
            return [f"{name} waits for {waits_for or 'a time'}, and {to} would for {then or 'a time'}."]
    before = {_renamed(region, nodes) for region in old.regions.of(key)}
    if old.nodes[key].kind != "end" and before != set(new.regions.of(to)):
        return [f"{name} is under way in another block than {to} is in."]
    return []


def _renamed(region: Region, nodes: Mapping[str, str]) -> Region:
    return tuple((nodes.get(opener, opener), index) for opener, index in region)
