"""What starts runs by itself, and what became of every occasion."""

from __future__ import annotations

from workflows.triggers.models.common import Occasion, Trigger
from workflows.triggers.models.events import Cursor, EventDelivery, EventTrigger
from workflows.triggers.models.folders import WatchedFolder
from workflows.triggers.models.schedules import Due, Firing, Schedule
from workflows.triggers.models.webhooks import HookDelivery, Webhook, WebhookSecret

__all__ = [
    "Cursor",
    "Due",
    "EventDelivery",
    "EventTrigger",
    "Firing",
    "HookDelivery",
    "Occasion",
    "Schedule",
    "Trigger",
    "WatchedFolder",
    "Webhook",
    "WebhookSecret",
]
