"""What templates of every room need for words that others wrote; known to all of them without a ``load``."""

from __future__ import annotations

import json
from typing import Any

from django import template
from django.template.defaultfilters import stringfilter
from django.utils.formats import date_format

from workflows.pages.spoken import spoken as spoken_here
from workflows.pages.visible import MOST_SHOWN
from workflows.pages.visible import visible as in_sight

register = template.Library()


@register.filter
@stringfilter
def visible(text: str, most: int = MOST_SHOWN) -> str:
    """Name characters that hide or turn round what people read. It is escaped like any other text."""
    return in_sight(text, most)


@register.filter
def spoken(data: Any) -> Any:
    """Say the portal's own words inside data for a script, given as JSON or as what becomes it."""
    return json.dumps(spoken_here(json.loads(data))) if isinstance(data, str) else spoken_here(data)


@register.filter(expects_localtime=True)
def clock(at: Any) -> str:
    """Say a time by the reader's clock, with its zone: ``Mon, 30 Nov 2026, 14:00 (CET)``; '' for no time."""
    if not at:
        return ""
    return f"{date_format(at, 'D')}, {date_format(at, 'DATE_FORMAT')}, {date_format(at, 'H:i')} ({at.tzname()})"


@register.filter(expects_localtime=True)
def exact(at: Any) -> str:
    """Say a time to the second, as evidence does: ``30 Nov 2026, 14:00:05 (CET)``; '' for no time."""
    return f"{date_format(at, 'DATETIME_FORMAT')} ({at.tzname()})" if at else ""
