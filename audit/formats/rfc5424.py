r"""Syslog of RFC 5424: what is said is structured data; ``"``, ``\`` and ``]`` are escaped in it.

The number behind the @ is the one that RFC 5612 keeps for examples: we have none of our own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from audit.envelope import instant
from audit.formats.told import PRODUCT, Told, flat, visible

# Facility 13, log audit.
FACILITY = 13
ENTERPRISE = "32473"
INFORMATIONAL = 6
# Within a message over UDP or TCP this says that its text is UTF-8 (section 6.4).
BOM = "\ufeff"


def line(told: Told, host: str = "") -> str:
    """Return an event as a whole message, all of it as structured data."""
    return message(
        at=told.at,
        level=told.level.syslog,
        kind=told["verb"],
        host=host,
        data={"event": flat(told)},
        text=told["sentence"],
    )


def message(
    *,
    at: datetime,
    level: int,
    kind: str,
    data: Mapping[str, Mapping[str, str]] | None = None,
    text: str = "",
    host: str = "",
) -> str:
    """Return one message. ``kind`` is its MSGID, ``data`` the structured data: element, name, value."""
    elements = "".join(
        f"[{name}@{ENTERPRISE}" + "".join(f' {key}="{_value(said)}"' for key, said in values.items()) + "]"
        for name, values in (data or {}).items()
    )
    stamp = instant(at.astimezone(UTC))
    head = f"<{FACILITY * 8 + level}>1 {stamp} {_token(host, 255)} {PRODUCT} - {_token(kind, 32)}"
    return f"{head} {elements or '-'}" + (f" {BOM}{visible(text)}" if text else "")


def wrapped(told: Told, line: str, host: str = "") -> str:
    """Return a line of another format (CEF, JSON) as the text of a message, as collectors take it."""
    head = message(at=told.at, level=told.level.syslog, kind=told["verb"], host=host)
    return f"{head} {line}"


def _value(text: str) -> str:
    return visible(text).replace("\\", r"\\").replace('"', r"\"").replace("]", r"\]")


def _token(text: str, most: int) -> str:
    return re.sub(r"[^\x21-\x7e]", "_", text)[:most] or "-"
