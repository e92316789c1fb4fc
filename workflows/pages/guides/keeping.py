"""What somebody typed and did not save yet, kept in their session; never a secret."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, QueryDict

ROOM = "guides"
NEVER = ("secret", "csrfmiddlewaretoken", "back", "text", "file")
LONGEST = 20_000  # characters of one step
MOST = 20  # steps; the oldest is forgotten


def keep(request: HttpRequest, place: str) -> None:
    """Keep what was typed at a place of a guide, so that coming back shows it again."""
    typed = request.POST.copy()
    for name in NEVER:
        typed.pop(name, None)
    written = typed.urlencode()
    if len(written) > LONGEST:
        return
    kept = dict(request.session.get(ROOM, {}))
    kept.pop(place, None)
    kept[place] = written
    request.session[ROOM] = dict(list(kept.items())[-MOST:])


def drop(request: HttpRequest, place: str) -> None:
    """Forget what was typed at a place: it is saved now."""
    kept = dict(request.session.get(ROOM, {}))
    if kept.pop(place, None) is not None:
        request.session[ROOM] = kept


def fill(request: HttpRequest, place: str, *found: forms.Form) -> None:
    """Show in unbound forms what was typed at a place before; and the reason that was given last."""
    typed = QueryDict(request.session.get(ROOM, {}).get(place, ""))
    for form in found:
        for name, field in form.fields.items():
            key = form.add_prefix(name)
            if (
                typed
                and not isinstance(field, forms.FileField)
                and not field.widget.value_omitted_from_data(typed, {}, key)
            ):
                form.initial[name] = field.widget.value_from_datadict(typed, {}, key)
        if "reason" in form.fields and not form.initial.get("reason"):
            form.initial["reason"] = request.session.get(f"{ROOM}.why", "")


def remember_reason(request: HttpRequest, reason: Any) -> None:
    """Offer the reason that was given again at the next step; it can be changed there."""
    request.session[f"{ROOM}.why"] = str(reason)[:500]
