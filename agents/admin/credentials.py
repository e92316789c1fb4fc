"""The credentials of an agent: issued and shown once, rotated, revoked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.enums import ActionVariant

from agents import selectors
from agents.admin.agent_verbs import is_working
from agents.admin.base import link
from agents.forms import LifetimeForm
from agents.models import Agent, ClientSecret
from agents.services import credentials
from audit.adminkit import ReadOnlyAdmin, actor_of, reason_action


class CredentialVerbs:
    """The verbs of an agent's secrets and tokens, from its file; each asks for a reason."""

    @reason_action(
        title="Issue a client secret",
        description="Issue secret",
        text="It is shown once, right here. Other secrets of this agent stay valid.",
        submit="Issue",
        permission="agents.issue_credentials",
        form_class=LifetimeForm,
        available=is_working,
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
        available=is_working,
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
        available=is_working,
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
        available=is_working,
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
