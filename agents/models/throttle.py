from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from agents.models.tracked import KeyedModel, tracked

LONGEST_SECONDS = 86_400


class Throttle(KeyedModel):
    """How much of something goes on at once, or begins in a time. What is more waits for its turn.

    It refuses nothing and holds nothing for people, so it is no part of a decision and no write of it raises
    the authority version: it is read where an action is begun, under its own lock, and counts from its commit.
    """

    class ScopeKind(models.TextChoices):
        SYSTEM = "system", "A system"
        OPERATION = "operation", "An operation"
        AGENT = "agent", "An agent"

    name = models.CharField(
        max_length=120, help_text="In plain words, as whoever waits reads it, e.g. calls of the ERP."
    )
    scope_kind = models.CharField(max_length=9, choices=ScopeKind, help_text="What is counted.")
    scope_id = models.CharField(
        max_length=120, help_text="Which one: the id of the system or agent, or the code of the operation."
    )
    scope_label = models.CharField(max_length=200, blank=True, help_text="Its name when the throttle was made.")
    most_at_once = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="At most so many are being done at the same time; of an agent, it also has at most so many "
        "tasks. Empty: as many as come.",
    )
    most = models.PositiveIntegerField(
        null=True, blank=True, help_text="At most so many begin in the seconds below. Empty: as many as come."
    )
    per_seconds = models.PositiveIntegerField(
        null=True, blank=True, help_text="In any so many seconds, at most a day (86400)."
    )
    is_enabled = models.BooleanField(default=True, help_text="Whether anything waits for it.")
    in_force_since = models.DateTimeField(
        db_default=Now(), editable=False, help_text="When what it says was last changed."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    history = tracked()

    class Meta:
        ordering = ["scope_kind", "scope_label", "name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(scope_kind__in=["system", "operation", "agent"]) & ~Q(scope_id=""),
                name="agents_throttle_scope",
            ),
            # None at all is what a stop is for.
            models.CheckConstraint(
                condition=Q(most_at_once__isnull=True) | Q(most_at_once__gte=1),
                name="agents_throttle_at_once",
                violation_error_message="At least one at once: to let nothing begin, stop it.",
            ),
            models.CheckConstraint(
                condition=Q(most__isnull=True, per_seconds__isnull=True)
                | Q(
                    most__isnull=False,
                    per_seconds__isnull=False,
                    most__gte=1,
                    per_seconds__gte=1,
                    per_seconds__lte=LONGEST_SECONDS,
                ),
                name="agents_throttle_rate",
                violation_error_message="A rate is both: at least one, in 1 to 86400 seconds.",
            ),
            models.CheckConstraint(
                condition=Q(most_at_once__isnull=False) | Q(most__isnull=False),
                name="agents_throttle_says_something",
                violation_error_message="Say how many at once, or how many in how many seconds. "
                "To let as many begin as come, switch it off.",
            ),
        ]
        indexes = [
            models.Index(
                fields=["scope_kind", "scope_id"],
                condition=Q(is_enabled=True),
                name="agents_throttle_in_force",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def words(self) -> str:
        """Return what it says, e.g. ``at most 5 at once and 100 in 60 seconds (Tryton)``."""
        parts = [f"{self.most_at_once} at once"] if self.most_at_once else []
        parts += [f"{self.most} in {self.per_seconds} seconds"] if self.most else []
        return f"at most {' and '.join(parts)} ({self.scope_label or self.scope_id})"
