"""How much goes on at once: kept by managers, tightened at once, loosened by two people."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils.safestring import SafeString
from unfold.decorators import display

from agents import registry
from agents.admin.base import WorkforceAdmin, changed_values, table, trail, values_of
from agents.forms import ThrottleForm
from agents.models import Throttle
from agents.selectors.offers import SLOWED
from agents.services import throttles
from audit.adminkit import actor_of

FIELDS = ("most_at_once", "most", "per_seconds", "is_enabled")


@admin.register(Throttle)
class ThrottleAdmin(WorkforceAdmin):
    """So much at once, or in a time; what is more waits for its turn and is refused by nobody."""

    form = ThrottleForm
    list_display = ("name", "shown_scope", "shown_words", "shown_in_force")
    empty_title = "Nothing waits for its turn"
    empty_step = (
        "Add one to say how many calls of a system, an operation or an agent go on at once, or begin in a time."
    )
    list_filter = ("scope_kind", "is_enabled")
    search_fields = ("name", "scope_label", "scope_id")
    change_form_after_template = "agents/throttle_reason.html"
    add_fieldsets = (
        (None, {"fields": ("name", "scope")}),
        ("How much", {"fields": FIELDS}),
    )
    fieldsets = (
        (None, {"fields": ("name", "shown_scope")}),
        ("How much", {"fields": FIELDS}),
        ("Standing", {"fields": ("shown_standing", "shown_trail")}),
    )

    def get_urls(self) -> Any:
        """Add the preview, which writes nothing."""
        preview = path("preview/", self.admin_site.admin_view(self.preview), name="agents_throttle_preview")
        return [preview, *super().get_urls()]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        closed = super().get_readonly_fields(request, obj)
        return (*closed, "shown_scope", "shown_standing", "shown_trail") if obj else closed

    def create(self, request: HttpRequest, form: Any) -> Throttle:
        values = values_of(form)
        kind, _, scope_id = values.pop("scope").partition(":")
        return throttles.add_throttle(
            actor=actor_of(request),
            name=values.pop("name"),
            scope_kind=kind,
            scope_id=scope_id,
            content=values,
            reason=form.cleaned_data["reason"],
        )

    def update(self, request: HttpRequest, obj: models.Model, form: Any) -> models.Model:
        outcome = throttles.propose_throttle_change(
            actor=actor_of(request),
            throttle=Throttle.objects.get(pk=obj.pk),
            changes=changed_values(form),
            reason=form.cleaned_data["reason"],
        )
        self.waits(request, outcome.change_request)
        return Throttle.objects.get(pk=obj.pk)

    def preview(self, request: HttpRequest) -> HttpResponse:
        """Answer what the form as it stands would mean now. Changes nothing."""
        if request.method != "POST" or not self.has_view_permission(request):
            raise PermissionDenied
        stored = self.get_object(request, request.POST.get("throttle", ""))
        return render(request, "agents/throttle_preview_parts.html", preview_of(stored, request.POST))

    @display(description="Of", ordering="scope_label")
    def shown_scope(self, throttle: Throttle) -> str:
        return f"{throttle.get_scope_kind_display()}: {throttle.scope_label}"

    @display(
        description="State", ordering="is_enabled", label={"In force": "success", "Switched off": "warning"}
    )
    def shown_in_force(self, throttle: Throttle) -> str:
        return "In force" if throttle.is_enabled else "Switched off"

    @display(description="How much")
    def shown_words(self, throttle: Throttle) -> str:
        return throttle.words

    @display(description="Now")
    def shown_standing(self, throttle: Throttle) -> SafeString:
        rows = [(label, f"{number:,}") for label, number in registry.throttle_counts(throttle).items()]
        return table(("", "How many"), rows, empty="Nothing is counted.")

    @display(description="Trail")
    def shown_trail(self, throttle: Throttle) -> SafeString:
        return trail("agents.throttle", throttle)


def preview_of(stored: Throttle | None, data: Any) -> dict[str, Any]:
    """Return a throttle as typed in words, with what it meets now, and whether a second person is needed."""
    kind, _, scope_id = SLOWED.value_of(data.get("scope", "")).partition(":")
    if stored is not None:
        kind, scope_id = stored.scope_kind, stored.scope_id
    target = registry.find_stop_target(kind, scope_id) if kind in Throttle.ScopeKind.values else None
    if target is None:
        return {"error": "choose what is counted"}
    typed = Throttle(
        scope_kind=kind,
        scope_id=target.id,
        scope_label=target.label,
        is_enabled=data.get("is_enabled") == "on",
        **{name: _number(data.get(name, "")) for name in FIELDS[:3]},
    )
    if stored is not None:
        typed.pk = stored.pk  # who waits for it waits for this one
    if typed.most_at_once is None and (typed.most is None or typed.per_seconds is None):
        return {"error": "say how many at once, or how many in how many seconds"}
    needs_second = stored is not None and throttles.is_looser(stored, typed)
    return {"throttle": typed, "counts": registry.throttle_counts(typed), "needs_second": needs_second}


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 and int(text) else None
