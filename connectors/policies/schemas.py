"""What arguments may look like: JSON Schema 2020-12 without fractions, open objects or remote references.

Money is ``{"minor": integer, "currency": "EUR"}`` (use MONEY below); other decimals are strings with
``"format": "decimal"``. Text is NFKC (Unicode UAX 15) without invisible characters; ``"format": "free-text"``
admits any NFC text for people, ``"format": "code"`` is for identifiers.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker, SchemaError
from jsonschema.exceptions import ValidationError
from rfc3986_validator import validate_rfc3986

from audit.vocabulary import Refusal, RefusalKind
from connectors.engine import DECIMAL
from connectors.models import Operation

MAX_BYTES = 256 * 1024
MAX_TEXT = 4000
MAX_ITEMS = 1000
MAX_DEPTH = 16
MAX_MEMBERS = 100  # of an object that names the type of its members and not each of them
MAX_INTEGER = 2**53 - 1  # RFC 8785 knows no larger one
MAX_REPORTED = 20
MAX_PATTERN = 200
MONEY: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["minor", "currency"],
    "properties": {
        "minor": {"type": "integer", "minimum": -(10**15), "maximum": 10**15},
        "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
    },
}
_HOLDERS_OF_ONE = (
    "items",
    "additionalProperties",
    "contains",
    "not",
    "if",
    "then",
    "else",
    "propertyNames",
    "unevaluatedItems",
)
_HOLDERS_OF_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_HOLDERS_OF_MAPS = ("properties", "$defs", "dependentSchemas")
_SAY_THE_TYPE = {"type", "const", "enum", "$ref", "allOf", "anyOf", "oneOf"}
_REFUSED_WORDS = ("$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$id", "$anchor", "patternProperties")
_JOINERS = {"\u200c", "\u200d"}  # Persian, Indic scripts and emoji need them in free text

formats = FormatChecker(formats=["date", "date-time", "time", "duration", "email", "uuid", "ipv4", "ipv6"])


# Jsonschema checks it only beside IRIs, with a package that costs each process 2.5 s of CPU at its start.
@formats.checks("uri")
def _is_uri(value: object) -> bool:
    return not isinstance(value, str) or bool(validate_rfc3986(value, rule="URI"))


@formats.checks("decimal")
def _is_decimal(value: object) -> bool:
    return not isinstance(value, str) or bool(DECIMAL.fullmatch(value))


@formats.checks("code")
def _is_code(value: object) -> bool:
    return not isinstance(value, str) or bool(re.fullmatch(r"[\w./:-]{1,120}", value, re.ASCII))


def schema_problems(schema: Any) -> list[str]:
    """Return why a schema cannot be published, in words; an empty list means that it can."""
    if not isinstance(schema, dict):
        return ["A schema is a JSON object."]
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return [f"{_pointer(error.absolute_path)} is not JSON Schema 2020-12: {error.message[:200]}"]
    found = [] if schema.get("type") == "object" else ["The arguments are one object: type must be object."]
    for pointer, part in _subschemas(schema, ""):
        found += [f"{pointer or '/'}: {problem}" for problem in _problems(part)]
    found += [f"{pointer}: {target} leads nowhere." for pointer, target in _dangling(schema)]
    return found


def validate_arguments(operation: Operation, arguments: Any) -> None:
    """Raise Refusal ``invalid_arguments`` unless the arguments fit the operation's current revision.

    ``detail["errors"]`` lists JSON pointers with a sentence each, at most twenty.
    """
    revision = operation.current_revision
    if revision is None:
        raise _refusal(operation.code, [{"pointer": "", "message": "The operation was never published."}])
    errors = argument_errors(revision.input_schema, arguments)
    if errors:
        raise _refusal(operation.code, errors)


def argument_errors(schema: Mapping[str, Any], arguments: Any) -> list[dict[str, str]]:
    """Return what is wrong with arguments, as JSON pointers and sentences; pure, for the dry run too."""
    if errors := list(_unholdable(arguments, "", 0))[:MAX_REPORTED]:
        return errors
    if len(json.dumps(arguments, ensure_ascii=False).encode("utf-8", "replace")) > MAX_BYTES:
        return [{"pointer": "", "message": f"The arguments are larger than {MAX_BYTES} bytes."}]
    validator = _validator(json.dumps(schema, sort_keys=True))
    found = [_in_words(error) for error in _first(validator.iter_errors(arguments), MAX_REPORTED)]
    return found or list(_odd_text(schema, arguments, "", schema))[:MAX_REPORTED]


def unexpected_output(schema: Mapping[str, Any], output: Any) -> str:
    """Return why an answer does not fit the declared output, '' when it does or none was declared."""
    if not schema:
        return ""
    error = next(iter(_validator(json.dumps(schema, sort_keys=True)).iter_errors(output)), None)
    return f"The answer is not as declared at {_pointer(error.absolute_path)}." if error else ""


def _first(errors: Iterator[ValidationError], most: int) -> list[ValidationError]:
    found = []
    for error in errors:
        found.append(error)
        if len(found) == most:
            break
    return found


@lru_cache(maxsize=512)
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads(schema), format_checker=formats)


def _refusal(code: str, errors: list[dict[str, str]]) -> Refusal:
    first = errors[0]
    return Refusal(
        "invalid_arguments",
        f"The arguments of {code} were refused: {first['pointer'] or 'the whole'}: {first['message']}",
        detail={"errors": errors},
        kind=RefusalKind.INVALID,
        next_step="Correct the named fields and ask again.",
    )


def _in_words(error: ValidationError) -> dict[str, str]:
    # The message of the library repeats the value; a long one is cut, the pointer stays exact.
    return {"pointer": _pointer(error.absolute_path), "message": error.message[:200]}


def _pointer(path: Any) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def _unholdable(value: Any, pointer: str, depth: int) -> Iterator[dict[str, str]]:
    if depth > MAX_DEPTH:
        yield {"pointer": pointer, "message": f"Nested deeper than {MAX_DEPTH} levels."}
    elif isinstance(value, list):
        if len(value) > MAX_ITEMS:
            yield {"pointer": pointer, "message": f"More than {MAX_ITEMS} elements."}
        for index, item in enumerate(value[:MAX_ITEMS]):
            yield from _unholdable(item, f"{pointer}/{index}", depth + 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            inner = f"{pointer}{_pointer([key])}"
            yield from _unholdable_text(str(key), inner)
            yield from _unholdable(item, inner, depth + 1)
    else:
        yield from _unholdable_scalar(value, pointer)


def _unholdable_scalar(value: Any, pointer: str) -> Iterator[dict[str, str]]:
    if isinstance(value, str):
        yield from _unholdable_text(value, pointer)
    elif isinstance(value, float):
        yield {"pointer": pointer, "message": "A fraction. Send money in minor units, decimals as strings."}
    elif not isinstance(value, int | None):
        yield {"pointer": pointer, "message": "Not a JSON value."}
    elif value is not None and abs(value) > MAX_INTEGER:
        yield {"pointer": pointer, "message": "A whole number beyond 2**53 - 1. Send it as a string."}


def _unholdable_text(text: str, pointer: str) -> Iterator[dict[str, str]]:
    if len(text) > MAX_TEXT:
        yield {"pointer": pointer, "message": f"Longer than {MAX_TEXT} characters."}
        return
    odd = next((char for char in text if _is_hidden(char)), None)
    if odd is not None:
        yield {"pointer": pointer, "message": f"Contains the hidden character U+{ord(odd):04X}. Remove it."}
    elif not unicodedata.is_normalized("NFC", text):
        yield {"pointer": pointer, "message": "Not in Unicode normal form C. Normalise it (NFC)."}


def _is_hidden(char: str) -> bool:
    if char in "\n\t" or char in _JOINERS:
        return False
    return unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn") or char in "\u2028\u2029\u115f\u3164"


def plain_text(text: str) -> str:
    """Return somebody's own words for people, without characters that hide or turn round what they read."""
    return unicodedata.normalize("NFC", "".join(char for char in text if not _is_hidden(char)))


