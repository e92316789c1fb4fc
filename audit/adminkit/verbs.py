"""Verbs that ask for a reason, and what is kept when one is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Protocol, cast

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from unfold.dataclasses import UnfoldAction
from unfold.decorators import action as unfold_action
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminTextareaWidget

from audit.services import refusals_recorded
from audit.vocabulary import Actor, Ref, Refusal
from audit.wording import said_lazy

REASON_MIN_LENGTH = 5
REASON_MAX_LENGTH = 500
REASON_HELP = "Goes into the ledger under your name. At least five characters."
Data = Mapping[str, Any]
Verb = Callable[[Any, HttpRequest, Any, Data], "str | HttpResponse | None"]


class ActingUser(Protocol):
    """What this kit asks of the signed-in user."""

    def as_actor(self) -> Actor: ...


def actor_of(request: HttpRequest) -> Actor:
    """Return the signed-in person as the actor of a service call."""
    user: Any = request.user
    return user.as_actor()


def reason_field(*, required: bool = True, label: str = "Reason") -> forms.CharField:
    """Return the one reason field used by every dialog and form."""
    return forms.CharField(
        label=label,
        required=required,
        min_length=REASON_MIN_LENGTH if required else None,
        max_length=REASON_MAX_LENGTH,
        help_text=REASON_HELP,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )


class ReasonForm(BaseDialogForm):
    """The dialog of a state-changing action: why, in the person's own words. Subclass it to ask for more."""

    reason = reason_field()


class ReasonModelForm(forms.ModelForm):
    """A change form that also asks why; the answer becomes the reason of the history row and the event."""

    reason = reason_field()


def reason_action(
    *,
    title: str,
    description: str,
    submit: str,
    permission: str,
    text: str = "",
    form_class: type[ReasonForm] = ReasonForm,
    available: Callable[[Any], bool] | None = None,
    icon: str | None = None,
    variant: ActionVariant = ActionVariant.DEFAULT,
) -> Callable[[Verb], Any]:
    """Turn ``verb(self, request, obj, data)`` into a detail or row action behind a POST dialog with a reason.

    ``permission`` is ``app_label.codename`` and counts when held globally or on the object; ``available``
    says for which objects the button shows at all. ``data`` is the cleaned form, ``data["reason"]`` included.
    Return the sentence to show on success. A ``Refusal`` becomes a message; nothing else is swallowed.
    """
    if not issubclass(form_class, ReasonForm):
        raise TypeError(f"{form_class.__name__} must be a ReasonForm: every state change asks for a reason.")

    def decorate(verb: Verb) -> Any:
        @wraps(verb)
        def run(admin: Any, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
            obj = admin.get_object(request, unquote(object_id))
            if request.method != "POST":
                raise PermissionDenied
            answer = _answer(admin, request, obj, lambda: verb(admin, request, obj, form.cleaned_data))
            return answer or HttpResponse(headers={"HX-Redirect": address_of(admin, object_id)})

        dialog = {
            "title": said_lazy(title),
            "description": said_lazy(text or description),
            "form_class": form_class,
            "form_submit_text": said_lazy(submit),
        }
        named = said_lazy(description)
        opened = unfold_action(description=named, icon=icon, variant=variant, dialog=dialog)(run)

        @wraps(opened)
        def guarded(admin: Any, request: HttpRequest, object_id: str) -> HttpResponse:
            obj = admin.get_object(request, unquote(object_id))
            if obj is None:
                raise Http404
            if not holds(request.user, permission, obj):
                raise PermissionDenied
            return opened(admin, request, object_id=object_id)

        guarded.permission = permission  # type: ignore[attr-defined]
        guarded.available = available  # type: ignore[attr-defined]
        return guarded

    return decorate


def _answer(
    admin: Any, request: HttpRequest, obj: Any, verb: Callable[[], str | HttpResponse | None]
) -> HttpResponse | None:
    try:
        with refusals_recorded(actor=actor_of(request), subject=ref_of(admin, obj), **refs_of(obj)):
            outcome = verb()
    except Refusal as refusal:
        messages.error(request, refusal.in_full())
        return None
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return None
    if isinstance(outcome, str):
        messages.success(request, outcome)
        return None
    return outcome


def ref_of(admin: Any, obj: Any) -> Ref:
    """Return what a refused change was about: the object, or the list where it would have been added."""
    if obj is not None and hasattr(obj, "as_ref"):
        return cast("Ref", obj.as_ref())
    label = str(admin.opts.verbose_name)
    return Ref(admin.opts.label_lower, str(obj.pk) if obj else "", str(obj) if obj else f"A new {label}")


def refs_of(obj: Any) -> dict[str, str]:
    """Return the other objects that entries of the ledger about this one name."""
    return obj.event_refs() if hasattr(obj, "event_refs") else {}


def address_of(admin: Any, object_id: str) -> str:
    """Return where the page of an object is."""
    info = admin.admin_site.name, admin.opts.app_label, admin.opts.model_name
    return reverse("{}:{}_{}_change".format(*info), args=(object_id,))


def holds(user: Any, permission: str, obj: models.Model | None = None) -> bool:
    """Say whether the user holds ``app_label.codename`` globally or on the object, when one is given."""
    return bool(user.has_perm(permission) or (obj is not None and user.has_perm(permission, obj)))


class ReasonActionsMixin:
    """Shows an action only to those who may use it on this object, and only when it would mean something."""

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[UnfoldAction]:
        obj = self.get_object(request, unquote(str(object_id)))  # type: ignore[attr-defined]
        actions: list[UnfoldAction] = super().get_actions_detail(request, object_id)  # type: ignore[misc]
        return [action for action in actions if _offered(action.method, request, obj)]

    def get_actions_row(self, request: HttpRequest) -> list[UnfoldAction]:
        actions: list[UnfoldAction] = super().get_actions_row(request)  # type: ignore[misc]
        return [action for action in actions if _offered(action.method, request, None)]

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Bulk deletion has no reason and no service behind it, so it is never offered."""
        actions: dict[str, Any] = super().get_actions(request)  # type: ignore[misc]
        actions.pop("delete_selected", None)
        return actions


def _offered(method: Any, request: HttpRequest, obj: models.Model | None) -> bool:
    permission = getattr(method, "permission", None)
    if permission and not holds(request.user, permission, obj):
        return False
    available = getattr(method, "available", None)
    return obj is None or available is None or bool(available(obj))
