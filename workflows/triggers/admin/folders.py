"""Which folders start which workflows."""

from __future__ import annotations

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from unfold.decorators import display

from audit.adminkit import actor_of
from connectors.admin.base import ConnectionAdmin, values_of
from workflows.triggers.forms import WatchedFolderForm
from workflows.triggers.models import WatchedFolder
from workflows.triggers.services import folders as services


@admin.register(WatchedFolder)
class WatchedFolderAdmin(ConnectionAdmin):
    """Folders that somebody drops files into. One is switched off, never deleted."""

    form = WatchedFolderForm
    list_display = ("name", "folder", "workflow", "is_enabled")
    list_select_related = ("workflow",)
    list_filter = ("workflow", "is_enabled")
    search_fields = ("name", "folder")
    empty_title = "No watched folder yet"
    empty_step = "Add one, and every file that is dropped into it starts a run of the workflow you choose."
    next_step = "Next: drop a file into it."
    fields = ("name", "folder", "shown_path", "workflow", "input_member", "is_enabled", "reason")
    readonly_fields = ("shown_path",)

    def create(self, request: HttpRequest, form: WatchedFolderForm) -> models.Model:
        return services.save_folder(
            actor=actor_of(request), values=values_of(form), reason=form.cleaned_data["reason"]
        )

    def update(self, request: HttpRequest, obj: models.Model, form: WatchedFolderForm) -> models.Model:
        return services.save_folder(
            actor=actor_of(request),
            values=values_of(form),
            reason=form.cleaned_data["reason"],
            folder=obj,  # type: ignore[arg-type]
        )

    @display(description="Where it is")
    def shown_path(self, folder: WatchedFolder) -> str:
        return str(services.path_of(folder)) if folder.folder else "Below the portal's incoming folder"
