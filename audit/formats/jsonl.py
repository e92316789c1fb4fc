"""JSON Lines: one object a line, by our own names."""

from __future__ import annotations

from audit.formats.told import Told, json_line, members


def line(told: Told) -> str:
    """Return one line without its end."""
    return json_line(members(told))
