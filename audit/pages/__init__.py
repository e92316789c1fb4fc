"""The ledger's pages beside its list: stories and downloads; exports, evidence packs and seals,
which are mixed into the list's admin."""

from __future__ import annotations

from audit.pages.evidence import EvidencePage, may_build_evidence
from audit.pages.exports import ExportPage
from audit.pages.seals import SealsPage

__all__ = ["EvidencePage", "ExportPage", "SealsPage", "may_build_evidence"]
