"""When a person is told by mail that something waits for them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from agents.models import User
from workflows.notices import selectors
from workflows.notices.choices import How
from workflows.notices.services import choose_how
from workflows.pages.access import for_people, page


class HowForm(forms.Form):
    """One choice."""

    how = forms.ChoiceField(
        label="Mail about what waits for me",
        choices=How.choices,
        widget=forms.RadioSelect,
        help_text="At once: what comes within five minutes is one mail. Once a day: at eight in the morning.",
    )


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@for_people
def notifications(request: HttpRequest) -> HttpResponse:
    """Show and change when one is told; the inbox holds everything whatever is chosen."""
    user: User = request.user  # type: ignore[assignment]
    if request.method != "POST":
        return _page(request, user, HowForm(initial={"how": selectors.how_of(user)}))
    form = HowForm(request.POST)
    if not form.is_valid():
        return _page(request, user, form, 422)
    chosen = choose_how(actor=user.as_actor(), how=form.cleaned_data["how"])
    messages.success(request, f"You are told by mail: {chosen.get_how_display().lower()}.")
    return HttpResponseRedirect(reverse("notifications"))


def _page(request: HttpRequest, user: User, form: HowForm, status: int = 200) -> HttpResponse:
    context: dict[str, Any] = {"form": form, "address": user.email, "is_set_up": selectors.mail_is_set_up()}
    if user.has_perm("notices.view_mail"):
        context["counts"] = selectors.counts()
    return page(request, "portal/notifications.html", "Notifications", status, **context)
