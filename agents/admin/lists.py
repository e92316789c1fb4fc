"""What lists of the admin share: facts read once for a whole page, states as word and icon, a CSV of it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from typing import Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.http import StreamingHttpResponse as Streamed
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.views import ChangeList

from audit.services.downloading import safe_cell

CHUNK = 500
MOST_LINES = 50_000
Column = tuple[str, Callable[[Any], Any]]


class FilledChangeList(ChangeList):
    """A list whose admin adds to the rows of a page what one question can tell of all of them."""

    def get_results(self, request: HttpRequest) -> None:
        """Read the page, then what belongs to its rows."""
        super().get_results(request)
        found: Any = self
        rows = list(found.result_list)
        self.model_admin.fill_rows(rows)
        self.result_list = rows

    def url_for_result(self, result: Any) -> str:
        """Lead to the file of an object, which leads on to where it is changed."""
        try:
            return reverse(self.model_admin.file_page, args=[result.pk])
        except NoReverseMatch:
            return str(super().url_for_result(result))


class ListMixin:
    """A list that is filled page by page and can be taken away as CSV, with the filters that are set.

    ``file_page``: the route of the file that a row leads to. ``csv_columns``: heading and value of each column;
    cells that a spreadsheet took for a formula are quoted.
    """

    opts: Any
    admin_site: Any
    csv_columns: Sequence[Column] = ()
    file_page = ""
    list_before_template = "agents/list_tools.html"
    show_full_result_count = False

    def fill_rows(self, rows: Sequence[Any]) -> None:
        """Set on the rows of a page what is asked once for all of them."""

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the list that fills its rows."""
        return FilledChangeList

    def get_urls(self) -> list[URLPattern]:
        """Add the download of the list."""
        view = self.admin_site.admin_view(self.csv_view)
        own = path("csv/", view, name=f"{self.opts.app_label}_{self.opts.model_name}_csv")
        return [own, *super().get_urls()]  # type: ignore[misc]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Offer the download of what is shown."""
        address = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_csv")
        asked = request.GET.urlencode()
        more = {"csv_link": f"{address}?{asked}" if asked else address, **(extra_context or {})}
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
        answer = Streamed(self._lines(found), content_type="text/csv; charset=utf-8")
        name = f"{self.opts.verbose_name_plural}-{timezone.localdate()}.csv".replace(" ", "-")
        answer["Content-Disposition"] = f'attachment; filename="{name}"'
        return answer

    def _lines(self, found: models.QuerySet[Any]) -> Iterator[str]:
        yield _written([[heading for heading, _ in self.csv_columns]])
        chunk: list[Any] = []
        for row in found[:MOST_LINES].iterator(CHUNK):
            chunk.append(row)
            if len(chunk) == CHUNK:
                yield self._rows(chunk)
                chunk = []
        yield self._rows(chunk)

    def _rows(self, chunk: list[Any]) -> str:
        self.fill_rows(chunk)
        return _written([[_cell(value(row)) for _, value in self.csv_columns] for row in chunk])


def tag(text: str, icon: str, tone: str = "") -> SafeString:
    """Return a state as a word with its icon, as on every page."""
    return render_to_string("portal/tag.html", {"tag": {"text": text, "icon": icon, "tone": tone}})


def ago(at: datetime | None) -> SafeString | str:
    """Return a moment as time gone by, with the exact time behind it."""
    return render_to_string("portal/time.html", {"at": at}) if at else "—"


def _written(rows: Sequence[Sequence[Any]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue()


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    return value.isoformat() if isinstance(value, date) else safe_cell(str(value))
