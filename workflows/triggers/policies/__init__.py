"""What triggers compute, without a database or a clock: times, conditions and what a run is given."""

from __future__ import annotations
