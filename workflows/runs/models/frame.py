from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from uuid_utils.compat import uuid7

from workflows.runs.models.run import Run, Step


class Frame(models.Model):
    """One opened parallel or map, as counts: no decision about it costs more because it has many items."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="frames")
    opener = models.OneToOneField(Step, on_delete=models.PROTECT, related_name="opens")
    node = models.CharField(max_length=40)
    outer = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    index = models.PositiveIntegerField(
        default=0, help_text="The branch or item of the outer frame it stands in."
    )
    size = models.PositiveIntegerField(help_text="Branches or items.")
    started = models.PositiveIntegerField(default=0)
    arrived = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    dead = models.PositiveIntegerField(default=0, help_text="Branches that never begin.")
    is_fired = models.BooleanField(default=False, help_text="Its join was passed.")
    is_closed = models.BooleanField(default=False, help_text="Nothing in it begins or counts any more.")

    class Meta:
        ordering = ["id"]
        default_permissions = ["view"]
        constraints = [
            models.CheckConstraint(
                condition=Q(started__lte=F("size"), arrived__gte=0, failed__gte=0)
                & Q(started__gte=F("arrived") + F("failed")),
                name="runs_frame_counts_add_up",
            ),
        ]
        indexes = [models.Index(fields=["run"], condition=Q(is_closed=False), name="runs_frame_open")]

    def __str__(self) -> str:
        return f"{self.node} of {self.run_id}"


class Item(models.Model):
    """One branch of a parallel or one item of a map: what it is about, and what became of it."""

    class How(models.TextChoices):
        OPEN = "", "Not ended"
        ARRIVED = "arrived", "Arrived"
        ABSORBED = "absorbed", "Arrived after the join"
        FAILED = "failed", "Failed"
        DEAD = "dead", "Never begun"

    frame = models.ForeignKey(Frame, on_delete=models.PROTECT, related_name="items")
    index = models.PositiveIntegerField()
    item = models.JSONField(null=True, blank=True)
    how = models.CharField(max_length=8, choices=How, blank=True, default="")
    value = models.JSONField(null=True, blank=True, help_text="What the join collects of it.")

    class Meta:
        ordering = ["frame", "index"]
        default_permissions = []
        constraints = [models.UniqueConstraint(fields=["frame", "index"], name="runs_item_once")]

    def __str__(self) -> str:
        return f"{self.frame_id} {self.index}"
