"""The company itself: its currency, its rates, and when people work there."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminDecimalFieldWidget

from agents.decision.calendars import WEEKDAYS, CalendarError, hours_words, read_hours
from agents.decision.holidays import holidays_words, read_holidays
from agents.models import Calendar, ExchangeRate
from audit.adminkit import ReasonModelForm

MILLIONTHS = 1_000_000


class CalendarForm(ReasonModelForm):
    """When people work. Hours and holidays are read again by the service, which says what is wrong."""

    class Meta:
        model = Calendar
        fields = ["name", "time_zone", "is_default", *WEEKDAYS, "holidays"]
        labels = {"is_default": "The company's calendar"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for weekday in WEEKDAYS:
            if weekday in self.fields:
                self.fields[weekday].widget.attrs["placeholder"] = "Nobody works"

    def clean(self) -> Any:
        """Say at each field what of it cannot be read."""
        cleaned = super().clean() or self.cleaned_data
        for weekday in WEEKDAYS:
            self._read(weekday, read_hours, hours_words)
        self._read("holidays", read_holidays, holidays_words)
        return cleaned

    def _read(self, name: str, read: Any, write: Any) -> None:
        if name not in self.cleaned_data:
            return
        try:
            self.cleaned_data[name] = write(read(self.cleaned_data[name]))
        except CalendarError as error:
            self.add_error(name, str(error))


class CompanyForm(ReasonModelForm):
    """The company's name and currency."""


class ExchangeRateForm(ReasonModelForm):
    """A rate as people write it: 0.92, not millionths."""

    rate = forms.DecimalField(
        min_value=Decimal("0.000001"),
        max_digits=18,
        decimal_places=6,
        widget=UnfoldAdminDecimalFieldWidget,
        help_text="What one unit is worth in company currency, e.g. 0.92.",
    )

    class Meta:
        model = ExchangeRate
        fields = ["currency", "rate", "valid_from"]

    def clean_currency(self) -> str:
        """ISO 4217 codes are written in capitals."""
        return str(self.cleaned_data["currency"]).upper()

    def clean_rate(self) -> int:
        """Return the rate in millionths."""
        return int(self.cleaned_data["rate"] * MILLIONTHS)
