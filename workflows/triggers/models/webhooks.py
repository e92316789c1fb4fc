"""Webhooks: signed messages from outside, each taken in once."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now

from agents.models.tracked import KeyedModel, tracked
from connectors.models import Secret
from workflows.triggers.models.common import Occasion, Trigger

LEAST_BYTES, MOST_BYTES = 1024, 1024 * 1024


class Webhook(Trigger):
    """An address at which another system says that something happened. Without a secret it hears nothing."""

    most_bytes = models.PositiveIntegerField(
        default=256 * 1024,
        validators=[MinValueValidator(LEAST_BYTES), MaxValueValidator(MOST_BYTES)],
        help_text="Larger messages are refused (bytes).",
    )
    most_per_minute = models.PositiveSmallIntegerField(
        default=60,
        validators=[MinValueValidator(1), MaxValueValidator(6000)],
        help_text="New messages a minute; what comes above that is told to come again.",
    )
    allow_binary = models.BooleanField(
        default=False,
        verbose_name="CloudEvents in headers",
        help_text="Also take CloudEvents in binary mode. No signature covers the headers they travel in.",
    )

    history = tracked()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(most_bytes__gte=LEAST_BYTES, most_bytes__lte=MOST_BYTES),
                name="triggers_webhook_bytes_bounded",
            ),
            models.CheckConstraint(
                condition=models.Q(most_per_minute__gte=1), name="triggers_webhook_rate_bounded"
            ),
        ]


class WebhookSecret(KeyedModel):
    """What a sender signs with. Several are valid side by side, so that replacing one loses no message."""

    webhook = models.ForeignKey(Webhook, on_delete=models.PROTECT, related_name="secrets")
    secret = models.OneToOneField(
        Secret, null=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    hint = models.CharField(max_length=4, help_text="Its last characters, to tell it from others.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Valid until then; empty: no end.")
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, help_text="To the minute.")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"…{self.hint}"


class HookDelivery(Occasion):
    """One message, under the id its sender gave it, and what became of it.

    What was refused before anybody could tell who sent it has no id; such refusals are counted by the minute.
    """

    webhook = models.ForeignKey(Webhook, on_delete=models.PROTECT, related_name="deliveries")
    message_id = models.CharField(max_length=255, blank=True, help_text="webhook-id, as it was signed.")
    digest = models.CharField(max_length=64, blank=True, help_text="SHA-256 of the body.")
    event_type = models.CharField(max_length=200, blank=True, help_text="What the sender calls it.")
    attempts = models.PositiveIntegerField(default=1, help_text="How often it came.")
    last_at = models.DateTimeField(db_default=Now(), help_text="When it came last.")

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "hook deliveries"
        constraints = [
            models.UniqueConstraint(
                fields=["webhook", "message_id"],
                condition=~models.Q(message_id=""),
                name="triggers_delivery_once",
            )
        ]
        indexes = [models.Index(fields=["webhook", "at"], name="triggers_delivery_lately")]
