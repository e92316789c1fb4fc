"""The step that says what may be asked of a system: from its driver, from a description, or by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext

from audit.vocabulary import Refusal, RefusalKind
from connectors.models import System
from connectors.services import kinds
from connectors.vocabulary import Needs, Offer
from workflows.pages.access import STATUS_OF_KIND
from workflows.pages.guides import system_forms as forms
from workflows.pages.guides.keeping import drop, fill, keep
from workflows.pages.guides.parts import EFFECT_TAGS, attempt, incomplete, user_of
from workflows.pages.guides.system_frame import address, answers, of_system, ready_to_grant


def operations(request: HttpRequest, system: System) -> HttpResponse:
    """Add operations in the way that was chosen, beside those that are published already."""
    needs = kinds.needs_of(system.kind)
    ways: dict[str, Callable[[HttpRequest, System, Needs], HttpResponse]] = {"catalogue": _catalogue}
    if needs.descriptions:
        ways["description"] = _description
    if needs.by_hand:
        ways["hand"] = _by_hand
    how = request.GET.get("how", "")
    if "back" in request.POST:
        keep(request, f"systems.{system.pk}.{how or 'operations'}")
        return redirect(address(system, "operations" if how and how != "catalogue" else "test"))
    return ways.get(how, _catalogue)(request, system, needs)


def _ways(request: HttpRequest, system: System, template: str, how: str, **context: Any) -> HttpResponse:
    here = address(system, "operations", how=how)
    return of_system(
        request, system, "operations", template, here=here, back=True, works=answers(system), how=how,
        forward=address(system, "done"), describe=address(system, "operations", how="description"),
        by_hand=address(system, "operations", how="hand"), test=address(system, "test"),
        **ready_to_grant(system), **context,
    )  # fmt: skip


def _catalogue(request: HttpRequest, system: System, needs: Needs) -> HttpResponse:
    offers = kinds.catalogue_of(system)
    return _offered(request, system, offers, "catalogue", needs=needs)


def _offered(
    request: HttpRequest,
    system: System,
    offers: list[Offer],
    how: str,
    take: bool | None = None,
    **context: Any,
) -> HttpResponse:
    """Show offers with boxes to tick; publish those that were ticked."""
    posted = request.method == "POST" if take is None else take
    form = forms.OffersForm(request.POST if posted else None, offers=offers)
    context |= {"form": form, "offers": [(it, EFFECT_TAGS[it.effect]) for it in offers]}
    template = "system_operations.html"
    if not posted:
        fill(request, f"systems.{system.pk}.{how}", form)
        return _ways(request, system, template, how, **context)
    if not form.is_valid():
        return _ways(request, system, template, how, status=422, refused=incomplete(), **context)
    done = attempt(request, system.as_ref(), form, lambda: _publish(request, system, form))
    if not done.ok:
        return _ways(request, system, template, how, status=done.status, refused=done.refused, **context)
    return redirect(address(system, "operations"))


@transaction.atomic
def _publish(request: HttpRequest, system: System, form: forms.OffersForm) -> None:
    for offer in form.taken():
        _publish_one(request, system, offer, form.cleaned_data["reason"])


def _publish_one(request: HttpRequest, system: System, offer: Offer, reason: str) -> Any:
    return kinds.publish_offer(actor=user_of(request).as_actor(), system=system, offer=offer, reason=reason)


def _description(request: HttpRequest, system: System, needs: Needs) -> HttpResponse:
    form = forms.DescriptionForm(request.POST or None, request.FILES or None)
    context: dict[str, Any] = {"paste": form, "needs": needs}
    if request.method != "POST":
        return _ways(request, system, "system_description.html", "description", **context)
    if not form.is_valid():
        return _ways(request, system, "system_description.html", "description", status=422, **context)
    text = form.cleaned_data["text"]
    try:
        offers = kinds.described_offers(system, text)
    except Refusal as refusal:
        status = STATUS_OF_KIND.get(refusal.kind, 403)
        return _ways(request, system, "system_description.html", "description", status=status,
                     refused=refusal.in_full(), **context)  # fmt: skip
    return _offered(request, system, offers, "description", take="take" in request.POST, text=text, needs=needs)


def _by_hand(request: HttpRequest, system: System, needs: Needs) -> HttpResponse:
    place = f"systems.{system.pk}.hand"
    form = forms.ByHandForm(request.POST if request.method == "POST" else None)
    if not form.is_bound:
        fill(request, place, form)
        return _ways(request, system, "system_by_hand.html", "hand", form=form, needs=needs)
    if not form.is_valid():
        return _ways(
            request, system, "system_by_hand.html", "hand", status=422, form=form, refused=incomplete()
        )
    done = attempt(request, system.as_ref(), form, lambda: _described(request, system, form))
    if not done.ok:
        return _ways(
            request, system, "system_by_hand.html", "hand", status=done.status, form=form, refused=done.refused
        )
    drop(request, place)
    return redirect(address(system, "operations"))


def _described(request: HttpRequest, system: System, form: forms.ByHandForm) -> Any:
    offer = kinds.offer_by_hand(system, form.given())
    if offer.key in kinds.published_keys(system):
        words = gettext("Nothing was published: %(system)s has an operation of this name already.")
        raise Refusal("operation_exists", words % {"system": system.name}, kind=RefusalKind.CONFLICT)
    return _publish_one(request, system, offer, form.cleaned_data["reason"])
