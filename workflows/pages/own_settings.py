"""Your settings: how the pages work for whoever is signed in. Nothing here changes what anybody may do."""

from __future__ import annotations

from django import forms
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


class SettingsForm(forms.Form):
    """What a person chooses for themselves."""

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
        return _page(request, SettingsForm(initial={"shortcuts": user.shortcuts}))
    form = SettingsForm(request.POST)
    if not form.is_valid():
        return _page(request, form, 422)
    own.change_settings(actor=user.as_actor(), shortcuts=form.cleaned_data["shortcuts"])
    messages.success(request, _("Saved."))
    return redirect("settings")


def _page(request: HttpRequest, form: SettingsForm, status: int = 200) -> HttpResponse:
    return page(request, "portal/settings.html", _("Your settings"), status, form=form)
