"""Ask people, count their votes, and keep who decides for whom while somebody is away."""

from __future__ import annotations

from workflows.approvals.services.claiming import HOLD_SECONDS, claim, give_back, snooze
from workflows.approvals.services.clocks import go_on, stand_still
from workflows.approvals.services.deciding import (
    cast_vote,
    expire_due,
    lock,
    request_approval,
    require_vote_allowed,
    use,
    withdraw,
)
from workflows.approvals.services.delegating import (
    FOR_OTHERS,
    GIVE,
    give_delegation,
    propose_delegation,
    register_change_kinds,
    withdraw_delegation,
)
from workflows.approvals.services.escalating import escalate_due, remind_due
from workflows.approvals.services.reassigning import FOR_ANYBODY, reassign
from workflows.approvals.services.talking import ask_back, comment_on
from workflows.approvals.services.together import MOST_TOGETHER, SEVERAL, Choice, Outcome, cast_together
from workflows.approvals.services.watching import look_for_quick_decisions, note_opening

__all__ = [
    "FOR_ANYBODY",
    "FOR_OTHERS",
    "GIVE",
    "HOLD_SECONDS",
    "MOST_TOGETHER",
    "SEVERAL",
    "Choice",
    "Outcome",
    "ask_back",
    "cast_together",
    "cast_vote",
    "claim",
    "comment_on",
    "escalate_due",
    "expire_due",
    "give_back",
    "give_delegation",
    "go_on",
    "lock",
    "look_for_quick_decisions",
    "note_opening",
    "propose_delegation",
    "reassign",
    "register_change_kinds",
    "remind_due",
    "request_approval",
    "require_vote_allowed",
    "snooze",
    "stand_still",
    "use",
    "withdraw",
    "withdraw_delegation",
]
