"""When something is sent, again or at all, and in which words. Pure."""

from __future__ import annotations

from workflows.notices.policies.letters import (
    Item,
    Later,
    agent_message,
    message_of,
    one_line,
    outcome_of,
)
from workflows.notices.policies.mails import Letter, Reader, letter_of
from workflows.notices.policies.times import due_at, wait_before

__all__ = [
    "Item",
    "Later",
    "Letter",
    "Reader",
    "agent_message",
    "due_at",
    "letter_of",
    "message_of",
    "one_line",
    "outcome_of",
    "wait_before",
]
