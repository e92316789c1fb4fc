from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from uuid_utils.compat import uuid7

from workflows.runs.models.run import Run, Step


class Intervention(models.Model):
    """What a person did to a run, and why. Written once; the rows of a run say who is behind its actions."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="interventions")
    step = models.ForeignKey(Step, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    verb = models.CharField(max_length=40, help_text="skip, override, pause ...")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    reason = models.TextField()
    shapes = models.BooleanField(
        help_text="It decides what the run does next, so that this person approves none of its later actions."
    )
    changes = models.JSONField(default=list, blank=True, help_text="What it changed, as the preview says it.")
    at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["id"]
        default_permissions = []
        indexes = [models.Index(fields=["run"], condition=models.Q(shapes=True), name="runs_shaped_by")]

    def __str__(self) -> str:
        return f"{self.verb}: {self.run_id}"
