"""What every page of this room shares: services save, refusals show, a change that waits says that it waits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

from agents import selectors
from agents.models import ChangeRequest
from audit import reading as ledger
from audit.adminkit import LabelledFieldsMixin, ServiceAdmin
from audit.reasons import reason_of
from audit.vocabulary import Refusal, RefusalKind
from audit.wording import said_lazy

TRAIL_LENGTH = 50
# What a rule or a limit does now, and in which colour that stands.
MODE = {"Draft": "info", "Shadow": "warning", "Enforced": "success"}


class WaitingChangeMixin:
    """A save that became a change for a second person says so, and never that something was saved."""

    opts: Any

    def waits(self, request: HttpRequest, change_request: ChangeRequest | None) -> None:
        """Remember that this save became a change for a second person."""
        if change_request is not None:
            request.waiting_change = change_request  # type: ignore[attr-defined]

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Log only what did change."""
        return None if hasattr(request, "waiting_change") else super().log_change(request, obj, message)  # type: ignore[misc]

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Log only what was added."""
        return None if hasattr(request, "waiting_change") else super().log_addition(request, obj, message)  # type: ignore[misc]

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Never say that something was added while it waits for a second person: the list does not have it."""
        change_request = getattr(request, "waiting_change", None)
        if change_request is None:
            return super().response_add(request, obj, post_url_continue)  # type: ignore[misc]
        messages.warning(request, waiting_words(change_request))
        return HttpResponseRedirect(reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"))

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        """Never say that something was changed while it waits for a second person; say once that it waits."""
        change_request = getattr(request, "waiting_change", None)
        if change_request is None:
            return super().response_change(request, obj)  # type: ignore[misc]
        if not self.page_says(request, obj, change_request):
            messages.warning(request, waiting_words(change_request))
        return HttpResponseRedirect(request.path)

    def page_says(self, request: HttpRequest, obj: Any, change_request: ChangeRequest) -> bool:
        """Say whether the page of the object tells this person by itself that the change waits."""
        return False


class WorkforceAdmin(LabelledFieldsMixin, WaitingChangeMixin, ServiceAdmin):
    """A governed object of the workforce. Nothing is deleted: it is retired, lifted or taken out of force."""

    change_form_after_template = "agents/reason.html"
    change_form_before_template = "agents/waiting.html"
    add_fieldsets: Any = None

    def get_fieldsets(self, request: HttpRequest, obj: models.Model | None = None) -> Any:
        """Ask for what a new object needs to begin (``add_fieldsets``); its page shows all of it."""
        if obj is None and self.add_fieldsets:
            return self.add_fieldsets
        return super().get_fieldsets(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return the object with the person who looks at it, so that panels show what that person may see."""
        found = super().get_object(request, object_id, from_field)
        if found is not None:
            found.viewer = request.user
        return found

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer no shortcuts to make or change what a field points to: those have pages of their own."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        for shortcut in ("can_add_related", "can_change_related", "can_delete_related", "can_view_related"):
            if field is not None and hasattr(field.widget, shortcut):
                setattr(field.widget, shortcut, False)
        return field

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Say on the page of an object what of it waits for a second person."""
        obj = kwargs.get("obj")
        if obj is not None and obj.pk:
            context["waiting"] = _waiting(self.opts.label_lower, obj, request.user)
        return super().render_change_form(request, context, *args, **kwargs)

    def page_says(self, request: HttpRequest, obj: Any, change_request: ChangeRequest) -> bool:
        """Say whether it stands among what waits, at the head of the page."""
        return change_request in _waiting(self.opts.label_lower, obj, request.user)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Call the service; what it finds wrong with a value comes back on the form like any refusal."""
        try:
            super().save_model(request, obj, form, change)
        except ValidationError as error:
            raise Refusal("invalid", " ".join(error.messages), kind=RefusalKind.INVALID) from error

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Leave relations to the service that saved the object."""


def waiting_words(change_request: ChangeRequest) -> SafeString:
    """Return the message that a change waits, with the way to it."""
    address = reverse("admin:agents_changerequest_change", args=[change_request.pk])
    why = "this destroys evidence" if change_request.kind.startswith("audit.") else "this gives more authority"
    return format_html(
        'Not in force yet: {}, so it waits for a second person. <a href="{}">{}</a>',
        why,
        address,
        change_request.summary,
    )


def it_waits(_request: HttpRequest, _change_request: ChangeRequest) -> str | None:
    """Return what a verb answers whose change waits: nothing, so that nothing reads as if it had happened.

    The page of the object, where its verbs are, says at its head what of it waits.
    """
    return None


def waiting_of(obj: models.Model) -> models.QuerySet[ChangeRequest]:
    """Return what of an object waits for a second person."""
    kind = obj._meta.label_lower
    pending = ChangeRequest.State.PENDING
    return ChangeRequest.objects.filter(target_kind=kind, target_id=str(obj.pk), state=pending)


def _waiting(kind: str, obj: models.Model, viewer: Any) -> list[ChangeRequest]:
    waiting = ChangeRequest.objects.filter(
        target_kind=kind, target_id=str(obj.pk), state=ChangeRequest.State.PENDING
    )
    if viewer.has_perm("agents.view_changerequest"):
        return list(waiting)
    return list(waiting.filter(pk__in=selectors.visible_change_requests(viewer).values("pk")))


def changed_values(form: Any) -> dict[str, Any]:
    """Return what the person changed in the form, without the reason."""
    return {field: form.cleaned_data[field] for field in form.changed_data if field != "reason"}


def values_of(form: Any) -> dict[str, Any]:
    """Return everything the form holds, without the reason."""
    return {field: value for field, value in form.cleaned_data.items() if field != "reason"}


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    empty: str,
    title: str = "",
    links: Sequence[tuple[str, str]] = (),
) -> SafeString:
    """Render a table inside a page; cells are escaped unless they are safe already."""
    context = {"columns": columns, "rows": list(rows), "empty": empty, "title": title, "links": links}
    return render_to_string("agents/table.html", context)


def moment(at: datetime) -> SafeString:
    """Return a moment as every page writes it, in one line of its cell."""
    return format_html('<span class="whitespace-nowrap">{}</span>', date_format(at, "DATETIME_FORMAT"))


def trail(kind: str, obj: Any) -> SafeString:
    """Render what the person looking at ``obj`` may see of its story, newest first."""
    viewer = getattr(obj, "viewer", None)
    if viewer is None or not viewer.has_perm("audit.view_event"):
        return table((), (), empty="You may not read the ledger.")
    newest = ledger.timeline(kind, str(obj.pk), viewer, size=TRAIL_LENGTH).events
    rows = [(moment(event.occurred_at), said_lazy(event.told), reason_of(event)) for event in newest]
    everything = f"{reverse('admin:audit_event_changelist')}?{urlencode({'kind': kind, 'object': obj.pk})}"
    return table(
        ("When (UTC)", "What", "Why"),
        rows,
        empty="Nothing has happened yet.",
        links=[("All of it in the ledger", everything)],
    )


def link(model: str, key: Any, text: Any) -> SafeString:
    """Return a link to an object's page in this room."""
    return format_html(
        '<a class="portal-link" href="{}">{}</a>', reverse(f"admin:agents_{model}_change", args=[key]), text
    )
