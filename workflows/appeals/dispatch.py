"""Names of what the clock has done about appeals."""

from __future__ import annotations

SWEEP = "workflows.appeals.jobs.sweep"
