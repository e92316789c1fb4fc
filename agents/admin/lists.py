"""What lists of the admin share: facts read once for a whole page, and states as word and icon."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.decorators import display
from unfold.views import ChangeList

from agents import registry
from agents.decision.facts import OperationFacts
from agents.decision.patterns import operations_hit
from audit.wording import said_lazy


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
    """A list that is filled page by page (``fill_rows`` of its admin).

    ``file_page``: the route of the file that a row leads to; empty where that is the page of the admin.
    """

    file_page = ""
    show_full_result_count = False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the list that fills its rows."""
        return FilledChangeList


class OperationNames(ListMixin):
    """A list of what binds operations: each by its name in words, a pattern by how many it covers."""

    def fill_rows(self, rows: Sequence[Any]) -> None:
        """Give each row the operations it speaks of, in words; what is switched on is read once."""
        known = registry.all_operations()
        for row in rows:
            row.operations_in_words = _in_words(row.operations, known)

    @display(description=_("Operations"), ordering="operations")
    def shown_operations(self, row: Any) -> str:
        return str(row.operations_in_words)


def _in_words(pattern: str, known: Sequence[OperationFacts]) -> SafeString:
    covered = operations_hit(pattern, (), known)
    exact = next((one for one in covered if one.code == pattern), None)
    if exact is not None:
        return format_html('<span title="{}">{}</span>', pattern, said_lazy(exact.name))
    count = ngettext("%(count)s operation", "%(count)s operations", len(covered)) % {"count": len(covered)}
    return format_html("{} ({})", _("All") if pattern == "*" else pattern, count)


def tag(text: str, icon: str, tone: str = "") -> SafeString:
    """Return a state as a word with its icon, as on every page."""
    return render_to_string("portal/tag.html", {"tag": {"text": text, "icon": icon, "tone": tone}})


def ago(at: datetime | None) -> SafeString | str:
    """Return a moment as time gone by, with the exact time behind it."""
    return render_to_string("portal/time.html", {"at": at}) if at else "—"
