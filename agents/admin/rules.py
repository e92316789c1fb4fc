"""The rules of policies, in words and as the condition they are decided by."""

from __future__ import annotations

import copy
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.enums import ActionVariant

from agents import registry, selectors
from agents.admin import previews
from agents.admin.base import MODE, WorkforceAdmin, changed_values, it_waits, trail, values_of
from agents.admin.lists import OperationNames
from agents.decision import lines
from agents.decision.facts import Line
from agents.decision.patterns import operations_hit
from agents.forms.rules import RuleForm, lines_in
from agents.models import Rule
from agents.services import policies
from audit.adminkit import actor_of, reason_action

WHEN = (*policies.FORM_FIELDS, "sentence", "condition")
THEN = ("verdict", "approver_group", "quorum", "stage", "step_up", "note", "redact", "mode")
LATER = ("remind_minutes", "levels", "clock")


@admin.register(Rule)
class RuleAdmin(OperationNames, WorkforceAdmin):
    """Comparisons in words. The portal writes the exact condition, and shows both."""

    form = RuleForm
    list_display = ("sentence", "policy", "shown_operations", "verdict", "shown_mode")
    list_filter = ("mode", "verdict", "policy")
    list_select_related = ("policy",)
    search_fields = ("name", "sentence", "operations")
    change_form_outer_after_template = "agents/rule_preview.html"
    empty_title = "No rule yet"
    empty_guide = "guide-contracts"
    empty_step = "Add one on the page of a policy: it says what is refused and what waits for a person."
    actions_detail = ["remove"]
    add_fieldsets = (
        (None, {"fields": ("policy", "name", "operations", "effects")}),
        ("When", {"fields": WHEN}),
        ("Then", {"fields": THEN}),
        ("If nobody decides", {"fields": LATER}),
    )
    fieldsets = (
        ("Rule", {"fields": ("policy", "name", "operations", "effects")}),
        ("When", {"fields": WHEN}),
        ("Then", {"fields": THEN}),
        ("If nobody decides", {"fields": LATER}),
        ("Trail", {"fields": ("version", "shown_trail")}),
    )

    def get_urls(self) -> Any:
        """Add the preview, which writes nothing."""
        preview = path("preview/", self.admin_site.admin_view(self.preview), name="agents_rule_preview")
        return [preview, *super().get_urls()]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        closed = super().get_readonly_fields(request, obj)
        return (*closed, "policy", "version", "shown_trail") if obj else closed

    def get_changeform_initial_data(self, request: HttpRequest) -> Any:
        """Start with the operation's usual form: hold, enforced."""
        return {"mode": Rule.Mode.ENFORCED, **super().get_changeform_initial_data(request)}

    def permitted_objects(self, request: HttpRequest) -> models.QuerySet[Any]:
        """A rule is seen by whoever sees its policy."""
        return selectors.visible_rules(request.user)  # type: ignore[arg-type]

    def address_after_adding(self, obj: models.Model) -> str:
        """Go back to the policy, where the rule is one among others."""
        return reverse("admin:agents_policy_change", args=[obj.policy_id])  # type: ignore[attr-defined]

    def create(self, request: HttpRequest, form: Any) -> Rule:
        content = values_of(form)
        policy = content.pop("policy")
        return policies.create_rule(
            actor=actor_of(request), policy=policy, content=content, reason=form.cleaned_data["reason"]
        )

    def update(self, request: HttpRequest, obj: models.Model, form: Any) -> models.Model:
        stored = Rule.objects.get(pk=obj.pk)
        outcome = policies.propose_rule_change(
            actor=actor_of(request),
            rule=stored,
            changes=changed_values(form),
            reason=form.cleaned_data["reason"],
        )
        self.waits(request, outcome.change_request)
        return Rule.objects.get(pk=obj.pk)

    def preview(self, request: HttpRequest) -> HttpResponse:
        """Answer what the form as it stands would write: condition and sentence. Saves nothing."""
        if request.method != "POST" or not self.has_view_permission(request):
            raise PermissionDenied
        stored = self.get_object(request, request.POST.get("rule", "")) if request.POST.get("rule") else None
        form = self.get_form(request, stored, change=stored is not None)(
            request.POST, instance=copy.copy(stored) if stored else None
        )
        lets = previews.authority_of(request, lambda: previews.of_rule(stored, form))
        return render(request, "agents/rule_preview_parts.html", {**preview_of(request.POST), **lets})

    @display(description="Mode", ordering="mode", label=MODE)
    def shown_mode(self, rule: Rule) -> str:
        return rule.mode.capitalize()

    @display(description="Trail")
    def shown_trail(self, rule: Rule) -> SafeString:
        return trail("agents.rule", rule)

    @reason_action(
        title="Remove this rule",
        description="Remove",
        text="An enforced rule is removed only when a second person agrees.",
        submit="Remove",
        permission="agents.publish_rule",
        icon="delete",
        variant=ActionVariant.DANGER,
    )
    def remove(self, request: HttpRequest, obj: Rule, data: Any) -> str | HttpResponse | None:
        """Remove the rule, or propose it."""
        policy = obj.policy_id
        outcome = policies.remove_rule(actor=actor_of(request), rule=obj, reason=data["reason"])
        if outcome.change_request is not None:
            return it_waits(request, outcome.change_request)
        self.message_user(request, f"The rule {obj.name} was removed.")
        return HttpResponse(headers={"HX-Redirect": reverse("admin:agents_policy_change", args=[policy])})


def preview_of(data: Any) -> dict[str, Any]:
    """Return the condition and the sentence of a form as typed, or what is wrong with it."""
    operations = data.get("operations", "*")
    found: dict[str, Any] = {"operations": _codes(operations)}
    first, *further = lines_in(data)
    if not (first["field"] and first["comparison"]):
        return {**found, "condition": data.get("condition", "")}
    try:
        typed = (Line(**first), *lines.further_lines(further))
        built = lines.known(typed, _matching(operations))
        currency = selectors.company_currency()
        condition = lines.condition_of(built, currency)
        sentence = data.get("sentence") or lines.sentence_of(built, currency, data.get("verdict", ""))
        return {**found, "condition": condition, "sentence": sentence}
    except ValueError as error:
        return {**found, "error": f"{error}."}


def _matching(pattern: str) -> list[Any]:
    return operations_hit(pattern, (), registry.all_operations())


def _codes(pattern: str) -> list[str]:
    try:
        return [operation.code for operation in _matching(pattern)]
    except ValueError:
        return []
