"""Webhooks: where other systems say that something happened."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.enums import ActionVariant

from agents.admin.base import table
from audit.adminkit import actor_of, reason_action
from workflows.triggers import services
from workflows.triggers.admin.base import TriggerAdmin, in_the_dialog, log, shown_trial
from workflows.triggers.forms import IssueForm, TryWebhookForm, WebhookForm
from workflows.triggers.models import HookDelivery, Webhook, WebhookSecret
from workflows.triggers.services.webhooks import address_of

KEPT = (
    *("name", "workflow", "signal", "condition", "give", "key"),
    *("most_bytes", "most_per_minute", "allow_binary", "is_enabled"),
)
NEWEST_SECRETS = 20


@admin.register(Webhook)
class WebhookAdmin(TriggerAdmin):
    """Addresses for signed messages that start runs."""

    form = WebhookForm
    list_display = ("name", "workflow", "shown_address", "shown_enabled")
    empty_title = "No webhook yet"
    empty_step = "Add one, issue a secret, and give the sender both: each message then starts a run."
    next_step = "Next: issue a secret. Until then it hears nothing."
    actions_detail = ["try_it", "issue_secret", "revoke_secrets"]
    panels = ("shown_address", "shown_secrets", "shown_log", "shown_trail")
    fieldsets = (
        ("Webhook", {"classes": ["tab"], "fields": (*KEPT, "shown_address", "shown_secrets")}),
        ("What came", {"classes": ["tab"], "fields": ("shown_log",)}),
        ("Trail", {"classes": ["tab"], "fields": ("shown_trail",)}),
    )
    add_fieldsets = ((None, {"fields": KEPT}),)

    def save_service(self, **given: Any) -> Webhook:
        return services.save_webhook(**given)

    @display(description="Address")
    def shown_address(self, webhook: Webhook) -> SafeString:
        return format_html('<code style="overflow-wrap: anywhere">{}</code>', address_of(webhook))

    @display(description="Secrets")
    def shown_secrets(self, webhook: Webhook) -> SafeString:
        now = timezone.now()
        found = webhook.secrets.all()[:NEWEST_SECRETS]
        rows = [(str(secret), _known_of(secret, now)) for secret in found]
        empty = "No secret yet: issue one, it is shown once. Until then nothing is heard."
        return table(("Ends in", "What is known of it (UTC)"), rows, empty=empty)

    @display(description="What came")
    def shown_log(self, webhook: Any) -> SafeString:
        return log(webhook.deliveries, webhook.viewer, "Message", _message)

    @reason_action(
        title="Try this webhook",
        description="Try it",
        text="Shows what a message would start, as if it had been signed. Nothing is started or kept.",
        submit="Try it",
        permission="triggers.view_webhook",
        form_class=TryWebhookForm,
        icon="science",
    )
    def try_it(self, request: HttpRequest, obj: Webhook, data: Mapping[str, Any]) -> HttpResponse:
        """Show what a message would become."""
        return shown_trial(request, obj, services.try_webhook(obj, data["sample"]))

    @reason_action(
        title="Issue a secret for the sender",
        description="Issue secret",
        text="It is shown once, right here. The sender signs with it as Standard Webhooks says.",
        submit="Issue",
        permission="triggers.change_webhook",
        form_class=IssueForm,
        icon="key",
        variant=ActionVariant.PRIMARY,
    )
    def issue_secret(self, request: HttpRequest, obj: Webhook, data: Mapping[str, Any]) -> HttpResponse:
        """Issue a secret and show it once."""
        issued = services.issue_webhook_secret(
            actor=actor_of(request), webhook=obj, reason=data["reason"], overlap_hours=data["overlap_hours"]
        )
        return in_the_dialog(request, obj, "triggers/secret_once.html", issued=issued)

    @reason_action(
        title="Revoke all its secrets",
        description="Revoke secrets",
        text="Every secret is void with the next message. It hears nothing until a new one is issued.",
        submit="Revoke",
        permission="triggers.change_webhook",
        icon="key_off",
        variant=ActionVariant.DANGER,
    )
    def revoke_secrets(self, request: HttpRequest, obj: Webhook, data: Mapping[str, Any]) -> str:
        """Void its secrets."""
        count = services.revoke_webhook_secrets(actor=actor_of(request), webhook=obj, reason=data["reason"])
        return f"{count} secret{'' if count == 1 else 's'} of {obj.name} revoked."


def _message(delivery: HookDelivery) -> str:
    times = f", came {delivery.attempts} times" if delivery.attempts > 1 else ""
    return f"{delivery.message_id or 'Not proved'} {delivery.event_type}".strip() + times


def _known_of(secret: WebhookSecret, now: datetime) -> str:
    if secret.revoked_at:
        state = "Revoked"
    elif secret.expires_at is None:
        state = "Valid"
    else:
        state = f"{'Valid until' if secret.expires_at > now else 'Ended'} {_when(secret.expires_at)}"
    used = f"last used {_when(secret.last_used_at)}" if secret.last_used_at else "never used"
    return f"{state}; issued {_when(secret.created_at)}, {used}."


def _when(at: datetime) -> str:
    return date_format(at, "DATETIME_FORMAT")