def hidden_characters(value: Any, pointer: str = "") -> list[dict[str, str]]:
    """Return where in a text, or in anything made of texts, characters stand that nobody sees."""
    if isinstance(value, str):
        odd = next((char for char in value if _is_hidden(char)), None)
        return (
            [] if odd is None else [{"pointer": pointer, "message": f"the hidden character U+{ord(odd):04X}"}]
        )
    if isinstance(value, Mapping):
        inside = [*value.items(), *((f"{key}", key) for key in value)]
    else:
        inside = list(enumerate(value)) if isinstance(value, list) else []
    return [found for key, item in inside for found in hidden_characters(item, f"{pointer}{_pointer([key])}")]


def _odd_text(schema: Any, value: Any, pointer: str, root: Any) -> Iterator[dict[str, str]]:
    """Outside free text one spelling of a character is let through, so that rules compare what people see."""
    schema = _resolved(schema, root)
    if isinstance(value, str):
        if schema.get("format") == "free-text":
            return
        if not unicodedata.is_normalized("NFKC", value) or any(char in _JOINERS for char in value):
            yield {
                "pointer": pointer,
                "message": "Contains a look-alike character. Send it in NFKC.",
            }
    elif isinstance(value, dict):
        for key, item in value.items():
            inner = schema.get("properties", {}).get(key, schema.get("additionalProperties") or {})
            yield from _odd_text(inner, item, f"{pointer}{_pointer([key])}", root)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _odd_text(schema.get("items", {}), item, f"{pointer}/{index}", root)


