"""What people fill in about what starts workflows."""

from __future__ import annotations

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from audit.adminkit import ReasonForm, ReasonModelForm
from workflows.triggers.models import EventTrigger, Schedule, WatchedFolder, Webhook
from workflows.triggers.services.webhooks import MOST_OVERLAP_HOURS

LABELS = {
    "signal": "Signal to send",
    "give": "Input of the run",
    "key": "Key of the work",
    "is_enabled": "Switched on",
}
COMMON = ["name", "workflow", "signal", "condition", "give", "key", "is_enabled"]


class WatchedFolderForm(ReasonModelForm):
    """A folder whose files start runs."""

    class Meta:
        model = WatchedFolder
        fields = ["name", "folder", "workflow", "input_member", "is_enabled"]


class ScheduleForm(ReasonModelForm):
    """Times at which runs start."""

    class Meta:
        model = Schedule
        fields = [*COMMON, "cron", "time_zone", "catch_up", "catch_up_most"]
        labels = {
            **LABELS,
            "cron": "Times",
            "catch_up": "What was missed",
            "catch_up_most": "Made up for at most",
        }


class WebhookForm(ReasonModelForm):
    """An address for signed messages."""

    class Meta:
        model = Webhook
        fields = [*COMMON, "most_bytes", "most_per_minute", "allow_binary"]
        labels = {**LABELS, "most_bytes": "Largest message", "most_per_minute": "Messages a minute"}


class EventTriggerForm(ReasonModelForm):
    """Events of the ledger that start runs."""

    class Meta:
        model = EventTrigger
        fields = [*COMMON, "verbs", "most_per_hour"]
        labels = {**LABELS, "verbs": "Events", "most_per_hour": "Runs an hour"}


class IssueForm(ReasonForm):
    """A new secret, and for how long those before it stay valid."""

    overlap_hours = forms.IntegerField(
        label="Older secrets stay valid for (hours)",
        min_value=0,
        max_value=MOST_OVERLAP_HOURS,
        initial=24,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text="Time for the sender to change over. 0 ends them at once.",
    )


class TryForm(ReasonForm):
    """A sample. Trying changes nothing, so that it asks for no reason."""

    reason: Any = None


class TryScheduleForm(TryForm):
    """One due time."""

    due_at = forms.DateTimeField(
        label="Due at (UTC)",
        required=False,
        widget=UnfoldAdminTextInputWidget(),
        help_text="As 2026-03-01 09:00. Left empty: the next one.",
    )


class TryWebhookForm(TryForm):
    """One message."""

    sample = forms.CharField(
        label="Message (JSON)",
        max_length=200_000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 10}),
        help_text="The body as the sender would send it: plain JSON, or a CloudEvent with its specversion.",
    )


class TryEventForm(TryForm):
    """One event of the ledger."""

    position = forms.IntegerField(
        label="Position in the ledger",
        required=False,
        min_value=1,
        max_value=2**62,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text="Of an event that you may see. Left empty: the newest that fits.",
    )
