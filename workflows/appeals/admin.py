"""Appeals and proposed changes are read here; they are answered and taken up on pages of their own."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from audit.adminkit import ReadOnlyAdmin
from workflows.appeals.models import Appeal, Proposal
from workflows.appeals.selectors import visible_proposals, visible_to


@admin.register(Appeal)
class AppealAdmin(ReadOnlyAdmin):
    """What agents contested, and what people said."""

    list_display = ["action", "agent", "state", "answered_by", "created_at"]
    list_filter = ["state"]
    list_select_related = ["action", "agent", "answered_by"]
    search_fields = ["reason", "operation_code", "agent__name"]
    date_hierarchy = "created_at"
    exclude = ["task"]
    empty_title = "Nothing was contested"
    empty_step = "An agent that is denied may contest it once, over the API. What it says is here."

    def permitted_objects(self, request: HttpRequest) -> QuerySet[Any]:
        return visible_to(request.user)  # type: ignore[arg-type]


@admin.register(Proposal)
class ProposalAdmin(ReadOnlyAdmin):
    """What several appeals ask for."""

    list_display = ["subject_name", "words", "cases", "state", "decided_by", "created_at"]
    list_filter = ["state", "kind"]
    list_select_related = ["decided_by"]
    search_fields = ["subject_name", "operation_code", "words"]
    empty_title = "No proposed change"
    empty_step = "When several appeals contest the same comparison, the smallest change for them is here."

    def permitted_objects(self, request: HttpRequest) -> QuerySet[Any]:
        return visible_proposals(request.user)  # type: ignore[arg-type]
