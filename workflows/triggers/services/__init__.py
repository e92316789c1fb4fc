"""What starts runs by itself: kept by people, fired by the clock and by what comes in."""

from __future__ import annotations

from workflows.triggers.services.folders import save_folder, take_in_all
from workflows.triggers.services.receiving import Received, receive, require_size
from workflows.triggers.services.schedules import fire_due, save_schedule
from workflows.triggers.services.trying import try_schedule, try_webhook
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
    "issue_webhook_secret",
    "receive",
    "require_size",
    "revoke_webhook_secrets",
    "save_folder",
    "save_schedule",
    "save_webhook",
    "take_in_all",
    "try_schedule",
    "try_webhook",
]
