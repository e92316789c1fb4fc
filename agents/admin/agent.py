"""The agent's file: who it is, what it may do, how it behaves, how it signs in, and what happened."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from unfold.decorators import display

from agents import registry, selectors
from agents.admin.agent_list import AgentList, AttestationFilter, ProbationFilter
from agents.admin.agent_verbs import EmploymentVerbs, is_draft
from agents.admin.base import WorkforceAdmin, changed_values, link, moment, table, trail, values_of
from agents.admin.credentials import CredentialVerbs
from agents.forms import CodedForm, active_people, ceiling_of
from agents.models import Agent
from agents.services import lifecycle
from audit.adminkit import actor_of, holds
from audit.wording import said, said_lazy

IDENTITY = ("name", "purpose", "sponsor", "deputy", "department", "role", "code")
MACHINE = ("provider", "model", "version", "labels", "reached_by")
STANDING = ("shown_lifecycle", "shown_probation", "shown_brake", "autonomy", "risk_tier", "attest_by")
LABELS = {
    "shown_lifecycle": {"Draft": "info", "Active": "success", "Retired": "warning"},
    "shown_brake": {"Paused": "warning", "Suspended": "danger"},
    "shown_probation": {"On probation": "warning"},
}


def _signed_words(signing: selectors.Signing) -> str:
    if signing.current:
        newest = signing.current[0]
        return f"Signed by {newest.signer_label} on {date_format(newest.signed_at, 'DATETIME_FORMAT')}."
    if signing.last:
        since = date_format(signing.last.signed_at, "DATETIME_FORMAT")
        return f"Changed since {signing.last.signer_label} signed it on {since}."
    return "Nobody has signed it yet."


@admin.register(Agent)
class AgentAdmin(EmploymentVerbs, CredentialVerbs, AgentList, WorkforceAdmin):
    """Agents as staff: registered as drafts, activated by two people, stopped by one."""

    form = CodedForm
    empty_title = "No agent yet"
    empty_guide = "guide-agents"
    empty_step = "Register the first one. It starts as a draft and may do nothing until two people agree."
    change_form_before_template = "agents/agent_before.html"
    next_step = "It is a draft. Next: grant it operations (tab Authority), then ask for its activation."
    list_filter = ("lifecycle", ProbationFilter, AttestationFilter, "brake", "autonomy", "department", "role")
    list_select_related = ("role", "department", "sponsor")
    search_fields = ("name", "code", "purpose")
    actions_detail = [
        "pause",
        "lift_brake",
        "activate",
        "promote",
        "issue_secret",
        {
            "title": said_lazy("More"),
            "items": [
                "suspend",
                "demote",
                "autonomy",
                "reassign",
                "clone",
                "rotate_secret",
                "revoke_tokens",
                "revoke_secrets",
                "retire",
            ],
        },
    ]
    panels = (
        "shown_life",
        "shown_panels",
        "shown_freedom",
        "shown_document",
        "shown_contract",
        "shown_limits",
        "shown_credentials",
        "shown_trail",
    )
    fieldsets = (
        ("Identity", {"classes": ["tab"], "fields": (*IDENTITY, *MACHINE)}),
        ("Authority", {"classes": ["tab"], "fields": (*STANDING, "shown_freedom", "shown_panels")}),
        ("Life", {"classes": ["tab"], "fields": ("shown_life",)}),
        ("Contract", {"classes": ["tab"], "fields": ("shown_document", "shown_contract", "shown_limits")}),
        ("Credentials", {"classes": ["tab"], "fields": ("shown_credentials",)}),
        ("Trail", {"classes": ["tab"], "fields": ("shown_trail",)}),
    )
    add_fieldsets = (
        ("Identity", {"fields": IDENTITY}),
        ("How it works", {"fields": (*MACHINE, "autonomy", "risk_tier", "attest_by")}),
    )

    def permitted_objects(self, request: HttpRequest) -> models.QuerySet[Any]:
        """Return what this person may see by right on the agent, or because they answer for it."""
        return selectors.visible_agents(request.user)  # type: ignore[arg-type]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Governed fields change by verbs; only a draft's place is still open."""
        closed = super().get_readonly_fields(request, obj)
        if obj is None:
            return closed
        governed = () if is_draft(obj) else lifecycle.GOVERNED
        return (
            *closed,
            "code",
            "shown_lifecycle",
            "shown_probation",
            "shown_brake",
            "autonomy",
            *governed,
            *self.panels,
        )

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Only an active person can answer for an agent."""
        if db_field.name in ("sponsor", "deputy"):
            kwargs["queryset"] = active_people()
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def create(self, request: HttpRequest, form: Any) -> Agent:
        return lifecycle.register_agent(
            actor=actor_of(request), reason=form.cleaned_data["reason"], **values_of(form)
        )

    def update(self, request: HttpRequest, obj: models.Model, form: Any) -> Agent:
        return lifecycle.update_agent(
            actor=actor_of(request),
            agent=obj,  # type: ignore[arg-type]
            changes=changed_values(form),
            reason=form.cleaned_data["reason"],
        )

    @display(description="Lifecycle", ordering="lifecycle", label=LABELS["shown_lifecycle"])
    def shown_lifecycle(self, agent: Agent) -> str:
        return agent.get_lifecycle_display()

    @display(description="Probation", ordering="probation_until", label=LABELS["shown_probation"])
    def shown_probation(self, agent: Agent) -> str | None:
        return "On probation" if agent.on_probation else None

    @display(description="Its life")
    def shown_life(self, agent: Agent) -> SafeString:
        rows = [(moment(it.at), it.title, said(it.text)) for it in selectors.timeline_of(agent)]
        life = [
            ("Its record, certificates and hand-over", reverse("agent-life", args=[agent.pk])),
            ("What is approved in advance for it", f"{reverse('standing')}?agent={agent.pk}"),
        ]
        return format_html(
            "<p>{}</p>{}",
            said(selectors.state_words(agent)),
            table(("When (UTC)", "What", "In words"), rows, empty="", links=life),
        )

    @display(description="Brake", ordering="brake", label=LABELS["shown_brake"])
    def shown_brake(self, agent: Agent) -> str | None:
        return None if agent.brake == Agent.Brake.NONE else agent.get_brake_display()

    @display(description="What another autonomy would let it do")
    def shown_freedom(self, agent: Any) -> SafeString:
        if not holds(agent.viewer, "agents.set_autonomy", agent):
            return table((), (), empty="You may not change it.")
        rows = [
            (label, said(" ".join(one.text for one in found)))
            for label, found in selectors.differences_of_autonomy(agent)
        ]
        return table(("Autonomy", "What it lets it do"), rows, empty="")

    @display(description="What it may use")
    def shown_panels(self, agent: Any) -> SafeString:
        found = [panel(agent, agent.viewer) for panel in registry.agent_file_panels().values()]
        parts = [
            table(panel.columns, panel.rows, empty=panel.empty, title=panel.title, links=panel.links)
            for panel in found
            if panel is not None
        ]
        return mark_safe("".join(parts)) or table((), (), empty="Nothing is granted yet.")  # noqa: S308

    @display(description="The contract in sentences")
    def shown_document(self, agent: Agent) -> SafeString:
        signing = selectors.signing_of(agent, selectors.contract_of(agent))
        return format_html(
            '<p>{}</p><p><a class="portal-link" href="{}">{}</a></p>',
            said(_signed_words(signing)),
            reverse("agent-contract", args=[agent.pk]),
            said("Read, print or sign it"),
        )

    @display(description="Rules that bind it")
    def shown_contract(self, agent: Any) -> SafeString:
        rules = selectors.visible_rules(agent.user).filter(policy__in=selectors.visible_policies(agent.viewer))
        rows = [
            (
                link("rule", rule.pk, rule.sentence),
                rule.policy,
                rule.get_verdict_display(),
                rule.get_mode_display(),
            )
            for rule in rules.select_related("policy")
        ]
        return table(("Rule", "Policy", "Then", "Mode"), rows, empty="No rule binds it yet.")

    @display(description="Limits that bind it")
    def shown_limits(self, agent: Any) -> SafeString:
        if not agent.viewer.has_perm("agents.view_measure"):
            return table((), (), empty="You may not see limits.")
        currency = selectors.company_currency()
        rows = [
            (link("measure", it.pk, it.name), it.operations, ceiling_of(it, currency), it.get_window_display())
            for it in selectors.visible_measures(agent.user)
        ]
        return table(("Limit", "Operations", "Ceiling", "Window"), rows, empty="No limit binds it yet.")

    @display(description="How it signs in")
    def shown_credentials(self, agent: Any) -> SafeString:
        application = getattr(agent, "oauth_application", None)
        if application is None or not agent.viewer.has_perm("agents.view_clientsecret"):
            return table((), (), empty="You may not see credentials.")
        now = timezone.now()
        rows = [
            (
                link("clientsecret", secret.pk, f"…{secret.hint}"),
                moment(secret.created_at),
                moment(secret.expires_at),
                moment(secret.last_used_at) if secret.last_used_at else "never",
                "valid" if secret.is_valid(now) else "revoked" if secret.revoked_at else "expired",
            )
            for secret in application.secrets.all()
        ]
        columns = ("Secret", "Issued", "Ends", "Last used", "State")
        return format_html(
            "<p>Client id <code>{}</code></p>{}",
            application.client_id,
            table(columns, rows, empty="No secret yet: issue one, it is shown once."),
        )

    @display(description="Trail")
    def shown_trail(self, agent: Agent) -> SafeString:
        return trail("agents.agent", agent)
