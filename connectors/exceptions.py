"""How a driver says that something went wrong, typed by what is known about the effect."""

from __future__ import annotations


class PassageClosed(RuntimeError):
    """Code tried to reach a system without the pass of a running call. A programming error, never a refusal."""

    def __init__(self) -> None:
        super().__init__("Nothing reaches a system without an open passage: use connectors.services.")


class DriverError(Exception):
    """A system, or the way to it, said no. ``code`` is stable, ``message`` is for people."""

    temporary = False

    def __init__(self, code: str, message: str, *, status: int | None = None, excerpt: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.excerpt = excerpt


class Rejected(DriverError):
    """The system understood and refused; nothing was done, and asking again changes nothing."""


class NotSent(DriverError):
    """Nothing left this machine, or nothing that could have had an effect. Safe to try again later."""

    temporary = True


class OutcomeUnknown(DriverError):
    """It may or may not have happened. Look it up; never read this as failed."""
