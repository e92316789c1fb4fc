"""Cursor pages: stable under inserts, bounded, and never a count over a large table."""

from __future__ import annotations

from rest_framework.pagination import CursorPagination


class CursorPages(CursorPagination):
    """Newest first, 50 a page, at most 100. UUIDv7 keys sort by creation time."""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 100
    ordering = "-pk"
