from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from agents.models.tracked import KeyedModel, tracked
from audit.vocabulary import Ref
from workflows.runs.choices import VersionState


class Workflow(KeyedModel):
    """Work that is done again and again: its name, who answers for it, and the version that runs start with."""

    code = models.SlugField(max_length=60, unique=True, help_text="Short stable name, e.g. invoice-to-ledger.")
    name = models.CharField(max_length=120, help_text="The name people see.")
    purpose = models.TextField(blank=True, help_text="What it is good for, in plain words.")
    owner = models.ForeignKey(
        Group, on_delete=models.PROTECT, related_name="+", help_text="The people who answer for it."
    )
    is_enabled = models.BooleanField(default=True, help_text="Switched off, no run begins; what runs goes on.")
    current = models.ForeignKey(
        "runs.WorkflowVersion",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="The approved version that new runs follow.",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    history = tracked()

    class Meta:
        ordering = ["name"]
        permissions = [("start_workflow", "May start a run")]

    def __str__(self) -> str:
        return self.name


class WorkflowVersion(KeyedModel):
    """A definition exactly as a second person approved it; never changed, so that a run keeps its meaning."""

    State = VersionState

    workflow = models.ForeignKey(Workflow, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField(help_text="1, 2, 3 ... within the workflow.")
    text = models.TextField(help_text="The definition as it was written (YAML).")
    content = models.JSONField(help_text="The same as JSON.")
    sha256 = models.CharField(max_length=64, help_text="SHA-256 of the RFC 8785 form of the content.")
    state = models.CharField(max_length=10, choices=VersionState, default=VersionState.PROPOSED)
    reason = models.TextField(blank=True, help_text="Why it was proposed.")
    proposed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", help_text="Who wrote it."
    )
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["workflow", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["workflow", "number"], name="runs_version_number"),
            models.UniqueConstraint(
                fields=["workflow"], condition=Q(state="proposed"), name="runs_version_one_proposed"
            ),
            models.CheckConstraint(
                condition=~Q(state="approved") | Q(approved_by__isnull=False), name="runs_version_has_approver"
            ),
            models.CheckConstraint(
                condition=~Q(approved_by=models.F("proposed_by")), name="runs_version_second_person"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.workflow} {self.number}"

    def as_ref(self) -> Ref:
        """Return this version as the subject of an event."""
        return Ref("runs.workflowversion", str(self.pk), str(self))


class Layout(models.Model):
    """Where the boxes of a version's picture were put by hand. It says nothing about what is done: no part of
    the definition, of its hash or of what a second person approves."""

    class Direction(models.TextChoices):
        DOWN = "TB", "Top down"
        ACROSS = "LR", "Left to right"

    version = models.OneToOneField(
        WorkflowVersion, on_delete=models.PROTECT, primary_key=True, related_name="layout"
    )
    direction = models.CharField(max_length=2, choices=Direction, default=Direction.DOWN)
    at = models.JSONField(default=dict, help_text="The middle of each box by its key, as [x, y].")
    kept_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    kept_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        default_permissions = []
        constraints = [
            models.CheckConstraint(condition=Q(direction__in=["TB", "LR"]), name="runs_layout_direction_known")
        ]

    def __str__(self) -> str:
        return f"Layout of {self.version}"
