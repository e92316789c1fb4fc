"""The pass for one effect, and the evidence of every outbound attempt."""

from __future__ import annotations

from django.db import models
from uuid_utils.compat import uuid7

from connectors import choices
from connectors.models.operations import Operation, OperationRevision
from connectors.models.systems import Account, System


class Authorization(models.Model):
    """Leave for one effect: exactly these arguments, once, until it expires. The database sets consumed_at."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    action_id = models.CharField(max_length=64)
    agent_id = models.CharField(max_length=64, blank=True)
    operation = models.ForeignKey(Operation, models.PROTECT, related_name="authorizations")
    revision = models.ForeignKey(
        OperationRevision, models.PROTECT, related_name="authorizations", db_index=False
    )
    arguments_digest = models.CharField(max_length=64)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    consumed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["action_id"], name="authorization_of_action")]

    def __str__(self) -> str:
        return f"{self.operation} for action {self.action_id}"


class Call(models.Model):
    """One outbound attempt. Written before anything leaves, finished once, then never changed."""

    Outcome = choices.Outcome
    Purpose = choices.Purpose

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    purpose = models.CharField(max_length=10, choices=choices.Purpose)
    action_id = models.CharField(max_length=64, blank=True, db_index=True)
    authorization = models.OneToOneField(
        Authorization, models.PROTECT, null=True, blank=True, related_name="call"
    )
    system = models.ForeignKey(System, models.PROTECT, related_name="calls")
    operation = models.ForeignKey(Operation, models.PROTECT, null=True, blank=True, related_name="calls")
    revision = models.ForeignKey(OperationRevision, models.PROTECT, null=True, blank=True, related_name="+")
    account = models.ForeignKey(Account, models.PROTECT, null=True, blank=True, related_name="+")
    agent_id = models.CharField(max_length=64, blank=True, help_text="For which agent.")
    actor_kind = models.CharField(max_length=10)
    actor_id = models.CharField(max_length=64)
    actor_label = models.CharField(max_length=200)
    correlation_id = models.CharField(max_length=64, blank=True, db_index=True)
    reference = models.CharField(
        max_length=40, blank=True, db_index=True, help_text="What the record over there carries of ours."
    )
    started_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=10, choices=choices.Outcome, default=choices.Outcome.RUNNING)
    status = models.PositiveSmallIntegerField(null=True, blank=True, help_text="Last HTTP status, if any.")
    request_summary = models.JSONField(default=list, blank=True, help_text="What was sent, step by step.")
    response_excerpt = models.TextField(blank=True, help_text="The start of the last answer, as it came.")
    remote_ref = models.CharField(max_length=200, blank=True, help_text="Which record it is over there.")
    error_code = models.CharField(max_length=60, blank=True)
    error_message = models.CharField(max_length=1000, blank=True)

    class Meta:
        ordering = ["-started_at"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(purpose="execute", authorization__isnull=False)
                | (~models.Q(purpose="execute") & models.Q(authorization=None)),
                name="call_executes_by_authorization_only",
            ),
            models.CheckConstraint(
                condition=models.Q(outcome="running", finished_at=None)
                | (~models.Q(outcome="running") & models.Q(finished_at__isnull=False)),
                name="call_finished_with_an_outcome",
            ),
        ]
        indexes = [models.Index(fields=["system", "-started_at"], name="call_of_system")]

    def __str__(self) -> str:
        return f"{self.get_purpose_display()} at {self.system}"
