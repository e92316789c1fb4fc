"""What a rule would have decided about actions that are on record."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from uuid_utils.compat import uuid7

from agents.models import Measure, Rule
from audit.vocabulary import Ref
from workflows.backtests.choices import State


class Backtest(models.Model):
    """One question and its answer. The draft is kept as it was tested, whatever becomes of the rule."""

    State = State

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    rule = models.ForeignKey(
        Rule, on_delete=models.SET_NULL, null=True, related_name="+", help_text="Which rule it is a draft of."
    )
    limit = models.ForeignKey(
        Measure, on_delete=models.SET_NULL, null=True, related_name="+", help_text="Or which limit."
    )
    rule_name = models.CharField(max_length=120, help_text="Name of the rule, or of the limit.")
    draft = models.JSONField(help_text="The rule or limit as it was tested.")
    sentence = models.CharField(max_length=500, help_text="The same in words.")
    since = models.DateTimeField(help_text="From which moment on actions are looked at.")
    until = models.DateTimeField(help_text="Up to which moment, not included.")
    policy_version = models.CharField(max_length=80, blank=True, help_text="The authority it is compared with.")
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=7, choices=State, default=State.RUNNING)
    total = models.PositiveIntegerField(default=0, help_text="How many actions there are to look at.")
    reached = models.UUIDField(null=True, blank=True, help_text="The last action that was looked at.")
    result = models.JSONField(default=dict, help_text="What was counted so far.")
    carried = models.JSONField(
        default=dict, blank=True, help_text="Of a limit: what stands against it where the counting goes on."
    )
    problem = models.CharField(max_length=500, blank=True)
    asked_at = models.DateTimeField(db_default=Now(), editable=False)
    moved_at = models.DateTimeField(db_default=Now(), help_text="When it last came on.")
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["moved_at"], condition=models.Q(state="running"), name="backtest_under_way"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=[state.value for state in State]), name="backtest_state_known"
            ),
            models.CheckConstraint(
                condition=models.Q(until__gt=models.F("since")), name="backtest_period_is_one"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rule_name}, {self.since:%Y-%m-%d} to {self.until:%Y-%m-%d}"

    def as_ref(self) -> Ref:
        """Return this back-test as the subject of an event."""
        return Ref("backtests.backtest", str(self.pk), str(self))

    @property
    def is_of_limit(self) -> bool:
        """Whether it tries a limit, not a rule."""
        return "measure_id" in self.draft

    @property
    def looked_at(self) -> int:
        """Return how many actions were looked at so far."""
        return int(self.result.get("looked_at", 0))

    @property
    def percent(self) -> int:
        """Return how far it has come, in percent."""
        return 100 if not self.total else min(100, self.looked_at * 100 // self.total)
