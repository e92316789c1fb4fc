"""Who may open a page at all, and what every page is rendered with."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeGuard

from django.contrib import admin
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from agents.models import Agent, Role, User
from audit.adminkit import holds
from audit.vocabulary import RefusalKind
from audit.wording import name_lazy
from connectors.models import System

View = Callable[..., HttpResponse]
# What a form answers to a refusal; any other kind is 403.
STATUS_OF_KIND = {RefusalKind.CONFLICT: 409, RefusalKind.INVALID: 422, RefusalKind.NOT_FOUND: 404}


def is_person(user: Any) -> TypeGuard[User]:
    """Say whether somebody is a signed-in, active person: agents have no pages."""
    return bool(user.is_authenticated and user.is_active and user.kind == User.Kind.PERSON)


def for_people(view: View) -> View:
    """Let only signed-in people in; everybody else is sent to the sign-in page, agents are refused."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        if not is_person(request.user):
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return guarded


# What has a page of the portal of its own, to be read first; it leads on to where it is changed.
_FILES = {Agent: "agent-file", Role: "role-file", System: "system-file"}


def admin_page(obj: Model) -> str:
    """Return the address of an object's page: that of its file, else in the admin; empty when it has none."""
    if type(obj) in _FILES:
        return reverse(_FILES[type(obj)], args=[obj.pk])
    return edit_page(obj)


def edit_page(obj: Model) -> str:
    """Return the address of an object's page in the admin, where it is changed; empty when it has none."""
    opts = obj._meta
    if not admin.site.is_registered(type(obj)):
        return ""
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[obj.pk])


def may_edit(user: User, obj: Model) -> bool:
    """Say whether somebody may change an object, by kind or this one; else its page is there to be read."""
    return holds(user, f"{obj._meta.app_label}.change_{obj._meta.model_name}", obj)


def page(request: HttpRequest, template: str, title: str, status: int = 200, **context: Any) -> HttpResponse:
    """Render a page inside the portal's frame: menu, header, messages."""
    frame = admin.site.each_context(request)
    return render(request, template, {**frame, "title": name_lazy(title), **context}, status=status)


def part(request: HttpRequest, template: str, status: int = 200, **context: Any) -> HttpResponse:
    """Render a piece of a page, without the frame."""
    return render(request, template, context, status=status)
