from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from agents.models.agent import Agent
from agents.models.tracked import KeyedModel


class ModelUse(KeyedModel):
    """What one call of a model, or some of them, took: as the agent says. Never changed."""

    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="model_use")
    key = models.CharField(max_length=200, help_text="Names the report: said again, it counts once.")
    task_id = models.CharField(max_length=64, blank=True, help_text="The task it was spent on.")
    run_id = models.CharField(max_length=64, blank=True, help_text="The run that task belongs to.")
    model = models.CharField(max_length=120, help_text="The model, as its vendor calls it.")
    input_tokens = models.BigIntegerField(default=0)
    output_tokens = models.BigIntegerField(default=0)
    cost = models.BigIntegerField(default=0, help_text="In millionths of the company currency.")
    stated = models.JSONField(default=dict, blank=True, help_text="The cost as it was stated.")
    at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["-id"]
        verbose_name = "model use"
        verbose_name_plural = "model use"
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["agent", "key"], name="agents_modeluse_once"),
            models.CheckConstraint(
                condition=Q(input_tokens__gte=0, output_tokens__gte=0, cost__gte=0),
                name="agents_modeluse_not_negative",
            ),
        ]
        indexes = [
            models.Index(fields=["agent", "-at"], name="agents_modeluse_of_agent"),
            models.Index(fields=["run_id"], condition=~Q(run_id=""), name="agents_modeluse_of_run"),
        ]

    def __str__(self) -> str:
        return f"{self.model}: {self.tokens:,} tokens"

    @property
    def tokens(self) -> int:
        """Return all tokens, in and out."""
        return self.input_tokens + self.output_tokens
