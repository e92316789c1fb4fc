"""What follows from a look-up."""

from __future__ import annotations

from enum import StrEnum


class Remedy(StrEnum):
    """What to do about a call whose outcome nobody recorded."""

    CONFIRM = "confirm"
    FAIL = "fail"
    RETRY = "retry"
    WAIT = "wait"
    ASK_A_PERSON = "ask_a_person"


def remedy(
    *,
    found: str,
    effect: str,
    idempotent: bool,
    settled: bool,
    attempts_left: int,
    resumable: bool = False,
) -> Remedy:
    """Say what follows from a look-up (``found``: found, absent, partial, unknown, or none for no look-up).

    ``settled`` means that the longest a call can take has passed, so that absent is conclusive. ``resumable``
    means that another attempt goes on with what is partly there. A call that is not idempotent is never
    repeated on anything less.
    """
    if found == "found":
        return Remedy.CONFIRM
    if effect == "read":
        return Remedy.RETRY if attempts_left else Remedy.FAIL
    if not settled and not idempotent:
        return Remedy.WAIT
    if attempts_left and (idempotent or found == "absent" or (found == "partial" and resumable)):
        return Remedy.RETRY
    return Remedy.ASK_A_PERSON
