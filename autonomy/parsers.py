"""JSON in, strictly: what the ordinary parser lets through would break the database or a digest later."""

from __future__ import annotations

import codecs
import json
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from audit.vocabulary import Refusal, RefusalKind

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 32
MAX_DIGITS = 30


class StrictJSONParser(JSONParser):
    """RFC 8259 JSON without its traps: duplicate keys, NUL, NaN, fractions, deep nesting, unbounded size."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the decoded body; raise ParseError (400) or Refusal (422) saying what is wrong."""
        body = stream.read(MAX_BYTES + 1)
        if len(body) > MAX_BYTES:
            raise Refusal(
                "body_too_large",
                f"The body was refused: it is larger than {MAX_BYTES} bytes. Send documents by reference.",
                kind=RefusalKind.INVALID,
            )
        try:
            text = codecs.decode(body, "utf-8")
        except UnicodeDecodeError as error:
            raise ParseError("The body is not UTF-8. Encode it as UTF-8 JSON.") from error
        return loads_strict(text)


def loads_strict(text: str) -> Any:
    """Decode JSON text; raise ParseError with the reason for anything a digest or PostgreSQL cannot hold."""
    _refuse_depth(text)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_unique_keys,
            parse_constant=_refuse_constant,
            parse_int=_bounded_int,
            parse_float=_refuse_fraction,
        )
    except ValueError as error:
        raise ParseError(f"The body is not valid JSON: {error}") from error
    if "\\u0000" in text or "\x00" in text:
        _refuse_nul(value)
    return value


def _refuse_depth(text: str) -> None:
    depth, in_string, escaped = 0, False, False
    for char in text:
        if in_string:
            if escaped:
                escaped = False
            elif char == "\\":
                escaped = True
            elif char == '"':
                in_string = False
        elif char == '"':
            in_string = True
        elif char in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise ParseError(f"The body is nested deeper than {MAX_DEPTH} levels. Flatten it.")
        elif char in "]}":
            depth -= 1


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r} appears twice in one object")
        found[key] = value
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _refuse_fraction(digits: str) -> NoReturn:
    raise ValueError(f"{digits[:40]} is a fraction; send decimals as strings and money in minor units")


def _bounded_int(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a whole number may have at most {MAX_DIGITS} digits")
    return int(digits)


def _refuse_nul(value: Any) -> None:
    if isinstance(value, str) and "\x00" in value:
        raise ParseError("The body contains the character NUL (U+0000), which no record can hold. Remove it.")
    if isinstance(value, dict):
        for key, item in value.items():
            _refuse_nul(key)
            _refuse_nul(item)
    elif isinstance(value, list):
        for item in value:
            _refuse_nul(item)
