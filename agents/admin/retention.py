"""How long things are kept, and legal holds. Whatever destroys evidence waits for a second person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.enums import ActionVariant

from agents.admin.base import WorkforceAdmin, it_waits, trail
from agents.forms.retention import HoldForm, NewRetentionForm, RetentionForm
from agents.models import ChangeRequest, Department
from agents.services import retention as services
from audit import retention
from audit import selectors as ledger
from audit.adminkit import actor_of, reason_action
from audit.services import erasing
from audit.vocabulary import Refusal

# The ledger's tables are reached through its selectors.
RetentionRule: Any = ledger.retention_rules().model
LegalHold: Any = ledger.legal_holds().model
HELD = ("scope", "target_kind", "target_id", "begins_on", "ends_on")


@admin.register(RetentionRule)
class RetentionRuleAdmin(WorkforceAdmin):
    """For how many days each class of data is kept. The most specific rule counts."""

    form = RetentionForm
    list_display = ("shown_class", "shown_whose", "shown_days")
    list_display_links = ("shown_class",)
    search_fields = ("data_class", "department_label")
    empty_title = "No rule yet"
    empty_step = f"All is kept {retention.DEFAULT_DAYS} days. Add a rule to keep something longer or shorter."
    add_fieldsets = ((None, {"fields": ("data_class", "department", "days")}),)
    fieldsets = (
        (None, {"fields": ("shown_class", "shown_whose", "days")}),
        ("What the next run of the clock erases", {"fields": ("shown_stock",)}),
        ("Trail", {"fields": ("shown_trail",)}),
    )

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Ask for what and whose of a new rule only."""
        if obj is None:
            kwargs["form"] = NewRetentionForm
        return super().get_form(request, obj, change=change, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        closed = super().get_readonly_fields(request, obj)
        return (*closed, "shown_class", "shown_whose", "shown_stock", "shown_trail") if obj else closed

    def create(self, request: HttpRequest, form: Any) -> Any:
        return self._set(request, form.cleaned_data["data_class"], form.cleaned_data["department"], form)

    def update(self, request: HttpRequest, obj: Any, form: Any) -> Any:
        stored = RetentionRule.objects.get(pk=obj.pk)
        department = (
            Department.objects.filter(pk=stored.department_id).first() if stored.department_id else None
        )
        if stored.department_id and department is None:
            raise Refusal("not_found", "Nothing was changed: this department no longer exists.")
        return self._set(request, stored.data_class, department, form)

    def _set(self, request: HttpRequest, data_class: str, department: Department | None, form: Any) -> Any:
        outcome = services.set_days(
            actor=actor_of(request),
            data_class=data_class,
            department=department,
            days=form.cleaned_data["days"],
            reason=form.cleaned_data["reason"],
        )
        if not isinstance(outcome, ChangeRequest):
            return outcome
        self.waits(request, outcome)
        where = str(department.pk) if department else ""
        row = RetentionRule.objects.filter(data_class=data_class, department_id=where).first()
        return row or RetentionRule(data_class=data_class, department_id=where)

    @display(description="What", ordering="data_class")
    def shown_class(self, row: Any) -> str:
        found = retention.registered().get(row.data_class)
        return found.words if found else row.data_class

    @display(description="Of", ordering="department_label")
    def shown_whose(self, row: Any) -> str:
        return row.department_label or "Everybody else in the company"

    @display(description="Kept for", ordering="days")
    def shown_days(self, row: Any) -> str:
        return f"{row.days:,} days"

    @display(description="To be erased")
    def shown_stock(self, row: Any) -> str:
        if row.data_class not in retention.registered():
            return "-"
        return erasing.expired_if(row.data_class, row.department_id, row.days).words

    @display(description="Trail")
    def shown_trail(self, row: Any) -> SafeString:
        return trail("audit.retentionrule", row)


@admin.register(LegalHold)
class LegalHoldAdmin(WorkforceAdmin):
    """What nobody may erase. A hold counts at once; two persons end it."""

    form = HoldForm
    list_display = ("shown_what", "shown_state", "placed_by", "placed_at")
    list_display_links = ("shown_what",)
    list_filter = ("scope",)
    search_fields = ("target_id", "reason", "placed_by")
    empty_title = "Nothing is held"
    empty_step = "Place a hold before a case, so that no rule and no request erases its evidence."
    add_words = "Place this hold"
    actions_detail = ["end_hold"]
    add_fieldsets = ((None, {"fields": HELD}),)
    fieldsets = (
        (None, {"fields": ("shown_what", "shown_state", "reason", "placed_by", "placed_at", "ended_at")}),
        ("Trail", {"fields": ("shown_trail",)}),
    )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A hold is never changed: it is ended, by the button of its page."""
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        closed = super().get_readonly_fields(request, obj)
        shown = ("shown_what", "shown_state", "reason", "placed_by", "placed_at", "ended_at", "shown_trail")
        return (*closed, *shown) if obj else closed

    def create(self, request: HttpRequest, form: Any) -> Any:
        what = {name: form.cleaned_data[name] for name in HELD}
        return services.place_hold(actor=actor_of(request), reason=form.cleaned_data["reason"], **what)

    @display(description="What is held")
    def shown_what(self, hold: Any) -> str:
        return str(hold)

    @display(description="State", label={"Stands": "warning", "Ended": "info"})
    def shown_state(self, hold: Any) -> str:
        return "Ended" if hold.ended_at else "Stands"

    @display(description="Trail")
    def shown_trail(self, hold: Any) -> SafeString:
        return trail("audit.legalhold", hold)

    @reason_action(
        title="End this legal hold",
        description="End the hold",
        text="Once a second person agrees, rules and requests may erase what it held.",
        submit="Ask to end it",
        permission="audit.change_legalhold",
        available=lambda hold: hold.ended_at is None,
        icon="lock_open",
        variant=ActionVariant.DANGER,
    )
    def end_hold(self, request: HttpRequest, obj: Any, data: Mapping[str, Any]) -> Any:
        """Ask a second person to end it."""
        outcome = services.propose_end_of_hold(actor=actor_of(request), hold=obj, reason=data["reason"])
        return it_waits(request, outcome)
