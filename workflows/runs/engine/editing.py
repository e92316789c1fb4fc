"""Changes of a definition that touch more than one node: add, remove, rename, connect. Pure; nothing is lost.

They take and return the JSON of a definition, sound or not: it is one that somebody is writing. What leads to a
node follows when its key changes, and is gone when the node is.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from workflows.runs.engine.definition import OPENERS
from workflows.runs.engine.schema import MOST_NODES, NODE, NODES

Content = dict[str, Any]
# The members of a node that name another one.
_NAMING = ("failed", "refused", "late", "do", "join", "same_agent_as")
_YES_OR_NO = {
    "type": "object",
    "additionalProperties": False,
    "required": ["verdict"],
    "properties": {"verdict": {"enum": ["yes", "no"], "title": "Verdict"}},
}
_BEGINS_WITH: Mapping[str, Mapping[str, Any]] = {
    "human": {"form": _YES_OR_NO},
    "wait": {"seconds": 3600},
    "end": {"outcome": "done"},
}


class EditError(ValueError):
    """A change cannot be made; the message says why."""


@dataclass(frozen=True, slots=True)
class Edited:
    """What a change made of a definition, and the node a person goes on with ('': none)."""

    content: Content
    focus: str = ""


def added(content: Mapping[str, Any], kind: str, name: str, after: str = "") -> Edited:
    """Add a node of a kind, put in behind another one where that is told. A block comes with its join."""
    if kind not in NODES:
        raise EditError(f"There is no kind {kind}.")
    made, nodes = _copied(content)
    if len(nodes) + (kind in OPENERS) >= MOST_NODES:
        raise EditError(f"A workflow has at most {MOST_NODES} steps.")
    key = _free(nodes, kind)
    facts: Content = {"kind": kind, "name": name, **copy.deepcopy(dict(_BEGINS_WITH.get(kind, {})))}
    nodes[key] = facts
    on = _put_behind(nodes, after, key) if after in nodes else None
    _lead_on(nodes, key, on or _an_end(nodes, key))
    return Edited(made, key)


def removed(content: Mapping[str, Any], key: str) -> Edited:
    """Take a node away. Whatever led to it leads to where it led, if that was one place; else nowhere."""
    made, nodes = _copied(content)
    facts = _known(nodes, key)
    if len(nodes) == 1:
        raise EditError("A workflow has at least one step.")
    after = facts.get("next") if isinstance(facts.get("next"), str) else None
    after = None if after == key or after not in nodes else after
    del nodes[key]
    for other in _objects(nodes):
        _lead_elsewhere(other, key, after)
    if made.get("start") == key:
        made["start"] = after or next(iter(nodes))
    return Edited(made, after or "")


def renamed(content: Mapping[str, Any], key: str, new: str) -> Edited:
    """Give a node another key; ways to it and expressions that read it follow."""
    made, nodes = _copied(content)
    _known(nodes, key)
    if not re.fullmatch(NODE, new):
        raise EditError("A key begins with a-z and has a-z, 0-9 and _ only, at most 40 characters.")
    if new in nodes and new != key:
        raise EditError(f"There is a step {new} already.")
    made["nodes"] = {new if name == key else name: facts for name, facts in nodes.items()}
    if made.get("start") == key:
        made["start"] = new
    for facts in _objects(made["nodes"]):
        _replace_key(facts, key, new)
    reads = re.compile(rf"\bsteps\.{re.escape(key)}\b")
    made = _mapped(made, lambda text: reads.sub(f"steps.{new}", text))
    return Edited(made, new)


def connected(content: Mapping[str, Any], source: str, target: str) -> Edited:
    """Let a node lead to another one, beside where it led so far: the new way asks a condition first."""
    made, nodes = _copied(content)
    facts, _ = _known(nodes, source), _known(nodes, target)
    kind = str(facts.get("kind", ""))
    if kind == "end":
        raise EditError("An end leads nowhere.")
    if kind == "parallel":
        facts["branches"] = [*_ways(facts.get("branches")), {"to": target}]
    elif kind == "map":
        facts["do"] = target
    else:
        facts["next"] = _with_way(facts.get("next"), target)
    return Edited(made, source)


def started_with(content: Mapping[str, Any], key: str) -> Edited:
    """Let a run begin with a node."""
    made, nodes = _copied(content)
    _known(nodes, key)
    made["start"] = key
    return Edited(made, key)


def _with_way(found: Any, target: str) -> Any:
    ways = _ways(found)
    if not ways:
        return target
    last = [way for way in ways if "when" not in way][-1:]
    # What is asked has no words yet: whoever writes it is told so until they say it.
    return [*(way for way in ways if way not in last), {"when": "", "to": target}, *last]


def _put_behind(nodes: Content, after: str, key: str) -> str | None:
    """Let a node lead to a new one; return where it led so far."""
    facts = nodes[after]
    if facts.get("kind") == "parallel":
        return _put_into_branch(facts, key)
    if facts.get("kind") == "map":
        on, facts["do"] = facts.get("do") or facts.get("join"), key
        return str(on) if on else None
    if facts.get("kind") == "end":
        return None
    ways = _ways(facts.get("next"))
    if not ways:
        facts["next"] = key
        return None
    on = ways[-1]["to"]
    facts["next"] = key if isinstance(facts["next"], str) else [*ways[:-1], {**ways[-1], "to": key}]
    return str(on)


def _put_into_branch(facts: Content, key: str) -> str | None:
    """Put a node into the first branch in which nothing is done yet, or into one of its own."""
    ways, join = _ways(facts.get("branches")), facts.get("join")
    empty = next((way for way in ways if way["to"] == join), None)
    if empty is not None:
        empty["to"] = key
    else:
        ways.append({"to": key})
    facts["branches"] = ways
    return join if isinstance(join, str) else None


def _lead_on(nodes: Content, key: str, on: str | None) -> None:
    facts = nodes[key]
    kind = facts["kind"]
    if kind in OPENERS:
        join = _free(nodes, "join")
        nodes[join] = {"kind": "join", "name": f"{facts['name']}: all done", **({"next": on} if on else {})}
        facts |= {"branches": [{"to": join}, {"to": join}]} if kind == "parallel" else {"do": join}
        facts["join"] = join
    elif kind != "end" and on:
        facts["next"] = on


def _an_end(nodes: Content, but: str) -> str | None:
    """Return where a node leads that nobody said anything about: an end, so that it leads somewhere."""
    ends = (key for key, facts in nodes.items() if isinstance(facts, dict) and facts.get("kind") == "end")
    return next((key for key in ends if key != but), None)


def _lead_elsewhere(facts: Content, gone: str, after: str | None) -> None:
    """Bend what leads to a node that is gone; where there is no other place the way goes, too."""
    for name in ("next", "branches"):
        if name == "next" and facts.get(name) == gone:
            facts.pop(name) if after is None else facts.update({name: after})
        elif isinstance(facts.get(name), list):
            bent = [{**way, "to": after} if _leads_to(way, gone) else way for way in facts[name]]
            facts[name] = [way for way in bent if not _leads_to(way, None)]
            if not facts[name]:
                del facts[name]
    for name in _NAMING:
        if facts.get(name) == gone:
            bends = after is not None and name not in ("join", "same_agent_as")
            facts.update({name: after}) if bends else facts.pop(name)
    if isinstance(facts.get("when_down"), dict) and facts["when_down"].get("to") == gone:
        facts.pop("when_down") if after is None else facts.update({"when_down": {"to": after}})
    if isinstance(facts.get("of"), list):
        facts["of"] = [one for one in facts["of"] if one != gone]
        if not facts["of"]:
            del facts["of"]


def _replace_key(facts: Content, key: str, new: str) -> None:
    for name in ("next", *_NAMING):
        if facts.get(name) == key:
            facts[name] = new
    for name in ("next", "branches"):
        if isinstance(facts.get(name), list):
            facts[name] = [{**way, "to": new} if _leads_to(way, key) else way for way in facts[name]]
    if isinstance(facts.get("when_down"), dict) and facts["when_down"].get("to") == key:
        facts["when_down"] = {"to": new}
    if isinstance(facts.get("of"), list):
        facts["of"] = [new if one == key else one for one in facts["of"]]


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    """Return a value with every text in it changed; the names of members stay."""
    if isinstance(value, dict):
        return {name: _mapped(inner, change) for name, inner in value.items()}
    if isinstance(value, list):
        return [_mapped(inner, change) for inner in value]
    return change(value) if isinstance(value, str) else value


def _ways(found: Any) -> list[Content]:
    """Return ways as a list of objects, whatever form they were written in."""
    if isinstance(found, str) and found:
        return [{"to": found}]
    listed = found if isinstance(found, list) else []
    return [dict(way) for way in listed if isinstance(way, dict) and isinstance(way.get("to"), str)]


def _leads_to(way: Any, key: str | None) -> bool:
    return isinstance(way, dict) and "to" in way and way["to"] == key


def _objects(nodes: Content) -> Iterator[Content]:
    return (facts for facts in nodes.values() if isinstance(facts, dict))


def _copied(content: Mapping[str, Any]) -> tuple[Content, Content]:
    made = copy.deepcopy(dict(content))
    nodes = made.get("nodes")
    if not isinstance(nodes, dict):
        nodes = made["nodes"] = {}
    return made, nodes


def _known(nodes: Content, key: str) -> Content:
    facts = nodes.get(key)
    if not isinstance(facts, dict):
        raise EditError(f"There is no step {key}.")
    return facts


def _free(nodes: Content, kind: str) -> str:
    """Return a key that nothing has: ``agent``, ``agent_2`` ..."""
    found, number = kind, 1
    while found in nodes:
        number += 1
        found = f"{kind}_{number}"
    return found
