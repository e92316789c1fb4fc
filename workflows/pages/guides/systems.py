"""The guide that connects a system: what kind, where, whose key, does it answer, what may be asked of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from audit.vocabulary import Ref, Refusal
from connectors import services
from connectors.models import Account, Operation, System
from connectors.selectors import visible_systems
from connectors.services import kinds
from connectors.vocabulary import Needs, Offer
from workflows.pages.access import STATUS_OF_KIND, admin_page, for_people
from workflows.pages.guides import system_forms as forms
from workflows.pages.guides.frame import CONNECT, REGISTER, shown
from workflows.pages.guides.keeping import drop, fill, keep
from workflows.pages.guides.parts import EFFECT_TAGS, attempt, free_code, incomplete, require, user_of
from workflows.pages.schema_form import SchemaForm

MOST = 50
NEW = "systems.new"


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@for_people
def systems(request: HttpRequest) -> HttpResponse:
    """Ask what kind of system it is, then where; the second answer makes the system."""
    require(request, CONNECT)
    known = dict(kinds.addable_kinds())
    kind = request.GET.get("kind", "")
    if kind not in known:
        begun = visible_systems(request.user).exclude(kind="portal")
        begun = begun.exclude(operations__current_revision__isnull=False).order_by("-pk")[:5]
        shown_kinds = [{"kind": it, "needs": needs} for it, needs in known.items()]
        return shown(request, CONNECT, "kind", "system_kind.html", kinds=shown_kinds, begun=begun)
    return _place(request, kind, known[kind], None)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@for_people
def system(request: HttpRequest, system_id: UUID) -> HttpResponse:
    """Go on with a system where it stands, or look at another of its steps."""
    require(request, CONNECT)
    found = get_object_or_404(visible_systems(request.user).exclude(kind="portal"), pk=system_id)
    steps: dict[str, Callable[[HttpRequest, System], HttpResponse]] = {
        "place": lambda request, system: _place(request, system.kind, kinds.needs_of(system.kind), system),
        "account": _account,
        "test": _test,
        "operations": _operations,
        "done": _done,
    }
    wanted = request.GET.get("step", "")
    if wanted not in steps:
        return redirect(address(found, _stands_at(found)))
    return steps[wanted](request, found)


def address(system: System, step: str, **more: str) -> str:
    """Return where a step of a system is."""
    query = "".join(f"&{name}={value}" for name, value in more.items())
    return f"{reverse('guide-system', args=[system.pk])}?step={step}{query}"


def _finished(system: System) -> list[str]:
    """Return the steps that are over, by what there is."""
    found = ["kind", "place"]
    if _own_account(system) is not None:
        found.append("account")
    if answers(system):
        found.append("test")
    if _published(system).exists():
        found.append("operations")
    return found


def answers(system: System) -> bool:
    """Tell whether a system answered at its last call."""
    health = getattr(system, "health", None)
    if health is None or health.last_ok_at is None:
        return False
    return health.last_failure_at is None or health.last_ok_at >= health.last_failure_at


def _stands_at(system: System) -> str:
    over = _finished(system)
    return next((step.key for step in CONNECT.steps if step.key not in over), "done")


def _of(request: HttpRequest, system: System, key: str, template: str, **context: Any) -> HttpResponse:
    over = _finished(system)
    links = {step.key: address(system, step.key) for step in CONNECT.steps if step.key not in ("kind",)}
    if "operations" not in over:
        links.pop("done")
    return shown(request, CONNECT, key, template, done=over, links=links, system=system, **context)


def _place(request: HttpRequest, kind: str, needs: Needs, system: System | None) -> HttpResponse:
    place = f"systems.{system.pk}.place" if system else NEW
    here = address(system, "place") if system else f"{reverse('guide-systems')}?kind={kind}"
    if "back" in request.POST:
        keep(request, place)
        return redirect("guide-systems")
    data = request.POST if request.method == "POST" else None
    form = forms.PlaceForm(data, needs=needs, system=system, initial=_placed(system))
    settings = SchemaForm(needs.settings, data, prefix="settings")
    context = {"form": form, "settings": settings, "needs": needs, "here": here, "back": system is None}
    if data is None:
        settings.begin_with(system.config if system else {})
        fill(request, place, form, settings)
        return _placed_page(request, system, **context)
    if not (form.is_valid() & settings.is_valid()):
        return _placed_page(request, system, 422, refused=incomplete(), **context)
    done = attempt(
        request,
        system.as_ref() if system else Ref("connectors.system", "", form.cleaned_data["name"]),
        form,
        lambda: _saved(request, kind, form, settings.answer, system),
        fields={"allowed_hosts": "base_url", "private_networks": "inside"},
    )
    if not done.ok:
        return _placed_page(request, system, done.status, refused=done.refused, **context)
    drop(request, place)
    return redirect(address(done.value, "account"))


def _placed(system: System | None) -> dict[str, Any]:
    if system is None:
        return {}
    names = ("name", "base_url", "category", "environment")
    return {**{name: getattr(system, name) for name in names}, "inside": bool(system.private_networks)}


def _placed_page(
    request: HttpRequest, system: System | None, status: int = 200, **context: Any
) -> HttpResponse:
    if system is None:
        links = {"kind": reverse("guide-systems")}
        return shown(
            request, CONNECT, "place", "system_place.html", status=status, done=["kind"], links=links, **context
        )
    return _of(request, system, "place", "system_place.html", status=status, **context)


def _saved(
    request: HttpRequest, kind: str, form: forms.PlaceForm, config: dict[str, Any], system: System | None
) -> System:
    actor, reason, values = user_of(request).as_actor(), form.cleaned_data["reason"], form.values()
    values["allowed_hosts"] = []  # exactly the address, wherever it is now
    if system is not None:
        values["config"] = {**system.config, **config}
        return services.save_system(actor=actor, reason=reason, system=system, **values)
    code = free_code(values["name"], lambda query: System.objects.filter(query).exists())
    return services.save_system(actor=actor, reason=reason, code=code, kind=kind, config=config, **values)


def _own_account(system: System) -> Account | None:
    return system.accounts.filter(role=None, agent=None).select_related("system").first()


def _account(request: HttpRequest, system: System) -> HttpResponse:
    place, needs, account = f"systems.{system.pk}.account", kinds.needs_of(system.kind), _own_account(system)
    if "back" in request.POST:
        keep(request, place)
        return redirect(address(system, "place"))
    data = request.POST if request.method == "POST" else None
    names = ("scheme", "username", "header_name")
    initial = {name: getattr(account, name) for name in names} if account else {}
    form = forms.AccountForm(data, needs=needs, account=account, initial=initial)
    context = {"form": form, "needs": needs, "here": address(system, "account"), "back": True}
    if data is None:
        fill(request, place, form)
        return _of(request, system, "account", "form.html", **context)
    if not form.is_valid():
        return _of(request, system, "account", "form.html", status=422, refused=incomplete(), **context)
    subject = account.as_ref() if account else system.as_ref()
    done = attempt(request, subject, form, lambda: _saved_account(request, system, account, form))
    if not done.ok:
        return _of(request, system, "account", "form.html", status=done.status, refused=done.refused, **context)
    drop(request, place)
    return redirect(address(system, "test"))


def _saved_account(
    request: HttpRequest, system: System, account: Account | None, form: forms.AccountForm
) -> Account:
    given = form.cleaned_data
    return services.save_account(
        actor=user_of(request).as_actor(),
        system=system,
        name=account.name if account else _("The portal"),
        account=account,
        reason=given["reason"],
        secret=given["secret"],
        scheme=given["scheme"],
        username=given.get("username", ""),
        header_name=given.get("header_name", ""),
    )


def _test(request: HttpRequest, system: System) -> HttpResponse:
    kept = f"guides.tested.{system.pk}"
    if request.method == "POST":
        if "back" in request.POST:
            return redirect(address(system, "account"))
        actor = user_of(request).as_actor()
        try:
            result = services.test_connection(actor=actor, system=system)
        except Refusal as refusal:
            request.session[kept] = {"ok": False, "message": refusal.in_full(), "advice": ""}
        else:
            request.session[kept] = {
                "ok": result.ok,
                "message": result.message,
                "advice": _advice(system, result),
            }
        return redirect(address(system, "test"))
    return _of(
        request,
        system,
        "test",
        "system_test.html",
        here=address(system, "test"),
        result=request.session.get(kept),
        works=answers(system),
        forward=address(system, "operations"),
    )


def _advice(system: System, result: Any) -> str:
    """Return what to do about a test that failed, in words for somebody who is no engineer."""
    if result.ok:
        return ""
    call = system.calls.filter(pk=result.call_id).first()
    code, status = (call.error_code, call.status) if call else ("", None)
    if code == "egress_refused":
        return _(
            "The address leads into a private network. If the system stands inside your company, go back to "
            "Place and tick “It stands inside our own network”."
        )
    if status in (401, 403):
        return _(
            "It is there, but does not take this key. Write the key again, or ask whoever looks after the system "
            "whether it is still valid and may read."
        )
    if status == 404:
        return _(
            "It is there, but has no such page. Correct the address or what is read to test it, under Place."
        )
    if code in ("account_missing", "secret_missing", "secret_unreadable"):
        return _("Write the key under Key.")
    if code == "breaker_open":
        return _(
            "It failed several times in a row, so calls pause for half a minute. Correct what is wrong, then test again."
        )
    if status is not None and status >= 500:
        return _("The system itself reports a fault. Ask whoever looks after it, and test again later.")
    return _(
        "Nothing answers there. Compare the address letter by letter, ask whether the system is running, and "
        "whether this portal may reach it through the firewall."
    )


def _published(system: System) -> Any:
    return Operation.objects.filter(system=system, current_revision__isnull=False).order_by("code")


def _operations(request: HttpRequest, system: System) -> HttpResponse:
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
    published = [{"operation": it, "tag": EFFECT_TAGS[it.effect]} for it in _published(system)[: MOST + 1]]
    here = address(system, "operations", how=how)
    return _of(
        request, system, "operations", template, here=here, back=True, published=published[:MOST],
        more=len(published) > MOST, works=answers(system), how=how,
        forward=address(system, "done"), describe=address(system, "operations", how="description"),
        by_hand=address(system, "operations", how="hand"), test=address(system, "test"), **context,
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
        raise Refusal(
            "operation_exists", _("Nothing was published: %(system)s has an operation of this name already.")
            % {"system": system.name},
        )  # fmt: skip
    return _publish_one(request, system, offer, form.cleaned_data["reason"])


def _done(request: HttpRequest, system: System) -> HttpResponse:
    count = _published(system).count()
    if not count:
        return redirect(address(system, "operations"))
    words = ngettext("%(count)s operation may be granted.", "%(count)s operations may be granted.", count)
    return _of(
        request,
        system,
        "done",
        "system_done.html",
        words=words % {"count": count},
        works=answers(system),
        published=_published(system)[:MOST],
        file=admin_page(system),
        register=reverse(REGISTER.route) if REGISTER.may(request.user) else "",
    )
