"""What a signed message says: CloudEvents 1.0, structured or binary, or plain JSON. Pure.

JSON is read strictly, as everywhere, but for numbers: somebody else's system writes fractions and numbers past
2**53, and those become text, digit by digit, so that nothing is rounded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import unquote

from workflows.triggers.policies.mapping import MOST_INTEGER

STRUCTURED = "application/cloudevents+json"
ATTRIBUTES = ("id", "source", "type", "subject", "time")
REQUIRED = ("id", "source", "type")
MOST_DEPTH = 32
MOST_DIGITS = 1000
MOST_ATTRIBUTE = 1000


class NotRead(Exception):
    """A message was signed and cannot be read; ``code`` is stable."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code


@dataclass(frozen=True, slots=True)
class Message:
    """What CEL reads of a message: attributes as text, empty where it says nothing, and data."""

    event: Mapping[str, str]
    data: Any
    is_cloudevent: bool


def read_message(
    *, content_type: str, headers: Mapping[str, str], body: bytes, message_id: str, allow_binary: bool
) -> Message:
    """Return what a message says; ``headers`` has lower-case names. Raises NotRead."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == STRUCTURED:
        return _structured(loads(body))
    if media_type != "application/json" and not (
        media_type.startswith("application/") and media_type.endswith("+json")
    ):
        raise NotRead("media_type", f"Send it as application/json or {STRUCTURED}.")
    if media_type == "application/cloudevents-batch+json":
        raise NotRead("media_type", "Send one event in a message, not a batch.")
    if "ce-specversion" in headers:
        return _binary(headers, loads(body) if body else None, allow_binary=allow_binary)
    data = loads(body)
    said = data if isinstance(data, dict) else {}
    plain = {"id": message_id, "type": said.get("type"), "time": said.get("timestamp")}
    texts = {name: value if isinstance(value, str) else "" for name, value in plain.items()}
    return Message({"source": "", "subject": "", **texts}, data, is_cloudevent=False)


def loads(body: bytes) -> Any:
    """Return strict JSON, its fractions and very large numbers as text; raise NotRead."""
    try:
        value = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_no_number,
            parse_float=_digits,
            parse_int=_whole,
        )
    except (ValueError, RecursionError) as error:
        raise NotRead("not_json", f"It is not JSON that can be read: {str(error)[:200]}.") from None
    _require_holdable(value, 0)
    return value


def _structured(envelope: Any) -> Message:
    if not isinstance(envelope, dict):
        raise NotRead("not_a_cloudevent", "A CloudEvent is a JSON object.")
    data = envelope.get("data", envelope.get("data_base64"))
    return Message(_attributes(envelope), data, is_cloudevent=True)


def _binary(headers: Mapping[str, str], data: Any, *, allow_binary: bool) -> Message:
    if not allow_binary:
        raise NotRead(
            "attributes_not_signed",
            f"Its attributes are in headers that no signature covers. Send it as {STRUCTURED}.",
        )
    found = {
        name.removeprefix("ce-"): unquote(value) for name, value in headers.items() if name.startswith("ce-")
    }
    return Message(_attributes(found), data, is_cloudevent=True)


def _attributes(found: Mapping[str, Any]) -> dict[str, str]:
    if found.get("specversion") != "1.0":
        raise NotRead("not_a_cloudevent", "Its specversion is not 1.0.")
    for name in ATTRIBUTES:
        value = found.get(name)
        if name in REQUIRED and not value:
            raise NotRead("not_a_cloudevent", f"It has no {name}.")
        if value is not None and (not isinstance(value, str) or len(value) > MOST_ATTRIBUTE):
            raise NotRead("not_a_cloudevent", f"Its {name} is no text of at most {MOST_ATTRIBUTE} characters.")
        _require_holdable(value, 0)
    return {name: found.get(name) or "" for name in ATTRIBUTES}


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key appears twice in one object")
    return found


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _digits(digits: str) -> str:
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"a number has more than {MOST_DIGITS} digits")
    return digits


def _whole(digits: str) -> int | str:
    if len(digits) > len(str(MOST_INTEGER)) + 1:
        return _digits(digits)
    return number if abs(number := int(digits)) <= MOST_INTEGER else digits


def _require_holdable(value: Any, depth: int) -> None:
    """Refuse what no record can hold: NUL, half a character, objects nested beyond reason."""
    if depth > MOST_DEPTH:
        raise NotRead("not_json", f"It is nested deeper than {MOST_DEPTH} levels.")
    if isinstance(value, str):
        if "\x00" in value or any("\ud800" <= char <= "\udfff" for char in value):
            raise NotRead("not_json", "It contains a character that no record can hold.")
    elif isinstance(value, dict):
        for key, item in value.items():
            _require_holdable(key, depth)
            _require_holdable(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _require_holdable(item, depth + 1)
