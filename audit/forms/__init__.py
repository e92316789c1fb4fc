"""What the pages of the ledger ask: which entries, and what somebody takes along."""

from __future__ import annotations

from audit.forms.choosing import OfferedField, OfferedRowField
from audit.forms.handouts import EvidenceForm, ExportForm, quarter_before
from audit.forms.listing import LedgerForm

__all__ = ["EvidenceForm", "ExportForm", "LedgerForm", "OfferedField", "OfferedRowField", "quarter_before"]