def _resolved(schema: Any, root: Any) -> Mapping[str, Any]:
    seen = 0
    while isinstance(schema, dict) and "$ref" in schema and seen < MAX_DEPTH:
        schema, seen = _target(root, schema["$ref"]), seen + 1
    return schema if isinstance(schema, dict) else {}


def _target(root: Any, reference: str) -> Any:
    for part in reference.removeprefix("#").strip("/").split("/"):
        if part and isinstance(root, dict):
            root = root.get(part.replace("~1", "/").replace("~0", "~"))
    return root


def _subschemas(schema: Any, pointer: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if not isinstance(schema, dict):
        return
    yield pointer, schema
    for word in _HOLDERS_OF_ONE:
        if word in schema and word not in ("not", "if", "propertyNames"):
            yield from _subschemas(schema[word], f"{pointer}/{word}")
    for word in _HOLDERS_OF_LISTS:
        for index, part in enumerate(schema.get(word, [])):
            yield from _subschemas(part, f"{pointer}/{word}/{index}")
    for word in _HOLDERS_OF_MAPS:
        for key, part in schema.get(word, {}).items():
            yield from _subschemas(part, f"{pointer}/{word}{_pointer([key])}")


def _problems(schema: Mapping[str, Any]) -> Iterator[str]:
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    if "number" in types:
        yield "number admits fractions. Use integer, money in minor units, or a string of format decimal."
    if not _SAY_THE_TYPE & set(schema):
        yield "it does not say of which type it is."
    if ("object" in types or "properties" in schema) and not _is_closed(schema):
        yield (
            "an object must say additionalProperties: false, or of which type other members are and how many"
            " there may be (maxProperties)."
        )
    if "array" in types and "items" not in schema and "prefixItems" not in schema:
        yield "a list must say what its items are."
    if any(_has_fraction(schema[word]) for word in ("const", "enum", "default", "examples") if word in schema):
        yield "it names a fraction."
    for word in _REFUSED_WORDS:
        if word in schema:
            yield f"{word} is not taken here."
    if not str(schema.get("$ref", "#/")).startswith("#/"):
        yield "$ref may only point inside this schema."
    if len(str(schema.get("pattern", ""))) > MAX_PATTERN:
        yield f"a pattern has at most {MAX_PATTERN} characters."


def _is_closed(schema: Mapping[str, Any]) -> bool:
    """Whether an object takes only what its schema describes: named members, or so many of one type."""
    others, most = schema.get("additionalProperties"), schema.get("maxProperties")
    return others is False or (isinstance(others, dict) and isinstance(most, int) and most <= MAX_MEMBERS)


def _dangling(schema: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for pointer, part in _subschemas(schema, ""):
        reference = part.get("$ref")
        if reference and not isinstance(_target(schema, str(reference)), dict):
            yield pointer, str(reference)


def _has_fraction(value: Any) -> bool:
    if isinstance(value, float):
        return True
    if isinstance(value, dict):
        return any(map(_has_fraction, value.values()))
    return isinstance(value, list) and any(map(_has_fraction, value))
