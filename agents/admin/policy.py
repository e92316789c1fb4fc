"""Policies, their rules and limits. Tightening applies at once; anything looser waits for a second person."""

from __future__ import annotations

import copy
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.enums import ActionVariant

from agents import registry, selectors
from agents.admin import previews
from agents.admin.base import WorkforceAdmin, changed_values, it_waits, link, moment, table, trail, values_of
from agents.admin.lists import OperationNames
from agents.decision import lines
from agents.decision.facts import Line
from agents.decision.patterns import operations_hit
from agents.forms import MeasureForm, PolicyForm, ceiling_of, counted, scope_label
from agents.forms.rules import RuleForm, lines_in
from agents.models import CompanySettings, Measure, Policy, Rule
from agents.services import policies, streaks
from audit.adminkit import actor_of, holds, reason_action
from audit.wording import said_lazy

MODE = {"Draft": "info", "Shadow": "warning", "Enforced": "success"}
WHEN = (*policies.FORM_FIELDS, "sentence", "condition")


@admin.register(Policy)
class PolicyAdmin(WorkforceAdmin):
    """Sets of rules with a scope; the policy of a role or an agent is its behavioural contract."""

    form = PolicyForm
    list_display = ("name", "shown_scope", "shown_count", "version")
    list_filter = ("scope_kind",)
    search_fields = ("name", "code", "purpose")
    fieldsets = (
        ("Rules", {"classes": ["tab"], "fields": ("shown_rules",)}),
        ("Policy", {"classes": ["tab"], "fields": ("name", "code", "purpose", "scope", "version")}),
        ("Trail", {"classes": ["tab"], "fields": ("shown_trail",)}),
    )
    add_fieldsets = ((None, {"fields": ("name", "scope", "purpose", "code")}),)
    change_form_outer_after_template = "agents/policy_preview.html"
    list_before_template = "agents/policy_list.html"
    empty_title = "No policy yet"
    empty_step = "A policy is a set of rules and whom it binds. Without one, grants and limits alone decide."
    next_step = "Next: add its first rule."

    def get_urls(self) -> Any:
        """Add the preview of whom it would bind, which writes nothing."""
        preview = path("preview/", self.admin_site.admin_view(self.preview), name="agents_policy_preview")
        return [preview, *super().get_urls()]

    def preview(self, request: HttpRequest) -> HttpResponse:
        """Answer what binding others with it would let whom do. Saves nothing."""
        if request.method != "POST" or not self.has_view_permission(request):
            raise PermissionDenied
        stored = self.get_object(request, request.POST.get("policy", ""))
        if stored is None:
            raise Http404
        form = self.get_form(request, stored, change=True)(request.POST, instance=copy.copy(stored))
        form.full_clean()
        lets = previews.authority_of(request, lambda: previews.of_move(stored, form))
        return render(request, "agents/authority_preview.html", lets)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Policy]:
        return super().get_queryset(request).annotate(rule_count=models.Count("rules"))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        found = super().get_fieldsets(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return found
        tabs = list(found)
        tabs[1] = ("Policy", {**tabs[1][1], "fields": ("name", "code", "purpose", "shown_scope", "version")})
        return tabs

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        closed = super().get_readonly_fields(request, obj)
        return (
            (*closed, "code", "purpose", "version", "name", "shown_rules", "shown_trail", "shown_scope")
            if obj
            else closed
        )

    def create(self, request: HttpRequest, form: Any) -> Policy:
        values = values_of(form)
        kind, _, scope_id = values.pop("scope").partition(":")
        reason = form.cleaned_data["reason"]
        return policies.create_policy(
            actor=actor_of(request), scope_kind=kind, scope_id=scope_id, reason=reason, **values
        )

    def update(self, request: HttpRequest, obj: models.Model, form: Any) -> models.Model:
        kind, _, scope_id = form.cleaned_data["scope"].partition(":")
        stored = Policy.objects.get(pk=obj.pk)
        if (kind, scope_id) != (stored.scope_kind, stored.scope_id):
            outcome = policies.propose_policy_move(
                actor=actor_of(request),
                policy=stored,
                scope_kind=kind,
                scope_id=scope_id,
                reason=form.cleaned_data["reason"],
            )
            self.waits(request, outcome.change_request)
        return Policy.objects.get(pk=obj.pk)

    @display(description="Binds")
    def shown_scope(self, policy: Policy) -> str:
        return scope_label(policy.scope_kind, policy.scope_id)

    @display(description="Rules", ordering="rule_count")
    def shown_count(self, policy: Any) -> int:
        return int(policy.rule_count)

    @display(description="Its rules")
    def shown_rules(self, policy: Any) -> SafeString:
        rows = [
            (
                link("rule", rule.pk, rule.sentence),
                rule.operations,
                rule.get_verdict_display(),
                rule.get_mode_display(),
            )
            for rule in policy.rules.all()
        ]
        address = f"{reverse('admin:agents_rule_add')}?policy={policy.pk}"
        links = [("Add a rule", address)] if policy.viewer.has_perm("agents.add_rule") else []
        if holds(policy.viewer, "agents.publish_rule", policy):
            links.append(("Export as YAML", f"{reverse('policies-export')}?policy={policy.code}"))
        columns = ("Rule", "Operations", "Then", "Mode")
        return table(columns, rows, empty="No rule yet: it neither permits nor forbids anything.", links=links)

    @display(description="Trail")
    def shown_trail(self, policy: Policy) -> SafeString:
        return trail("agents.policy", policy)


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
        "on_exceed",
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
