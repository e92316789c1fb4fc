from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from workflows.runs.models.run import Run, Step


class Signal(models.Model):
    """Something a run was told, once per name and key. It waits until a step takes it; at most one does.

    Their numbers are given under the lock of the run, so that they are the order in which they came.
    """

    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="signals")
    name = models.CharField(max_length=60, help_text="What a step that waits calls it.")
    key = models.CharField(max_length=255, help_text="Names the occasion: sent twice with it, it counts once.")
    payload = models.JSONField(default=dict, blank=True)
    digest = models.CharField(max_length=64, help_text="SHA-256 of the RFC 8785 payload.")
    sent_by_kind = models.CharField(max_length=10)
    sent_by_id = models.CharField(max_length=80)
    sent_by = models.CharField(max_length=300)
    sent_at = models.DateTimeField(db_default=Now(), editable=False)
    taken_by = models.OneToOneField(
        Step,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="signal",
        help_text="The step that went on with it; none: it waits.",
    )
    taken_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        default_permissions = []
        constraints = [
            models.UniqueConstraint(fields=["run", "name", "key"], name="runs_signal_once"),
            models.CheckConstraint(
                condition=Q(taken_by__isnull=True, taken_at__isnull=True)
                | Q(taken_by__isnull=False, taken_at__isnull=False),
                name="runs_signal_taken_at_a_time",
            ),
        ]
        indexes = [
            models.Index(
                fields=["run", "name", "id"], condition=Q(taken_by__isnull=True), name="runs_signal_waits"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.key}"


class Subscription(models.Model):
    """An open step that waits for a signal with a name. Deleted when the step is over."""

    step = models.OneToOneField(Step, on_delete=models.CASCADE, primary_key=True, related_name="subscription")
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=60)
    seen = models.BigIntegerField(default=0, help_text="The newest signal that was not meant for it.")

    class Meta:
        default_permissions = []
        indexes = [models.Index(fields=["run", "name"], name="runs_subscription_of")]

    def __str__(self) -> str:
        return f"{self.step_id} waits for {self.name}"
