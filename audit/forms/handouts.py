"""What the pages of the ledger ask before they hand something out."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from audit import evidence
from audit.adminkit import reason_field
from audit.services.exporting import Scope

WHAT = [
    ("period", "A period of days"),
    ("agent", "Everything about one agent"),
    ("run", "Everything about one run of a workflow"),
    ("object", "Everything about one other object"),
    ("everything", "The whole ledger"),
]


class DayInput(UnfoldAdminTextInputWidget):
    """The browser's own calendar."""

    input_type = "date"


class ExportForm(forms.Form):
    """Which events, and why."""

    what = forms.ChoiceField(label="What to export", choices=WHAT, widget=UnfoldAdminSelectWidget)
    since = forms.DateField(
        label="From", required=False, widget=DayInput, help_text="For a period: its first day, in UTC."
    )
    until = forms.DateField(
        label="Until", required=False, widget=DayInput, help_text="For a period: the day after it, in UTC."
    )
    named = forms.CharField(
        label="Id",
        required=False,
        max_length=200,
        widget=UnfoldAdminTextInputWidget,
        help_text="Of the agent or the run. For another object its kind, a colon and its id: agents.policy:…",
    )
    reason = reason_field()

    def clean(self) -> dict[str, Any]:
        """Refuse what does not say of what."""
        found: dict[str, Any] = super().clean() or {}
        what, named = found.get("what"), found.get("named", "").strip().replace("\x00", "")
        if what == "period" and not (found.get("since") or found.get("until")):
            self.add_error("since", "A period needs its first day, or the day after it, or both.")
        if what in ("agent", "run", "object") and not named:
            self.add_error("named", "Say which one, by its id: it is in the address of its page.")
        if what == "object" and named and not all(named.partition(":")):
            self.add_error("named", "Another object is named by kind and id: agents.policy:…")
        return found

    def scope(self) -> Scope:
        """Return what was asked for, of a valid form."""
        found = self.cleaned_data
        what, named = found["what"], found["named"].strip()
        if what == "period":
            return Scope(what, since=_midnight(found["since"]), until=_midnight(found["until"]))
        if what == "object":
            kind, _, key = named.partition(":")
            return Scope(what, id=key, object_kind=kind)
        return Scope(what, id="" if what == "everything" else named)


def _midnight(day: Any) -> datetime | None:
    return None if day is None else datetime.combine(day, time(), UTC)


ALL = [("", "The whole company")]


def _day_field(label: str) -> forms.DateField:
    widget = UnfoldAdminTextInputWidget(attrs={"type": "date"})
    widget.format_value = lambda value: f"{value:%Y-%m-%d}" if isinstance(value, date) else value
    return forms.DateField(label=label, widget=widget)


class EvidenceForm(forms.Form):
    """For which period an evidence pack is built."""

    use_required_attribute = False
    first = _day_field("First day")
    last = _day_field("Last day")
    department = forms.ChoiceField(
        required=False, widget=UnfoldAdminSelectWidget, help_text="With everything below it."
    )

    def __init__(self, data: Any = None, *, today: date) -> None:
        first, last = quarter_before(today)
        super().__init__(data, initial={"first": first, "last": last})
        self.fields["department"].choices = [*ALL, *evidence.departments()]  # type: ignore[attr-defined]


def quarter_before(day: date) -> tuple[date, date]:
    """Return the first and the last day of the calendar quarter before the one of ``day``."""
    last = date(day.year, (day.month - 1) // 3 * 3 + 1, 1) - timedelta(days=1)
    return date(last.year, last.month - 2, 1), last
