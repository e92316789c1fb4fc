"""What people fill in about what starts workflows."""

from __future__ import annotations

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextInputWidget

from audit.adminkit import ReasonForm, ReasonModelForm
from workflows.triggers.models import Schedule, WatchedFolder

COMMON = ["name", "workflow", "condition", "give", "key", "is_enabled"]


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
