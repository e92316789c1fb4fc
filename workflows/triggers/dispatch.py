"""The names of the background jobs that start runs by themselves."""

from __future__ import annotations

SCAN = "workflows.triggers.jobs.scan"
FORGET = "workflows.triggers.jobs.forget"
REACT = "workflows.triggers.jobs.react"
FIRE = "workflows.triggers.jobs.fire"

# When each of them is worth a message; it may be true where there is then nothing to do.
SCAN_WHEN = "EXISTS (SELECT FROM triggers_watchedfolder WHERE is_enabled)"
FIRE_WHEN = "EXISTS (SELECT FROM triggers_due WHERE at <= statement_timestamp())"
REACT_WHEN = """
EXISTS (SELECT FROM triggers_cursor WHERE position < (SELECT max(position) FROM audit_position))
"""
