"""What waits for a second person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.enums import ActionVariant

from agents import selectors
from agents.admin.base import WorkforceAdmin, link, table, trail
from agents.models import ChangeRequest
from agents.services import changes
from audit.adminkit import actor_of, reason_action

State = ChangeRequest.State
STATE_LABELS = {
    State.PENDING.label: "warning",
    State.APPLIED.label: "success",
    State.REJECTED.label: "danger",
    State.WITHDRAWN.label: "info",
    State.EXPIRED.label: "info",
}


WITH_PAGE = frozenset({"agent", "rule", "measure", "policy", "department", "companysettings", "throttle"})


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
