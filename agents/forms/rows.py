"""A part of a form that is several rows, whose number nobody knows: no script is needed."""

from __future__ import annotations

from typing import Any

from django import forms


class RowsWidget(forms.Widget):
    """Rows of controls, each with a name of its own. Whoever inherits reads them and draws them."""

    choices: Any = ()

    def id_for_label(self, id_: str) -> str:
        """Point the label at nothing: each control of a row has a name of its own."""
        return ""

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        """Take a form without any row as one that says there is none."""
        return False


class RowsField(forms.Field):
    """Rows as the service takes them."""

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compare row by row, whatever holds them."""
        return list(initial or ()) != list(data or ())
