"""Your settings: how the pages work for whoever is signed in. Nothing here changes what anybody may do."""

from __future__ import annotations

import zoneinfo
from typing import Any

from django import forms
from django.conf import settings as conf
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from agents.models import User
from agents.services import own
from workflows.pages.access import for_people, page

AS_THE_BROWSER = ("", gettext_lazy("As my browser asks"))
AS_THE_INSTALLATION = ("", gettext_lazy("As the installation"))
FIELDS = ("language", "time_zone", "shortcuts")


def _zones() -> list[tuple[str, Any]]:
    """Return the time zones of the IANA database that are named after a place."""
    known = zoneinfo.available_timezones()
    places = sorted(name for name in known if "/" in name and not name.startswith("Etc/"))
    return [AS_THE_INSTALLATION, *((name, name.replace("_", " ")) for name in places)]


class SettingsForm(forms.Form):
    """What a person chooses for themselves."""

    language = forms.ChoiceField(
        label=gettext_lazy("Language"),
        required=False,
        choices=[AS_THE_BROWSER, *conf.LANGUAGES],
        help_text=gettext_lazy(
            "What is kept on record stays in English and is shown to you in your language. Mail comes in it, "
            "too: in English as long as you choose none."
        ),
    )
    time_zone = forms.ChoiceField(
        label=gettext_lazy("Time zone"),
        required=False,
        choices=_zones,
        help_text=gettext_lazy("Every time is shown in it, and what you enter is read in it."),
    )
    shortcuts = forms.BooleanField(
        label=gettext_lazy("Single keys do something"),
        required=False,
        help_text=gettext_lazy(
            "For example j goes to the next request, ? shows all of them. Switch them off if you speak to your "
            "computer or press keys by accident. Everything can be done without them."
        ),
    )


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@for_people
def settings(request: HttpRequest) -> HttpResponse:
    """Show and change how the pages work for oneself."""
    user: User = request.user  # type: ignore[assignment]
    if request.method != "POST":
        return _page(request, SettingsForm(initial={name: getattr(user, name) for name in FIELDS}))
    form = SettingsForm(request.POST)
    if not form.is_valid():
        return _page(request, form, 422)
    own.change_settings(actor=user.as_actor(), **form.cleaned_data)
    messages.success(request, _("Saved."))
    return redirect("settings")


def _page(request: HttpRequest, form: SettingsForm, status: int = 200) -> HttpResponse:
    return page(request, "portal/settings.html", _("Your settings"), status, form=form)
