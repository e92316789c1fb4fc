"""Finding things by the beginning of their words, or by their number. It has no tables, only indexes."""

from __future__ import annotations
