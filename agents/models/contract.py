from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from agents.models.agent import Agent
from agents.models.tracked import KeyedModel


class ContractSignature(KeyedModel):
    """Somebody read what binds an agent and put their name to exactly that. It is evidence and gives no right.

    Written once and never changed; the database refuses it. Who signs is a person, which it checks as well.
    """

    class Capacity(models.TextChoices):
        SPONSOR = "sponsor", "sponsor"
        DEPUTY = "deputy", "deputy"
        MANAGER = "manager", "manager"

    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="signatures")
    signer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", help_text="Who signed it."
    )
    signer_label = models.CharField(max_length=200, help_text="Their name at that moment.")
    capacity = models.CharField(max_length=8, choices=Capacity, help_text="As what they signed.")
    digest = models.CharField(max_length=64, help_text="The version that was signed: SHA-256 of what binds.")
    content = models.JSONField(help_text="What binds the agent, as it was signed, with the terms behind it.")
    text = models.TextField(help_text="The document as it was signed, in plain text.")
    reason = models.TextField(help_text="What the signer said about it.")
    signed_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["-signed_at", "-pk"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["agent", "digest", "signer"],
                name="agents_contractsignature_once",
                violation_error_message="You have signed this version already.",
            ),
            models.CheckConstraint(
                condition=Q(capacity__in=["sponsor", "deputy", "manager"]),
                name="agents_contractsignature_capacity",
            ),
            models.CheckConstraint(
                condition=Q(digest__regex=r"^[0-9a-f]{64}$"), name="agents_contractsignature_digest"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.signer_label} signed the contract of {self.agent}"
