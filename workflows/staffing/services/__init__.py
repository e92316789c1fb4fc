"""The services of agents' employment that reach into their work."""

from __future__ import annotations

from workflows.staffing.services.asking import DECIDED_ELSEWHERE, note_news
from workflows.staffing.services.leaving import actions_left, roles_left, work_left
from workflows.staffing.services.sweeping import sweep_employment

__all__ = [
    "DECIDED_ELSEWHERE",
    "actions_left",
    "note_news",
    "roles_left",
    "sweep_employment",
    "work_left",
]
