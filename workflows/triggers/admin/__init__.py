"""The pages of what starts workflows by itself."""

from __future__ import annotations

from workflows.triggers.admin.events import EventTriggerAdmin
from workflows.triggers.admin.folders import WatchedFolderAdmin
from workflows.triggers.admin.schedules import ScheduleAdmin
from workflows.triggers.admin.webhooks import WebhookAdmin

__all__ = ["EventTriggerAdmin", "ScheduleAdmin", "WatchedFolderAdmin", "WebhookAdmin"]
