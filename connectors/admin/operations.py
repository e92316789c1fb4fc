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
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from agents.admin.previews import AT_ONCE, WAITS
from agents.decision.facts import GrantFacts
from agents.models import Agent, ChangeRequest
from agents.selectors import difference_of_grants, visible_agents
from audit.adminkit import ReadOnlyTabularInline, actor_of, holds, reason_action
from audit.services import refusals_recorded
from audit.vocabulary import Refusal
from audit.wording import said_lazy
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
SHOWN_REVISION = ("shown_arguments", "shown_result", "shown_mapping")


class RevisionInline(ReadOnlyTabularInline):
    """Every revision that was published."""

    model = OperationRevision
    fk_name = "operation"
    fields = ("number", "created_at", "shown_hash", "shown_mapping")
    readonly_fields = fields
    ordering = ("-number",)
    hide_title = True
    verbose_name_plural = "Published revisions"

    @display(description="Fingerprint")
    def shown_hash(self, revision: OperationRevision) -> SafeString:
        whole = revision.schema_hash
        return format_html('<code title="SHA-256 {}">{}</code>', whole, whole[:12])

    @display(description="Mapping")
    def shown_mapping(self, revision: OperationRevision) -> SafeString:
        return format_html("<details><summary>Show</summary>{}</details>", shown_json(revision.mapping))


class AgentGrantInline(ReadOnlyTabularInline):
    """Agents that may use it."""

    model = OperationUserObjectPermission
    fields = readonly_fields = ("shown_agent",)
    hide_title = True
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
    hide_title = True
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
    list_display = ("shown_name", "code", "system", "effect", "shown_grants", "shown_revision", "shown_enabled")
    empty_title = "No operation yet"
    empty_guide = "guide-systems"
    empty_step = "An operation is one thing that may be asked of a system. Connect a system first."
    next_step = "Nobody may use it yet. Next: grant it to an agent or a role."
    list_filter = ("system", "effect", "is_enabled")
    search_fields = ("code", "name")
    inlines = [AgentGrantInline, RoleGrantInline, RevisionInline]
    actions_detail = ["grant", "revoke", "switch_off", "switch_on"]
    fieldsets = (
        (None, {"fields": ("system", "name", "code", "description", "effect")}),
        ("Standing", {"fields": ("shown_enabled", "shown_revision")}),
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

    def get_inlines(self, request: HttpRequest, obj: models.Model | None = None) -> list[Any]:
        """Leave the tables out while there is nothing they could hold."""
        return super().get_inlines(request, obj) if obj else []

    def get_fieldsets(self, request: HttpRequest, obj: models.Model | None = None) -> Any:
        """Show a reader the present revision; the form's fields are only for who may publish one."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return fieldsets
        return [*fieldsets, (said_lazy("Present revision"), {"fields": SHOWN_REVISION})]

    def permitted_objects(self, request: HttpRequest) -> models.QuerySet[Operation]:
        return visible_to(request.user)

    def get_readonly_fields(self, request: HttpRequest, obj: models.Model | None = None) -> Any:
        fixed = ("system", "code") if obj else ()
        closed = super().get_readonly_fields(request, obj)
        return (*closed, "shown_enabled", "shown_revision", *SHOWN_REVISION, *fixed)

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

    @display(description="Name", ordering="name")
    def shown_name(self, operation: Operation) -> str:
        return str(said_lazy(operation.name))

    @display(description="Revision")
    def shown_revision(self, operation: Operation) -> str:
        revision = operation.current_revision if operation.pk else None
        return str(revision.number) if revision else "Never published"

    @display(description="In use", ordering="is_enabled", label={"Yes": "success", "Off": "warning"})
    def shown_enabled(self, operation: Operation) -> str:
        return "Yes" if operation.is_enabled else "Off"

    @display(description="Arguments")
    def shown_arguments(self, operation: Operation) -> SafeString:
        return shown_json(getattr(operation.current_revision, "input_schema", None))

    @display(description="Result")
    def shown_result(self, operation: Operation) -> SafeString:
        return shown_json(getattr(operation.current_revision, "output_schema", None))

    @display(description="Mapping")
    def shown_mapping(self, operation: Operation) -> SafeString:
        return shown_json(getattr(operation.current_revision, "mapping", None))

    @display(description="May use it")
    def shown_grants(self, operation: Any) -> str:
        found = ((operation.agent_grants, "agent"), (operation.role_grants, "role"))
        counted = [f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in found if count]
        return ", ".join(counted) or "nobody"

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
        if "look" in request.POST:
            form.full_clean()
            return TemplateResponse(request, "agents/authority_preview.html", _lets(agent, form))
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


def _lets(agent: Agent, form: GrantForm) -> dict[str, Any]:
    """Return what the operations as ticked would let an agent do; nothing is granted by it."""
    chosen = form.cleaned_data.get("operations") or ()
    if not chosen:
        return {}
    grants = [GrantFacts("", operation.code, "user", str(agent.user_id)) for operation in chosen]
    is_draft = agent.lifecycle == Agent.Lifecycle.DRAFT
    return {"said": difference_of_grants(grants), "when": AT_ONCE if is_draft else WAITS}


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
        asked = f"Another person has to agree before {holder} may use {operation.code}."
        return " ".join([asked, *given.authority])
    return f"{holder} may use {operation.code}."
