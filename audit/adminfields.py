"""What a page of the admin shows without a form: worked out once a page.

The theme asks each field that is read only for its value about seven times while it lays out a page; a value
that takes a few questions to the database would be asked for as often.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from inspect import ismethod
from typing import Any

from django.core.paginator import Paginator
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.utils.functional import cached_property

# To count on would take longer than to show a page; nobody turns two hundred pages.
MOST_COUNTED = 20_000
KEPT_ON = "_shown_once"


class PagesOfMany(Paginator):
    """Pages of a list that may have millions of rows: counted up to MOST_COUNTED, which are its pages."""

    @cached_property
    def count(self) -> int:
        """Return how many rows there are, at most MOST_COUNTED."""
        return min(self._counted, MOST_COUNTED)

    @property
    def is_more(self) -> bool:
        """Say whether there are more rows than ``count``: then it is where the counting ended."""
        return self._counted > MOST_COUNTED

    @cached_property
    def _counted(self) -> int:
        rows: Any = self.object_list
        if not isinstance(rows, models.QuerySet):
            return len(rows)
        return int(rows.order_by()[: MOST_COUNTED + 1].count())


class ShownOnceMixin:
    """Works out each field that is shown, and not edited, once for each object of a page."""

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Lay out the page of one object."""
        work_out_once(self, context["adminform"].readonly_fields)
        for rows in context.get("inline_admin_formsets", ()):
            work_out_once(rows.opts, rows.readonly_fields)
        found: HttpResponse = super().render_change_form(request, context, *args, **kwargs)  # type: ignore[misc]
        return found


def work_out_once(model_admin: Any, names: Iterable[Any]) -> None:
    """Let methods of an admin, by their names, remember on each object what they said of it."""
    for name in names:
        method = getattr(model_admin, name, None) if isinstance(name, str) else None
        if ismethod(method):  # what was wrapped once is a plain function
            setattr(model_admin, name, _remembered(name, method))


def _remembered(name: str, method: Callable[[Any], Any]) -> Callable[[Any], Any]:
    @wraps(method)
    def said(obj: models.Model) -> Any:
        kept = obj.__dict__.setdefault(KEPT_ON, {})
        if name not in kept:
            kept[name] = method(obj)
        return kept[name]

    return said
