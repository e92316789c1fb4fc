"""Contest a denial, answer it, and take up what several appeals propose."""

from __future__ import annotations

from workflows.appeals.services.answering import answer_appeal, on_task_closed
from workflows.appeals.services.contesting import contest_action
from workflows.appeals.services.proposing import dismiss_proposal, take_up_proposal
from workflows.appeals.services.sweeping import sweep_appeals

__all__ = [
    "answer_appeal",
    "contest_action",
    "dismiss_proposal",
    "on_task_closed",
    "sweep_appeals",
    "take_up_proposal",
]
