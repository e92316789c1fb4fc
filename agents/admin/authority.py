"""What stops everything, and what waits for a second person."""

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
from agents.models import Agent, ChangeRequest, Stop
from agents.selectors.offers import STOPPED
from agents.services import changes, stops
from audit.adminkit import actor_of, reason_action
from audit.selectors import newest_position
from audit.wording import language_of, said_lazy

State = ChangeRequest.State
SHOWN_AFFECTED = 50
STATE_LABELS = {
    State.PENDING.label: "warning",
    State.APPLIED.label: "success",
    State.REJECTED.label: "danger",
    State.WITHDRAWN.label: "info",
    State.EXPIRED.label: "info",
}
STAGE_LABELS = {
    Stop.Stage.STOP.label: "danger",
    Stop.Stage.LOOK.label: "warning",
    Stop.Stage.HELD.label: "warning",
    "Lifted": "success",
}
WITH_PAGE = frozenset({"agent", "rule", "measure", "policy", "department", "companysettings", "throttle"})


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


def _words(name: str) -> str:
    return name.removesuffix("_id").replace("_", " ").capitalize()


def _plain(value: Any) -> str:
    """Write a value of a proposal as people do; the exact data is in the ledger, under its digest."""
    if isinstance(value, list):
        return ", ".join(_plain(it) for it in value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "nothing" if value in (None, "") else str(value)


def _backtest_of(change: Any) -> dict[str, str]:
    """Return the rule that this person may try on what is on record, with the value it is to have."""
    if not change.viewer.has_perm("backtests.view_backtest"):
        return {}
    if change.kind == "agents.measure.change":
        return {"tried_limit": change.target_id}
    if not change.kind.startswith("agents.rule."):
        return {}
    return {"tried": change.target_id, "value": str(change.payload.get("value", ""))}


def _affected(kind: str, scope_id: str) -> list[Agent]:
    found = selectors.agents_affected(kind, scope_id).select_related("role", "department")
    return list(found[:SHOWN_AFFECTED])


@admin.register(ChangeRequest)
class ChangeRequestAdmin(WorkforceAdmin):
    """Changes that give more authority; another person than the one who asks decides."""

    list_display = (
        "summary",
        "shown_state",
        "shown_proposer",
        "created_at",
        "shown_approver",
        "decided_at",
    )
    empty_title = "Nothing waits for a second person"
    empty_step = "Whoever asks for more authority, a higher limit or an activation finds it here."
    list_filter = ("state", "kind")
    list_select_related = ("proposer", "approver")
    search_fields = ("summary", "target_label", "reason")
    said_fields = ("summary",)
    actions_detail = ["apply", "reject", "withdraw"]
    fieldsets = (
        (
            "Change",
            {
                "fields": (
                    "shown_authority",
                    "summary",
                    "reason",
                    "shown_proposer",
                    "created_at",
                    "shown_target",
                    "shown_payload",
                )
            },
        ),
        ("Decision", {"fields": ("shown_state", "shown_approver", "decided_at", "decision_reason")}),
        ("Trail", {"fields": ("shown_trail",)}),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def permitted_objects(self, request: HttpRequest) -> models.QuerySet[Any]:
        """Return what this person proposed, may decide or may view."""
        return selectors.visible_change_requests(request.user)  # type: ignore[arg-type]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return (
            *super().get_readonly_fields(request, obj),
            "shown_state",
            "shown_proposer",
            "shown_approver",
            "shown_target",
            "shown_authority",
            "shown_payload",
            "shown_trail",
        )

    def render_history_view(
        self, request: HttpRequest, template: str, context: dict[str, Any], **kwargs: Any
    ) -> HttpResponse:
        """Show what it lets whom do beside an earlier version, too, as far as this person may see it."""
        if "original" in context:
            context["original"].viewer = request.user
        return super().render_history_view(request, template, context, **kwargs)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> Any:
        """The proposer may withdraw, everybody else may decide."""
        own = self.get_object(request, str(object_id))
        mine = own is not None and own.proposer_id == request.user.pk
        kept = ("_withdraw",) if mine else ("_apply", "_reject")
        return [it for it in super().get_actions_detail(request, object_id) if it.action_name.endswith(kept)]

    @display(description="State", ordering="state", label=STATE_LABELS)
    def shown_state(self, change: ChangeRequest) -> str:
        return change.get_state_display()

    @display(description="Asked by", ordering="proposer")
    def shown_proposer(self, change: ChangeRequest) -> str:
        return str(change.proposer)

    @display(description="Decided by", ordering="approver")
    def shown_approver(self, change: ChangeRequest) -> str | None:
        return str(change.approver) if change.approver else None

    @display(description="Of")
    def shown_target(self, change: ChangeRequest) -> Any:
        model = change.target_kind.removeprefix("agents.")
        return link(model, change.target_id, change.target_label) if model in WITH_PAGE else change.target_label

    @display(description="What it lets whom do")
    def shown_authority(self, change: ChangeRequest) -> SafeString:
        shown = {"foreseen": selectors.foreseen(change), **_backtest_of(change)}
        return render_to_string("agents/change_authority.html", shown)

    @display(description="Exactly this")
    def shown_payload(self, change: ChangeRequest) -> SafeString:
        rows = [(_words(key), _plain(value)) for key, value in sorted(change.payload.items())]
        return table(("Field", "Becomes"), rows, empty="See the summary.")

    @display(description="Trail")
    def shown_trail(self, change: ChangeRequest) -> SafeString:
        return trail("agents.changerequest", change)

    @reason_action(
        title="Approve this change",
        description="Approve",
        text="It takes effect at once, exactly as shown.",
        submit="Approve",
        permission="agents.decide_changerequest",
        available=lambda change: change.state == ChangeRequest.State.PENDING,
        icon="check_circle",
        variant=ActionVariant.PRIMARY,
    )
    def apply(self, request: HttpRequest, obj: ChangeRequest, data: Mapping[str, Any]) -> str:
        """Apply it."""
        changes.apply_change(actor=actor_of(request), change_request=obj, reason=data["reason"])
        return "The change is in force."

    @reason_action(
        title="Reject this change",
        description="Reject",
        text="Nothing changes; its proposer learns why.",
        submit="Reject",
        permission="agents.decide_changerequest",
        available=lambda change: change.state == ChangeRequest.State.PENDING,
        icon="cancel",
        variant=ActionVariant.DANGER,
    )
    def reject(self, request: HttpRequest, obj: ChangeRequest, data: Mapping[str, Any]) -> str:
        """Reject it."""
        changes.reject_change(actor=actor_of(request), change_request=obj, reason=data["reason"])
        return "The change was rejected."

    @reason_action(
        title="Withdraw this change",
        description="Withdraw",
        submit="Withdraw",
        permission="agents.view_changerequest",
        available=lambda change: change.state == ChangeRequest.State.PENDING,
        icon="undo",
    )
    def withdraw(self, request: HttpRequest, obj: ChangeRequest, data: Mapping[str, Any]) -> str:
        """Take back one's own proposal."""
        changes.withdraw_change(actor=actor_of(request), change_request=obj, reason=data["reason"])
        return "The change was withdrawn."
