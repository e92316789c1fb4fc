"""The words of a form: labels, help and choices, each read in the language of whoever the form is shown to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.forms import BaseForm
from django.forms import Field as FormField
from django.utils.safestring import SafeString

from audit.wording.catalogues import said_lazy


def lazy_words(text: Any) -> Any:
    """Return a text that is said in the language of the page it is shown on; anything else as it is."""
    return said_lazy(text) if isinstance(text, str) and text and not isinstance(text, SafeString) else text


def lazy_pairs(choices: Iterable[Any]) -> list[Any]:
    """Return choices with their words lazy; grouped ones keep their groups."""
    return [
        (key, lazy_pairs(words)) if isinstance(words, (list, tuple)) else (key, lazy_words(words))
        for key, words in choices
    ]


def translate_field(field: FormField) -> None:
    """Let the words of one field be read in the language of the reader."""
    field.label, field.help_text = lazy_words(field.label), lazy_words(field.help_text)
    choices = getattr(field, "_choices", None)
    if isinstance(choices, list):
        field.choices = lazy_pairs(choices)  # type: ignore[attr-defined]


def translate_form(form: BaseForm) -> None:
    """Do it for a form that was made for a request; what it offers to choose from is said where it is shown."""
    for bound in form:
        bound.label, bound.help_text = lazy_words(bound.label), lazy_words(bound.help_text)
        bound.field.label = bound.label
