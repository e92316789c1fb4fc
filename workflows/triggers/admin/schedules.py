"""Schedules: when runs start by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display

from agents.admin.base import moment
from audit.adminkit import reason_action
from workflows.triggers import services
from workflows.triggers.admin.base import TriggerAdmin, log, shown_trial
from workflows.triggers.forms import ScheduleForm, TryScheduleForm
from workflows.triggers.models import Schedule
from workflows.triggers.policies.cron import read_zone
from workflows.triggers.services.schedules import next_times

SHOWN_TIMES = 5


@admin.register(Schedule)
class ScheduleAdmin(TriggerAdmin):
    """Times of a wall clock at which runs start."""

    form = ScheduleForm
    list_display = ("name", "workflow", "cron", "time_zone", "shown_next", "shown_enabled")
    empty_title = "No schedule yet"
    empty_step = "Add one, and runs of the workflow you choose start at the times you name."
    next_step = "Next: see below when it fires, and try it."
    actions_detail = ["try_it"]
    panels = ("shown_times", "shown_waiting", "shown_log", "shown_trail")
    fieldsets = (
        (
            "Schedule",
            {
                "classes": ["tab"],
                "fields": (
                    *("name", "workflow", "cron", "time_zone", "catch_up", "catch_up_most"),
                    *("signal", "condition", "give", "key", "is_enabled", "shown_times", "shown_waiting"),
                ),
            },
        ),
        ("What it did", {"classes": ["tab"], "fields": ("shown_log",)}),
        ("Trail", {"classes": ["tab"], "fields": ("shown_trail",)}),
    )
    add_fieldsets = (
        (
            None,
            {
                "fields": (
                    *("name", "workflow", "cron", "time_zone", "catch_up", "catch_up_most"),
                    *("signal", "condition", "give", "key", "is_enabled"),
                )
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related("due")

    def save_service(self, **given: Any) -> Schedule:
        return services.save_schedule(**given)

    @display(description="Next (UTC)", ordering="due__at")
    def shown_next(self, schedule: Schedule) -> Any:
        due = getattr(schedule, "due", None)
        return moment(due.at) if due else "-"

    @display(description="Fires next")
    def shown_times(self, schedule: Schedule) -> SafeString | str:
        if not schedule.is_enabled:
            return "Not while it is switched off."
        zone = read_zone(schedule.time_zone)
        found = next_times(schedule, SHOWN_TIMES)
        return format_html_join(
            "", "{}<br>", ((f"{at.astimezone(zone):%a %Y-%m-%d %H:%M %Z}",) for at in found)
        )

    @display(description="Waits")
    def shown_waiting(self, schedule: Schedule) -> str:
        due = getattr(schedule, "due", None)
        return due.waiting if due and due.waiting else "Nothing that is due waits."

    @display(description="What it did")
    def shown_log(self, schedule: Any) -> SafeString:
        return log(schedule.firings, schedule.viewer, "Due (UTC)", lambda firing: moment(firing.due_at))

    @reason_action(
        title="Try this schedule",
        description="Try it",
        text="Shows what one due time would start. Nothing is started and nothing is kept.",
        submit="Try it",
        permission="triggers.view_schedule",
        form_class=TryScheduleForm,
        icon="science",
    )
    def try_it(self, request: HttpRequest, obj: Schedule, data: Mapping[str, Any]) -> HttpResponse:
        """Show what a due time would become."""
        return shown_trial(request, obj, services.try_schedule(obj, data.get("due_at")))
