"""Actions are read here; each of them links to its story."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from agents.decision.money import format_minor
from audit.adminkit import ReadOnlyAdmin
from workflows.actions.choices import State
from workflows.actions.models import Action
from workflows.actions.selectors import visible_to

STATE_LABELS = {
    State.REQUESTED: "info",
    State.HELD: "warning",
    State.AUTHORIZED: "info",
    State.DISPATCHED: "info",
    State.CONFIRMED: "success",
    State.FAILED: "danger",
    State.DENIED: "danger",
    State.REJECTED: "danger",
    State.STOPPED: "danger",
    State.IN_DOUBT: "warning",
    State.EXPIRED: "default",
    State.WITHDRAWN: "default",
    State.SUPERSEDED: "default",
}


@admin.register(Action)
class ActionAdmin(ReadOnlyAdmin):
    """Everything agents asked for, what was decided, and what came of it."""

    list_display = ["label", "agent", "shown_state", "shown_amount", "outcome", "requested_at"]
    list_filter = ["state", "outcome", "agent", "operation__system"]
    list_select_related = ["agent"]
    search_fields = ["label", "id", "operation_code", "remote_ref", "correlation_id"]
    date_hierarchy = "requested_at"
    fieldsets = [
        (None, {"fields": ["label", "story", "state", "sentence", "next_step", "outcome", "remote_ref"]}),
        ("Asked", {"fields": ["agent", "on_behalf_of", "operation_code", "revision", "shown_amount"]}),
        ("Decided", {"fields": ["verdict", "code", "policy_version", "approval", "binding"]}),
        ("When", {"fields": ["requested_at", "decided_at", "dispatched_at", "finished_at"]}),
        ("For the record", {"fields": ["id", "arguments_digest", "correlation_id", "attempt", "epoch"]}),
    ]
    readonly_fields = ["story", "shown_amount"]

    def permitted_objects(self, request: HttpRequest) -> QuerySet[Any]:
        return visible_to(request.user)  # type: ignore[arg-type]

    @display(description="State", ordering="state", label=STATE_LABELS)
    def shown_state(self, action: Action) -> tuple[str, str]:
        return action.state, action.get_state_display()

    @display(description="Amount", ordering="amount_company_minor")
    def shown_amount(self, action: Action) -> str:
        if action.amount_minor is None:
            return "-"
        return format_minor(action.amount_minor, action.currency)

    @display(description="Story")
    def story(self, action: Action) -> SafeString:
        address = reverse("action", args=[action.pk])
        return format_html('<a class="portal-link" href="{}">Read the whole story</a>', address)
