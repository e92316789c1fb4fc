"""The services of what is told."""

from __future__ import annotations

from workflows.notices.services.agents import (
    note_actions,
    note_agent,
    note_holder,
    note_instruction,
    note_offered,
    note_stop,
)
from workflows.notices.services.channels import (
    IssuedSecret,
    issue_channel_secret,
    save_channel,
    send_test,
)
from workflows.notices.services.outbox import note_asked, note_reminded, spread_notices
from workflows.notices.services.outgoing import try_again
from workflows.notices.services.preferences import choose_how
from workflows.notices.services.reading import mark_one, note_visit, read_all
from workflows.notices.services.telling import tell

__all__ = [
    "IssuedSecret",
    "choose_how",
    "issue_channel_secret",
    "mark_one",
    "note_actions",
    "note_agent",
    "note_asked",
    "note_holder",
    "note_instruction",
    "note_offered",
    "note_reminded",
    "note_stop",
    "note_visit",
    "read_all",
    "save_channel",
    "send_test",
    "spread_notices",
    "tell",
    "try_again",
]
