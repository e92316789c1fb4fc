"""Writing the ledger: recording facts, and giving them their position."""

from __future__ import annotations

from audit.services.recording import record_event, record_once, record_refusal, refusals_recorded
from audit.services.sequencing import sequence_pending

__all__ = ["record_event", "record_once", "record_refusal", "refusals_recorded", "sequence_pending"]
