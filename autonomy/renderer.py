"""How widgets are rendered: what they offer and are called is read in the language of the page."""

from __future__ import annotations

from typing import Any

from django.forms.models import ModelChoiceIteratorValue
from django.forms.renderers import DjangoTemplates
from django.http import HttpRequest
from django.utils.translation import get_language

from audit.wording import name_in

SHOWN = ("aria-label", "placeholder", "title")


class ReaderWidgets(DjangoTemplates):
    """Django's own renderer, with the words of a widget said to its reader.

    Many choices are known only when a page is made, so their words cannot be made lazy when the code is loaded.
    """

    def render(self, template_name: str, context: dict[str, Any], request: HttpRequest | None = None) -> str:
        """Render a widget; words are looked up whole, so that the names of things that people made stay."""
        widget = context.get("widget")
        if isinstance(widget, dict) and not (get_language() or "en").startswith("en"):
            _say(widget)
        return str(super().render(template_name, context, request))


def _say(widget: dict[str, Any]) -> None:
    attributes = widget.get("attrs", {})
    for name in SHOWN:
        if attributes.get(name):
            attributes[name] = name_in(str(attributes[name]))
    groups = widget.get("optgroups", [])
    if groups:
        widget["optgroups"] = [(name_in(str(name)) if name else name, *rest) for name, *rest in groups]
    for _, options, _ in groups:
        for option in options:
            if not isinstance(option["value"], ModelChoiceIteratorValue):
                option["label"] = name_in(str(option["label"]))
