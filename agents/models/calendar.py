from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q

from agents.models.tracked import KeyedModel, tracked

_HOURS = "E.g. 09:00-12:00, 13:00-17:30. Empty: nobody works."
_WEEK = "09:00-17:00"


def _hours(default: str = _WEEK) -> Any:
    return models.CharField(max_length=80, blank=True, default=default, help_text=_HOURS)


class Calendar(KeyedModel):
    """When people work: hours of the week and holidays. Times that count in working hours follow it."""

    name = models.CharField(max_length=120, unique=True, help_text="What people call it, e.g. Berlin office.")
    time_zone = models.CharField(max_length=60, help_text="By its IANA name, e.g. Europe/Berlin.")
    monday = _hours()
    tuesday = _hours()
    wednesday = _hours()
    thursday = _hours()
    friday = _hours()
    saturday = _hours("")
    sunday = _hours("")
    holidays = models.TextField(
        blank=True,
        max_length=100_000,
        help_text="One a line: a date, and its name if you like, e.g. 2026-12-25 Christmas Day. "
        "You can paste an .ics file instead.",
    )
    is_default = models.BooleanField(
        default=False, help_text="The calendar of the company: where a department has none of its own."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    history = tracked()

    class Meta:
        ordering = ["name"]
        default_permissions = ("add", "change", "view")
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"],
                condition=Q(is_default=True),
                name="agents_calendar_one_default",
                violation_error_message="Another calendar is the company's. Only one is.",
            )
        ]

    def __str__(self) -> str:
        return self.name
