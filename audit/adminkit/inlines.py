"""Rows inside the page of an object: governed by the rights on that object, or shown only."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_permission_codename
from django.db import models
from django.http import HttpRequest
from unfold.admin import StackedInline, TabularInline
from unfold.widgets import UnfoldAdminTextareaWidget

from audit.adminkit.verbs import holds


class LabelledFieldsMixin:
    """Controls in a table have no label of their own, so each carries its field's name for screen readers."""

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)  # type: ignore[misc]
        if field is not None and field.label:
            widget = getattr(field.widget, "widget", field.widget)
            widget.attrs.setdefault("aria-label", field.label)
        if isinstance(db_field, models.TextField) and type(field.widget) is UnfoldAdminTextareaWidget:
            # A field for a sentence is no page: as high as what may stand in it, and it can be drawn larger.
            field.widget.attrs["rows"] = min(8, max(3, (db_field.max_length or 4000) // 400))
        return field


class ParentPermissionInlineMixin:
    """Rows inside an object's page follow the person's rights on that object, not on the row's own model."""

    parent_model: type[models.Model]

    def _on_parent(self, request: HttpRequest, verb: str, obj: models.Model | None) -> bool:
        opts = self.parent_model._meta
        return holds(request.user, f"{opts.app_label}.{get_permission_codename(verb, opts)}", obj)

    def has_view_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        # Django asks with obj=None while it builds the rows of a parent the person already opened; answering
        # False there silently empties the table.
        return obj is None or any(self._on_parent(request, verb, obj) for verb in ("view", "change"))

    def has_add_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return self._on_parent(request, "change", obj)

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return self._on_parent(request, "change", obj)

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return self._on_parent(request, "change", obj)


class GovernedTabularInline(LabelledFieldsMixin, ParentPermissionInlineMixin, TabularInline):
    """A table of rows that belong to a governed object."""

    extra = 0


class GovernedStackedInline(LabelledFieldsMixin, ParentPermissionInlineMixin, StackedInline):
    """Blocks of fields that belong to a governed object."""

    extra = 0


class ReadOnlyInlineMixin:
    """Rows that are shown and never edited, added or removed here."""

    def has_add_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False


class ReadOnlyTabularInline(ReadOnlyInlineMixin, GovernedTabularInline):
    """A table of evidence inside an object's page."""


class ReadOnlyStackedInline(ReadOnlyInlineMixin, GovernedStackedInline):
    """Blocks of evidence inside an object's page."""
