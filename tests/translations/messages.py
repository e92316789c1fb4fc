"""One text that people read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """``plural``: the form for several, of texts that have one."""

    text: str
    place: str
    plural: str = ""
