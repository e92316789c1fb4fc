"""Approvals are read here; people decide in the inbox."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from audit.adminkit import ReadOnlyAdmin, ReadOnlyTabularInline
from audit.wording import said
from workflows.approvals import registry
from workflows.approvals.models import Approval, Stage, Vote
from workflows.approvals.selectors import visible_to

STATE_LABELS = {
    Approval.State.PENDING: "warning",
    Approval.State.APPROVED: "success",
    Approval.State.REJECTED: "danger",
    Approval.State.EXPIRED: "default",
    Approval.State.WITHDRAWN: "default",
    Approval.State.SUPERSEDED: "default",
}


class AboutFilter(admin.SimpleListFilter):
    """What it is about: the kinds there can be, not those that are found by reading a hundred thousand rows."""

    title = "subject kind"
    parameter_name = "subject_kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return each kind with the name of its model."""
        kinds = sorted(registry.subject_kinds())
        return [(kind, str(apps.get_model(kind)._meta.verbose_name).capitalize()) for kind in kinds]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep those of the kind that was chosen."""
        return queryset.filter(subject_kind=self.value()) if self.value() else queryset


class VoteInline(ReadOnlyTabularInline):
    """Who decided what, and why."""

    model = Vote
    fields = ["at", "stage", "user", "verdict", "reason", "step_up_at"]
    readonly_fields = fields


class StageInline(ReadOnlyTabularInline):
    """Who decides one after the other."""

    model = Stage
    fields = ["number", "shown_groups", "quorum", "begun_at", "agreed_at"]
    readonly_fields = fields

    @display(description="Who")
    def shown_groups(self, stage: Stage) -> str:
        return " and ".join(group.name for group in stage.groups.all())


@admin.register(Approval)
class ApprovalAdmin(ReadOnlyAdmin):
    """Every question to people, with its answers."""

    list_display = ["shown_subject", "requester_label", "shown_state", "expires_at", "decided_at"]
    list_filter = ["state", AboutFilter]
    search_fields = ["subject_label", "requester_label", "subject_id", "digest"]
    said_fields = ["sentence"]
    inlines = [StageInline, VoteInline]
    fieldsets = [
        (None, {"fields": ["shown_subject", "sentence", "state", "reason", "open_in_inbox"]}),
        ("Who", {"fields": ["requester_label", "approver_groups", "quorum", "stage", "step_up"]}),
        ("When", {"fields": ["created_at", "expires_at", "decided_at", "used_at"]}),
        (
            "Bound to",
            {"fields": ["subject_kind", "subject_id", "digest", "binding", "policy_version", "explanation"]},
        ),
    ]
    readonly_fields = ["open_in_inbox", "shown_subject"]

    def permitted_objects(self, request: HttpRequest) -> QuerySet[Any]:
        return visible_to(request.user)  # type: ignore[arg-type]

    @display(description="Subject", ordering="subject_label")
    def shown_subject(self, approval: Approval) -> SafeString | str:
        is_an_agents = approval.subject_kind == "actions.action"
        return escape(approval.subject_label) if is_an_agents else approval.subject_label

    @display(description="State", ordering="state", label=STATE_LABELS)
    def shown_state(self, approval: Approval) -> tuple[str, str]:
        return approval.state, approval.get_state_display()

    @display(description="In the inbox")
    def open_in_inbox(self, approval: Approval) -> SafeString:
        address = reverse("inbox-approval", args=[approval.pk])
        return format_html('<a class="portal-link" href="{}">{}</a>', address, said("Open the question"))
