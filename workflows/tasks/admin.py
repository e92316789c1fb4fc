"""Tasks are read here; they are claimed and done where the work is."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import escape
from django.utils.safestring import SafeString
from unfold.decorators import display

from audit.adminkit import ReadOnlyAdmin, ReadOnlyTabularInline
from workflows.tasks.models import Comment, Instruction, Task
from workflows.tasks.selectors import visible_to

STATE_LABELS = {
    Task.State.OPEN: "info",
    Task.State.CLAIMED: "warning",
    Task.State.DONE: "success",
    Task.State.FAILED: "danger",
    Task.State.CANCELLED: "default",
    Task.State.EXPIRED: "danger",
}


PRIORITIES = range(1, 6)


class CommentInline(ReadOnlyTabularInline):
    """What people and agents said about it."""

    model = Comment
    fields = ["created_at", "author_label", "text"]
    readonly_fields = fields


class PriorityFilter(admin.SimpleListFilter):
    """By how urgent it is: what there is to choose from is known without reading every task."""

    title = "priority"
    parameter_name = "priority"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(number), str(number)) for number in PRIORITIES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Task]) -> QuerySet[Task]:
        chosen = self.value()
        return queryset.filter(priority=chosen) if chosen and chosen.isdecimal() else queryset


@admin.register(Task)
class TaskAdmin(ReadOnlyAdmin):
    """What waits for somebody, and what became of it."""

    list_display = ["shown_title", "kind", "shown_state", "claimed_by", "due_at", "created_at"]
    list_filter = ["kind", "state", PriorityFilter, ("created_at", admin.DateFieldListFilter)]
    # The newest first: to put all that ever waited in the order of what is urgent would be read whole.
    ordering = ["-pk"]
    list_select_related = ["claimed_by"]
    search_fields = ["title", "subject_label", "subject_id"]
    inlines = [CommentInline]
    readonly_fields = ["shown_title", "shown_body"]
    fieldsets = [
        (None, {"fields": ["shown_title", "shown_body", "kind", "state", "priority"]}),
        ("Who", {"fields": ["candidate_groups", "candidate_users", "claimed_by", "lease_until"]}),
        ("When", {"fields": ["created_at", "due_at", "closed_at", "close_reason"]}),
        ("About", {"fields": ["subject_label", "subject_kind", "subject_id"]}),
    ]

    def permitted_objects(self, request: HttpRequest) -> QuerySet[Any]:
        return visible_to(request.user)  # type: ignore[arg-type]

    @display(description="Title", ordering="title")
    def shown_title(self, task: Task) -> SafeString | str:
        return escape(task.title) if task.is_given else task.title

    @display(description="Body")
    def shown_body(self, task: Task) -> SafeString | str:
        return escape(task.body) if task.is_given else task.body

    @display(description="State", ordering="state", label=STATE_LABELS)
    def shown_state(self, task: Task) -> tuple[str, str]:
        return task.state, task.get_state_display()


@admin.register(Instruction)
class InstructionAdmin(ReadOnlyAdmin):
    """What operators said to agents, and when those said to have read it."""

    list_display = ["agent", "text", "author", "created_at", "read_at"]
    list_select_related = ["agent", "author"]
    search_fields = ["text", "agent__name"]
    date_hierarchy = "created_at"
    empty_title = "Nothing was said to an agent"
    empty_step = "An operator says something to an agent from the console, with Redirect."
    fields = ["agent", "task", "text", "reason", "author", "created_at", "read_at"]

    def permitted_objects(self, request: HttpRequest) -> QuerySet[Any]:
        user = request.user
        return (
            Instruction.objects.all() if user.has_perm("tasks.view_instruction") else Instruction.objects.none()
        )
