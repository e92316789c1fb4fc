"""What templates of every room need for words that others wrote; known to all of them without a ``load``."""

from __future__ import annotations

from django import template
from django.template.defaultfilters import stringfilter

from workflows.pages.visible import MOST_SHOWN
from workflows.pages.visible import visible as in_sight

register = template.Library()


@register.filter
@stringfilter
def visible(text: str, most: int = MOST_SHOWN) -> str:
    """Name characters that hide or turn round what people read. It is escaped like any other text."""
    return in_sight(text, most)
