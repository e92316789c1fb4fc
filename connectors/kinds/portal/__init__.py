"""The portal itself as a system: its own verbs as operations, granted and decided like any other."""

from __future__ import annotations
