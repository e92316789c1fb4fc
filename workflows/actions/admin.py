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
from audit.forms.filtering import filter_by
from audit.wording import said
from workflows.actions.choices import State
from workflows.actions.models import Action, StandingApproval
from workflows.actions.selectors import agents_of_standing, visible_standing, visible_to

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
    list_filter = ["state", "outcome", "operation__system"]
    list_select_related = ["agent"]
    search_fields = ["label", "id", "agent__name", "operation_code", "remote_ref", "correlation_id"]
    said_fields = ["sentence", "next_step", "verdict"]
    fieldsets = [
        (None, {"fields": ["label", "story", "state", "sentence", "next_step", "outcome", "remote_ref"]}),
        ("Asked", {"fields": ["agent", "on_behalf_of", "operation_code", "revision", "shown_amount"]}),
        ("Changed by a person", {"fields": ["replaces", "edited_by", "edit_reason"]}),
        ("Decided", {"fields": ["verdict", "code", "policy_version", "approval", "standing", "binding"]}),
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
        return format_html('<a class="portal-link" href="{}">{}</a>', address, said("Read the whole story"))


@admin.register(StandingApproval)
class StandingApprovalAdmin(ReadOnlyAdmin):
    """What was approved in advance. It is asked for in the inbox, and ended on its page there."""

    list_display = ["words", "agent", "role", "shown_use", "until", "granted_by", "agreed_by", "revoked_at"]
    list_filter = [("agent", filter_by(agents_of_standing, "standing-agents")), "role", "operation"]
    list_select_related = ["agent", "role", "granted_by", "agreed_by"]
    search_fields = ["words", "reason", "id"]
    said_fields = ["words"]
    date_hierarchy = "created_at"
    fieldsets = [
        (None, {"fields": ["words", "reason", "ended_where", "shown_use"]}),
        ("Whose, and what", {"fields": ["agent", "role", "operation", "revision", "condition"]}),
        ("How much", {"fields": ["most_minor", "total_minor", "spent_minor", "most_uses", "used"]}),
        ("When", {"fields": ["created_at", "starts_at", "until", "revoked_at", "revoked_by", "revoke_reason"]}),
        ("Who agreed", {"fields": ["granted_by", "agreed_by", "approver_groups", "quorum", "modelled_on"]}),
        ("For the record", {"fields": ["id", "binding", "lines"]}),
    ]
    readonly_fields = ["ended_where", "shown_use"]

    def permitted_objects(self, request: HttpRequest) -> QuerySet[Any]:
        return visible_standing(request.user)  # type: ignore[arg-type]

    @display(description="Used", ordering="used")
    def shown_use(self, standing: StandingApproval) -> str:
        return f"{standing.used} of {standing.most_uses}"

    @display(description="To end it")
    def ended_where(self, standing: StandingApproval) -> SafeString:
        words = "All that is approved in advance"
        return format_html('<a class="portal-link" href="{}">{}</a>', reverse("standing"), said(words))
