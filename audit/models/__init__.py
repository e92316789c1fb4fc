"""The ledger's tables: rows that are only ever added, the queue that gives each its position, the seals."""

from __future__ import annotations

from audit.models.events import Erasure, Event, EventQuerySet, Payload, PendingEvent, Position
from audit.models.retention import DEFAULT_DAYS, LEAST_DAYS, LegalHold, RetentionRule
from audit.models.seals import Checkpoint, Cosignature, Leaf, Outlet, SigningKey, Tile

__all__ = [
    "DEFAULT_DAYS",
    "LEAST_DAYS",
    "Checkpoint",
    "Cosignature",
    "Erasure",
    "Event",
    "EventQuerySet",
    "Leaf",
    "LegalHold",
    "Outlet",
    "Payload",
    "PendingEvent",
    "Position",
    "RetentionRule",
    "SigningKey",
    "Tile",
]
