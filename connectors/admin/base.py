"""What every page of this room shares: services save, refusals show, nothing is deleted."""

from __future__ import annotations

import json
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from agents.admin.base import WaitingChangeMixin
from audit.adminkit import LabelledFieldsMixin, ServiceAdmin
from audit.vocabulary import Refusal, RefusalKind


class ConnectionAdmin(LabelledFieldsMixin, WaitingChangeMixin, ServiceAdmin):
    """A configured part of a connection. It is switched off, never deleted: calls refer to it."""

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Call the service; what it finds wrong with a value comes back on the form like any refusal."""
        try:
            super().save_model(request, obj, form, change)
        except ValidationError as error:
            raise Refusal("invalid", " ".join(error.messages), kind=RefusalKind.INVALID) from error

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Leave relations to the service that saved the object."""

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer no shortcuts to make or change what a field points to: those have pages of their own."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        for shortcut in ("can_add_related", "can_change_related", "can_delete_related", "can_view_related"):
            if field is not None and hasattr(field.widget, shortcut):
                setattr(field.widget, shortcut, False)
        return field


def values_of(form: Any, *without: str) -> dict[str, Any]:
    """Return what was filled in, for the service that saves it."""
    left_out = {"reason", *without}
    return {name: value for name, value in form.cleaned_data.items() if name not in left_out}


def shown_json(value: Any) -> SafeString:
    """Show JSON as text; systems and agents wrote parts of it, so nothing in it is markup."""
    if value in (None, "", {}, []):
        return SafeString("-")
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return format_html('<pre hx-disable class="whitespace-pre-wrap">{}</pre>', text)
