"""Cursor pages: stable under inserts, bounded, and never a count over a large table."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import DataError, transaction
from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination


class CursorPages(CursorPagination):
    """Newest first, 50 a page, at most 100. UUIDv7 keys sort by creation time."""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 100
    ordering = "-pk"

    def paginate_queryset(self, queryset: Any, request: Any, view: Any = None) -> list[Any] | None:
        """Return one page; a cursor that was made up is refused as not found, like any unknown address."""
        try:
            with transaction.atomic():
                return super().paginate_queryset(queryset, request, view)
        except (ValidationError, ValueError, DataError) as error:
            raise NotFound("This cursor is none of ours. Begin without one, then follow next.") from error

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Describe one page as OpenAPI 3.1 says null: by type, not by ``nullable``."""
        link = {
            "type": ["string", "null"],
            "format": "uri",
            "description": "Follow it as it is; null at the end.",
        }
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": link, "previous": link, "results": schema},
        }
