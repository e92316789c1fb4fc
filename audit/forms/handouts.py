"""What the pages of the ledger ask before they hand something out."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from audit import evidence, registry
from audit.adminkit import reason_field
from audit.services.exporting import Scope

WHAT = [
    ("period", "A period of days"),
    ("agent", "Everything about one agent"),
    ("run", "Everything about one run of a workflow"),
    ("object", "Everything about one other object"),
    ("everything", "The whole ledger"),
]


class DayInput(UnfoldAdminTextInputWidget):
    """The browser's own calendar."""

    input_type = "date"


class ExportForm(forms.Form):
    """Which events, and why."""

    what = forms.ChoiceField(label="What to export", choices=WHAT, widget=UnfoldAdminSelectWidget)
    since = forms.DateField(
        label="First day", required=False, widget=DayInput, help_text="For a period. Days are counted in UTC."
    )
    until = forms.DateField(
        label="Last day", required=False, widget=DayInput, help_text="For a period: this day is in it."
    )
    named = forms.CharField(
        label="Which one",
        required=False,
        max_length=200,
        widget=UnfoldAdminTextInputWidget,
        help_text="An agent by its name or id, a run by its id. Another object by kind and id, such as "
        "agents.policy:…; the links of a story or of an entry fill this in.",
    )
    reason = reason_field()

    def __init__(self, data: Any = None, *, user: Any = None, **more: Any) -> None:
        super().__init__(data, **more)
        self.user = user

    def clean(self) -> dict[str, Any]:
        """Refuse what does not say of what."""
        found: dict[str, Any] = super().clean() or {}
        what, named = found.get("what"), found.get("named", "").strip().replace("\x00", "")
        if what == "period" and not (found.get("since") or found.get("until")):
            self.add_error("since", "A period needs its first day, its last day, or both.")
        if what in ("agent", "run", "object") and not named:
            self.add_error("named", "Say which one, by its id: it is in the address of its page.")
        if what == "object" and named and not all(named.partition(":")):
            self.add_error("named", "Another object is named by kind and id: agents.policy:…")
        if found.get("since") and found.get("until") and found["since"] > found["until"]:
            self.add_error("until", "This is before the first day. Choose a later one.")
        if what == "agent" and named:
            found["named"] = self._agent(named)
        return found

    def _agent(self, named: str) -> str:
        """Return the id of the agent with this name; what is nobody's name is taken for an id."""
        known = registry.names_for("agent", self.user) if self.user else []
        meant = sorted(key for key, name in known if name.casefold() == named.casefold())
        if len(meant) > 1:
            self.add_error(
                "named", f"{len(meant)} agents are called that. Paste the id of one: {', '.join(meant)}"
            )
        return meant[0] if len(meant) == 1 else named

    def scope(self) -> Scope:
        """Return what was asked for, of a valid form."""
        found = self.cleaned_data
        what, named = found["what"], found["named"].strip()
        if what == "period":
            return Scope(what, since=_midnight(found["since"]), until=_after(found["until"]))
        if what == "object":
            kind, _, key = named.partition(":")
            return Scope(what, id=key, object_kind=kind)
        return Scope(what, id="" if what == "everything" else named)


def _midnight(day: Any) -> datetime | None:
    return None if day is None else datetime.combine(day, time(), UTC)


def _after(day: date | None) -> datetime | None:
    """Return the midnight at which a day is over; nothing comes after the last day of the calendar."""
    return None if day is None or day == date.max else _midnight(day + timedelta(days=1))


ALL = [("", "The whole company")]


def _day_field(label: str) -> forms.DateField:
    widget = UnfoldAdminTextInputWidget(attrs={"type": "date"})
    widget.format_value = lambda value: f"{value:%Y-%m-%d}" if isinstance(value, date) else value
    return forms.DateField(label=label, widget=widget)


class EvidenceForm(forms.Form):
    """For which period an evidence pack is built."""

    use_required_attribute = False
    first = _day_field("First day")
    last = _day_field("Last day")
    department = forms.ChoiceField(
        required=False, widget=UnfoldAdminSelectWidget, help_text="With everything below it."
    )

    def __init__(self, data: Any = None, *, today: date) -> None:
        first, last = quarter_before(today)
        super().__init__(data, initial={"first": first, "last": last})
        self.fields["department"].choices = [*ALL, *evidence.departments()]  # type: ignore[attr-defined]


def quarter_before(day: date) -> tuple[date, date]:
    """Return the first and the last day of the calendar quarter before the one of ``day``."""
    last = date(day.year, (day.month - 1) // 3 * 3 + 1, 1) - timedelta(days=1)
    return date(last.year, last.month - 2, 1), last
