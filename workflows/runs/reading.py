"""Pictures of workflows as pages draw them: words, icons and marks around what the pure engine found."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from workflows.runs.engine import graph
from workflows.runs.engine.graph import Box, Graph, Line, Way, graph_of

Drawing = dict[str, Any]

# The word and the icon of each kind: never a colour alone, never an icon alone.
KINDS: Mapping[str, tuple[Any, str]] = {
    "agent": (gettext_lazy("Agent"), "smart_toy"),
    "operation": (gettext_lazy("Operation"), "bolt"),
    "human": (gettext_lazy("People"), "person"),
    "gate": (gettext_lazy("Question to the rules"), "gavel"),
    "branch": (gettext_lazy("Choice"), "call_split"),
    "parallel": (gettext_lazy("Side by side"), "account_tree"),
    "map": (gettext_lazy("For each of a list"), "repeat"),
    "join": (gettext_lazy("Join"), "merge"),
    "sub": (gettext_lazy("Another workflow"), "open_in_new"),
    "wait": (gettext_lazy("Wait"), "hourglass_top"),
    "compensate": (gettext_lazy("Undo"), "undo"),
    "end": (gettext_lazy("End"), "flag"),
    graph.MISSING: (gettext_lazy("Is not there"), "error"),
}
_WAYS: Mapping[Way, Any] = {
    Way.EACH: gettext_lazy("for each"),
    Way.FAILED: gettext_lazy("if it fails"),
    Way.REFUSED: gettext_lazy("if it is refused"),
    Way.LATE: gettext_lazy("if nothing came in time"),
    Way.DOWN: gettext_lazy("while the system is down"),
    Way.UNDOES: gettext_lazy("undoes"),
}
# What differs between two versions, as a mark of a box.
MARKS: Mapping[str, tuple[Any, str]] = {
    "added": (gettext_lazy("New"), "add_circle"),
    "removed": (gettext_lazy("Gone"), "do_not_disturb_on"),
    "changed": (gettext_lazy("Changed"), "edit"),
    "same": (gettext_lazy("As before"), "check"),
}
_UNITS = ((86_400, "days"), (3_600, "hours"), (60, "minutes"), (1, "seconds"))


def drawing_of(content: Mapping[str, Any], *, conditions: bool = True) -> Drawing:
    """Return a definition as a page draws it; without ``conditions`` for who may not read the workflow."""
    return _drawing(graph_of(content), conditions=conditions)


def drawing_of_change(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> Drawing:
    """Return two versions in one picture: every box and line of both, each with what became of it."""
    old, new = graph_of(before or {}), graph_of(after)
    old_facts, new_facts = _facts(before or {}), _facts(after)
    gone = [box for box in old.boxes if box.id not in {one.id for one in new.boxes}]
    lines = {line.key: line for line in (*new.lines, *old.lines)}
    found = _drawing(Graph((*new.boxes, *gone), tuple(lines.values()), new.blocks))
    for box in found["boxes"]:
        box["state"] = _mark(_became(box["id"], old_facts, new_facts))
    are_new, were = {line.key for line in new.lines}, {line.key for line in old.lines}
    for drawn, key in zip(found["lines"], lines, strict=True):
        drawn["mark"] = "same" if key in are_new & were else "added" if key in are_new else "removed"
        if drawn["mark"] != "same":
            word = MARKS[drawn["mark"]][0]
            drawn["label"] = f"{word}: {drawn['label']}" if drawn["label"] else str(word)
    return found


def for_page(drawing: Drawing, **more: Any) -> Drawing:
    """Return a drawing as templates take it: with all of it as one text, which is no script to a live page."""
    found = {**drawing, **more}
    return {**found, "data": json.dumps(found)}


def in_time(seconds: int) -> str:
    """Return seconds in words, e.g. ``1 day 2 hours``."""
    found, left = [], seconds
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        if count:
            found.append(_counted(unit, count))
    return " ".join(found) or _counted("seconds", 0)


def _counted(unit: str, count: int) -> str:
    if unit == "days":
        return ngettext("%(count)s day", "%(count)s days", count) % {"count": count}
    if unit == "hours":
        return ngettext("%(count)s hour", "%(count)s hours", count) % {"count": count}
    if unit == "minutes":
        return ngettext("%(count)s minute", "%(count)s minutes", count) % {"count": count}
    return ngettext("%(count)s second", "%(count)s seconds", count) % {"count": count}


def _drawing(found: Graph, *, conditions: bool = True) -> Drawing:
    return {
        "boxes": [_box(box) for box in found.boxes],
        "lines": [
            {
                "source": line.source,
                "target": line.target,
                "way": str(line.way),
                "label": _label(line, conditions=conditions),
            }
            for line in found.lines
        ],
        "blocks": [
            {"opener": block.opener, "join": block.join, "kind": block.kind, "inside": list(block.inside)}
            for block in found.blocks
        ],
        "words": _words(),
    }


def _box(box: Box) -> Drawing:
    word, icon = KINDS.get(box.kind, (box.kind, "help"))
    return {
        "id": box.id,
        "kind": box.kind,
        "kind_word": str(word),
        "icon": icon,
        "name": box.name,
        "doer": box.doer,
        "notes": list(_notes(box.notes)),
        "is_start": box.is_start,
    }


def _label(line: Line, *, conditions: bool) -> str:
    if line.way in _WAYS:
        return str(_WAYS[line.way])
    if line.is_else:
        return _("otherwise")
    if not line.words:
        return ""
    return _("if %(condition)s") % {"condition": line.words} if conditions else _("on a condition")


def _notes(notes: Mapping[str, Any]) -> Iterator[str]:
    for name, said in (
        ("due_seconds", _("due in %s")),
        ("seconds", _("for %s")),
        ("timeout_seconds", _("at most %s")),
        ("total_seconds", _("in all at most %s")),
    ):
        if isinstance(notes.get(name), int):
            yield said % in_time(notes[name])
    if isinstance(count := notes.get("attempts"), int) and count > 1:
        yield ngettext("up to %(count)s attempt", "up to %(count)s attempts", count) % {"count": count}
    for name, lead in (("start_at", _("not taken in %s")), ("complete_at", _("not done in %s"))):
        if name in notes:
            yield f"{lead % in_time(notes[name]['seconds'])}: {_then(notes[name])}"
    for name, said in (
        ("need", _("waits for %s")),
        ("tolerate", _("may lose %s")),
        ("most_at_once", _("%s at once")),
        ("undo", _("undone by %s")),
    ):
        if name in notes:
            yield said % notes[name]
    if "when_down" in notes:
        yield _("people are asked while the system is down")
    if "undoes_all" in notes:
        yield _("everything is undone")


def _then(deadline: Mapping[str, Any]) -> str:
    to = ", ".join(deadline["to"])
    return {
        "escalate": _("%s are asked, too") % to,
        "reassign": _("%s are asked instead") % to,
        "outcome": _("it is closed by itself"),
    }.get(deadline["then"], str(deadline["then"]))


def _facts(content: Mapping[str, Any]) -> Mapping[str, Any]:
    nodes = content.get("nodes")
    return nodes if isinstance(nodes, Mapping) else {}


def _became(key: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    if key not in old:
        return "added"
    if key not in new:
        return "removed"
    return "same" if old[key] == new[key] else "changed"


def _mark(key: str) -> Drawing:
    word, icon = MARKS[key]
    return {"key": key, "word": str(word), "icon": icon}


def _words() -> dict[str, str]:
    """Return what the page itself says about a picture, so that it is translated where all else is."""
    return {
        "picture": _("Picture of the workflow"),
        "across": _("Left to right"),
        "down": _("Top down"),
        "fit": _("Fit to width"),
        "full": _("Full size"),
        "current": _("Where it is now"),
        "start": _("Start"),
        "all": _("All"),
        "show": _("Show only"),
        "map": _("Overview: click to go there"),
    }
