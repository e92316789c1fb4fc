"""Triggers on ledger events: what happens in the portal starts runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest, HttpResponse
from unfold.decorators import display

from audit.adminkit import reason_action
from workflows.triggers import services
from workflows.triggers.admin.base import TriggerAdmin, log, shown_trial
from workflows.triggers.forms import EventTriggerForm, TryEventForm
from workflows.triggers.models import EventTrigger

KEPT = ("name", "workflow", "signal", "verbs", "condition", "give", "key", "most_per_hour", "is_enabled")


@admin.register(EventTrigger)
class EventTriggerAdmin(TriggerAdmin):
    """Events of the ledger that start runs."""

    form = EventTriggerForm
    list_display = ("name", "workflow", "verbs", "shown_enabled")
    empty_title = "No event trigger yet"
    empty_step = "Add one, and runs of the workflow you choose start when something happens in the portal."
    next_step = "Next: try it with an event of the ledger."
    actions_detail = ["try_it"]
    panels = ("shown_keeper", "shown_cursor", "shown_log", "shown_trail")
    fieldsets = (
        ("Event trigger", {"classes": ["tab"], "fields": (*KEPT, "shown_keeper", "shown_cursor")}),
        ("What came", {"classes": ["tab"], "fields": ("shown_log",)}),
        ("Trail", {"classes": ["tab"], "fields": ("shown_trail",)}),
    )
    add_fieldsets = ((None, {"fields": KEPT}),)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related("cursor", "kept_by")

    def save_service(self, **given: Any) -> EventTrigger:
        trigger = given.pop("eventtrigger", None)
        return services.save_event_trigger(**given, trigger=trigger)

    @display(description="Hears of")
    def shown_keeper(self, trigger: EventTrigger) -> str:
        if trigger.kept_by is None:
            return "Every event: the portal itself set it up."
        if not trigger.kept_by.is_active:
            return f"Nothing: {trigger.kept_by}, who changed it last, has no active account. Save it anew."
        return f"What {trigger.kept_by} may see, who changed it last."

    @display(description="Has read")
    def shown_cursor(self, trigger: EventTrigger) -> str:
        cursor = getattr(trigger, "cursor", None)
        if cursor is None:
            return "Nothing while it is switched off; switched on, it begins with the next event."
        return f"The ledger up to position {cursor.position}. {cursor.waiting}".strip()

    @display(description="What came")
    def shown_log(self, trigger: Any) -> Any:
        return log(trigger.deliveries, trigger.viewer, "Event", lambda row: f"{row.position} {row.verb}")

    @reason_action(
        title="Try this trigger",
        description="Try it",
        text="Shows what an event of the ledger would start. Nothing is started and nothing is kept.",
        submit="Try it",
        permission="triggers.view_eventtrigger",
        form_class=TryEventForm,
        icon="science",
    )
    def try_it(self, request: HttpRequest, obj: EventTrigger, data: Mapping[str, Any]) -> HttpResponse:
        """Show what an event would become."""
        trial = services.try_event(obj, request.user, data.get("position"))  # type: ignore[arg-type]
        return shown_trial(request, obj, trial)
