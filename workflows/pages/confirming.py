"""Confirm it is you: a person enters their password again, and goes back to where they came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from agents import registry
from agents.models import User
from agents.services.stepping_up import PASSWORD, confirm_person, is_fresh, lasting, step_up_of
from audit.vocabulary import Refusal, RefusalKind
from workflows.approvals.models import Approval
from workflows.pages.access import STATUS_OF_KIND, for_people, page

MOST_OF_AN_ADDRESS = 500
MOST_OF_A_REASON = 1000
KEPT = "kept_on_the_way"


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Whether a person has just shown who they are: until when it counts, or where to do it."""

    link: str
    until: datetime | None = None


def confirmed(request: HttpRequest, approval: Approval | None) -> Confirmed | None:
    """Return how it stands with who is signed in; None where nobody asks for it."""
    if approval is None or not approval.step_up or approval.state != Approval.State.PENDING:
        return None
    return confirmed_for(request, reverse("inbox-approval", args=[approval.pk]))


def confirmed_for(request: HttpRequest, back_to: str) -> Confirmed:
    """Return how it stands with who is signed in, and where to confirm it to come back there."""
    user, link = _user(request), f"{reverse('confirm')}?{urlencode({'next': back_to})}"
    proof = step_up_of(user, request.session)
    return Confirmed(link, proof.at + lasting() if proof and is_fresh(proof, user) else None)


def keep_on_the_way(request: HttpRequest, approval: Approval, typed: Mapping[str, str]) -> None:
    """Keep what was typed about an approval while its reader confirms who they are, in their session."""
    kept = {name: text[:MOST_OF_A_REASON] for name, text in typed.items()}
    request.session[KEPT] = {"approval": str(approval.pk), "typed": kept}


def kept_on_the_way(request: HttpRequest, approval: Approval | None) -> dict[str, Any]:
    """Return what was typed about this approval before its reader went to confirm who they are."""
    kept = request.session.get(KEPT, {})
    if approval is None or kept.get("approval") != str(approval.pk):
        return {}
    return dict(kept.get("typed", {}))


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
@for_people
def confirm(request: HttpRequest) -> HttpResponse:
    """Ask for the password, and go back. The address to go back to is one of this portal, or the inbox."""
    back_to = _safe(request.POST.get("next") or request.GET.get("next", ""))
    if request.method != "POST":
        return _page(request, back_to)
    try:
        confirm_person(
            user=_user(request),
            session=request.session,
            method=request.POST.get("method", PASSWORD)[:40].replace("\x00", ""),
            given={"password": request.POST.get("password", "")},
            address=request.META.get("REMOTE_ADDR", ""),
        )
    except Refusal as refusal:
        status = 429 if refusal.kind is RefusalKind.LIMITED else STATUS_OF_KIND.get(refusal.kind, 403)
        return _page(request, back_to, status, refused=refusal.in_full())
    messages.success(request, f"Confirmed. It counts for {_minutes()}, in this session.")
    return redirect(back_to)


def _page(request: HttpRequest, back_to: str, status: int = 200, **said: Any) -> HttpResponse:
    return page(
        request,
        "portal/confirm.html",
        "Confirm it is you",
        status,
        next=back_to,
        minutes=_minutes(),
        methods=registry.step_up_methods(),
        **said,
    )


def _safe(address: str) -> str:
    is_ours = (
        address.startswith("/")
        and len(address) <= MOST_OF_AN_ADDRESS
        and url_has_allowed_host_and_scheme(address, allowed_hosts=None)
    )
    return address if is_ours else reverse("inbox")


def _minutes() -> str:
    count = max(1, round(lasting().total_seconds() / 60))
    return f"{count} minute{'' if count == 1 else 's'}"


def _user(request: HttpRequest) -> User:
    return request.user  # type: ignore[return-value]
