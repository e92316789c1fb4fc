"""Times at which runs start, each of them a row that is fired once."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from agents.models.tracked import tracked
from workflows.triggers.choices import CatchUp
from workflows.triggers.models.common import Occasion, Trigger

MOST_CAUGHT_UP = 1000


class Schedule(Trigger):
    """Starts runs at times of a wall clock somewhere."""

    CatchUp = CatchUp

    cron = models.CharField(
        max_length=200,
        help_text="Minute, hour, day of month, month, day of week, e.g. 0 9 * * mon-fri. Days of the "
        "month or of the week, not both.",
    )
    time_zone = models.CharField(
        max_length=60, default="UTC", help_text="Whose wall clock, by its IANA name, e.g. Europe/Berlin."
    )
    catch_up = models.CharField(
        max_length=4,
        choices=CatchUp,
        default=CatchUp.LAST,
        help_text="What becomes of times at which the portal was away or the workflow was stopped.",
    )
    catch_up_most = models.PositiveSmallIntegerField(
        default=24,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_CAUGHT_UP)],
        help_text="With one run for each: at most so many, the newest.",
    )

    history = tracked()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(catch_up__in=[value.value for value in CatchUp]),
                name="triggers_schedule_catch_up_known",
            ),
            models.CheckConstraint(
                condition=models.Q(catch_up_most__gte=1, catch_up_most__lte=MOST_CAUGHT_UP),
                name="triggers_schedule_catch_up_bounded",
            ),
        ]

    def clean(self) -> None:
        """Refuse a key or a condition made of spaces only: it would read as one and be none."""
        wrong = {
            name: "Spaces only."
            for name in ("condition", "key")
            if (v := getattr(self, name)) and not v.strip()
        }
        if wrong:
            raise ValidationError(wrong)


class Due(models.Model):
    """When a schedule fires next. A schedule that is switched off has none."""

    schedule = models.OneToOneField(Schedule, on_delete=models.CASCADE, primary_key=True, related_name="due")
    at = models.DateTimeField(db_index=True, help_text="The next due time.")
    waiting = models.CharField(max_length=500, blank=True, help_text="Why what is due has not begun.")

    class Meta:
        verbose_name_plural = "due"

    def __str__(self) -> str:
        return str(self.at)


class Firing(Occasion):
    """One due time of a schedule, or a stretch of skipped ones up to it."""

    schedule = models.ForeignKey(Schedule, on_delete=models.PROTECT, related_name="firings")
    due_at = models.DateTimeField(help_text="The due time it is about.")

    class Meta:
        ordering = ["-due_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["schedule", "due_at"], name="triggers_firing_once"),
        ]
