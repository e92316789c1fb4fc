"""The agent's file: who it is, what it may do, how it behaves, how it signs in, and what happened."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from unfold.decorators import display
from unfold.enums import ActionVariant

from agents import registry, selectors
from agents.admin.base import WorkforceAdmin, changed_values, it_waits, moment, table, trail, values_of
from agents.forms import (
    AutonomyForm,
    CodedForm,
    DemotionForm,
    LifetimeForm,
    ReassignForm,
    active_people,
    ceiling_of,
    wanted,
)
from agents.forms.cloning import CloneForm
from agents.models import Agent, ClientSecret
from agents.services import cloning, credentials, lifecycle, probation
from audit.adminkit import ReadOnlyAdmin, actor_of, holds, reason_action

IDENTITY = ("name", "purpose", "sponsor", "deputy", "department", "role", "code")
MACHINE = ("provider", "model", "version", "labels", "reached_by")
STANDING = ("shown_lifecycle", "shown_probation", "shown_brake", "autonomy", "risk_tier", "attest_by")
LABELS = {
    "shown_lifecycle": {"Draft": "info", "Active": "success", "Retired": "warning"},
    "shown_brake": {"Paused": "warning", "Suspended": "danger"},
    "shown_probation": {"On probation": "warning"},
}


def _working(agent: Agent) -> bool:
    return agent.lifecycle != Agent.Lifecycle.RETIRED


def _unbraked(agent: Agent) -> bool:
    return _working(agent) and agent.brake == Agent.Brake.NONE


def _not_suspended(agent: Agent) -> bool:
    return _working(agent) and agent.brake != Agent.Brake.SUSPENDED


def _braked(agent: Agent) -> bool:
    return _working(agent) and agent.brake != Agent.Brake.NONE


def _draft(agent: Agent) -> bool:
    return agent.lifecycle == Agent.Lifecycle.DRAFT


def _active(agent: Agent) -> bool:
    return agent.lifecycle == Agent.Lifecycle.ACTIVE


def _on_probation(agent: Agent) -> bool:
    return _active(agent) and agent.on_probation


class ProbationFilter(admin.SimpleListFilter):
    """Agents that are on probation, whose probation is over its planned end, or that are on none."""

    title = "probation"
    parameter_name = "probation"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [("yes", "On probation"), ("late", "Past its planned end"), ("no", "On none")]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        if self.value() == "no":
            return queryset.filter(probation_since=None)
        if self.value() == "late":
            return queryset.filter(probation_until__lte=timezone.now().date())
        return queryset.filter(probation_since__isnull=False) if self.value() == "yes" else queryset


class AttestationFilter(admin.SimpleListFilter):
    """Agents whose confirmation is overdue, due soon, or has no day."""

    title = "confirmation"
    parameter_name = "confirmation"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [("overdue", "Overdue"), ("soon", "Due within 30 days"), ("none", "No day set")]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        today = timezone.now().date()
        if self.value() == "overdue":
            return queryset.filter(attest_by__lt=today)
        if self.value() == "soon":
            return queryset.filter(attest_by__range=(today, today + timedelta(days=30)))
        return queryset.filter(attest_by=None) if self.value() == "none" else queryset


def _signed_words(signing: selectors.Signing) -> str:
    if signing.current:
        newest = signing.current[0]
        return f"Signed by {newest.signer_label} on {date_format(newest.signed_at, 'DATETIME_FORMAT')}."
    if signing.last:
        since = date_format(signing.last.signed_at, "DATETIME_FORMAT")
        return f"Changed since {signing.last.signer_label} signed it on {since}."
    return "Nobody has signed it yet."


@admin.register(Agent)
class AgentAdmin(WorkforceAdmin):
    """Agents as staff: registered as drafts, activated by two people, stopped by one."""

    form = CodedForm
    list_display = (
        "name",
        "role",
        "department",
        "sponsor",
        "shown_lifecycle",
        "shown_probation",
        "shown_brake",
        "autonomy",
    )
    empty_title = "No agent yet"
    empty_step = "Register the first one. It starts as a draft and may do nothing until two people agree."
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
            "title": "More",
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
        governed = () if _draft(obj) else lifecycle.GOVERNED
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
        rows = [(moment(it.at), it.title, it.text) for it in selectors.timeline_of(agent)]
        life = [
            ("Its record, certificates and hand-over", reverse("agent-life", args=[agent.pk])),
            ("What is approved in advance for it", f"{reverse('standing')}?agent={agent.pk}"),
        ]
        return format_html(
            "<p>{}</p>{}",
            selectors.state_words(agent),
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
            (label, " ".join(said.text for said in found))
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
            '<p>{}</p><p><a class="portal-link" href="{}">Read, print or sign it</a></p>',
            _signed_words(signing),
            reverse("agent-contract", args=[agent.pk]),
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

    @reason_action(
        title="Pause this agent",
        description="Pause",
        text="Every further call is refused at once. It keeps its place and its token, and is told why.",
        submit="Pause",
        permission="agents.pause_agent",
        available=_unbraked,
        icon="pause_circle",
        variant=ActionVariant.WARNING,
    )
    def pause(self, request: HttpRequest, obj: Agent, data: Mapping[str, Any]) -> str:
        """Pause it."""
        lifecycle.pause_agent(actor=actor_of(request), agent=obj, reason=data["reason"])
        return f"{obj.name} is paused."

    @reason_action(
        title="Suspend this agent",
        description="Suspend",
        text="Its access is closed: tokens are void and none is issued until the brake is lifted.",
        submit="Suspend",
        permission="agents.suspend_agent",
        available=_not_suspended,
        icon="block",
    )
    def suspend(self, request: HttpRequest, obj: Agent, data: Mapping[str, Any]) -> str:
        """Suspend it."""
        lifecycle.suspend_agent(actor=actor_of(request), agent=obj, reason=data["reason"])
        return f"{obj.name} is suspended."

    @reason_action(
        title="Lift the brake",
        description="Lift brake",
        text="It may act again, within the authority it had. What was refused is not repeated by itself.",
        submit="Lift brake",
        permission="agents.lift_brake",
        available=_braked,
        icon="play_circle",
        variant=ActionVariant.PRIMARY,
    )
    def lift_brake(self, request: HttpRequest, obj: Agent, data: Mapping[str, Any]) -> str:
        """Lift its brake."""
        lifecycle.lift_brake(actor=actor_of(request), agent=obj, reason=data["reason"])
        return f"The brake of {obj.name} is off."

    @reason_action(
        title="Let this agent start work",
        description="Activate",
        text="A second person approves it, with exactly the file and the grants it has now.",
        submit="Ask for activation",
        permission="agents.activate_agent",
        available=_draft,
        icon="rocket_launch",
        variant=ActionVariant.PRIMARY,
    )
    def activate(self, request: HttpRequest, obj: Agent, data: Mapping[str, Any]) -> str | None:
        """Propose its activation."""
        change = lifecycle.activate_agent(actor=actor_of(request), agent=obj, reason=data["reason"])
        return it_waits(request, change)

    @reason_action(
        title="End its probation",
        description="End probation",
        text="A second person approves it, on its record and its contract as they are now. "
        "The tab Life leads to both.",
        submit="Propose",
        permission="agents.promote_agent",
        available=_on_probation,
        icon="workspace_premium",
    )
    def promote(self, request: HttpRequest, obj: Agent, data: Mapping[str, Any]) -> str | None:
        """Propose that its probation ends."""
        change = probation.propose_promotion(actor=actor_of(request), agent=obj, reason=data["reason"])
        return it_waits(request, change)

    @reason_action(
        title="Put this agent back",
        description="Put back",
        submit="Put back",
        permission="agents.demote_agent",
        form_class=DemotionForm,
        available=_active,
        icon="trending_down",
        variant=ActionVariant.WARNING,
    )
    def demote(self, request: HttpRequest, obj: Agent, data: Mapping[str, Any]) -> str:
        """Put it back at once."""
        agent = probation.demote_agent(actor=actor_of(request), agent=obj, to=data["to"], reason=data["reason"])
        return f"{agent.name} was put back: {selectors.state_words(agent)}."

    @reason_action(
        title="Retire this agent",
        description="Retire",
        text="For good: its access is closed, secrets, tokens and grants are revoked. Its records stay. "
        "What it still has to do is handed over first, on the page of its life (tab Life).",
        submit="Retire",
        permission="agents.retire_agent",
        available=_working,
        icon="logout",
        variant=ActionVariant.DANGER,
    )
    def retire(self, request: HttpRequest, obj: Agent, data: Mapping[str, Any]) -> str:
        """Retire it."""
        lifecycle.retire_agent(actor=actor_of(request), agent=obj, reason=data["reason"])
        return f"{obj.name} is retired."

    @reason_action(
        title="Change how freely it works",
        description="Change autonomy",
        submit="Change",
        permission="agents.set_autonomy",
        form_class=AutonomyForm,
        available=_working,
        icon="tune",
    )
    def autonomy(self, request: HttpRequest, obj: Agent, data: Mapping[str, Any]) -> str | None:
        """Change its autonomy; more of it waits."""
        change = lifecycle.set_autonomy(
            actor=actor_of(request), agent=obj, autonomy=data["autonomy"], reason=data["reason"]
        )
        return it_waits(request, change) if change else f"The autonomy of {obj.name} was changed."

    @reason_action(
        title="Change its place",
        description="Reassign",
        text="Another sponsor, department, role, risk or attestation date. A second person approves it.",
        submit="Propose",
        permission="agents.activate_agent",
        form_class=ReassignForm,
        available=_active,
        icon="move_up",
    )
    def reassign(self, request: HttpRequest, obj: Agent, data: Mapping[str, Any]) -> str | None:
        """Propose another place for it."""
        change = lifecycle.propose_reassignment(
            actor=actor_of(request), agent=obj, changes_wanted=wanted(data), reason=data["reason"]
        )
        return it_waits(request, change)

    @reason_action(
        title="Copy it into another department",
        description="Copy to a department",
        text="A draft with the same job. What it may use is agreed to anew; no secret, no history.",
        submit="Copy",
        permission="agents.add_agent",
        form_class=CloneForm,
        icon="content_copy",
    )
    def clone(self, request: HttpRequest, obj: Agent, data: Mapping[str, Any]) -> str:
        """Copy it; say what was and what was not."""
        given = {name: data[name] for name in CloneForm.field_order}
        found = cloning.clone_agent(actor=actor_of(request), agent=obj, **given)
        messages.warning(request, f"Not copied: {' '.join(found.not_copied)}")
        address = reverse("admin:agents_agent_change", args=[found.agent.pk])
        return format_html(
            '<a class="portal-link" href="{}">{}</a> is a draft. Grants that wait for a second person: {}. '
            "Then ask for its activation.",
            address,
            found.agent.name,
            len(found.waiting),
        )

    @reason_action(
        title="Issue a client secret",
        description="Issue secret",
        text="It is shown once, right here. Other secrets of this agent stay valid.",
        submit="Issue",
        permission="agents.issue_credentials",
        form_class=LifetimeForm,
        available=_working,
        icon="key",
    )
    def issue_secret(self, request: HttpRequest, obj: Agent, data: Mapping[str, Any]) -> HttpResponse:
        """Issue a secret and show it once."""
        issued = credentials.issue_client_secret(
            actor=actor_of(request), agent=obj, reason=data["reason"], lifetime=timedelta(days=data["days"])
        )
        return shown_once(request, obj, issued)

    @reason_action(
        title="Rotate the client secret",
        description="Rotate secret",
        text="Issues a new one; the newest present one works for another 24 hours, older ones stop now.",
        submit="Rotate",
        permission="agents.issue_credentials",
        form_class=LifetimeForm,
        available=_working,
        icon="autorenew",
    )
    def rotate_secret(self, request: HttpRequest, obj: Agent, data: Mapping[str, Any]) -> HttpResponse:
        """Issue a secret that replaces the present ones, and show it once."""
        issued = credentials.rotate_client_secret(
            actor=actor_of(request), agent=obj, reason=data["reason"], lifetime=timedelta(days=data["days"])
        )
        return shown_once(request, obj, issued)

    @reason_action(
        title="Revoke its tokens",
        description="Revoke tokens",
        text="Every access token is void on the next call; a valid secret still buys a new one.",
        submit="Revoke",
        permission="agents.pause_agent",
        available=_working,
        icon="link_off",
    )
    def revoke_tokens(self, request: HttpRequest, obj: Agent, data: Mapping[str, Any]) -> str:
        """Revoke its tokens."""
        count = credentials.revoke_tokens(actor=actor_of(request), agent=obj, reason=data["reason"])
        return f"{count} token{'' if count == 1 else 's'} of {obj.name} revoked."

    @reason_action(
        title="Revoke all its secrets",
        description="Revoke secrets",
        text="Every secret and every token is void on the next call. It needs a new secret to come back.",
        submit="Revoke",
        permission="agents.pause_agent",
        available=_working,
        icon="key_off",
        variant=ActionVariant.DANGER,
    )
    def revoke_secrets(self, request: HttpRequest, obj: Agent, data: Mapping[str, Any]) -> str:
        """Revoke its secrets and tokens."""
        count = credentials.revoke_client_secrets(actor=actor_of(request), agent=obj, reason=data["reason"])
        return f"{count} secret{'' if count == 1 else 's'} of {obj.name} revoked."


@admin.register(ClientSecret)
class ClientSecretAdmin(ReadOnlyAdmin):
    """One secret of one agent: when it was issued, used and ends. The secret itself is nowhere."""

    list_display = ("shown_agent", "shown_hint", "created_at", "expires_at", "last_used_at", "revoked_at")
    list_display_links = ("shown_hint",)
    empty_title = "No secret was issued"
    empty_step = "Open an agent and issue one: it is shown once, there."
    list_select_related = ("application__agent",)
    fields = ("shown_agent", "shown_hint", "created_at", "expires_at", "last_used_at", "revoked_at")
    actions_detail = ["revoke"]

    def permitted_objects(self, request: HttpRequest) -> models.QuerySet[Any]:
        """Whoever sees an agent sees that it has secrets."""
        agents = selectors.visible_agents(request.user)  # type: ignore[arg-type]
        return ClientSecret.objects.filter(application__agent__in=agents)

    @display(description="Secret", ordering="hint")
    def shown_hint(self, secret: ClientSecret) -> str:
        return f"…{secret.hint}"

    @display(description="Agent")
    def shown_agent(self, secret: ClientSecret) -> SafeString:
        agent = secret.application.agent
        return link("agent", agent.pk, agent.name)

    @reason_action(
        title="Revoke this secret",
        description="Revoke",
        text="It and every token it bought are void on the next call.",
        submit="Revoke",
        permission="agents.issue_credentials",
        available=lambda secret: secret.revoked_at is None,
        icon="key_off",
        variant=ActionVariant.DANGER,
    )
    def revoke(self, request: HttpRequest, obj: ClientSecret, data: Mapping[str, Any]) -> str:
        """Revoke it."""
        credentials.revoke_client_secret(actor=actor_of(request), secret=obj, reason=data["reason"])
        return "The secret was revoked."


def shown_once(request: HttpRequest, agent: Agent, issued: credentials.IssuedSecret) -> HttpResponse:
    """Replace the whole dialog by the secret, so that it can be neither asked for again nor sent twice."""
    context = {
        "agent": agent,
        "issued": issued,
        "portal": settings.PUBLIC_URL.rstrip("/"),
        "back": reverse("admin:agents_agent_change", args=[agent.pk]),
    }
    answer = HttpResponse(render_to_string("agents/secret_once.html", context, request))
    answer["Cache-Control"] = "no-store"
    answer["HX-Retarget"] = answer["HX-Reselect"] = "#dialog"
    answer["HX-Reswap"] = "outerHTML"
    return answer


def link(model: str, key: Any, text: Any) -> SafeString:
    """Return a link to an object's page in this room."""
    return format_html(
        '<a class="portal-link" href="{}">{}</a>', reverse(f"admin:agents_{model}_change", args=[key]), text
    )
