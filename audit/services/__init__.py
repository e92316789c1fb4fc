"""Writing the ledger: recording facts, and giving them their position."""

from __future__ import annotations

from audit.services.recording import (
    Fact,
    record_event,
    record_events,
    record_once,
    record_refusal,
    refusals_recorded,
)
from audit.services.sequencing import sequence_pending

__all__ = [
    "Fact",
    "record_event",
    "record_events",
    "record_once",
    "record_refusal",
    "refusals_recorded",
    "sequence_pending",
]
