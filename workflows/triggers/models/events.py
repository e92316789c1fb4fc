"""Ledger events that start runs, read in the order of their positions by a cursor of each trigger's own."""

from __future__ import annotations

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from agents.models.tracked import tracked
from workflows.triggers.models.common import Occasion, Trigger

MOST_PER_HOUR = 10_000


class EventTrigger(Trigger):
    """Starts runs when something happens in the portal itself, as the ledger tells it."""

    verbs = models.CharField(
        max_length=500,
        help_text="Which events: verbs or patterns with *, spaces between, e.g. actions.action_failed tasks.*",
    )
    most_per_hour = models.PositiveSmallIntegerField(
        default=100,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_PER_HOUR)],
        help_text="Runs an hour at most; what comes above that waits.",
    )

    kept_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Who changed it last: it hears of the events this person may see, and of no others.",
    )

    history = tracked()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=models.Q(most_per_hour__gte=1), name="triggers_event_rate_bounded")
        ]


class Cursor(models.Model):
    """How far a trigger has read the ledger. One that is switched off has none, and begins anew."""

    trigger = models.OneToOneField(
        EventTrigger, on_delete=models.CASCADE, primary_key=True, related_name="cursor"
    )
    position = models.BigIntegerField(help_text="The last position it has dealt with.")
    waiting = models.CharField(max_length=500, blank=True, help_text="Why the next event has to wait.")

    def __str__(self) -> str:
        return str(self.position)


class EventDelivery(Occasion):
    """One event of the ledger and what became of it."""

    trigger = models.ForeignKey(EventTrigger, on_delete=models.PROTECT, related_name="deliveries")
    position = models.BigIntegerField(help_text="The position of the event in the ledger.")
    verb = models.CharField(max_length=100)
    cause_run = models.CharField(max_length=64, blank=True, help_text="The run the event belongs to.")

    class Meta:
        ordering = ["-position", "-id"]
        verbose_name_plural = "event deliveries"
        constraints = [
            models.UniqueConstraint(fields=["trigger", "position"], name="triggers_event_once"),
        ]
        indexes = [
            models.Index(fields=["trigger", "at"], name="triggers_event_lately"),
        ]
