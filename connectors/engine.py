"""Mappings as data: a template is JSON in which small objects say where a value comes from. No code in it.

    {"$arg": "/supplier"}        the argument at that JSON pointer (RFC 6901)
    {"$item": "/amount"}         inside $each: from the element at hand
    {"$config": "/company"}      from the settings of the system
    {"$found": "/party/0/id"}    from what an earlier look-up of the same call answered
    {"$reference": true}         our own reference, the same at every attempt
    {"$each": "/lines", "in": T} the template T once for every element
    {"$text": ["INV-", V, ...]}  the parts as one text
    {"$decimal": V}              money or a decimal text or a whole number, as a plain decimal text
    {"$map": {"a": T}, "of": V}  a template for each value; a value that is not listed is refused
    {"$when": "/due", "then": T, "else": U}
                                 T if there is an argument at that pointer, else U; without else it is left out

``"optional": true`` beside $arg or $item leaves the member out when the argument is absent; ``"default": x``
puts x there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

ABSENT: Any = object()
MINOR_DIGITS = {
    **dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0),  # noqa: SIM905
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),  # noqa: SIM905
    **dict.fromkeys("CLF UYW".split(), 4),  # noqa: SIM905
}
DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,6})?", re.ASCII)
INSTRUCTIONS = (
    *("$arg", "$item", "$config", "$found", "$reference", "$each", "$text", "$decimal", "$map", "$when"),
)
OPTIONS = {"optional", "default", "in", "of", "then", "else"}
_HOLE = re.compile(r"\{(/[^{}]*)\}")
_PART = re.compile(r"(?:\{[^{}]*\}|[^/{}])+")


class TemplateError(ValueError):
    """A template asks for something that is not there or cannot be turned into what it asks for."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Everything a template may read. Plain JSON values."""

    arguments: Mapping[str, Any]
    config: Mapping[str, Any] = field(default_factory=dict)
    reference: str = ""
    found: Mapping[str, Any] = field(default_factory=dict)
    item: Any = ABSENT


def fill(template: Any, scope: Scope, special: Mapping[str, Callable[[Any], Any]] | None = None) -> Any:
    """Return the template with every instruction replaced by its value.

    ``special`` adds a driver's own instructions: name to a function of the filled value. Raises TemplateError.
    """
    value = _fill(template, scope, special or {})
    if value is ABSENT:
        raise TemplateError("The whole template is absent.")
    return value


def at(document: Any, pointer: str) -> Any:
    """Return the value at a JSON pointer, or ABSENT."""
    if pointer == "":
        return document
    for part in pointer.removeprefix("/").split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(document, Mapping) and key in document:
            document = document[key]
        elif isinstance(document, list) and key.isascii() and key.isdigit() and int(key) < len(document):
            document = document[int(key)]
        else:
            return ABSENT
    return document


def fill_path(template: str, scope: Scope) -> list[str]:
    """Return the parts of a path such as ``/suppliers/{/supplier}/invoices``; a value never adds a part."""
    return [_HOLE.sub(lambda hole: _path_value(hole[1], scope), part) for part in _PART.findall(template)]


def decimal_text(value: Any) -> str:
    """Return money ({"minor", "currency"}), a whole number or a decimal text as a plain decimal text."""
    if isinstance(value, Mapping) and set(value) == {"minor", "currency"}:
        return _money_text(value["minor"], value["currency"])
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str) and DECIMAL.fullmatch(value):
        return value
    raise TemplateError(f"{str(value)[:60]!r} is neither money nor a decimal.")


def money_of(amount: Any, currency: Any) -> Any:
    """Return a decimal text and its currency as money in minor units, or ABSENT if it is none to the unit."""
    if not isinstance(amount, str) or not DECIMAL.fullmatch(amount) or not isinstance(currency, str):
        return ABSENT
    whole, _, rest = amount.partition(".")
    digits = MINOR_DIGITS.get(currency, 2)
    if rest[digits:].strip("0"):
        return ABSENT
    return {"minor": int(whole + rest[:digits].ljust(digits, "0")), "currency": currency}


def problems_of(template: Any, known: frozenset[str] | set[str] = frozenset()) -> list[str]:
    """Return what is wrong with a template without filling it: unknown instructions, pointers that are none."""
    found: list[str] = []
    _inspect(template, {*INSTRUCTIONS, *known}, found)
    return found


def _fill(template: Any, scope: Scope, special: Mapping[str, Callable[[Any], Any]]) -> Any:
    if isinstance(template, list):
        return [value for item in template if (value := _fill(item, scope, special)) is not ABSENT]
    if not isinstance(template, Mapping):
        return template
    if name := _instruction(template):
        return _instructed(name, template, scope, special)
    filled = {key: _fill(value, scope, special) for key, value in template.items()}
    return {key: value for key, value in filled.items() if value is not ABSENT}


def _instruction(template: Mapping[str, Any]) -> str:
    names = [key for key in template if key.startswith("$")]
    return names[0] if len(names) == 1 else ""


