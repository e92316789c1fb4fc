"""What differs between two versions of a workflow, in sentences a manager understands. Pure, and never guessed:
what has no sentence of its own is named with what it was and what it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from workflows.runs.engine.comparing_times import (
    deadlines_changed,
    duration,
    limits_changed,
    retry_changed,
)
from workflows.runs.engine.definition import Definition, Edge, Node

_PARTS = re.compile(r"""\"[^\"]*\"|'[^']*'|[\w.]+|[^\w\s]""")
_VALUE = re.compile(r"""\d|["']""")
_MOST_SHOWN = 160
_KINDS = {
    "agent": "agents do it",
    "operation": "an operation",
    "human": "people do it",
    "gate": "a policy gate",
    "branch": "a branch",
    "parallel": "branches beside each other",
    "map": "for each of a list",
    "join": "a join",
    "sub": "another workflow",
    "wait": "it waits",
    "compensate": "it undoes what was done",
    "end": "an end",
}
_WORDS = {
    "role": "the role",
    "department": "the department",
    "operation": "the operation",
    "workflow": "the workflow",
    "groups": "the groups",
    "owner": "the group that answers for it",
    "outcome": "the outcome",
    "attempts": "the attempts",
    "priority": "the priority",
    "join": "the join",
    "most_at_once": "how many at once",
    "tolerate": "how many may fail",
    "need": "how many have to arrive",
    "rest": "what becomes of the rest",
    "over": "the list it goes over",
    "collect": "what is collected",
    "title": "the title",
    "label": "what the run is called",
    "until": "the time it waits for",
    "signal": "the signal it waits for",
    "match": "which signal is meant",
    "key": "the key",
    "same_agent_as": "whose agent it has to be",
    "needs": "what the agent must be able to do",
    "item": "the name of an item",
    "when_down": "what is done while the system is down",
    "of": "what is undone",
}
_TABLES = {"give": "is given", "arguments": "is asked with", "show": "shows", "output": "gives out"}
_SCHEMAS = {"answer": "the answer", "form": "the form"}
_FLAGS = {
    "exception": ("counts as an exception", "counts as an exception no more"),
    "compensate": ("undoes everything before it ends", "undoes nothing any more before it ends"),
    "stop_clock": ("stops its clocks while the system is down", "lets its clocks run while the system is down"),
}


def differences(old: Definition, new: Definition, renamed: Mapping[str, str] | None = None) -> list[str]:
    """Return what changes from one version to another, the whole first, then node by node; none: nothing does.

    ``renamed`` says which old node became which new one; without it nodes that are alike but for their key are
    taken for the same.
    """
    became = dict(renamed) if renamed is not None else _renamed(old, new)
    return [*_of_the_whole(old, new), *_come_and_gone(old, new, became), *_of_nodes(old, new, became)]


def _renamed(old: Definition, new: Definition) -> dict[str, str]:
    """Return old nodes that are there under another key: the only one of their kind and name that came."""
    gone = [node for key, node in old.nodes.items() if key not in new.nodes]
    came = [node for key, node in new.nodes.items() if key not in old.nodes]
    found = {}
    for node in gone:
        alike = [other for other in came if (other.kind, other.name) == (node.kind, node.name)]
        twins = [other for other in gone if (other.kind, other.name) == (node.kind, node.name)]
        if len(alike) == len(twins) == 1:
            found[node.id] = alike[0].id
    return found


def _of_the_whole(old: Definition, new: Definition) -> Iterator[str]:
    for word, before, after in (
        ("name", old.name, new.name),
        ("purpose", old.purpose, new.purpose),
        ("owner", old.owner, new.owner),
        ("name of a run", old.label, new.label),
    ):
        if before != after:
            yield f"The {word} is {_quoted(after)} instead of {_quoted(before)}."
    if old.sla_seconds != new.sla_seconds:
        yield _time_changed("A run", old.sla_seconds, new.sla_seconds)
    yield from _schema_changed("The input", old.input, new.input)


def _come_and_gone(old: Definition, new: Definition, became: Mapping[str, str]) -> Iterator[str]:
    for key, node in old.nodes.items():
        if key not in new.nodes and key not in became:
            yield f"{node.name} ({key}) is gone."
    for key, node in new.nodes.items():
        if key not in old.nodes and key not in became.values():
            yield f"{node.name} ({key}) is new: {_introduced(node, new)}."
    if old.start in old.nodes and became.get(old.start, old.start) != new.start:
        yield f"It starts with {_name(new, new.start)} instead of {_name(old, old.start)}."


