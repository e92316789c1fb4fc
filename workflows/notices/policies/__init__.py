"""When something is sent, again or at all, and in which words. Pure."""

from __future__ import annotations

from workflows.notices.policies.letters import (
    Item,
    agent_message,
    body_of,
    message_of,
    one_line,
    outcome_of,
    subject_of,
)
from workflows.notices.policies.times import due_at, wait_before

__all__ = [
    "Item",
    "agent_message",
    "body_of",
    "due_at",
    "message_of",
    "one_line",
    "outcome_of",
    "subject_of",
    "wait_before",
]
