"""Writing the ledger: recording facts, and giving them their position; and writing many rows at once."""

from __future__ import annotations

from audit.services.erasing import erase_expired_and_tell
from audit.services.recording import (
    Fact,
    record_event,
    record_events,
    record_once,
    record_refusal,
    refusals_recorded,
)
from audit.services.rows import in_one_message, insert_rows, update_rows
from audit.services.sequencing import sequence_pending

__all__ = [
    "Fact",
    "erase_expired_and_tell",
    "in_one_message",
    "insert_rows",
    "record_event",
    "record_events",
    "record_once",
    "record_refusal",
    "refusals_recorded",
    "sequence_pending",
    "update_rows",
]
