"""Evidence: what permitted a call and what became of it. Read, never changed."""

from __future__ import annotations

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from unfold.decorators import display

from audit.adminkit import ReadOnlyAdmin
from connectors.admin.base import shown_json
from connectors.models import Authorization, Call

OUTCOMES = {
    "Confirmed": "success",
    "Failed, nothing was done": "warning",
    "Unknown": "danger",
    "Running": "info",
}


@admin.register(Call)
class CallAdmin(ReadOnlyAdmin):
    """Every outbound attempt."""

    list_display = ("started_at", "system", "operation", "purpose", "shown_outcome", "status", "remote_ref")
    list_filter = ("outcome", "purpose", "system")
    empty_title = "No system was called yet"
    empty_step = "Every call of a system is kept here: what was asked, and what it answered."
    list_select_related = ("system", "operation")
    search_fields = ("=action_id", "=reference", "remote_ref", "=correlation_id", "actor_label")
    show_full_result_count = False
    fieldsets = (
        (None, {"fields": ("purpose", "shown_outcome", "error_code", "error_message")}),
        ("What", {"fields": ("system", "operation", "revision", "account", "remote_ref", "reference")}),
        ("Who and why", {"fields": ("actor_label", "actor_kind", "actor_id", "action_id", "correlation_id")}),
        ("When", {"fields": ("started_at", "finished_at", "status")}),
        ("Evidence", {"fields": ("shown_steps", "shown_answer")}),
    )

    @display(description="Outcome", label=OUTCOMES)
    def shown_outcome(self, call: Call) -> str:
        return call.get_outcome_display()

    @display(description="What was sent, step by step")
    def shown_steps(self, call: Call) -> str:
        return shown_json(call.request_summary)

    @display(description="The start of the last answer")
    def shown_answer(self, call: Call) -> str:
        return shown_json(call.response_excerpt)


@admin.register(Authorization)
class AuthorizationAdmin(ReadOnlyAdmin):
    """Every pass that was given."""

    list_display = ("created_at", "operation", "action_id", "expires_at", "consumed_at")
    list_filter = ("operation",)
    search_fields = ("=action_id", "=arguments_digest")
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Authorization]:
        return super().get_queryset(request).select_related("operation", "revision__operation")
