"""Policies. Tightening applies at once; anything looser waits for a second person."""

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

from agents.admin import previews
from agents.admin.base import WorkforceAdmin, link, table, trail, values_of
from agents.forms import PolicyForm, scope_label
from agents.models import Policy
from agents.services import policies
from audit.adminkit import actor_of, holds


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
