"""Who may vote, for whom, and who may hand that on: pure questions with plain answers."""

from __future__ import annotations

from workflows.approvals.policies.batching import Shape, may_go_together
from workflows.approvals.policies.delegating import Absence, why_not_away
from workflows.approvals.policies.escalating import (
    Level,
    Planned,
    Span,
    Voice,
    end_of,
    levels_of,
    refused_after,
    remind_after,
)
from workflows.approvals.policies.seats import Handing, Seat, open_seats, seats_of
from workflows.approvals.policies.stages import Cast, Outcome, Standing, Step, standing
from workflows.approvals.policies.standing_still import moment_after, moved
from workflows.approvals.policies.timing import Start
from workflows.approvals.policies.voting import Ballot, why_not_vote

__all__ = [
    "Absence",
    "Ballot",
    "Cast",
    "Handing",
    "Level",
    "Outcome",
    "Planned",
    "Seat",
    "Shape",
    "Span",
    "Standing",
    "Start",
    "Step",
    "Voice",
    "end_of",
    "levels_of",
    "may_go_together",
    "moment_after",
    "moved",
    "open_seats",
    "refused_after",
    "remind_after",
    "seats_of",
    "standing",
    "why_not_away",
    "why_not_vote",
]
