"""The ledger's own pages beside its list: the story of an action or a run, and downloads."""

from __future__ import annotations
