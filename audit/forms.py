"""What a page of the ledger asks."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from audit import evidence

ALL = [("", "The whole company")]


def _day(label: str) -> forms.DateField:
    widget = UnfoldAdminTextInputWidget(attrs={"type": "date"})
    widget.format_value = lambda value: f"{value:%Y-%m-%d}" if isinstance(value, date) else value
    return forms.DateField(label=label, widget=widget)


class EvidenceForm(forms.Form):
    """For which period an evidence pack is built."""

    use_required_attribute = False
    first = _day("First day")
    last = _day("Last day")
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
