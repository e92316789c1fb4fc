"""What people fill in about what starts workflows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from django import forms
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from audit.adminkit import ReasonForm, ReasonModelForm
from workflows.runs.models import Workflow
from workflows.triggers.models import EventTrigger, Schedule, WatchedFolder, Webhook
from workflows.triggers.services.webhooks import MOST_OVERLAP_HOURS

COMMON = ["name", "workflow", "signal", "condition", "give", "key", "is_enabled"]
LABELS = {
    "signal": "Or: send this signal",
    "condition": "Only if",
    "give": "What the run is told",
    "key": "What names the work",
    "is_enabled": "Switched on",
}
SIGNAL = "Left empty, a run is started. Else the run with the name below is told this instead, e.g. goods-in."
MOST_WORKFLOWS = 6  # whose input is told beside the field


@dataclass(frozen=True, slots=True)
class Words:
    """What a kind of trigger can read, for people: an example of each text that it may have."""

    reads: str
    condition: str
    give: str
    key: str


class GiveField(forms.CharField):
    """The input of a run, one member a line: ``month = local.month``. JSON is taken as it is, too."""

    def prepare_value(self, value: Any) -> Any:
        """Return it as lines; what no line holds stays JSON."""
        if not isinstance(value, Mapping):
            return value
        if any(not isinstance(text, str) or "\n" in text for text in value.values()):
            return json.dumps(value, indent=2, ensure_ascii=False)
        return "\n".join(f"{member} = {text}" for member, text in value.items())

    def to_python(self, value: Any) -> Any:
        """Return it as an object."""
        text = str(super().to_python(value) or "").strip()
        return _object(text) if text.startswith("{") else dict(_member(line) for line in _lines(text))

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compare what is meant, not how it is written."""
        try:
            return bool(self.to_python(data) != (initial or {}))
        except forms.ValidationError:
            return True


class TriggerForm(ReasonModelForm):
    """What every trigger asks, with examples of what it can read."""

    words: ClassVar[Words]
    give = GiveField(
        required=False,
        label=LABELS["give"],
        max_length=20_000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        told = {
            "signal": SIGNAL,
            "condition": f"Left empty: always. Else a comparison: {self.words.condition}. {self.words.reads}",
            "give": f"One line for each thing the workflow asks for, e.g. {self.words.give}. "
            f'Words stand in quotes: topic = "Month end". {_asked()}',
            "key": "The same name again is the run that is there: nothing is begun twice. Left empty: each "
            f"time is work of its own. E.g. {self.words.key}",
        }
        for name, text in told.items():
            if name in self.fields:
                self.fields[name].help_text = text


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _member(line: str) -> tuple[str, str]:
    member, sign, text = line.partition("=")
    if not sign or not member.strip().isidentifier() or not text.strip() or text.startswith("="):
        raise forms.ValidationError(f"“{line[:80]}” is no line like: month = local.month", code="invalid")
    return member.strip(), text.strip()


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise forms.ValidationError("This begins like JSON and is none.", code="invalid")
    return found


def _asked() -> str:
    """Say what the workflows ask for that can be started."""
    found = Workflow.objects.filter(is_enabled=True, current__isnull=False).select_related("current")
    told = [
        f"{workflow.name} asks for {_members(workflow)}."
        for workflow in found.order_by("name")[:MOST_WORKFLOWS]
    ]
    return " ".join(told)


def _members(workflow: Workflow) -> str:
    schema = workflow.current.content.get("input", {}) if workflow.current else {}
    needed = schema.get("required", ())
    names = [name if name in needed else f"{name} (not needed)" for name in schema.get("properties", {})]
    return ", ".join(names) or "nothing"


class WatchedFolderForm(ReasonModelForm):
    """A folder whose files start runs."""

    class Meta:
        model = WatchedFolder
        fields = ["name", "folder", "workflow", "input_member", "is_enabled"]


TIMES = (
    "Minute, hour, day of the month, month, day of the week; days of the month or of the week, not both. E.g. "
    "0 9 * * mon-fri: at 9:00 from Monday to Friday. 30 6 1 * *: at 6:30 on the first of each month. "
    "*/15 8-17 * * *: every quarter of an hour from 8 to 17. Once saved, its page shows when it fires next."
)


class ScheduleForm(TriggerForm):
    """Times at which runs start."""

    words = Words(
        reads="It reads the time it is due as local (date, month, day, hour, weekday with Monday as 1 ...).",
        condition="local.weekday == 1, which holds on Mondays",
        give="month = local.month",
        key='"month-end-" + string(local.month)',
    )

    class Meta:
        model = Schedule
        fields = [*COMMON, "cron", "time_zone", "catch_up", "catch_up_most"]
        labels = {
            **LABELS,
            "cron": "Times",
            "catch_up": "What was missed",
            "catch_up_most": "Made up for at most",
        }
        help_texts = {"cron": TIMES}


class WebhookForm(TriggerForm):
    """An address for signed messages."""

    words = Words(
        reads="It reads the message as data, and of a CloudEvent also event (type, source, subject ...).",
        condition='data.status == "paid"',
        give="document = data.document",
        key="data.number",
    )

    class Meta:
        model = Webhook
        fields = [*COMMON, "most_bytes", "most_per_minute", "allow_binary"]
        labels = {**LABELS, "most_bytes": "Largest message", "most_per_minute": "Messages a minute"}


class EventTriggerForm(TriggerForm):
    """Events of the ledger that start runs."""

    words = Words(
        reads="It reads event (verb, actor, subject, agent, run, system, decision, code, payload ...).",
        condition='event.code == "limit_reached"',
        give="topic = event.subject.label",
        key="event.id",
    )

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
