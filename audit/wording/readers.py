"""Which language a reader reads."""

from __future__ import annotations

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
