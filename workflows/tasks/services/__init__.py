"""Open, claim, hand back and close tasks. Every change is in the ledger in the same transaction."""

from __future__ import annotations

from workflows.tasks.services.asking import ask_agent, ask_question, sweep_questions
from workflows.tasks.services.claiming import (
    claim_next,
    claim_task,
    follow_another,
    heartbeat_task,
    hurry_task,
    offer_to_all,
    release_lapsed,
    release_task,
    wake_waiting,
)
from workflows.tasks.services.clocks import move_clocks, stand_clocks
from workflows.tasks.services.closing import (
    cancel_task,
    close_if_waiting,
    close_task,
    complete_task,
    fail_by_hand,
    fail_task,
    time_out_task,
)
from workflows.tasks.services.escalating import (
    close_by_deadline,
    end_sooner,
    escalate_task,
    hand_to_people,
    reassign_task,
    remind_task,
)
from workflows.tasks.services.finishing import pause_finished
from workflows.tasks.services.handing import Recipients, hand_off_task, recipients_of
from workflows.tasks.services.having import end_snooze, hold_task, snooze_task
from workflows.tasks.services.instructing import instruct_agent, may_instruct, read_instruction
from workflows.tasks.services.opening import comment, note_comment, open_task
from workflows.tasks.services.pausing import set_paused
from workflows.tasks.services.redirecting import redirect_task
from workflows.tasks.services.revoking import take_back_all, take_back_task

__all__ = [
    "Recipients",
    "ask_agent",
    "ask_question",
    "cancel_task",
    "claim_next",
    "claim_task",
    "close_by_deadline",
    "close_if_waiting",
    "close_task",
    "comment",
    "complete_task",
    "end_snooze",
    "end_sooner",
    "escalate_task",
    "fail_by_hand",
    "fail_task",
    "follow_another",
    "hand_off_task",
    "hand_to_people",
    "heartbeat_task",
    "hold_task",
    "hurry_task",
    "instruct_agent",
    "may_instruct",
    "move_clocks",
    "note_comment",
    "offer_to_all",
    "open_task",
    "pause_finished",
    "read_instruction",
    "reassign_task",
    "recipients_of",
    "redirect_task",
    "release_lapsed",
    "release_task",
    "remind_task",
    "set_paused",
    "snooze_task",
    "stand_clocks",
    "sweep_questions",
    "take_back_all",
    "take_back_task",
    "time_out_task",
    "wake_waiting",
]
