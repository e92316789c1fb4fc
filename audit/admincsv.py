"""Every list of the admin can be taken away as a table of cells: what it shows, with its filters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from html import unescape
from typing import Any, cast

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import label_for_field, lookup_field
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.http import StreamingHttpResponse as Streamed
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import strip_tags
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from audit.services.downloading import MOST_LISTED, record_list_download, safe_cell, written

CHUNK = 500
MOST_LINES = MOST_LISTED
ICON = re.compile(r'<span class="material-symbols-outlined[^>]*>[^<]*</span>')
TIME = re.compile(r'<time [^>]*datetime="([^"]*)"[^>]*>[^<]*</time>')
Column = tuple[str, Callable[[Any], Any]]


class CsvListMixin:
    """A list that can be downloaded, called by what is in it.

    ``csv_columns``: heading and value of each column; without it they are those of the list. Cells that a
    spreadsheet took for a formula are quoted. ``has_csv``: no where a list has downloads of its own.
    """

    opts: Any
    admin_site: Any
    has_csv = True
    csv_columns: Sequence[Column] = ()
    list_before_template = "audit/list_tools.html"

    def fill_rows(self, rows: Sequence[Any]) -> None:
        """Set on the rows of a page what is asked once for all of them."""

    def get_urls(self) -> list[URLPattern]:
        """Add the download of the list."""
        found: list[URLPattern] = super().get_urls()  # type: ignore[misc]
        if not self.has_csv:
            return found
        view = self.admin_site.admin_view(self.csv_view)
        return [path("csv/", view, name=f"{self.opts.app_label}_{self.opts.model_name}_csv"), *found]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Call the list by what is in it, and offer the download of what is shown."""
        more = {"title": capfirst(str(self.opts.verbose_name_plural)), **(extra_context or {})}
        if self.has_csv:
            address = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_csv")
            asked = request.GET.urlencode()
            more["csv_link"] = f"{address}?{asked}" if asked else address
        return super().changelist_view(request, more)  # type: ignore[misc]

    def csv_view(self, request: HttpRequest) -> Any:
        """Give the list as CSV, as far as this person may see it."""
        if not self.has_view_permission(request):  # type: ignore[attr-defined]
            raise PermissionDenied
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        try:
            found = self.get_changelist_instance(request).get_queryset(request)  # type: ignore[attr-defined]
        except IncorrectLookupParameters:
            info = f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"
            return HttpResponseRedirect(reverse(info))
        columns = self.csv_columns or self._shown_columns(request)
        record_list_download(
            actor=request.user.as_actor(),  # type: ignore[union-attr]
            kind=self.opts.label_lower,
            name=str(self.opts.verbose_name_plural),
            filters={key: str(value) for key, value in request.GET.items() if value},
        )
        answer = Streamed(self._lines(found, columns), content_type="text/csv; charset=utf-8")
        name = f"{self.opts.verbose_name_plural}-{timezone.localdate()}.csv".replace(" ", "-")
        answer["Content-Disposition"] = f'attachment; filename="{name}"'
        return answer

    def _shown_columns(self, request: HttpRequest) -> list[Column]:
        names = self.get_list_display(request)  # type: ignore[attr-defined]
        return [(self._heading_of(name), self._cell_of(name)) for name in names]

    def _heading_of(self, name: str) -> str:
        return capfirst(str(label_for_field(name, self.opts.model, cast("Any", self))))

    def _cell_of(self, name: str) -> Callable[[Any], Any]:
        return lambda row: plain(name, row, self)

    def _lines(self, found: models.QuerySet[Any], columns: Sequence[Column]) -> Iterator[str]:
        # With a mark, so that a spreadsheet takes the letters of every language for what they are.
        yield "\ufeff" + written([[heading for heading, _value in columns]])
        chunk: list[Any] = []
        for count, row in enumerate(found[: MOST_LINES + 1].iterator(CHUNK)):
            if count == MOST_LINES:
                yield from self._rows(chunk, columns)
                yield written([[_("There are more than %(most)s: narrow the list.") % {"most": MOST_LINES}]])
                return
            chunk.append(row)
            if len(chunk) == CHUNK:
                yield from self._rows(chunk, columns)
                chunk = []
        yield from self._rows(chunk, columns)

    def _rows(self, chunk: list[Any], columns: Sequence[Column]) -> Iterator[str]:
        self.fill_rows(chunk)
        yield written([[_cell(value(row)) for _heading, value in columns] for row in chunk])


def plain(name: str, row: models.Model, model_admin: Any) -> Any:
    """Return what a list shows of a row in one of its columns, without its looks: words instead of icons."""
    try:
        field, attr, value = lookup_field(name, row, model_admin)
    except ObjectDoesNotExist:
        return None
    if field is not None and field.flatchoices:
        value = dict(field.flatchoices).get(value, value)
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    if isinstance(value, SafeString):
        return " ".join(unescape(strip_tags(TIME.sub(r"\1", ICON.sub("", value)))).split())
    if isinstance(value, tuple) and getattr(attr, "label", None):
        value = value[-1]  # a state and the word for it
    if isinstance(value, list | tuple):
        return ", ".join(str(part) for part in value if part)
    return value


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    return value.isoformat() if isinstance(value, date) else safe_cell(str(value))