def _instructed(name: str, template: Mapping[str, Any], scope: Scope, special: Mapping[str, Any]) -> Any:
    if name == "$reference":
        return scope.reference
    if name in ("$arg", "$item", "$config", "$found"):
        return _taken(name, template, scope)
    if name in ("$each", "$text", "$map", "$when"):
        return _built(name, template, scope, special)
    inner = _fill(template[name], scope, special)
    if inner is ABSENT:
        return ABSENT
    if name != "$decimal" and name not in special:
        raise TemplateError(f"{name} is not an instruction.")
    return decimal_text(inner) if name == "$decimal" else special[name](inner)


def _built(name: str, template: Mapping[str, Any], scope: Scope, special: Mapping[str, Any]) -> Any:
    value = template[name]
    if name == "$each":
        return _each(value, template["in"], scope, special)
    if name == "$text":
        return "".join(str(_required(part, scope, special)) for part in value)
    if name == "$when":
        given = at(scope.arguments, value) is not ABSENT
        return _fill(template["then"] if given else template.get("else", ABSENT), scope, special)
    return _fill(_mapped(value, _fill(template["of"], scope, special)), scope, special)


def _taken(name: str, template: Mapping[str, Any], scope: Scope) -> Any:
    sources = {"$arg": scope.arguments, "$item": scope.item, "$config": scope.config, "$found": scope.found}
    document, pointer = sources[name], template[name]
    value = ABSENT if document is ABSENT else at(document, pointer)
    if value is not ABSENT:
        return value
    if "default" in template:
        return template["default"]
    if template.get("optional"):
        return ABSENT
    raise TemplateError(f"{name} {pointer} is missing.")


def _each(pointer: str, template: Any, scope: Scope, special: Mapping[str, Any]) -> list[Any]:
    items = at(scope.arguments, pointer)
    if items is ABSENT:
        return []
    if not isinstance(items, list):
        raise TemplateError(f"$each {pointer} is not a list.")
    return [_fill(template, replace(scope, item=item), special) for item in items]


def _required(part: Any, scope: Scope, special: Mapping[str, Any]) -> Any:
    value = _fill(part, scope, special)
    if value is ABSENT or isinstance(value, dict | list):
        raise TemplateError("A part of $text is missing or is not a plain value.")
    return value


def _mapped(table: Mapping[str, Any], value: Any) -> Any:
    if value is ABSENT:
        return ABSENT
    if not isinstance(value, str) or value not in table:
        raise TemplateError(f"{str(value)[:60]!r} is not one of {', '.join(sorted(table))}.")
    return table[value]


def _path_value(pointer: str, scope: Scope) -> str:
    value = at(scope.arguments, pointer)
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise TemplateError(f"The argument {pointer} cannot be part of an address.")
    return str(value)


def _money_text(minor: Any, currency: Any) -> str:
    if isinstance(minor, bool) or not isinstance(minor, int) or not isinstance(currency, str):
        raise TemplateError("Money is a whole number of minor units and a currency code.")
    digits = MINOR_DIGITS.get(currency, 2)
    sign, text = "-" if minor < 0 else "", str(abs(minor)).rjust(digits + 1, "0")
    return f"{sign}{text[:-digits]}.{text[-digits:]}" if digits else f"{sign}{text}"


def _inspect(template: Any, known: set[str], found: list[str]) -> None:
    if isinstance(template, list):
        for item in template:
            _inspect(item, known, found)
    elif isinstance(template, Mapping):
        names = [key for key in template if isinstance(key, str) and key.startswith("$")]
        if len(names) > 1 or (names and set(template) - {names[0]} - OPTIONS):
            found.append(f"{', '.join(sorted(template))}: one instruction at a time.")
        elif names:
            _inspect_instruction(names[0], template, known, found)
        for key, value in template.items():
            # The words of a table are values, not instructions; what they stand for is a template.
            inner = list(value.values()) if key == "$map" and isinstance(value, Mapping) else value
            _inspect(inner, known, found)


def _inspect_instruction(name: str, template: Mapping[str, Any], known: set[str], found: list[str]) -> None:
    value = template[name]
    if name not in known:
        found.append(f"{name} is not an instruction.")
    elif name in ("$arg", "$item", "$config", "$found", "$each", "$when") and not _is_pointer(value):
        found.append(f"{name} {value!r} is not a JSON pointer.")
    elif name == "$each" and "in" not in template:
        found.append("$each needs a template under in.")
    elif name == "$when" and "then" not in template:
        found.append("$when needs a template under then.")
    elif name == "$map" and ("of" not in template or not isinstance(value, Mapping)):
        found.append("$map needs a table and a value under of.")
    elif name == "$text" and not isinstance(value, list):
        found.append("$text needs a list of parts.")


def _is_pointer(value: Any) -> bool:
    return isinstance(value, str) and (value == "" or value.startswith("/"))
