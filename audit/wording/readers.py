"""Which language a reader reads, and whose clock they live by."""

from __future__ import annotations

import zoneinfo

from django.conf import settings
from django.http import HttpRequest
from django.utils import translation


def language_of(request: HttpRequest | None) -> str | None:
    """Return the language of whoever reads the answer: what they chose, else what their browser asks for.

    Without a request (a mail, a file) it is None: whatever is active.
    """
    if request is None:
        return None
    person = getattr(request, "user", None)
    if person is not None and person.is_authenticated and getattr(person, "language", ""):
        return str(person.language)
    return translation.get_language_from_request(request)


def language_written_to(person: object) -> str:
    """Return the language somebody is written to in: what they chose, else that of the installation.

    A letter has no browser that could be asked.
    """
    chosen = getattr(person, "language", "")
    return str(chosen) if chosen in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE


def zone_of(person: object) -> zoneinfo.ZoneInfo | None:
    """Return the time zone somebody chose; None is that of the installation."""
    name = getattr(person, "time_zone", "")
    try:
        return zoneinfo.ZoneInfo(name) if name else None
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        return None
