"""A field of a form that offers what may be a few things or ten thousand: a list, or a box that finds one.

The box works without a script: what is typed is looked up when the form is sent, and what it may mean is said.
With one, what is found is shown while somebody types (``choosing.ts``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from audit.offers import MOST_TYPED, Offer
from audit.wording import said

NAMED = 5


class OfferedWidget(forms.Widget):
    """A list of what is offered while it is short enough to read, else a box with what is found below it."""

    def __init__(self, offer: Offer, address: Callable[[], str], *, themed: bool, empty: str | None) -> None:
        super().__init__()
        self.offer, self.address, self.empty = offer, address, empty
        self.select: Any = UnfoldAdminSelectWidget if themed else forms.Select
        self.text: Any = UnfoldAdminTextInputWidget if themed else forms.TextInput

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        """Return the list or the box."""
        attrs = self.build_attrs(self.attrs, attrs)
        value = "" if value is None else str(value)
        listed = self.offer.listed()
        if listed is not None:
            return self._list(listed).render(name, self._listed_value(value), attrs, renderer)
        return self.box(name, value, attrs, renderer)

    def _list(self, listed: list[tuple[str, list[tuple[str, str]]]]) -> forms.Select:
        choices: list[Any] = [] if self.empty is None else [("", self.empty)]
        for title, pairs in listed:
            choices += [(title, pairs)] if title and pairs else pairs
        return self.select(choices=choices)

    def _listed_value(self, value: str) -> str:
        return self.offer.value_of(value) or value

    def box(self, name: str, value: str, attrs: dict[str, Any], renderer: Any = None) -> SafeString:
        """Return the box with what was typed or chosen; what that may mean instead is proposed."""
        meant = self.offer.meant(value)
        near = self.offer.found(value) if value and len(meant) != 1 else []
        attrs = {
            "placeholder": "Name or code",
            "maxlength": MOST_TYPED,
            **attrs,
            "autocomplete": "off",
            "spellcheck": "false",
            "data-choices": self.address(),
            "data-none": said("Nothing is called that."),
            "data-more": said("There are more: type more of it."),
        }
        rows: SafeString | str = ""
        if near:
            attrs["list"] = f"{attrs.get('id', name)}_near"
            options = format_html_join("", '<option value="{}"></option>', ((one.label,) for one in near))
            rows = format_html('<datalist id="{}">{}</datalist>', attrs["list"], options)
        shown = meant[0].label if len(meant) == 1 else value
        box = self.text().render(name, shown, attrs, renderer)
        return format_html('<span class="portal-chooser" hx-disable>{}{}</span>', box, rows)


class OfferedField(forms.Field):
    """One of what is offered, as the value that is posted for it ('' for none).

    ``of`` is the name it is searched by (``register_offer``), or a function that returns the address.
    """

    def __init__(
        self,
        offer: Offer,
        of: str | Callable[[], str],
        *,
        themed: bool = False,
        empty: str | None = "Choose",
        **more: Any,
    ) -> None:
        self.offer = offer
        address = of if callable(of) else lambda: reverse(f"choices-{of}")
        super().__init__(widget=OfferedWidget(offer, address, themed=themed, empty=empty), **more)

    def to_python(self, value: Any) -> Any:
        """Return the value of what is meant. Raises ValidationError that says what it may mean."""
        text = "" if value is None else str(value).strip()
        if not text:
            return ""
        meant = self.offer.meant(text)
        if len(meant) == 1:
            return meant[0].choice.value
        near = [one.label for one in (meant or self.offer.found(text, NAMED + 1))]
        raise ValidationError(_not_clear(text[:MOST_TYPED], near), code="invalid_choice")

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compare what is meant, not how it was written."""
        if self.disabled:
            return False
        value = self.offer.value_of(str(data or "")) or str(data or "")
        return value != ("" if initial is None else str(getattr(initial, "pk", initial)))


class OfferedRowField(OfferedField):
    """One row of what is offered, as the row itself (None for none)."""

    def __init__(
        self, rows: Callable[[], QuerySet[Any]], offer: Offer, of: str | Callable[[], str], **more: Any
    ) -> None:
        super().__init__(offer, of, **{"empty": "---------", **more})
        self.rows = rows

    def prepare_value(self, value: Any) -> Any:
        """Show a row by its key."""
        return value.pk if isinstance(value, Model) else value

    def to_python(self, value: Any) -> Any:
        """Return the row that is meant."""
        found = super().to_python(self.prepare_value(value))
        return self.rows().filter(pk=found).first() if found else None


def _not_clear(text: str, near: list[str]) -> str:
    if not near:
        return f"Nothing to choose here is called “{text}”."
    named = "; ".join(near[:NAMED])
    more = ", and others" if len(near) > NAMED else ""
    return f"“{text}” does not say which one is meant. Choose one of these: {named}{more}."
