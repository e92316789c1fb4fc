"""Away: who decides in one's place from one day to another, and for whom one decides oneself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from agents.models import User
from audit.services import refusals_recorded
from audit.vocabulary import Refusal
from workflows.approvals import services
from workflows.approvals.models import Delegation
from workflows.approvals.selectors import company_day, handed_to, visible_delegations
from workflows.pages.access import STATUS_OF_KIND, for_people, page
from workflows.pages.words import Tag

MOST_ROWS = 50


class AwayForm(forms.Form):
    """Who is away, from when to when, and who decides meanwhile."""

    use_required_attribute = False
    giver = forms.ModelChoiceField(
        label="Who is away",
        queryset=User.objects.none(),
        help_text="For somebody who cannot say so, e.g. is ill, a second person has to agree.",
    )
    delegate = forms.ModelChoiceField(
        label="Who decides meanwhile",
        queryset=User.objects.none(),
        help_text="They see in their inbox what waits for who is away, and vote in their place."
        " Nobody counts twice.",
    )
    first_day = forms.DateField(
        label="First day", widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    last_day = forms.DateField(
        label="Last day", widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    reason = forms.CharField(
        label="Why",
        max_length=1000,
        help_text="It goes into the ledger under your name.",
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    def __init__(self, user: User, data: Any = None) -> None:
        super().__init__(data, initial={"giver": user.pk, "first_day": company_day()})
        people = User.objects.filter(kind=User.Kind.PERSON, is_active=True)
        people = people.order_by("first_name", "last_name", "username")
        fields: dict[str, Any] = self.fields
        fields["delegate"].queryset = people.exclude(pk=user.pk)
        if user.has_perm(services.FOR_OTHERS):
            fields["giver"].queryset = people
            fields["delegate"].help_text += " For somebody else you cannot choose yourself."
        else:
            del self.fields["giver"]


@dataclass(frozen=True, slots=True)
class AwayLine:
    """One delegation as a person reads it."""

    delegation: Delegation
    tag: Tag
    may_end: bool


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@for_people
def away(request: HttpRequest) -> HttpResponse:
    """Show who decides for whom, and let a person say who decides for them."""
    user = _user(request)
    if request.method != "POST":
        return _page(request, AwayForm(user))
    form = AwayForm(user, request.POST)
    if not form.is_valid():
        return _page(request, form, 422, refused="Correct what is marked below.")
    try:
        sentence = _give(user, dict(form.cleaned_data))
    except Refusal as refusal:
        return _page(request, form, STATUS_OF_KIND.get(refusal.kind, 403), refused=refusal.in_full())
    messages.success(request, sentence)
    return redirect("away")


@require_POST
@for_people
def end_away(request: HttpRequest, delegation_id: UUID) -> HttpResponse:
    """End a delegation at once. The service asks whether this person may."""
    user = _user(request)
    found = get_object_or_404(visible_delegations(user), pk=delegation_id)
    try:
        with refusals_recorded(actor=user.as_actor(), subject=found.as_ref()):
            services.withdraw_delegation(
                actor=user.as_actor(), delegation_id=found.pk, reason=request.POST.get("reason", "")
            )
    except Refusal as refusal:
        return _page(request, AwayForm(user), STATUS_OF_KIND.get(refusal.kind, 403), refused=refusal.in_full())
    messages.success(request, f"Ended: {found.delegate} no longer decides for {found.giver}.")
    return redirect("away")


def _give(user: User, given: dict[str, Any]) -> str:
    giver = given.pop("giver", None) or user
    with refusals_recorded(actor=user.as_actor(), subject=giver.as_ref()):
        if giver.pk == user.pk:
            found = services.give_delegation(actor=user.as_actor(), **given)
            days = f"from {found.first_day:%-d %b} to {found.last_day:%-d %b}"
            return f"Handed on: {found.delegate} decides for you {days}."
        services.propose_delegation(actor=user.as_actor(), giver=giver, **given)
    return f"Asked: a second person has to agree that {given['delegate']} decides for {giver}."


def _page(request: HttpRequest, form: AwayForm, status: int = 200, **said: Any) -> HttpResponse:
    user = _user(request)
    rows = list(visible_delegations(user)[:MOST_ROWS])
    shown = {
        "form": form,
        "for_others": user.has_perm(services.FOR_OTHERS),
        "mine": [_line(one, user) for one in rows if one.giver_id == user.pk],
        "to_me": [_line(one, user) for one in rows if one.delegate_id == user.pk],
        "others": [_line(one, user) for one in rows if user.pk not in (one.giver_id, one.delegate_id)],
        "behind": [one for one in handed_to(user) if one.delegate_id != user.pk],
        **said,
    }
    return page(request, "portal/away.html", "Away", status, **shown)


def _line(one: Delegation, user: User) -> AwayLine:
    today = company_day()
    is_over = one.withdrawn_at is not None or one.last_day < today
    if one.withdrawn_at:
        tag = Tag("Ended", "undo")
    elif is_over:
        tag = Tag("Over", "history")
    elif one.first_day > today:
        tag = Tag("To come", "schedule", "wait")
    else:
        tag = Tag("In force", "check_circle", "good")
    involved = user.pk in (one.giver_id, one.delegate_id) or user.has_perm(services.FOR_OTHERS)
    return AwayLine(one, tag, may_end=involved and not is_over)


def _user(request: HttpRequest) -> User:
    return request.user  # type: ignore[return-value]
