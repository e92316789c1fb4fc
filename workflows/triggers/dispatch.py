"""The name of the background job that looks into the watched folders."""

from __future__ import annotations

SCAN = "workflows.triggers.jobs.scan"
