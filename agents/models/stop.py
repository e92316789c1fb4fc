from __future__ import annotations

from django.db import models
from django.db.models import Q

from agents.models.tracked import KeyedModel, tracked


class Stop(KeyedModel):
    """A big red button that was pressed: nothing in its scope starts until somebody lifts it."""

    class ScopeKind(models.TextChoices):
        EVERYTHING = "everything", "Everything"
        DEPARTMENT = "department", "A department and all below it"
        ROLE = "role", "A role"
        AGENT = "agent", "One agent"
        OPERATION = "operation", "An operation"
        SYSTEM = "system", "A system"
        WORKFLOW = "workflow", "A workflow"

    class Stage(models.TextChoices):
        STOP = "stop", "Nothing starts"
        LOOK = "look", "Agents may read"
        HELD = "held", "A person approves every write"

    scope_kind = models.CharField(max_length=12, choices=ScopeKind, help_text="What is stopped.")
    scope_id = models.CharField(
        max_length=120,
        blank=True,
        help_text="Which one: the id of the department, role, agent, system or workflow, "
        "or the code of the operation.",
    )
    scope_label = models.CharField(max_length=200, blank=True, help_text="Its name at that moment.")
    reason = models.TextField(help_text="Why, for the people and agents it concerns.")
    raised_by_kind = models.CharField(max_length=10)
    raised_by_ref = models.CharField(max_length=64)
    raised_by = models.CharField(max_length=200, help_text="Who stopped it.")
    raised_at = models.DateTimeField(auto_now_add=True)
    is_exercise = models.BooleanField(
        default=False,
        db_default=False,
        help_text="A drill, so that it is known how long a stop takes to arrive. It stops as any other does.",
    )
    version = models.BigIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text="The authority version that it made: whoever has read that one has seen the stop.",
    )
    stage = models.CharField(
        max_length=4,
        choices=Stage,
        default=Stage.STOP,
        db_default=Stage.STOP,
        help_text="How far the way back has come. Each step is a person's decision; the last is to lift it.",
    )
    tightened_at = models.DateTimeField(
        null=True, blank=True, help_text="When it was last taken back to a stricter stage."
    )
    lifted_by_kind = models.CharField(max_length=10, blank=True)
    lifted_by_ref = models.CharField(max_length=64, blank=True)
    lifted_by = models.CharField(max_length=200, blank=True, help_text="Who lifted it.")
    lifted_at = models.DateTimeField(null=True, blank=True)
    lift_reason = models.TextField(blank=True, help_text="Why it was lifted.")

    history = tracked()

    class Meta:
        ordering = ["-raised_at"]
        permissions = [("raise_stop", "Can stop work"), ("lift_stop", "Can lift a stop")]
        constraints = [
            models.CheckConstraint(
                condition=Q(scope_kind="everything", scope_id="")
                | (~Q(scope_kind="everything") & ~Q(scope_id="")),
                name="agents_stop_scope",
            ),
            models.CheckConstraint(
                condition=Q(lifted_at__isnull=True, lifted_by="")
                | (Q(lifted_at__isnull=False) & ~Q(lifted_by="")),
                name="agents_stop_lifted_by_somebody",
            ),
            models.CheckConstraint(
                condition=Q(stage__in=["stop", "look", "held"]), name="agents_stop_stage_known"
            ),
        ]
        indexes = [
            models.Index(
                fields=["scope_kind", "scope_id"],
                condition=Q(lifted_at__isnull=True),
                name="agents_stop_active",
            )
        ]

    def __str__(self) -> str:
        return f"Stop: {self.scope_label or self.scope_id or self.get_scope_kind_display()}"

    @property
    def is_active(self) -> bool:
        """Tell whether it still stops anything."""
        return self.lifted_at is None
