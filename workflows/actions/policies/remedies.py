"""What a look-up or a read-back means."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any


def compare(arguments: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """Compare what was asked with what was read back: agrees, differs, or unknown when nothing is comparable.

    Only plain members that both name are compared; what the system adds is its own business.
    """
    common = [
        key
        for key, value in arguments.items()
        if key in found and not isinstance(value, Mapping | list) and not isinstance(found[key], Mapping | list)
    ]
    if not common:
        return "unknown"
    return "agrees" if all(str(arguments[key]) == str(found[key]) for key in common) else "differs"


class Remedy(StrEnum):
    """What to do about a call whose outcome nobody recorded."""

    CONFIRM = "confirm"
    FAIL = "fail"
    RETRY = "retry"
    WAIT = "wait"
    ASK_A_PERSON = "ask_a_person"


def remedy(*, found: str, effect: str, idempotent: bool, settled: bool, attempts_left: int) -> Remedy:
    """Say what follows from a look-up (``found``: found, absent, partial, unknown, or none for no look-up).

    ``settled`` means that the longest a call can take has passed, so that absent is conclusive. A call that is
    not idempotent is never repeated on anything less.
    """
    if found == "found":
        return Remedy.CONFIRM
    if effect == "read":
        return Remedy.RETRY if attempts_left else Remedy.FAIL
    if not settled and not idempotent:
        return Remedy.WAIT
    if attempts_left and (idempotent or found == "absent"):
        return Remedy.RETRY
    return Remedy.ASK_A_PERSON
