"""The guide that connects a system: what kind, where, whose key, does it answer, what may be asked of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from audit.vocabulary import Ref, Refusal
from connectors import services
from connectors.models import Account, System
from connectors.selectors import visible_systems
from connectors.services import kinds
from connectors.vocabulary import Needs
from workflows.pages.access import admin_page, for_people
from workflows.pages.guides import system_forms as forms
from workflows.pages.guides.frame import CONNECT, REGISTER, Words, shown
from workflows.pages.guides.keeping import drop, fill, keep
from workflows.pages.guides.parts import attempt, free_code, incomplete, require, user_of
from workflows.pages.guides.system_frame import (
    address,
    answers,
    of_system,
    own_account,
    published_at,
    ready_to_grant,
    stands_at,
)
from workflows.pages.guides.system_operations import operations
from workflows.pages.schema_form import SchemaForm

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
        "operations": operations,
        "done": _done,
    }
    wanted = request.GET.get("step", "")
    if wanted not in steps:
        return redirect(address(found, stands_at(found)))
    return steps[wanted](request, found)


def _place(request: HttpRequest, kind: str, needs: Needs, system: System | None) -> HttpResponse:
    place = f"systems.{system.pk}.place" if system else NEW
    here = address(system, "place") if system else f"{reverse('guide-systems')}?kind={kind}"
    if "back" in request.POST:
        keep(request, place)
        return redirect("guide-systems")
    data = request.POST if request.method == "POST" else None
    form = forms.PlaceForm(data, needs=needs, system=system, initial=_placed(system))
    settings = SchemaForm(needs.settings, data, prefix="settings")
    context: dict[str, Any] = {
        "form": form,
        "settings": settings,
        "needs": needs,
        "here": here,
        "back": system is None,
    }
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
    return {
        **{name: getattr(system, name) for name in names},
        "inside": "on" if system.private_networks else "",
    }


def _placed_page(
    request: HttpRequest, system: System | None, status: int = 200, **context: Any
) -> HttpResponse:
    if system is None:
        links = {"kind": reverse("guide-systems")}
        return shown(
            request, CONNECT, "place", "system_place.html", status=status, done=["kind"], links=links, **context
        )
    return of_system(request, system, "place", "system_place.html", status=status, **context)


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


def _account(request: HttpRequest, system: System) -> HttpResponse:
    place, needs, account = f"systems.{system.pk}.account", kinds.needs_of(system.kind), own_account(system)
    if "back" in request.POST:
        keep(request, place)
        return redirect(address(system, "place"))
    data = request.POST if request.method == "POST" else None
    names = ("scheme", "username", "header_name")
    initial = {name: getattr(account, name) for name in names} if account else {}
    form = forms.AccountForm(data, needs=needs, account=account, initial=initial)
    context: dict[str, Any] = {"form": form, "needs": needs, "here": address(system, "account"), "back": True}
    if data is None:
        fill(request, place, form)
        return of_system(request, system, "account", "form.html", **context)
    if not form.is_valid():
        return of_system(request, system, "account", "form.html", status=422, refused=incomplete(), **context)
    subject = account.as_ref() if account else system.as_ref()
    done = attempt(request, subject, form, lambda: _saved_account(request, system, account, form))
    if not done.ok:
        return of_system(
            request, system, "account", "form.html", status=done.status, refused=done.refused, **context
        )
    drop(request, place)
    return redirect(address(system, "test"))


def _saved_account(
    request: HttpRequest, system: System, account: Account | None, form: forms.AccountForm
) -> Account:
    given = form.cleaned_data
    return services.save_account(
        actor=user_of(request).as_actor(),
        system=system,
        name=account.name if account else gettext("The portal"),
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
            request.session[kept] = {"ok": False, "message": refusal.in_full()}
        else:
            words, step = _advice(system, result)
            told = {"ok": result.ok, "message": result.message, "advice": str(words)}
            request.session[kept] = {**told, "where": address(system, step) if step else ""}
        return redirect(address(system, "test"))
    return of_system(
        request,
        system,
        "test",
        "system_test.html",
        here=address(system, "test"),
        result=request.session.get(kept),
        works=answers(system),
        forward=address(system, "operations"),
    )


def _advice(system: System, result: Any) -> tuple[Words, str]:
    """Return what to do about a test that failed, for somebody who is no engineer, and at which step."""
    call = None if result.ok else system.calls.filter(pk=result.call_id).first()
    if call is None:
        return "", ""
    if call.error_code in ADVICE:
        return ADVICE[call.error_code]
    return ADVICE.get(str(call.status or ""), SILENT if (call.status or 0) < 500 else FAULT)


REFUSED_KEY = (
    _("It is there, but does not take this key. Write it again, or ask whoever looks after it if it is valid."),
    "account",
)
NO_KEY = (_("Write the key first."), "account")
FAULT = (_("The system itself reports a fault. Ask whoever looks after it, and test again later."), "")
SILENT = (
    _(
        "Nothing answers there as it should. Compare the address letter by letter, ask whether the system is "
        "running, and whether this portal may reach it through the firewall."
    ),
    "place",
)
ADVICE: dict[str, tuple[Words, str]] = {
    "egress_refused": (
        _("The address leads into a private network. If that is right, choose “Inside our own network” there."),
        "place",
    ),
    "breaker_open": (
        _("It failed several times in a row, so calls pause for half a minute. Then test again."),
        "",
    ),
    "account_missing": NO_KEY,
    "secret_missing": NO_KEY,
    "secret_unreadable": NO_KEY,
    "401": REFUSED_KEY,
    "403": REFUSED_KEY,
    "404": (_("It is there, but has no such page. Correct the address, or what is read to test it."), "place"),
}


def _done(request: HttpRequest, system: System) -> HttpResponse:
    count = published_at(system).count()
    if not count:
        return redirect(address(system, "operations"))
    words = ngettext("%(count)s operation may be granted.", "%(count)s operations may be granted.", count)
    return of_system(
        request,
        system,
        "done",
        "system_done.html",
        words=words % {"count": count},
        works=answers(system),
        **ready_to_grant(system),
        file=admin_page(system),
        register=reverse(REGISTER.route) if REGISTER.may(request.user) else "",
    )
