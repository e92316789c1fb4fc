"""Read-only questions about approvals, and about who decides for whom."""

from __future__ import annotations

from workflows.approvals.selectors.approvals import (
    alike_for,
    approver_groups,
    asked_of,
    asked_through_others,
    description,
    groups_of,
    is_approver,
    names_of,
    others_who_may,
    pending_for,
    seats_open_to,
    shapes_of,
    stages_of,
    stood_in_for,
    taken_in,
    turn_of_others,
    visible_to,
    voters_for,
)
from workflows.approvals.selectors.delegations import (
    absences,
    company_day,
    handed_to,
    in_force,
    seats_for,
    visible_delegations,
)
from workflows.approvals.selectors.load import Load, decided_since, load_for, managers_of, thresholds
from workflows.tasks.selectors import database_now

__all__ = [
    "Load",
    "absences",
    "alike_for",
    "approver_groups",
    "asked_of",
    "asked_through_others",
    "company_day",
    "database_now",
    "decided_since",
    "description",
    "groups_of",
    "handed_to",
    "in_force",
    "is_approver",
    "load_for",
    "managers_of",
    "names_of",
    "others_who_may",
    "pending_for",
    "seats_for",
    "seats_open_to",
    "shapes_of",
    "stages_of",
    "stood_in_for",
    "taken_in",
    "thresholds",
    "turn_of_others",
    "visible_delegations",
    "visible_to",
    "voters_for",
]
