"""When people work. What counts in working hours follows it; what waits already keeps its times."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from unfold.decorators import display

from agents.admin.base import WorkforceAdmin, changed_values, trail, values_of
from agents.decision.calendars import WEEKDAYS
from agents.forms import CalendarForm
from agents.models import Calendar
from agents.services import calendars
from audit.adminkit import actor_of


@admin.register(Calendar)
class CalendarAdmin(WorkforceAdmin):
    """Working hours and holidays of the company, and of departments that have their own."""

    form = CalendarForm
    list_display = ("name", "time_zone", "shown_week", "is_default", "shown_departments")
    search_fields = ("name", "time_zone")
    add_fieldsets = (
        (None, {"fields": ("name", "time_zone", "is_default")}),
        ("Working hours", {"fields": WEEKDAYS}),
        ("Holidays", {"fields": ("holidays",)}),
    )
    fieldsets = (*add_fieldsets, ("Trail", {"fields": ("shown_trail",)}))

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Calendar]:
        return super().get_queryset(request).prefetch_related("departments")

    def get_readonly_fields(self, request: HttpRequest, obj: models.Model | None = None) -> Any:
        return (*super().get_readonly_fields(request, obj), *(("shown_trail",) if obj else ()))

    def create(self, request: HttpRequest, form: Any) -> Calendar:
        reason = form.cleaned_data["reason"]
        return calendars.save_calendar(actor=actor_of(request), values=values_of(form), reason=reason)

    def update(self, request: HttpRequest, obj: models.Model, form: Any) -> Calendar:
        return calendars.save_calendar(
            actor=actor_of(request),
            calendar=Calendar.objects.get(pk=obj.pk),
            values=changed_values(form),
            reason=form.cleaned_data["reason"],
        )

    @display(description="Monday to Sunday")
    def shown_week(self, calendar: Calendar) -> str:
        return " | ".join(getattr(calendar, weekday) or "-" for weekday in WEEKDAYS)

    @display(description="Departments")
    def shown_departments(self, calendar: Calendar) -> str:
        return ", ".join(sorted(one.name for one in calendar.departments.all())) or "-"

    @display(description="Trail")
    def shown_trail(self, calendar: Calendar) -> str:
        return trail("agents.calendar", calendar)
