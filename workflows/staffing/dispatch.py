"""Names of what the clock has done about the employment of agents."""

from __future__ import annotations

SWEEP = "workflows.staffing.jobs.sweep"
