"""The life of an action as one table. Code, database trigger, tests and documents all read it from here."""

from __future__ import annotations

from django.db.models import TextChoices


class State(TextChoices):
    """Where an action stands."""

    REQUESTED = "requested", "Requested"
    DENIED = "denied", "Denied"
    HELD = "held", "Waiting for a person"
    AUTHORIZED = "authorized", "Authorized"
    REJECTED = "rejected", "Rejected"
    EXPIRED = "expired", "Expired"
    WITHDRAWN = "withdrawn", "Withdrawn"
    SUPERSEDED = "superseded", "Superseded"
    DISPATCHED = "dispatched", "Being done"
    STOPPED = "stopped", "Stopped"
    CONFIRMED = "confirmed", "Done"
    FAILED = "failed", "Failed"
    IN_DOUBT = "in_doubt", "In doubt"


class Outcome(TextChoices):
    """What was found when the record was read back from the system."""

    AGREES = "agrees", "Read back and the same"
    DIFFERS = "differs", "Read back and different"
    UNKNOWN = "unknown", "Not read back"


TRANSITIONS: dict[State, frozenset[State]] = {
    State.REQUESTED: frozenset({State.DENIED, State.HELD, State.AUTHORIZED}),
    State.HELD: frozenset(
        {
            State.AUTHORIZED,
            State.DENIED,
            State.REJECTED,
            State.EXPIRED,
            State.WITHDRAWN,
            State.SUPERSEDED,
        }
    ),
    State.AUTHORIZED: frozenset(
        {State.DISPATCHED, State.DENIED, State.STOPPED, State.EXPIRED, State.WITHDRAWN}
    ),
    State.DISPATCHED: frozenset({State.CONFIRMED, State.FAILED, State.IN_DOUBT}),
    State.IN_DOUBT: frozenset({State.CONFIRMED, State.FAILED}),
    State.DENIED: frozenset(),
    State.REJECTED: frozenset(),
    State.EXPIRED: frozenset(),
    State.WITHDRAWN: frozenset(),
    State.SUPERSEDED: frozenset(),
    State.STOPPED: frozenset(),
    State.CONFIRMED: frozenset(),
    State.FAILED: frozenset(),
}
FINAL = frozenset(state for state, following in TRANSITIONS.items() if not following)
IN_FLIGHT = frozenset({State.REQUESTED, State.AUTHORIZED, State.DISPATCHED})
REFUSED = frozenset({State.DENIED, State.REJECTED, State.EXPIRED, State.STOPPED})
NOT_BEGUN = (State.HELD, State.AUTHORIZED)