def _introduced(node: Node, definition: Definition) -> str:
    facts = node.facts
    who = {
        "agent": f"agents with the role {facts.get('role')} do it",
        "operation": f"{facts.get('operation')}, asked for by the role {facts.get('role')}",
        "human": f"people of {_or(facts.get('groups', ()))} do it",
        "gate": f"it asks whether the role {facts.get('role')} may {facts.get('operation')}",
        "sub": f"it starts {facts.get('workflow')}",
        "end": f"the run ends as {facts.get('outcome')}",
    }.get(node.kind, _KINDS.get(node.kind, node.kind))
    ways = ", ".join(_way(edge, definition) for edge in node.edges)
    return f"{who}; then {ways}" if ways else who


def _of_nodes(old: Definition, new: Definition, became: Mapping[str, str]) -> Iterator[str]:
    for key, before in old.nodes.items():
        after = new.nodes.get(became.get(key, key))
        if after is None or (key not in became and key not in new.nodes):
            continue
        if after.id != key:
            yield f"{before.name}: its key is {after.id} instead of {key}."
        if before.name != after.name:
            yield f"{before.name} is called {after.name}."
        yield from (f"{after.name}: {said}" for said in _of_node(_Pair(old, new, became), before, after))


class _Pair:
    """Two versions, and which old node is which new one."""

    def __init__(self, old: Definition, new: Definition, became: Mapping[str, str]) -> None:
        self.old, self.new, self.became = old, new, became

    def same(self, before: str, after: str) -> bool:
        """Tell whether two ways lead to the same node."""
        return self.became.get(before, before) == after


def _of_node(pair: _Pair, before: Node, after: Node) -> Iterator[str]:
    if before.kind != after.kind:
        kinds = (_KINDS.get(node.kind, node.kind) for node in (after, before))
        yield "{} instead of {}.".format(*kinds)
    yield from _ways(pair, before.edges, after.edges, "Goes to")
    yield from _ways(pair, before.branches, after.branches, "Begins")
    members = sorted({*before.facts, *after.facts} - {"kind", "name", "next", "branches"})
    for member in members:
        was, is_now = before.facts.get(member), after.facts.get(member)
        if was != is_now:
            yield from _TELL.get(member, _plain)(pair, member, was, is_now)


def _ways(pair: _Pair, before: tuple[Edge, ...], after: tuple[Edge, ...], verb: str) -> Iterator[str]:
    """Tell ways that were added, dropped, asked otherwise or in another order. Doubled targets go by place."""
    left = list(before)
    matched: list[tuple[Edge | None, Edge]] = []
    for edge in after:
        same = [other for other in left if pair.same(other.to, edge.to)]
        exact = [other for other in same if other.when == edge.when]
        found = next(iter(exact or same), None)
        if found is not None:
            left.remove(found)
        matched.append((found, edge))
    for was, edge in matched:
        target = _name(pair.new, edge.to)
        if was is None:
            yield f"{verb} {target} {_condition(edge.when)}, which is new."
        elif was.when != edge.when:
            yield f"{verb} {target} {_condition(edge.when)} instead of {_instead(was.when, edge.when)}."
    for gone in left:
        yield f"{verb} {_name(pair.old, gone.to)} no more {_condition(gone.when)}."
    kept = [was for was, _ in matched if was is not None]
    if not left and len(kept) == len(after) and kept != sorted(kept, key=list(before).index):
        yield f"Its ways are asked in another order: {', '.join(_name(pair.new, edge.to) for edge in after)}."


def _way(edge: Edge, definition: Definition) -> str:
    return f"{_name(definition, edge.to)} {edge.when and _condition(edge.when)}".strip()


def _condition(when: str) -> str:
    return f"when {_short(when)}" if when else "in any other case"


def _instead(was: str, is_now: str) -> str:
    """Return what a condition was; only the value, where it is all that differs: ``10000``."""
    before, after = _PARTS.findall(was), _PARTS.findall(is_now)
    if len(before) == len(after):
        other = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
        if len(other) == 1 and _VALUE.match(other[0][0]) and _VALUE.match(other[0][1]):
            return str(other[0][0])
    return _condition(was)


def _target(pair: _Pair, member: str, was: Any, is_now: Any) -> Iterator[str]:
    if isinstance(was, str) and isinstance(is_now, str) and pair.same(was, is_now):
        return
    lead = {
        "failed": "When it fails",
        "refused": "When it is refused",
        "late": "When nothing came in time",
        "do": "For each it begins with",
        "join": "Is closed by",
        "same_agent_as": "Is done by the agent of",
    }[member]
    to = _name(pair.new, is_now) if is_now else "an operator, who is asked"
    from_ = _name(pair.old, was) if was else "an operator, who is asked"
    link = "" if member in ("do", "join", "same_agent_as") else " it goes to"
    yield f"{lead}{link} {to} instead of {from_}."


