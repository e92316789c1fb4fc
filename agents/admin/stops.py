"""Stops: what they hold, where they have arrived, and the stages back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import path
from django.utils import timezone, translation
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.enums import ActionVariant

from agents import selectors
from agents.admin.base import WorkforceAdmin, link, moment, table, trail
from agents.forms import StopForm
from agents.models import Agent, Stop
from agents.selectors.offers import STOPPED
from agents.services import stops
from audit.adminkit import actor_of, reason_action
from audit.selectors import newest_position
from audit.wording import language_of, said_lazy

SHOWN_AFFECTED = 50
STAGE_LABELS = {
    Stop.Stage.STOP.label: "danger",
    Stop.Stage.LOOK.label: "warning",
    Stop.Stage.HELD.label: "warning",
    "Lifted": "success",
}


class ActiveFilter(admin.SimpleListFilter):
    """Stops that still stop something, or those that were lifted."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("active", "Active"), ("lifted", "Lifted")]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        if self.value() in ("active", "lifted"):
            return queryset.filter(lifted_at__isnull=self.value() == "active")
        return queryset


@admin.register(Stop)
class StopAdmin(WorkforceAdmin):
    """Big red buttons: pressed by one person, lifted by a manager."""

    form = StopForm
    list_display = ("shown_scope", "shown_state", "reason", "raised_by", "raised_at", "lifted_by")
    list_filter = (ActiveFilter, "scope_kind")
    empty_title = "Nothing is stopped"
    empty_step = "A stop holds an agent, a role, a department, a system or everything, at once."
    search_fields = ("scope_label", "scope_id", "reason", "raised_by")
    change_form_after_template = "agents/stop_reason.html"
    add_words = "Stop it now"
    next_step = "Nothing in it starts any more. Where it has arrived stands under Containment."
    actions_detail = ["let_read", "hold_writes", "lift", "tighten"]
    add_fieldsets = ((None, {"fields": ("scope", "is_exercise")}),)
    fieldsets = (
        (
            "Stop",
            {
                "classes": ["tab"],
                "fields": ("shown_scope", "shown_state", "is_exercise", "reason", "raised_by", "raised_at"),
            },
        ),
        ("Containment", {"classes": ["tab"], "fields": ("shown_containment",)}),
        ("Lifted", {"classes": ["tab"], "fields": ("lifted_by", "lifted_at", "lift_reason")}),
        ("Who is affected", {"classes": ["tab"], "fields": ("shown_affected",)}),
        ("Trail", {"classes": ["tab"], "fields": ("shown_trail",)}),
    )
    readonly_fields = (
        "shown_scope",
        "shown_state",
        "shown_containment",
        "shown_affected",
        "shown_trail",
    )

    def get_urls(self) -> Any:
        """Add the preview of who would be affected, which stops nothing, and what of a page is read again."""
        own = self.admin_site.admin_view
        return [
            path("affected/", own(self.affected), name="agents_stop_affected"),
            path("<uuid:object_id>/containment/", own(self.containment), name="agents_stop_containment"),
            *super().get_urls(),
        ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("agents.raise_stop"))

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return super().get_readonly_fields(request, obj) if obj else ()

    def create(self, request: HttpRequest, form: Any) -> Stop:
        kind, _, scope_id = form.cleaned_data["scope"].partition(":")
        return stops.raise_stop(
            actor=actor_of(request),
            scope_kind=kind,
            scope_id=scope_id,
            reason=form.cleaned_data["reason"],
            is_exercise=form.cleaned_data["is_exercise"],
        )

    def words_for_added(self, obj: Any) -> str:
        return f"{obj.scope_label} is stopped."

    def affected(self, request: HttpRequest) -> HttpResponse:
        """Answer whom a stop of ``scope`` would hit. Stops nothing."""
        if request.method != "POST" or not self.has_view_permission(request):
            raise PermissionDenied
        kind, _, scope_id = STOPPED.value_of(request.POST.get("scope", "")).partition(":")
        found = {
            "is_chosen": bool(kind),
            "agents": _affected(kind, scope_id),
            "is_workflow": kind == Stop.ScopeKind.WORKFLOW,
        }
        return render(request, "agents/stop_preview_parts.html", found)

    def containment(self, request: HttpRequest, object_id: UUID) -> HttpResponse:
        """Answer where a stop has arrived by now."""
        if request.method not in ("GET", "HEAD") or not self.has_view_permission(request):
            raise PermissionDenied
        stop = self.get_object(request, str(object_id))
        if stop is None:
            raise Http404
        with translation.override(language_of(request)):
            return render(request, "agents/stop_containment_parts.html", containment_parts(stop))

    @display(description="Stopped", ordering="scope_label")
    def shown_scope(self, stop: Stop) -> str:
        return stop.scope_label or stop.get_scope_kind_display()

    @display(description="State", label=STAGE_LABELS)
    def shown_state(self, stop: Stop) -> str:
        return stop.get_stage_display() if stop.is_active else "Lifted"

    @display(description="Where it has arrived")
    def shown_containment(self, stop: Stop) -> SafeString:
        return render_to_string("agents/stop_containment.html", containment_parts(stop))

    @display(description="Agents it hits now")
    def shown_affected(self, stop: Stop) -> SafeString:
        found = _affected(stop.scope_kind, stop.scope_id)
        rows = [(link("agent", it.pk, it.name), it.role, it.department) for it in found]
        return table(("Agent", "Role", "Department"), rows, empty="No working agent.")

    @display(description="Trail")
    def shown_trail(self, stop: Stop) -> SafeString:
        return trail("agents.stop", stop)

    @reason_action(
        title="Let agents read",
        description="Let agents read",
        text="The first stage back: they may look, and begin and change nothing.",
        submit="Let them read",
        permission="agents.lift_stop",
        available=lambda stop: stop.is_active and stop.stage == Stop.Stage.STOP,
        icon="visibility",
    )
    def let_read(self, request: HttpRequest, obj: Stop, data: Mapping[str, Any]) -> str:
        """Take it to the stage in which agents read."""
        stops.set_stage(actor=actor_of(request), stop=obj, stage=Stop.Stage.LOOK, reason=data["reason"])
        return "Agents in it may read again. Nothing goes further until a person decides so."

    @reason_action(
        title="Let agents work, every write held",
        description="Hold every write",
        text="The second stage back: they work, and a person approves every write.",
        submit="Let them work",
        permission="agents.lift_stop",
        available=lambda stop: stop.is_active and stop.stage != Stop.Stage.HELD,
        icon="front_hand",
    )
    def hold_writes(self, request: HttpRequest, obj: Stop, data: Mapping[str, Any]) -> str:
        """Take it to the stage in which every write is held."""
        stops.set_stage(actor=actor_of(request), stop=obj, stage=Stop.Stage.HELD, reason=data["reason"])
        return "Agents in it work again, and a person approves every write."

    @reason_action(
        title="Stop it again",
        description="Stop it again",
        text="Nothing in it starts any more, as when it was pressed.",
        submit="Stop it again",
        permission="agents.raise_stop",
        available=lambda stop: stop.is_active and stop.stage != Stop.Stage.STOP,
        icon="stop_circle",
        variant=ActionVariant.DANGER,
    )
    def tighten(self, request: HttpRequest, obj: Stop, data: Mapping[str, Any]) -> str:
        """Take it back to a full stop."""
        stops.set_stage(actor=actor_of(request), stop=obj, stage=Stop.Stage.STOP, reason=data["reason"])
        return "Nothing in it starts any more."

    @reason_action(
        title="Lift this stop",
        description="Lift",
        text="Nothing resumes by itself: what waited is decided again.",
        submit="Lift the stop",
        permission="agents.lift_stop",
        available=lambda stop: stop.is_active,
        icon="play_circle",
        variant=ActionVariant.PRIMARY,
    )
    def lift(self, request: HttpRequest, obj: Stop, data: Mapping[str, Any]) -> str:
        """Lift it."""
        stops.lift_stop(actor=actor_of(request), stop=obj, reason=data["reason"])
        return "The stop was lifted."


