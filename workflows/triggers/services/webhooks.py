"""Webhooks: who keeps them, and what they are signed with. A secret is shown once and sealed."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from agents.services.history import lock_row
from audit.services import record_event
from audit.vocabulary import Actor, Refusal, RefusalKind
from connectors.services.secrets import open_secret, seal
from workflows.triggers.models import Webhook, WebhookSecret
from workflows.triggers.policies.signatures import key_of, text_of
from workflows.triggers.services.keeping import FIELDS, keep, require_may

OWN_FIELDS = ("most_bytes", "most_per_minute", "allow_binary")
NAMES = ("event", "data", "webhook")
KEY_BYTES = 32
MOST_SECRETS = 5
MOST_OVERLAP_HOURS = 24 * 14


@dataclass(frozen=True, slots=True)
class IssuedSecret:
    """A new secret in plain text, the only time there is one."""

    webhook: Webhook
    secret: str = field(repr=False)
    address: str = ""


def save_webhook(
    *, actor: Actor, values: Mapping[str, Any], reason: str, webhook: Webhook | None = None
) -> Webhook:
    """Keep a webhook. Needs ``triggers.change_webhook`` and the right to start its workflow."""
    with transaction.atomic():
        require_may(actor, Webhook, reason)
        webhook = lock_row(Webhook, webhook.pk) if webhook else Webhook()
        return keep(
            webhook, actor=actor, values=values, reason=reason, fields=(*FIELDS, *OWN_FIELDS), names=NAMES
        )


def issue_webhook_secret(
    *, actor: Actor, webhook: Webhook, reason: str, overlap_hours: int = 24
) -> IssuedSecret:
    """Return a new secret; those before it end after so many hours, at once with 0."""
    with transaction.atomic():
        require_may(actor, Webhook, reason)
        webhook = lock_row(Webhook, webhook.pk)
        _require_overlap(webhook, overlap_hours)
        older = valid_secrets(webhook)
        if overlap_hours:
            end = Now() + timedelta(hours=overlap_hours)
            later = older.filter(Q(expires_at=None) | Q(expires_at__gt=end)).values("pk")
            WebhookSecret.objects.filter(pk__in=later).update(expires_at=end)
        else:
            _end(older)
        _destroy(WebhookSecret.objects.filter(webhook=webhook, expires_at__lte=Now()))
        text = text_of(secrets.token_bytes(KEY_BYTES))
        sealed = seal(plaintext=text, purpose=_purpose(webhook))
        WebhookSecret.objects.create(webhook=webhook, secret=sealed, hint=text[-4:])
        record_event(
            actor=actor,
            verb="triggers.webhook_secret_issued",
            subject=webhook.as_ref(),
            sentence=f"{actor.label} issued a secret for {webhook.name}; older ones end in {overlap_hours} h.",
            reason=reason,
        )
        return IssuedSecret(webhook, text, address_of(webhook))


def revoke_webhook_secrets(*, actor: Actor, webhook: Webhook, reason: str) -> int:
    """Void every secret at once, so that the webhook hears nothing; return how many there were."""
    with transaction.atomic():
        require_may(actor, Webhook, reason)
        webhook = lock_row(Webhook, webhook.pk)
        count = _end(valid_secrets(webhook))
        record_event(
            actor=actor,
            verb="triggers.webhook_secret_revoked",
            subject=webhook.as_ref(),
            sentence=f"{actor.label} revoked {count} secrets of {webhook.name}.",
            reason=reason,
        )
        return count


def valid_secrets(webhook: Webhook) -> QuerySet[WebhookSecret]:
    """Return the secrets a message may be signed with now, newest first."""
    return WebhookSecret.objects.filter(
        Q(expires_at=None) | Q(expires_at__gt=Now()),
        webhook=webhook,
        revoked_at=None,
        secret__isnull=False,
    ).order_by("-pk")


def keys_of(webhook: Webhook) -> list[tuple[WebhookSecret, bytes]]:
    """Return the valid secrets with their keys."""
    found = valid_secrets(webhook).select_related("secret")
    return [(row, key_of(open_secret(row.secret, purpose=_purpose(webhook)))) for row in found if row.secret]


def address_of(webhook: Webhook) -> str:
    """Return where a sender reaches it."""
    return f"{settings.PUBLIC_URL.rstrip('/')}/api/v1/hooks/{webhook.pk}"


def _end(found: QuerySet[WebhookSecret]) -> int:
    """Void secrets; return how many there were."""
    keys = list(found.values_list("pk", flat=True))
    WebhookSecret.objects.filter(pk__in=keys).update(revoked_at=Now())
    _destroy(WebhookSecret.objects.filter(pk__in=keys))
    return len(keys)


def _destroy(found: QuerySet[WebhookSecret]) -> None:
    """Destroy what was sealed of secrets that prove nothing any more; their rows stay as a record."""
    for row in found.filter(secret__isnull=False).select_related("secret"):
        if row.secret:
            row.secret.delete()  # the row then names none


def _require_overlap(webhook: Webhook, overlap_hours: int) -> None:
    if not 0 <= overlap_hours <= MOST_OVERLAP_HOURS:
        raise Refusal(
            "overlap_invalid",
            f"No secret was issued: older ones may stay valid for 0 to {MOST_OVERLAP_HOURS} hours.",
            kind=RefusalKind.INVALID,
        )
    if overlap_hours and valid_secrets(webhook).count() >= MOST_SECRETS:
        raise Refusal(
            "too_many_secrets",
            f"No secret was issued: {webhook.name} has {MOST_SECRETS} valid ones.",
            kind=RefusalKind.CONFLICT,
            next_step="Wait until one has ended, or issue one that ends the others at once (0 hours).",
        )


def _purpose(webhook: Webhook) -> str:
    return f"triggers.webhook {webhook.pk}"