def _time(pair: _Pair, member: str, was: Any, is_now: Any) -> Iterator[str]:
    word = {
        "due_seconds": "It should be done in",
        "seconds": "It waits",
        "timeout_seconds": "It waits at most",
    }[member]
    if was is None or is_now is None:
        yield f"{word} {duration(is_now)}, which is new." if is_now else f"{word} {duration(was)} no more."
    else:
        yield f"{word} {duration(is_now)} instead of {duration(was)}."


def _time_changed(who: str, was: int | None, is_now: int | None) -> str:
    if is_now is None:
        return f"{who} has no promised time any more; it was {duration(was or 0)}."
    before = f" instead of {duration(was)}" if was else ", which is new"
    return f"{who} is promised to take at most {duration(is_now)}{before}."


def _table(pair: _Pair, member: str, was: Any, is_now: Any) -> Iterator[str]:
    before, after = was or {}, is_now or {}
    verb = _TABLES[member]
    for name in sorted({*before, *after}):
        if name not in before:
            yield f"It {verb} {name}: {_short(after[name])}, which is new."
        elif name not in after:
            yield f"It {verb} {name} no more."
        elif before[name] != after[name]:
            yield f"It {verb} {name}: {_short(after[name])} instead of {_short(before[name])}."


def _undo(pair: _Pair, member: str, was: Any, is_now: Any) -> Iterator[str]:
    before, after = (told["operation"] if isinstance(told, Mapping) else told for told in (was, is_now))
    if before != after:
        names = {None: "nothing that is said", "none": "nothing, on purpose"}
        yield f"It is undone by {names.get(after, after)} instead of {names.get(before, before)}."
    else:
        yield f"What {after} is given to undo it is another: {_short(is_now.get('arguments', {}))}."


def _schema(pair: _Pair, member: str, was: Any, is_now: Any) -> Iterator[str]:
    yield from _schema_changed(_SCHEMAS[member].capitalize(), was or {}, is_now or {})


def _schema_changed(what: str, was: Mapping[str, Any], is_now: Mapping[str, Any]) -> Iterator[str]:
    """Tell which members a schema takes; a change further inside is named by the member it is in."""
    if was == is_now:
        return
    before, after = was.get("properties", {}), is_now.get("properties", {})
    needed = (set(was.get("required", ())), set(is_now.get("required", ())))
    told = False
    for name in sorted({*before, *after}):
        if said := _member(name, before, after, needed):
            told = True
            yield f"{what} {said}."
    if not told:
        yield f"{what} is described otherwise."


def _member(
    name: str, before: Mapping[str, Any], after: Mapping[str, Any], needed: tuple[set[str], set[str]]
) -> str:
    must = "has to have" if name in needed[1] else "may have"
    if name not in before:
        return f"{must} {name}, which is new"
    if name not in after:
        return f"has no {name} any more"
    if (name in needed[0]) != (name in needed[1]):
        return f"{must} {name}"
    return f"describes {name} otherwise" if before[name] != after[name] else ""


def _flag(pair: _Pair, member: str, was: Any, is_now: Any) -> Iterator[str]:
    if bool(was) != bool(is_now):
        yield f"It {_FLAGS[member][0 if is_now else 1]}."


def _times(pair: _Pair, member: str, was: Any, is_now: Any) -> Iterator[str]:
    yield from _TIMES[member](was or {}, is_now or {})


def _plain(pair: _Pair, member: str, was: Any, is_now: Any) -> Iterator[str]:
    word = _WORDS.get(member, member.replace("_", " "))
    lead = word[0].upper() + word[1:]
    if was is None or is_now is None:
        yield f"{lead} {_shown(is_now)}, which is new." if was is None else f"{lead} {_shown(was)} is dropped."
    else:
        yield f"{lead}: {_shown(is_now)} instead of {_shown(was)}."


_TIMES = {"deadlines": deadlines_changed, "timeouts": limits_changed, "retry": retry_changed}
_TELL: dict[str, Callable[[_Pair, str, Any, Any], Iterator[str]]] = {
    **dict.fromkeys(("failed", "refused", "late", "do", "join", "same_agent_as"), _target),
    **dict.fromkeys(("due_seconds", "seconds", "timeout_seconds"), _time),
    **dict.fromkeys(_TABLES, _table),
    **dict.fromkeys(_SCHEMAS, _schema),
    **dict.fromkeys(_FLAGS, _flag),
    **dict.fromkeys(_TIMES, _times),
    "undo": _undo,
}


def _name(definition: Definition, key: str) -> str:
    node = definition.nodes.get(key)
    return node.name if node else key


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return _or(value)
    if isinstance(value, Mapping):
        return _short(", ".join(f"{name.replace('_', ' ')} {_shown(inner)}" for name, inner in value.items()))
    return _short(value)


def _or(items: Any) -> str:
    return " or ".join(map(str, items)) or "nobody"


def _quoted(text: str) -> str:
    return f"“{_short(text)}”" if text else "empty"


def _short(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "…"
