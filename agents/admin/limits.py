"""Limits and counters."""

from __future__ import annotations

import copy
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.enums import ActionVariant

from agents import selectors
from agents.admin import previews
from agents.admin.base import MODE, WorkforceAdmin, changed_values, moment, table, trail, values_of
from agents.admin.lists import OperationNames
from agents.forms import MeasureForm, ceiling_of, counted, scope_label
from agents.models import CompanySettings, Measure
from agents.services import policies, streaks
from audit.adminkit import actor_of, reason_action
from audit.wording import said_lazy


def _counts_failures(measure: Measure) -> bool:
    return measure.unit == Measure.Unit.FAILURES


@admin.register(Measure)
class MeasureAdmin(OperationNames, WorkforceAdmin):
    """Limits and counters: so much, per key, in a window."""

    form = MeasureForm
    actions_detail = ["count_anew"]
    list_display = (
        "name",
        "shown_ceiling",
        "window",
        "shown_operations",
        "shown_above",
        "shown_mode",
    )
    change_form_outer_after_template = "agents/limit_preview.html"
    empty_title = "No limit yet"
    empty_step = "A limit says how much of something is allowed in an hour, a day or a month."
    list_filter = ("mode", "unit", "window")
    search_fields = ("name", "code", "operations")
    fieldsets = (
        ("Limit", {"fields": ("name", "scope", "operations", "code")}),
        ("What is counted", {"fields": ("unit", "amount", "key", "window", "window_seconds")}),
        ("How much", {"fields": ("ceiling", "on_exceed", "mode")}),
        ("What may only come after it", {"classes": ["collapse"], "fields": ("read_for", "read_key")}),
    )

    def get_urls(self) -> Any:
        """Add the preview, which writes nothing."""
        preview = path("preview/", self.admin_site.admin_view(self.preview), name="agents_measure_preview")
        return [preview, *super().get_urls()]

    def preview(self, request: HttpRequest) -> HttpResponse:
        """Answer what the limit as typed would let whom do. Saves nothing."""
        if request.method != "POST" or not self.has_view_permission(request):
            raise PermissionDenied
        stored = self.get_object(request, request.POST.get("limit", "")) if request.POST.get("limit") else None
        form = self.get_form(request, stored, change=stored is not None)(
            request.POST, instance=copy.copy(stored) if stored else None
        )
        lets = previews.authority_of(request, lambda: previews.of_limit(stored, form))
        return render(request, "agents/authority_preview.html", lets)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Measure]:
        currency = CompanySettings.objects.values("currency")[:1]
        return super().get_queryset(request).annotate(currency=models.Subquery(currency))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        found = list(super().get_fieldsets(request, obj))
        if obj is None:
            return found
        if not self.has_change_permission(request, obj):
            found[0] = (said_lazy("Limit"), {"fields": ("name", "shown_scope", "operations", "code")})
            found[2] = (said_lazy("How much"), {"fields": ("shown_ceiling", "on_exceed", "mode")})
        return [*found, (said_lazy("Standing"), {"fields": ("shown_standing", "shown_trail")})]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        closed = super().get_readonly_fields(request, obj)
        return (
            (*closed, "code", "shown_scope", "shown_ceiling", "shown_standing", "shown_trail")
            if obj
            else closed
        )

    def create(self, request: HttpRequest, form: Any) -> Measure:
        return policies.create_measure(
            actor=actor_of(request), content=_with_scope(values_of(form)), reason=form.cleaned_data["reason"]
        )

    def update(self, request: HttpRequest, obj: models.Model, form: Any) -> models.Model:
        stored = Measure.objects.get(pk=obj.pk)
        changes = {**changed_values(form), "ceiling": form.cleaned_data["ceiling"]}
        if changes["ceiling"] == stored.ceiling:  # 10000 and 10,000.00 are one amount
            del changes["ceiling"]
        outcome = policies.propose_measure_change(
            actor=actor_of(request),
            measure=stored,
            changes=_with_scope(changes),
            reason=form.cleaned_data["reason"],
        )
        self.waits(request, outcome.change_request)
        return Measure.objects.get(pk=obj.pk)

    @display(description="Binds")
    def shown_scope(self, measure: Measure) -> str:
        return scope_label(measure.scope_kind, measure.scope_id)

    @display(description="Mode", ordering="mode", label=MODE)
    def shown_mode(self, measure: Measure) -> str:
        return measure.mode.capitalize()

    @display(description="Ceiling", ordering="ceiling")
    def shown_ceiling(self, measure: Measure) -> str:
        return ceiling_of(measure, getattr(measure, "currency", ""))

    @display(description="Above it", ordering="on_exceed")
    def shown_above(self, measure: Measure) -> str:
        return str(measure.get_on_exceed_display())

    @display(description="What stands against it")
    def shown_standing(self, measure: Measure) -> SafeString:
        newest = measure.counters.order_by("-window_start", "key")[:20]
        currency = selectors.company_currency()
        rows = [
            (
                it.key or "all",
                moment(it.window_start),
                counted(measure, it.reserved, currency),
                counted(measure, it.settled, currency),
            )
            for it in newest
        ]
        return table(("For", "Since (UTC)", "In flight", "Done"), rows, empty="Nothing was counted yet.")

    @display(description="Trail")
    def shown_trail(self, measure: Measure) -> SafeString:
        return trail("agents.measure", measure)

    @reason_action(
        title="Let it count from zero",
        description="Count failures anew",
        text="What failed so far counts no more, for whomever it was counted. Do it when the cause is mended.",
        submit="Count anew",
        permission="agents.publish_rule",
        available=_counts_failures,
        icon="restart_alt",
        variant=ActionVariant.WARNING,
    )
    def count_anew(self, request: HttpRequest, obj: Measure, data: Any) -> str:
        """Let a limit of failures in a row count from zero."""
        forgiven = streaks.forgive_failures(actor=actor_of(request), measure=obj, reason=data["reason"])
        return f"{obj.name} counts from zero; it had counted {forgiven}."


def _with_scope(values: dict[str, Any]) -> dict[str, Any]:
    if "scope" not in values:
        return values
    kind, _, scope_id = values.pop("scope").partition(":")
    return {**values, "scope_kind": kind, "scope_id": scope_id}
