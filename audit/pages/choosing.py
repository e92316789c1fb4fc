"""What a form offers, searched by what somebody types into its box."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.utils import translation
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from audit.offers import MOST_FOUND, Offer, registered_offers
from audit.pages.access import for_people
from audit.wording import language_of


@never_cache
@require_safe
@for_people
def choices(request: HttpRequest, of: str) -> HttpResponseBase:
    """Return what is found in one offer, for those who may fill in a form that has it."""
    user: Any = request.user
    offer_to, permissions = registered_offers()[of]
    if permissions is not None and not any(user.has_perm(permission) for permission in permissions):
        raise PermissionDenied
    return found_in(offer_to(user), request)


def found_in(offer: Offer, request: HttpRequest) -> JsonResponse:
    """Answer the few things of an offer that fit ``?q=``, as its reader speaks, and whether there are more."""
    with translation.override(language_of(request)):
        found = offer.found(request.GET.get("q", ""), MOST_FOUND + 1)
    shown = [{"label": one.label, "shelf": one.shelf} for one in found[:MOST_FOUND]]
    return JsonResponse({"found": shown, "more": len(found) > MOST_FOUND})
