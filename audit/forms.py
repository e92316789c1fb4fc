"""What somebody is asked before the ledger is exported for them."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

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
