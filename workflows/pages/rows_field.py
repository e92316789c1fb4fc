"""A list of like things as a table, a line for each: the lines of an invoice are typed, not written as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from connectors.policies.schemas import argument_errors
from workflows.pages.schema_parts import resolved

MOST_ROWS = 1_000  # so many lines are read of what is sent
BLANK_ROWS = 2  # so many wait for what is added, where no script adds more
MOST_COLUMNS = 10  # more are no table any more
NEW = "new"  # the place of a line that a script copies


@dataclass(frozen=True, slots=True)
class Row:
    """One line: its number for people, and the form of its values."""

    number: int
    form: Any


class RowsWidget(forms.Widget):
    """A table of small forms, with empty lines below for what is added."""

    use_fieldset = True

    def __init__(self, make: Callable[..., Any], label: str, most: int) -> None:
        super().__init__()
        self.make, self.label, self.most = make, label, most

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        """Return the form of each line that was sent, empty ones left out; None without any count of them."""
        count = data.get(f"{name}-count", "")
        if not count.isascii() or not count.isdigit():
            return None
        places = range(min(int(count[:6]), MOST_ROWS))
        sent = [self.make(data, prefix=f"{name}-{place}", use_required_attribute=False) for place in places]
        return [form for form in sent if not is_empty(form)]

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return f"{name}-count" not in data

    def id_for_label(self, id_: str) -> str:
        return ""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> Any:
        """Show the lines there are, and some that are empty. A line that was sent keeps its place."""
        there = [self._shown(f"{name}-{place}", one) for place, one in enumerate(value or ())]
        after = max((int(form.prefix.rpartition("-")[2]) for form in there), default=-1) + 1
        more = min(BLANK_ROWS, max(0, self.most - len(there)))
        blank = [self._empty(f"{name}-{after + place}") for place in range(more)]
        rows = [Row(number, form) for number, form in enumerate((*there, *blank), start=1)]
        pattern = Row(0, self._empty(f"{name}-{NEW}"))
        columns = [(field.label, field.field.required, field.help_text) for field in pattern.form]
        for row in (*rows, pattern):
            _name_cells(row, self.label)
        shown = {"name": name, "rows": rows, "pattern": pattern, "columns": columns, "count": after + more}
        return render_to_string("portal/rows.html", {**shown, "label": self.label, "most": self.most})

    def _empty(self, prefix: str) -> Any:
        form = self.make(prefix=prefix, use_required_attribute=False)
        for field in form.fields.values():
            field.initial = None
        return form

    def _shown(self, prefix: str, one: Any) -> Any:
        """Show a line that was sent again with what is wrong in it; one that is there, as it would be typed."""
        if isinstance(one, forms.Form):
            one.is_valid()
            return one
        form = self._empty(prefix)
        form.begin_with(one)
        return form


def _name_cells(row: Row, label: str) -> None:
    """Let every cell say what it is: there is no label beside it. Few choices are a box, a text is one line."""
    line = _("line %(number)s") % {"number": row.number}
    for cell in row.form:
        cell.help_text = ""  # it stands in the head of the table, once
        field = cell.field
        if isinstance(field.widget, forms.RadioSelect):
            field.widget = forms.Select(choices=field.choices)
        if isinstance(field.widget, forms.Textarea):
            field.widget = forms.TextInput()
        said = f"{label}, {line}: {field.label}"
        if not isinstance(field.widget, forms.MultiWidget):
            field.widget.attrs["aria-label"] = said
            continue
        for part in field.widget.widgets:
            what = part.attrs["aria-label"].rpartition(", ")[2]
            part.attrs["aria-label"] = f"{said}, {what}"


def is_empty(form: Any) -> bool:
    """Say whether nothing stands in a line that was sent; a currency that waits for its amount is nothing."""
    for name, field in form.fields.items():
        value = field.widget.value_from_datadict(form.data, {}, form.add_prefix(name))
        if isinstance(value, list):
            value = value[0] if value and getattr(field.widget, "widgets", None) else value
        if value not in (None, "", []):
            return False
    return True


class RowsField(forms.Field):
    """A list of objects with plain values. ``make`` builds the form of one of them from its schema."""

    def __init__(
        self, make: Callable[..., Any], schema: Mapping[str, Any], *, most: int, **options: Any
    ) -> None:
        self.make, self.schema = make, schema
        super().__init__(widget=RowsWidget(make, str(options["label"]), most), **options)

    def clean(self, value: Any) -> Any:
        """Return the lines as JSON; raises ValidationError, with what is wrong noted at each cell."""
        sent = value or []
        if self.required and not sent:
            raise forms.ValidationError(_("Fill in at least one line."))
        wrong = [number for number, form in enumerate(sent, start=1) if not form.is_valid()]
        if wrong:
            lines = ", ".join(map(str, wrong))
            raise forms.ValidationError(_("Correct what is marked in line %(lines)s.") % {"lines": lines})
        return [form.answer for form in sent]

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Say whether the lines are other than they were; one that makes no sense is."""
        sent = data or []
        return any(not form.is_valid() for form in sent) or [form.answer for form in sent] != list(
            initial or []
        )

    def can_show(self, value: Any) -> bool:
        """Say whether everything of a list that is there has its place in the table: nothing may get lost."""
        names = set(self.schema.get("properties", {}))
        return (
            isinstance(value, Sequence)
            and not isinstance(value, str)
            and all(
                isinstance(row, Mapping)
                and set(row) <= names
                and None not in row.values()
                and not argument_errors(self.schema, dict(row))
                for row in value
            )
        )


def rows_schema(
    part: Mapping[str, Any], root: Mapping[str, Any], is_plain: Callable[[Mapping[str, Any]], bool]
) -> dict[str, Any] | None:
    """Return the schema of one line of a list, None for what is no table: of nested things, or too wide."""
    items = resolved(part.get("items", {}), root) if part.get("type") == "array" else {}
    members = items.get("properties", {})
    if items.get("type") != "object" or not 0 < len(members) <= MOST_COLUMNS:
        return None
    plain = {name: resolved(member, root) for name, member in members.items()}
    if not all(is_plain(member) for member in plain.values()):
        return None
    return {**items, "properties": plain}
