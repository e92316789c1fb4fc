"""``{{ line.sentence|said }}``: a sentence of the record in the reader's language."""

from __future__ import annotations

from django import template

from audit import wording

register = template.Library()


@register.filter
def said(text: object) -> str:
    """Return a sentence of the record as this page's reader reads it; it is escaped like any text."""
    return wording.said(text) if text not in (None, "") else ""
