"""What is told of one sealed event, whatever the format, and how long and hostile text is made harmless."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple

from audit.envelope import instant, is_too_deep

PRODUCT = "autonomy-os"
# A text is cut after so many characters, a payload after so many of its JSON; a mark says how many there were.
MOST_TEXT = 8192
MOST_PAYLOAD = 65_536
# What ends a line, moves a cursor or turns the direction of reading somewhere, and what is no text in UTF-8.
UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


class Level(NamedTuple):
    """How grave an event is, in the numbers of each format."""

    name: str
    ocsf: int
    cef: int
    syslog: int
    otlp: int


INFORMATIONAL = Level("Informational", 1, 1, 6, 9)
LOW = Level("Low", 2, 3, 5, 10)
MEDIUM = Level("Medium", 3, 5, 4, 13)
HIGH = Level("High", 4, 8, 3, 17)


@dataclass(frozen=True, slots=True)
class Told:
    """One event. ``columns`` are its references and codes, ``words`` what may be erased.

    ``payload`` is its JSON text if it is to be told; ``leaf_hash`` is None only where it is not sealed.
    """

    index: int
    id: str
    at: datetime
    columns: Mapping[str, str]
    words: Mapping[str, str]
    leaf_hash: bytes | None = None
    words_commitment: bytes | None = None
    data_commitment: bytes | None = None
    risk: Mapping[str, str] = field(default_factory=dict)
    words_erased: bool = False
    payload: str | None = None
    payload_erased: bool = False

    def __getitem__(self, name: str) -> str:
        """Return a column or a word by its name, '' where it says nothing; cut where it is too long."""
        return cut(self.columns.get(name) or self.words.get(name, ""))

    @property
    def level(self) -> Level:
        """Return how grave it is: in doubt or not as decided, refused or failed, held, anything else."""
        if self["effect"] == "in_doubt" or self["agreement"] == "differs":
            return HIGH
        if self["decision"] == "deny" or self["effect"] == "failed":
            return MEDIUM
        return LOW if self["decision"] == "hold" else INFORMATIONAL

    @property
    def outcome(self) -> str:
        """Return success, failure or unknown."""
        if self["decision"] == "deny" or self["effect"] == "failed":
            return "failure"
        return "unknown" if self["effect"] == "in_doubt" or self["decision"] == "hold" else "success"


def shortened(told: Told, most: int) -> Told:
    """Return an event whose words have at most ``most`` characters each, and without its payload."""
    words = {name: cut(said, most) for name, said in told.words.items()}
    return replace(told, words=words, payload=None)


def members(told: Told) -> dict[str, Any]:
    """Return everything that is told of an event, flat, by our own names; what is empty is left out."""
    found: dict[str, Any] = {
        "index": told.index,
        "leaf_hash": _hex(told.leaf_hash),
        "words_commitment": _hex(told.words_commitment),
        "data_commitment": _hex(told.data_commitment),
        "id": told.id,
        "at": instant(told.at),
        **{name: told[name] for name in (*told.columns, *told.words)},
        "risk": {cut(name): cut(said) for name, said in told.risk.items()},
        "words_erased": told.words_erased,
        "payload": None if told.payload is None else payload_value(told.payload),
        "payload_erased": told.payload_erased,
    }
    kept = {name: value for name, value in found.items() if value not in ("", None, {}, False)}
    return kept | {"index": told.index}


def flat(told: Told) -> dict[str, str]:
    """Return the same, each as a text."""
    return {
        name: "true" if value is True else value if isinstance(value, str) else json_line(value)
        for name, value in members(told).items()
    }


def payload_value(text: str) -> Any:
    """Return a payload as JSON; one that is too large or deep, or has numbers without end, as its cut text."""
    if len(text) > MOST_PAYLOAD or is_too_deep(text):
        return cut(text, MOST_PAYLOAD)
    try:
        return json.loads(text)
    except ValueError:
        return cut(text, MOST_PAYLOAD)


def json_line(value: Any) -> str:
    """Return JSON on one line, in which nothing is left that a reader of lines would take for an end."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def visible(text: str) -> str:
    r"""Return a text whose unseen characters are spelled out: ``\u000a`` for a line break."""
    return UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def cut(text: str, most: int = MOST_TEXT) -> str:
    """Return a text of at most ``most`` characters; one that was longer says so at its end."""
    if len(text) <= most:
        return text
    mark = f"… [cut: {len(text)} characters]"
    return text[: max(0, most - len(mark))] + mark


def _hex(value: bytes | None) -> str:
    return "" if value is None else value.hex()
