from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from agents.models.tracked import KeyedModel, tracked


class ChangeRequest(KeyedModel):
    """A change of authority that waits for a second person; what is applied is exactly what was proposed."""

    class State(models.TextChoices):
        PENDING = "pending", "Waiting for a second person"
        APPLIED = "applied", "Applied"
        REJECTED = "rejected", "Rejected"
        WITHDRAWN = "withdrawn", "Withdrawn"
        EXPIRED = "expired", "Expired"

    kind = models.CharField(max_length=60, help_text="What kind of change, e.g. agents.rule.change.")
    target_kind = models.CharField(max_length=60, help_text="What it changes.")
    target_id = models.CharField(max_length=64)
    target_label = models.CharField(max_length=200, blank=True)
    target_version = models.CharField(
        max_length=64,
        blank=True,
        help_text="The state the proposer saw; if the target moved on, it is refused.",
    )
    summary = models.TextField(help_text="What the change lets whom do, in words.")
    payload = models.JSONField(help_text="The change itself.")
    payload_digest = models.CharField(
        max_length=64, help_text="SHA-256 of the RFC 8785 form of kind, target and payload."
    )
    authority = models.JSONField(
        default=list,
        blank=True,
        help_text="What it lets whom do, sentence by sentence, as it stood when it was proposed.",
    )
    proposer = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="proposed_changes",
        help_text="Who asks.",
    )
    reason = models.TextField(help_text="Why the proposer wants it.")
    state = models.CharField(max_length=9, choices=State, default=State.PENDING, help_text="Where it stands.")
    approver = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="decided_changes",
        help_text="The second person.",
    )
    decision_reason = models.TextField(blank=True, help_text="Why it was applied or rejected.")
    created_at = models.DateTimeField(auto_now_add=True)
    decided_at = models.DateTimeField(null=True, blank=True)

    history = tracked()

    class Meta:
        ordering = ["-created_at"]
        permissions = [("decide_changerequest", "Can apply or reject a change that somebody else proposed")]
        constraints = [
            models.CheckConstraint(
                condition=Q(approver__isnull=True) | ~Q(approver=F("proposer")),
                name="agents_changerequest_another_person",
                violation_error_message="A change is decided by another person than its proposer.",
            ),
            models.CheckConstraint(
                condition=Q(state="pending", decided_at__isnull=True, approver__isnull=True)
                | Q(state__in=["withdrawn", "expired"], decided_at__isnull=False, approver__isnull=True)
                | Q(state__in=["applied", "rejected"], decided_at__isnull=False, approver__isnull=False),
                name="agents_changerequest_decided",
            ),
        ]
        indexes = [
            models.Index(fields=["target_kind", "target_id"], name="agents_changerequest_target"),
        ]

    def __str__(self) -> str:
        return f"Change of {self.target_label}"