def containment_parts(stop: Stop) -> dict[str, Any]:
    """Return what its page shows of where a stop has arrived, with the moment in which it was read."""
    position, found = newest_position(), selectors.containment_of(stop)
    left = len(found.open_parts)
    how_far = f"{left} of {len(found.parts)} below not confirmed yet" if left else "all of the below"
    confirmed = moment(found.confirmed_at) if found.confirmed_at else "" if left else "in a moment"
    arrived = [
        ("Requested", stop.raised_by, moment(found.requested_at)),
        ("Confirmed", said_lazy(how_far), confirmed),
        *((part.label, said_lazy(part.sentence), moment(part.at) if part.at else "") for part in found.parts),
    ]
    refused = [
        (link("agent", it.id, it.name), moment(it.refused_at) if it.refused_at else "has not called since")
        for it in found.agents[:SHOWN_AFFECTED]
    ]
    return {
        "stop": stop,
        "position": position,
        "read_at": timezone.now(),
        "is_settled": found.confirmed_at is not None and all(it.refused_at for it in found.agents),
        "arrived": table(("", "What is known", "When (UTC)"), arrived, empty=""),
        "refused": table(
            ("Agent", "First refused (UTC)"),
            refused,
            title="Tokens refused",
            empty="It stops no agent as a whole.",
        ),
    }


def _affected(kind: str, scope_id: str) -> list[Agent]:
    found = selectors.agents_affected(kind, scope_id).select_related("role", "department")
    return list(found[:SHOWN_AFFECTED])
