"""Limits that hold under any concurrency: reserve before the effect, settle or release after it."""

from __future__ import annotations

from agents.decision.facts import DecisionRequest, MeasureFacts, Snapshot
from agents.models import Reservation


def reserve(*, action_id: str, request: DecisionRequest, snapshot: Snapshot) -> list[Reservation]:
    """Reserve what this action adds to every enforced measure that binds it; the ceiling is inclusive.

    Must run inside the deciding transaction. Raises Refusal ``limit_reached`` (LIMITED), ``duplicate``
    (CONFLICT: window for ever, ceiling 1) or ``limit_hold`` (CONFLICT: on_exceed is hold and nobody approved;
    decide again, the fresh reading holds). Reserving twice for one action changes nothing.
    """
    raise NotImplementedError


def settle(*, action_id: str) -> int:
    """Count what the action reserved as done; returns how many reservations changed. Twice changes nothing."""
    raise NotImplementedError


def release(*, action_id: str) -> int:
    """Give back what the action reserved; what is settled stays. Twice changes nothing."""
    raise NotImplementedError


def readings(request: DecisionRequest, snapshot: Snapshot) -> dict[str, MeasureFacts]:
    """Return the reading of every measure that binds this request, by code; reserves nothing."""
    raise NotImplementedError


def with_readings(request: DecisionRequest, snapshot: Snapshot) -> DecisionRequest:
    """Return the request with its measures filled in."""
    raise NotImplementedError
