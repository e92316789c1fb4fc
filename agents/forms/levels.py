"""The next levels of a rule in a form: rows of minutes and whom to ask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from agents.decision import levels
from agents.forms.people import groups_of_people
from agents.forms.rows import RowsField, RowsWidget
from audit.wording import said


def level_choices() -> list[Any]:
    """Return whom a next level may ask."""
    known = [(f"{levels.GROUP}:{name}", name) for name in groups_of_people().values_list("name", flat=True)]
    by_role = [
        (kind, words[:1].upper() + words[1:]) for kind, words in levels.WHO.items() if kind != levels.GROUP
    ]
    return [("", "---------"), *by_role[:-1], ("Groups", known), by_role[-1]]


class LevelsWidget(RowsWidget):
    """Rows of next levels: after how many minutes, and whom to ask then."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[dict[str, str]]:
        found = []
        for place in range(levels.MOST):
            minutes, to = (data.get(f"{name}-{place}-{part}", "").strip() for part in ("minutes", "to"))
            kind, _, group = to.partition(":")
            if minutes or to:
                found.append({"minutes": minutes, "to": kind, **({"group": group} if group else {})})
        return found

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        given = list(value or ())
        rows = [*given, *[{}] * levels.MOST][: levels.MOST]
        shown = [self._row(name, place, row) for place, row in enumerate(rows)]
        return render_to_string(
            "agents/levels.html", {"first": shown[: len(given) + 1], "more": shown[len(given) + 1 :]}
        )

    def _row(self, name: str, place: int, row: Mapping[str, str]) -> dict[str, Any]:
        to = f"{levels.GROUP}:{row['group']}" if row.get("group") else row.get("to", "")
        attrs = {"aria-label": said(f"Minutes until next level {place + 1}"), "inputmode": "numeric"}
        minutes = UnfoldAdminTextInputWidget().render(f"{name}-{place}-minutes", row.get("minutes", ""), attrs)
        whom = UnfoldAdminSelectWidget(choices=self.choices)
        asked = whom.render(f"{name}-{place}-to", to, {"aria-label": said(f"Whom next level {place + 1} asks")})
        return {"minutes": minutes, "to": asked}


class LevelsField(RowsField):
    """The next levels of a rule, as the service takes them."""

    widget = LevelsWidget

    def clean(self, value: Any) -> list[dict[str, str]]:
        """Refuse a row that is not complete, or out of order."""
        try:
            return levels.as_data(levels.read_levels(value or []))
        except ValueError as error:
            raise forms.ValidationError(f"{str(error)[:1].upper()}{str(error)[1:]}.") from error
