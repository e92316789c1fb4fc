"""The form of each kind of step, made from its JSON Schema: a plain label, a word of help, a kind of field."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from workflows.runs.engine.schema import NODES, SCHEMA

Field = dict[str, Any]

# What a member is, where its schema alone does not say: what to pick from, or what to write.
_TYPES: Mapping[str, str] = {
    "role": "role",
    "department": "department",
    "operation": "operation",
    "workflow": "workflow",
    "groups": "groups",
    "to": "groups",
    "owner": "group",
    "next": "ways",
    "branches": "ways",
    **dict.fromkeys(("failed", "refused", "late", "do", "join", "same_agent_as", "start"), "node"),
    "of": "nodes",
    "undo": "undo",
    "when_down": "when_down",
    "need": "need",
    "tolerate": "number_or_share",
    **dict.fromkeys(("answer", "form", "input"), "schema"),
    **dict.fromkeys(("title", "label", "over", "collect", "key", "until", "match"), "cel"),
}
_LABELS: Mapping[str, tuple[Any, Any]] = {
    "name": (_("Name"), _("What people read on the step.")),
    "label": (_("What the run is called once this is done"), ""),
    "owner": (_("Who answers for it"), _("A group of people.")),
    "role": (_("Role of the agent"), _("Agents with this role may take it.")),
    "department": (_("Department"), _("Left empty: any.")),
    "needs": (_("What the agent must be able to do"), _("One label in each line; the agent has all of them.")),
    "same_agent_as": (_("Done by the agent of"), _("An earlier step of an agent.")),
    "give": (_("What is given to it"), _("A name and where its value comes from.")),
    "arguments": (_("What the operation is asked with"), _("A name and where its value comes from.")),
    "show": (_("What is shown to people"), _("A name and where its value comes from.")),
    "output": (_("What comes of the run"), _("A name and where its value comes from.")),
    "answer": (_("What it answers"), _("The fields of the answer.")),
    "form": (_("What people fill in"), _("The fields of the form.")),
    "input": (_("What a run begins with"), _("The fields of the form that starts a run.")),
    "title": (_("Title of the task"), _("Text in quotes, joined with values by +.")),
    "due_seconds": (_("To be done within"), ""),
    "attempts": (_("Attempts"), _("How often it may fail before it counts as failed.")),
    "retry": (_("Trying again"), ""),
    "most": (_("Attempts in all"), ""),
    "wait_seconds": (_("Wait before the second"), ""),
    "factor": (_("Each further wait times"), ""),
    "cap_seconds": (_("No wait longer than"), ""),
    "jitter": (_("Waits are spread by (percent)"), ""),
    "never": (_("Never after these codes"), _("One code in each line.")),
    "timeouts": (_("Time limits"), ""),
    "queue_seconds": (_("Waits to be begun at most"), ""),
    "run_seconds": (_("One attempt takes at most"), ""),
    "heartbeat_seconds": (_("Silent at most"), ""),
    "total_seconds": (_("All attempts together take at most"), ""),
    "priority": (_("Priority"), _("1 comes first, 5 last.")),
    "next": (
        _("Where it goes on"),
        _("From the top: the first whose condition holds. The last has none."),
    ),
    "branches": (_("Branches"), _("Each goes on beside the others; one with a condition only if it holds.")),
    "failed": (_("When it failed"), _("Left empty: an operator is asked.")),
    "refused": (_("When it is refused"), _("Left empty: an operator is asked.")),
    "late": (_("When nothing came in time"), _("Left empty: it counts as failed.")),
    "operation": (_("Operation"), _("What is done in a system.")),
    "undo": (_("How it is undone"), ""),
    "when_down": (_("While the system is down"), ""),
    "stop_clock": (_("Its deadlines stand still meanwhile"), ""),
    "groups": (_("Who is asked"), _("Whoever is in one of these groups.")),
    "exception": (_("It is called an exception"), ""),
    "deadlines": (_("When people do not come to it"), ""),
    "start": (_("To be taken"), ""),
    "complete": (_("To be done"), ""),
    "seconds": (_("How long"), ""),
    "remind_seconds": (_("Remind after"), ""),
    "then": (_("What happens then"), ""),
    "to": (_("Who else"), ""),
    "join": (_("Closed by the join"), ""),
    "need": (_("How many have to come through"), ""),
    "rest": (_("What becomes of the rest"), ""),
    "collect": (_("What is collected of each"), ""),
    "over": (_("The list"), _("For example input.lines")),
    "item": (_("Name of an item"), _("Expressions inside read it by this name.")),
    "do": (_("First step of the body"), ""),
    "most_at_once": (_("At once at most"), ""),
    "tolerate": (_("How many may fail"), _("A number, or a share such as 5%.")),
    "workflow": (_("Workflow"), ""),
    "key": (_("Key of the run"), ""),
    "until": (_("Until the time"), ""),
    "signal": (_("For the signal"), ""),
    "match": (_("Only a signal for which"), ""),
    "timeout_seconds": (_("At most"), ""),
    "of": (_("What is undone"), _("Left empty: everything that can be.")),
    "outcome": (_("Word it ends with"), _("a-z and _ only, for example paid")),
    "compensate": (_("Undo everything before"), ""),
    "code": (_("Short stable name"), _("It never changes.")),
    "purpose": (_("What it is good for"), ""),
    "sla_seconds": (_("A run takes at most"), _("What is promised.")),
}
_WHOLE_LABELS: Mapping[str, tuple[Any, Any]] = {
    "name": (_("Name of the workflow"), _("The name people see.")),
    "label": (_("What a run is called"), _("Text in quotes, joined with values by +.")),
    "start": (_("Begins with"), ""),
}
_CHOICES: Mapping[str, Any] = {
    "escalate": _("others are asked, too"),
    "reassign": _("others are asked instead"),
    "outcome": _("it is closed by itself with an answer"),
    "cancel": _("is cancelled"),
    "finish": _("goes on to its end"),
}
_MISSING = re.compile(r"'(?P<field>\w+)' is a required property\.?")
_MEMBER = re.compile(r"`(\w+)`")
# In the order a person thinks of them; what is not named comes after.
_FIRST = (
    *("name", "role", "groups", "operation", "workflow", "over", "seconds", "until", "signal", "outcome"),
    *("arguments", "give", "show", "form", "answer", "next", "branches", "do", "join", "need"),
)


def fields_by_kind() -> dict[str, list[Field]]:
    """Return the fields of every kind of step."""
    return {kind: list(_fields(schema)) for kind, schema in NODES.items()}


def fields_of_the_whole() -> list[Field]:
    """Return the fields of the workflow itself."""
    schema = {**SCHEMA, "properties": {k: v for k, v in SCHEMA["properties"].items() if k != "nodes"}}
    return [{**field, **_said(field["name"], _WHOLE_LABELS)} for field in _fields(schema)]


def in_labels(text: str) -> str:
    """Return what is said about a definition with the labels of the form where it names members of the YAML."""
    if missing := _MISSING.fullmatch(text):
        return gettext("%(field)s is still to be filled in.") % {"field": _label_of(missing["field"])}
    return _MEMBER.sub(lambda found: f"“{_label_of(found[1])}”", text)


def _label_of(name: str) -> str:
    return str(_LABELS[name][0]) if name in _LABELS else name


def _fields(schema: Mapping[str, Any]) -> Iterable[Field]:
    names = [name for name in schema["properties"] if name != "kind"]
    place = {name: at for at, name in enumerate(_FIRST)}
    for name in sorted(names, key=lambda one: place.get(one, len(place))):
        yield _field(name, schema["properties"][name], is_required=name in schema.get("required", ()))


def _field(name: str, schema: Mapping[str, Any], *, is_required: bool) -> Field:
    found: Field = {"name": name, "type": _type(name, schema), "required": is_required}
    found |= _said(name, {}) or {"label": name.replace("_", " ").capitalize(), "help": ""}
    found |= {limit: schema[limit] for limit in ("minimum", "maximum", "maxLength") if limit in schema}
    if found["type"] == "choice":
        found["choices"] = [[one, str(_CHOICES.get(one, one))] for one in schema["enum"]]
    if found["type"] == "group_of":
        found["fields"] = list(_fields(schema))
    if found["type"] in ("undo",):
        found["fields"] = [_field(one, {"type": "string"}, is_required=False) for one in ("operation",)]
    return found


def _said(name: str, special: Mapping[str, tuple[Any, Any]]) -> Field:
    said = special.get(name) or (None if special else _LABELS.get(name))
    return {"label": str(said[0]), "help": str(said[1])} if said else {}


def _type(name: str, schema: Mapping[str, Any]) -> str:
    if "properties" in schema:
        return "group_of"
    if name in _TYPES:
        return _TYPES[name]
    if "enum" in schema:
        return "choice"
    kind = schema.get("type")
    if kind == "object":
        return "cels" if "additionalProperties" in schema else "schema"
    if kind == "integer":
        return "duration" if name.endswith("seconds") else "number"
    return {"boolean": "flag", "array": "texts", "string": "text"}[str(kind)]
