"""Documents are listed here; their bytes are fetched over the API and are never shown in a page."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from audit.adminkit import ReadOnlyAdmin, ReadOnlyTabularInline
from workflows.documents.models import Delivery, Document
from workflows.documents.selectors import visible_to


class DeliveryInline(ReadOnlyTabularInline):
    """Who brought it."""

    model = Delivery
    fields = ["at", "user", "name", "source"]
    readonly_fields = fields


@admin.register(Document)
class DocumentAdmin(ReadOnlyAdmin):
    """What people, agents and folders brought."""

    list_display = ["name", "media_type", "size", "source", "uploaded_by", "created_at"]
    list_filter = ["source", "media_type"]
    list_select_related = ["uploaded_by"]
    search_fields = ["name", "sha256"]
    date_hierarchy = "created_at"
    inlines = [DeliveryInline]

    def permitted_objects(self, request: HttpRequest) -> QuerySet[Any]:
        return visible_to(request.user)  # type: ignore[arg-type]
