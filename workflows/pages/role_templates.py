"""Take a role from a template: choose one, read what it brings and what is missing here, and take it."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from agents.api.policy_files import as_file
from agents.api.role_templates import ABOUT
from agents.models import Role, User
from agents.policies import REASON_MIN_LENGTH, may, may_publish_rule
from agents.selectors.sentences import limit_words, rule_words
from agents.services.role_catalogue import (
    export_role,
    shipped_templates,
    shipped_text,
    shipped_texts,
    template_of,
)
from agents.services.role_templates import Taken, Wish, preview_template, take_template
from audit.services import refusals_recorded
from audit.vocabulary import Refusal
from workflows.pages import policy_files
from workflows.pages.access import STATUS_OF_KIND, admin_page, for_people, page
from workflows.pages.role_template_forms import MODES, OwnTemplateForm, TakeForm

OWN = "own"
GUIDE = "guide"  # whoever came from the guide that registers an agent goes on there
STATES = {**policy_files.STATES, "refused": "Is not proposed"}


@never_cache
@require_safe
@for_people
def templates(request: HttpRequest) -> HttpResponse:
    """Show the templates that come with the product, and where one's own goes in."""
    _require(request)
    return _own(request, OwnTemplateForm())


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@for_people
def template(request: HttpRequest, code: str) -> HttpResponse:
    """Look at what a template brings; then, with a reason, take exactly what was looked at."""
    _require(request)
    if code != OWN:
        if code not in shipped_texts():
            return _none(request)
        return _of(request, code, shipped_text(code))
    if request.method != "POST":
        return redirect("role-templates")
    form = OwnTemplateForm(request.POST, request.FILES)
    if not form.is_valid():
        return _own(request, form, 422)
    return _of(request, code, form.cleaned_data["text"])


@never_cache
@require_safe
@for_people
def export(request: HttpRequest, code: str) -> HttpResponse:
    """Give a role of this company as a template."""
    actor = _user(request).as_actor()
    if may_publish_rule(actor) is not None:
        raise PermissionDenied
    role = get_object_or_404(Role.objects.select_related("group"), code=code)
    return as_file(export_role(actor=actor, role=role), f"role-{role.code}")


@never_cache
@require_safe
@for_people
def template_file(request: HttpRequest, code: str) -> HttpResponse:
    """Give one that comes with the product as a file, to be changed and brought back."""
    _require(request)
    if code not in shipped_texts():
        return _none(request)
    return as_file(shipped_text(code), code)


def _of(request: HttpRequest, code: str, text: str) -> HttpResponse:
    actor = _user(request).as_actor()
    asked = request.method == "POST" and "mode" in request.POST
    try:
        found = template_of(text)
        form = TakeForm(request.POST if asked else None, found, initial={"grants": True, "mode": MODES[0][0]})
        if asked and not form.is_valid():
            return _shown(request, code, text, form, preview_template(actor=actor, text=text), 422)
        wish = form.wish() if asked else _first_wish(form)
        if "take" not in request.POST:
            taken = preview_template(actor=actor, text=text, wish=wish)
            return _shown(request, code, text, form, taken)
        if len(form.cleaned_data["reason"].strip()) < REASON_MIN_LENGTH:
            form.add_error("reason", f"Say why, in at least {REASON_MIN_LENGTH} characters.")
            return _shown(request, code, text, form, preview_template(actor=actor, text=text, wish=wish), 422)
    except Refusal as refusal:
        return _own(request, OwnTemplateForm(initial={"text": text}), _status(refusal), refusal)
    try:
        with refusals_recorded(actor=actor, subject=ABOUT):
            taken = take_template(actor=actor, text=text, reason=form.cleaned_data["reason"], wish=wish)
    except Refusal as refusal:
        taken = preview_template(actor=actor, text=text, wish=wish)
        return _shown(request, code, text, form, taken, _status(refusal), refusal)
    return _told(request, taken)


def _first_wish(form: TakeForm) -> Wish:
    chosen = {name: form.fields[f"group_{at}"].initial for at, name in enumerate(form.named)}
    return Wish(MODES[0][0], {name: group for name, group in chosen.items() if group}, grants=True)


def _shown(
    request: HttpRequest,
    code: str,
    text: str,
    form: TakeForm,
    taken: Taken,
    status: int = 200,
    refused: Refusal | None = None,
) -> HttpResponse:
    if not (taken.existed and taken.differs):
        form.fields.pop("update", None)
    return page(
        request,
        "portal/role_template.html",
        f"Role from a template: {taken.template.role.name}",
        status,
        code=code,
        then=GUIDE if request.GET.get("then") == GUIDE else "",
        text=text if code == OWN else "",
        form=form,
        taken=taken,
        role=taken.template.role,
        rules=[{"rule": rule, "words": rule_words(rule)} for rule in taken.rules],
        limits=[limit_words(limit) for limit in taken.limits],
        lines=[{"line": line, "state": STATES[line.state]} for line in taken.outcome.lines],
        refused=refused.in_full() if refused else "",
    )


def _told(request: HttpRequest, taken: Taken) -> HttpResponse:
    waiting = len(taken.outcome.waiting)
    done = len(taken.outcome.lines) - waiting
    already = f", {taken.outcome.same} were so already" if taken.outcome.same else ""
    then = "" if taken.existed else " Next: take on an agent with this role, in Agents."
    messages.success(request, f"{taken.template.role.name}: {done} done at once{already}.{then}")
    if waiting:
        messages.warning(request, f"Waiting for a second person: {waiting}, see Change requests.")
    if taken.waits_for_system:
        messages.warning(
            request,
            f"Kept as drafts until their system is connected: {len(taken.waits_for_system)}. Take the template "
            "again then.",
        )
    if taken.role and request.GET.get("then") == GUIDE:
        return redirect(f"{reverse('guide-agents')}?role={taken.role.code}")
    return redirect((admin_page(taken.role) if taken.role else "") or "role-templates")


def _own(
    request: HttpRequest, form: OwnTemplateForm, status: int = 200, refusal: Refusal | None = None
) -> HttpResponse:
    have = set(Role.objects.values_list("code", flat=True))
    return page(
        request,
        "portal/role_templates.html",
        "Take a role from a template",
        status,
        rows=[{"role": it.role, "is_here": it.role.code in have} for it in shipped_templates()],
        form=form,
        refused=refusal.in_full() if refusal else "",
        wrong=refusal.detail.get("errors", ()) if refusal else (),
    )


def _none(request: HttpRequest) -> HttpResponse:
    form = OwnTemplateForm()
    return page(request, "portal/role_templates.html", "No such template", 404, rows=(), form=form)


def _status(refusal: Refusal) -> int:
    return STATUS_OF_KIND.get(refusal.kind, 403)


def _require(request: HttpRequest) -> None:
    actor = _user(request).as_actor()
    if may(actor, "agents.add_role", "add a role") is not None or may_publish_rule(actor) is not None:
        raise PermissionDenied


def _user(request: HttpRequest) -> User:
    return request.user  # type: ignore[return-value]
