"""An approval binds what people decided to exactly what they saw; it is good for one use."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from uuid_utils.compat import uuid7

from agents.models.tracked import CheckedTogether
from audit.vocabulary import Ref
from workflows.tasks.models import Task


class Approval(CheckedTogether):
    """A question to people about one subject, with the rule for its votes snapshotted when it was asked."""

    class State(models.TextChoices):
        PENDING = "pending", "Waiting"
        APPROVED = "approved", "Approved"
        REJECTED = "rejected", "Rejected"
        EXPIRED = "expired", "Expired"
        WITHDRAWN = "withdrawn", "Withdrawn"
        SUPERSEDED = "superseded", "Superseded"

    TRANSITIONS = {
        State.PENDING: {
            State.APPROVED,
            State.REJECTED,
            State.EXPIRED,
            State.WITHDRAWN,
            State.SUPERSEDED,
        },
        State.APPROVED: set(),
        State.REJECTED: set(),
        State.EXPIRED: set(),
        State.WITHDRAWN: set(),
        State.SUPERSEDED: set(),
    }

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    subject_kind = models.CharField(max_length=80, help_text="What is to be approved: app_label.model.")
    subject_id = models.CharField(max_length=80)
    subject_label = models.CharField(max_length=300, help_text="The same in business words.")
    digest = models.CharField(max_length=64, help_text="SHA-256 of what people see and decide on.")
    binding = models.CharField(
        max_length=64, blank=True, help_text="SHA-256 of the rules and grants that held it."
    )
    requester_kind = models.CharField(max_length=10)
    requester_id = models.CharField(max_length=80)
    requester_label = models.CharField(max_length=300)
    excluded_ids = models.JSONField(
        default=list, blank=True, help_text="Users who may not vote besides the requester (four eyes)."
    )
    quorum = models.PositiveSmallIntegerField(default=1, help_text="How many must approve.")
    approver_groups = models.ManyToManyField(
        Group, related_name="+", help_text="Who may vote: members of every one of these groups."
    )
    policy_version = models.CharField(max_length=40, blank=True)
    sentence = models.CharField(max_length=500, help_text="Why it waits for people, in plain words.")
    explanation = models.JSONField(default=dict, blank=True, help_text="Every rule evaluated, with its result.")
    references = models.JSONField(default=dict, blank=True, help_text="Ids its events carry.")
    expires_at = models.DateTimeField(help_text="When it lapses; a lapsed approval is a refusal.")
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    reason = models.CharField(max_length=1000, blank=True, help_text="The reason of the vote that decided.")
    task = models.OneToOneField(Task, on_delete=models.PROTECT, related_name="approval")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    decided_at = models.DateTimeField(null=True, blank=True)
    used_at = models.DateTimeField(null=True, blank=True, help_text="When it was used. It serves only once.")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["subject_kind", "subject_id"],
                condition=Q(state="pending"),
                name="approval_one_pending_per_subject",
            ),
            models.CheckConstraint(
                condition=Q(
                    state__in=["pending", "approved", "rejected", "expired", "withdrawn", "superseded"]
                ),
                name="approval_state_known",
            ),
            models.CheckConstraint(
                condition=Q(state="pending", decided_at__isnull=True)
                | (~Q(state="pending") & Q(decided_at__isnull=False)),
                name="approval_decided_when_final",
            ),
            models.CheckConstraint(
                condition=Q(used_at__isnull=True) | Q(state="approved"), name="approval_used_only_when_approved"
            ),
            models.CheckConstraint(condition=Q(quorum__gte=1), name="approval_quorum_positive"),
        ]
        indexes = [
            models.Index(fields=["expires_at"], condition=Q(state="pending"), name="approval_pending_due")
        ]

    def __str__(self) -> str:
        return self.subject_label

    @property
    def subject(self) -> Ref:
        """Return what is to be approved."""
        return Ref(self.subject_kind, self.subject_id, self.subject_label)

    def as_ref(self) -> Ref:
        """Return the approval itself as the subject of an event."""
        return Ref("approvals.approval", str(self.pk), self.subject_label)

    def event_refs(self) -> dict[str, Any]:
        """Return the indexed references its events carry."""
        return dict(self.references)


class Vote(models.Model):
    """One person's answer. One per person and approval, never changed."""

    class Verdict(models.TextChoices):
        APPROVE = "approve", "Approve"
        REJECT = "reject", "Reject"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    approval = models.ForeignKey(Approval, on_delete=models.PROTECT, related_name="votes")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="votes")
    verdict = models.CharField(max_length=8, choices=Verdict)
    reason = models.CharField(max_length=1000, help_text="Why; it reaches whoever asked.")
    digest = models.CharField(max_length=64, help_text="SHA-256 of what this person saw.")
    at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["approval", "user"], name="vote_once_per_person"),
            models.CheckConstraint(condition=Q(verdict__in=["approve", "reject"]), name="vote_verdict_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user}: {self.verdict}"
