"""The names of the background jobs that start runs by themselves."""

from __future__ import annotations

SCAN = "workflows.triggers.jobs.scan"
FORGET = "workflows.triggers.jobs.forget"
REACT = "workflows.triggers.jobs.react"
FIRE = "workflows.triggers.jobs.fire"
