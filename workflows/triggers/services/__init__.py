"""What starts runs by itself: kept by people, fired by the clock and by what comes in."""

from __future__ import annotations

from workflows.triggers.services.events import react, save_event_trigger
from workflows.triggers.services.folders import save_folder, take_in_all
from workflows.triggers.services.forgetting import forget_old
from workflows.triggers.services.receiving import Received, receive, require_size
from workflows.triggers.services.schedules import fire_due, save_schedule
from workflows.triggers.services.trying import try_event, try_schedule, try_webhook
from workflows.triggers.services.webhooks import (
    IssuedSecret,
    issue_webhook_secret,
    revoke_webhook_secrets,
    save_webhook,
)

__all__ = [
    "IssuedSecret",
    "Received",
    "fire_due",
    "forget_old",
    "issue_webhook_secret",
    "react",
    "receive",
    "require_size",
    "revoke_webhook_secrets",
    "save_event_trigger",
    "save_folder",
    "save_schedule",
    "save_webhook",
    "take_in_all",
    "try_event",
    "try_schedule",
    "try_webhook",
]
