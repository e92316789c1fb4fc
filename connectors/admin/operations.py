"""Operations, their revisions, and who may use them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.decorators import display

from agents.models import Agent, ChangeRequest
from agents.selectors import visible_agents
from audit.adminkit import ReadOnlyTabularInline, actor_of, holds, reason_action
from audit.services import refusals_recorded
from audit.vocabulary import Refusal
from connectors import services
from connectors.admin.base import ConnectionAdmin, shown_json, values_of
from connectors.forms import GrantForm, HolderForm, OperationForm
from connectors.models import (
    Operation,
    OperationGroupObjectPermission,
    OperationRevision,
    OperationUserObjectPermission,
)
from connectors.selectors import visible_to

GRANT = "connectors.grant_operation"


class RevisionInline(ReadOnlyTabularInline):
    """Every revision that was published."""

    model = OperationRevision
    fk_name = "operation"
    fields = ("number", "created_at", "schema_hash", "shown_mapping")
    readonly_fields = fields
    ordering = ("-number",)

    @display(description="Mapping")
    def shown_mapping(self, revision: OperationRevision) -> str:
        return shown_json(revision.mapping)


class AgentGrantInline(ReadOnlyTabularInline):
    """Agents that may use it."""

    model = OperationUserObjectPermission
    fields = readonly_fields = ("shown_agent",)
    verbose_name_plural = "Agents that may use it"

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related("user__agent")

    @display(description="Agent")
    def shown_agent(self, grant: Any) -> str:
        return str(getattr(grant.user, "agent", grant.user))


class RoleGrantInline(ReadOnlyTabularInline):
    """Roles that may use it."""

    model = OperationGroupObjectPermission
    fields = readonly_fields = ("shown_role",)
    verbose_name_plural = "Roles that may use it"

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related("group__role")

    @display(description="Role")
    def shown_role(self, grant: Any) -> str:
        return str(getattr(grant.group, "role", grant.group))


@admin.register(Operation)
class OperationAdmin(ConnectionAdmin):
    """What may be asked of systems."""

    form = OperationForm
    list_display = ("code", "name", "system", "effect", "shown_revision", "shown_grants", "is_enabled")
    list_filter = ("system", "effect", "is_enabled")
    search_fields = ("code", "name")
    inlines = [AgentGrantInline, RoleGrantInline, RevisionInline]
    actions_detail = ["grant", "revoke", "switch_off", "switch_on"]
    fieldsets = (
        (None, {"fields": ("system", "code", "name", "description", "effect", "is_enabled", "shown_revision")}),
        ("What a decision reads", {"fields": ("money_path", "label_template", "idempotent")}),
        ("Finding and undoing it", {"fields": ("lookup_operation", "undo_operation", "reference_field")}),
        ("Revision", {"fields": ("input_schema", "output_schema", "mapping")}),
        ("Why", {"fields": ("reason",)}),
    )

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Operation]:
        agents = models.Count("operationuserobjectpermission", distinct=True)
        roles = models.Count("operationgroupobjectpermission", distinct=True)
        found = super().get_queryset(request).select_related("system", "current_revision")
        return found.annotate(agent_grants=agents, role_grants=roles)

    def permitted_objects(self, request: HttpRequest) -> models.QuerySet[Operation]:
        return visible_to(request.user)

    def get_readonly_fields(self, request: HttpRequest, obj: models.Model | None = None) -> Any:
        fixed = ("system", "code") if obj else ()
        return (*super().get_readonly_fields(request, obj), "is_enabled", "shown_revision", *fixed)

    def create(self, request: HttpRequest, form: Any) -> Operation:
        return self._publish(request, form, values_of(form))

    def update(self, request: HttpRequest, obj: models.Model, form: Any) -> Operation:
        operation: Operation = obj  # type: ignore[assignment]
        return self._publish(
            request, form, {"system": operation.system, "code": operation.code, **values_of(form)}
        )

    def _publish(self, request: HttpRequest, form: Any, values: dict[str, Any]) -> Operation:
        values["output_schema"] = values.get("output_schema") or {}
        found = services.publish_operation(
            actor=actor_of(request), reason=form.cleaned_data["reason"], **values
        )
        if isinstance(found, Operation):
            return found
        self.waits(request, found)
        return Operation.objects.get(code=values["code"])

    @display(description="Revision")
    def shown_revision(self, operation: Operation) -> str:
        revision = operation.current_revision if operation.pk else None
        return f"{revision.number} ({revision.schema_hash[:12]})" if revision else "Never published"

    @display(description="May use it")
    def shown_grants(self, operation: Any) -> str:
        return f"{operation.agent_grants} agents, {operation.role_grants} roles"

    @reason_action(
        title="Let somebody use this operation?",
        description="Grant",
        text="A draft agent gets it at once. For an active agent or a role, another person has to agree first.",
        submit="Grant",
        permission=GRANT,
        form_class=HolderForm,
        icon="key",
    )
    def grant(self, request: HttpRequest, operation: Operation, data: Any) -> str:
        given = services.grant_operation(
            actor=actor_of(request),
            operation=operation,
            agent=data["agent"],
            role=data["role"],
            reason=data["reason"],
        )
        return _told(given, operation, str(data["agent"] or data["role"]))

    @reason_action(
        title="Take this operation away?",
        description="Revoke a grant",
        text="It holds from the next call on. Calls under way end.",
        submit="Revoke",
        permission=GRANT,
        form_class=HolderForm,
        icon="key_off",
    )
    def revoke(self, request: HttpRequest, operation: Operation, data: Any) -> str:
        services.revoke_grant(
            actor=actor_of(request),
            operation=operation,
            agent=data["agent"],
            role=data["role"],
            reason=data["reason"],
        )
        return f"{data['agent'] or data['role']} may no longer use {operation.code}."

    @reason_action(
        title="Switch this operation off?",
        description="Switch off",
        text="It is unknown to everybody from the next call on.",
        submit="Switch off",
        permission="connectors.change_operation",
        available=lambda operation: operation.is_enabled,
        icon="toggle_off",
    )
    def switch_off(self, request: HttpRequest, operation: Operation, data: Any) -> str:
        return self._switch(request, operation, data, enabled=False)

    @reason_action(
        title="Switch this operation on?",
        description="Switch on",
        text="Whoever holds a grant on it may use it again.",
        submit="Switch on",
        permission="connectors.change_operation",
        available=lambda operation: not operation.is_enabled,
        icon="toggle_on",
    )
    def switch_on(self, request: HttpRequest, operation: Operation, data: Any) -> str:
        return self._switch(request, operation, data, enabled=True)

    def _switch(self, request: HttpRequest, operation: Operation, data: Any, *, enabled: bool) -> str:
        services.set_operation_enabled(
            actor=actor_of(request), operation=operation, enabled=enabled, reason=data["reason"]
        )
        return f"{operation.code} is switched {'on' if enabled else 'off'}."

    def get_urls(self) -> list[URLPattern]:
        """Add the page that grants operations to one agent, which the agent's own page links to."""
        view = self.admin_site.admin_view(self.grant_to_agent)
        return [path("for-agent/<uuid:agent_id>/", view, name="connectors_grant_to_agent"), *super().get_urls()]

    def grant_to_agent(self, request: HttpRequest, agent_id: Any) -> HttpResponse:
        """Let one agent use several operations, with one reason."""
        agent = get_object_or_404(visible_agents(request.user), pk=agent_id)  # type: ignore[arg-type]
        if not holds(request.user, GRANT):
            raise PermissionDenied
        form = GrantForm(request.POST or None, agent=agent)
        if request.method == "POST" and form.is_valid():
            for operation in form.cleaned_data["operations"]:
                _grant_and_tell(request, operation, agent, form.cleaned_data["reason"])
            return HttpResponseRedirect(reverse("admin:agents_agent_change", args=[agent.pk]))
        context = {
            **self.admin_site.each_context(request),
            "title": f"Grant operations to {agent}",
            "agent": agent,
            "form": form,
            "opts": self.opts,
        }
        return TemplateResponse(request, "connectors/grant.html", context)


def _grant_and_tell(request: HttpRequest, operation: Operation, agent: Agent, reason: str) -> None:
    try:
        with refusals_recorded(actor=actor_of(request), subject=operation.as_ref(), **agent.event_refs()):
            given = services.grant_operation(
                actor=actor_of(request), operation=operation, agent=agent, reason=reason
            )
    except Refusal as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, _told(given, operation, str(agent)))


def _told(given: Any, operation: Operation, holder: str) -> str:
    if isinstance(given, ChangeRequest):
        return f"Another person has to agree before {holder} may use {operation.code}."
    return f"{holder} may use {operation.code}."
