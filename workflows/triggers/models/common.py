"""What every trigger has in common: what it starts, when, with what, and what names the work."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models.functions import Now

from agents.models.tracked import KeyedModel
from workflows.runs.models import Run, Workflow
from workflows.triggers.choices import Outcome

MOST_CHARACTERS = 2000  # of a CEL text, as everywhere


class Trigger(KeyedModel):
    """Something that starts or signals runs of one workflow by itself. It is switched off, never deleted."""

    name = models.CharField(max_length=120, unique=True, help_text="The name people see.")
    workflow = models.ForeignKey(
        Workflow, on_delete=models.PROTECT, related_name="%(class)ss", help_text="What it starts."
    )
    signal = models.CharField(
        max_length=60,
        blank=True,
        help_text="Instead of starting a run, send this signal to the run with the key.",
    )
    condition = models.CharField(
        max_length=MOST_CHARACTERS, blank=True, help_text="CEL. Only where it holds, a run is started."
    )
    give = models.JSONField(
        default=dict, blank=True, help_text="The run's input: for each member a CEL text. Null is left out."
    )
    key = models.CharField(
        max_length=MOST_CHARACTERS,
        blank=True,
        help_text="CEL. Names the work: the same key again is the run that is there.",
    )
    is_enabled = models.BooleanField(default=True, help_text="Switched off, it starts nothing.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name


class Occasion(KeyedModel):
    """One time something came, and what became of it. Written once."""

    Outcome = Outcome

    outcome = models.CharField(max_length=10, choices=Outcome)
    code = models.CharField(max_length=64, blank=True, help_text="The stable code of a refusal.")
    sentence = models.CharField(max_length=500, help_text="What became of it, in plain words.")
    key = models.CharField(max_length=255, blank=True, help_text="What named the work.")
    run = models.ForeignKey(Run, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(db_default=Now(), editable=False, help_text="When, by the database's clock.")

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.sentence

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Cut the sentence to what a row holds."""
        self.sentence = self.sentence[:500]
        super().save(*args, **kwargs)
