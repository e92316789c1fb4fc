from __future__ import annotations

from django.db import models
from django.db.models import Q

from agents.models.policy import Rule
from agents.models.scope import PolicyScope, scope_constraint
from agents.models.tracked import KeyedModel, tracked


class Measure(KeyedModel):
    """A counter over actions: what is counted, per which key, in which window, and up to which ceiling.

    Limits, "the first time for this supplier" and "no duplicate" are all measures.
    """

    class Unit(models.TextChoices):
        COUNT = "count", "Calls"
        MONEY = "money", "Company currency, in minor units"
        RECORDS = "records", "Records"
        RUNNING = "running", "Calls under way at the same time"
        FAILURES = "failures", "Failures in a row"
        OTHER = "other", "Another whole number"
        TOKENS = "tokens", "Tokens of model use"
        COST = "cost", "Cost of model use"

    class Window(models.TextChoices):
        CALL = "call", "Each call by itself"
        MINUTE = "minute", "Minute"
        HOUR = "hour", "Hour of the clock"
        DAY = "day", "Calendar day"
        MONTH = "month", "Calendar month"
        EVER = "ever", "For ever"
        ROLLING = "rolling", "The last so many seconds"

    class OnExceed(models.TextChoices):
        DENY = "deny", "Refuse it"
        HOLD = "hold", "Hold it for a person"
        PAUSE = "pause", "Refuse it and pause the agent"

    code = models.SlugField(
        max_length=60,
        unique=True,
        help_text="Short stable name with underscores; rules read it as measures.name_here.",
    )
    name = models.CharField(max_length=120, help_text="The limit in plain words, e.g. invoices posted per day.")
    scope_kind = models.CharField(
        max_length=12, choices=PolicyScope, default=PolicyScope.COMPANY, help_text="Whom it binds."
    )
    scope_id = models.CharField(
        max_length=64, blank=True, help_text="Which department, role or agent; empty for the whole company."
    )
    operations = models.CharField(
        max_length=200, default="*", help_text="Which operations it counts: an exact code or a pattern (erp.*)."
    )
    key = models.CharField(
        max_length=500,
        blank=True,
        help_text='Counted apart for each value of this CEL text, e.g. args.supplier + "/" + args.number. '
        "Empty: one counter for all.",
    )
    amount = models.CharField(
        max_length=500, default="1", help_text="How much one action adds, as a CEL whole number: 1, or amount."
    )
    read_for = models.CharField(
        max_length=200,
        blank=True,
        help_text="Operations whose rules may read it without being counted, e.g. what may only come after it.",
    )
    read_key = models.CharField(
        max_length=500,
        blank=True,
        help_text="Which of its counters they read, as CEL over their own arguments.",
    )
    unit = models.CharField(max_length=8, choices=Unit, default=Unit.COUNT, help_text="What is counted.")
    window = models.CharField(
        max_length=8,
        choices=Window,
        default=Window.DAY,
        help_text="When it starts anew, by the company's clock.",
    )
    window_seconds = models.PositiveIntegerField(
        null=True, blank=True, help_text="Length of a rolling window, in seconds."
    )
    ceiling = models.BigIntegerField(
        null=True, blank=True, help_text="The most that is allowed, inclusive. Empty: counted, not limited."
    )
    on_exceed = models.CharField(
        max_length=5, choices=OnExceed, default=OnExceed.DENY, help_text="What happens above the ceiling."
    )
    mode = models.CharField(
        max_length=8, choices=Rule.Mode, default=Rule.Mode.DRAFT, help_text="Draft, then shadow, then enforced."
    )
    version = models.PositiveIntegerField(
        default=1, editable=False, help_text="Goes up by one with every change of this limit."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    history = tracked()

    class Meta:
        ordering = ["name"]
        verbose_name = "limit"
        constraints = [
            scope_constraint("agents_measure_scope"),
            models.CheckConstraint(
                condition=Q(window="rolling", window_seconds__isnull=False, window_seconds__gte=1)
                | (~Q(window="rolling") & Q(window_seconds__isnull=True)),
                name="agents_measure_window",
            ),
            models.CheckConstraint(
                condition=Q(ceiling__isnull=True) | Q(ceiling__gte=0), name="agents_measure_ceiling"
            ),
            models.CheckConstraint(condition=Q(code__regex=r"^[a-z][a-z0-9_]*$"), name="agents_measure_code"),
        ]

    def __str__(self) -> str:
        return self.name


class MeasureCounter(models.Model):
    """What stands against one measure, key and window: reserved (in flight) and settled (done)."""

    measure = models.ForeignKey(Measure, on_delete=models.PROTECT, related_name="counters")
    key = models.CharField(max_length=300, blank=True)
    window_start = models.DateTimeField()
    reserved = models.BigIntegerField(default=0)
    settled = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["measure", "key", "window_start"], name="agents_measurecounter_measure_key_window"
            ),
            models.CheckConstraint(condition=Q(reserved__gte=0), name="agents_measurecounter_reserved"),
            models.CheckConstraint(condition=Q(settled__gte=0), name="agents_measurecounter_settled"),
        ]

    def __str__(self) -> str:
        return f"{self.measure_id} {self.key} {self.window_start}"


class Reservation(KeyedModel):
    """What one action holds against one measure."""

    class State(models.TextChoices):
        RESERVED = "reserved", "Reserved"
        SETTLED = "settled", "Settled"
        RELEASED = "released", "Released"

    action_id = models.CharField(max_length=64)
    measure = models.ForeignKey(Measure, on_delete=models.PROTECT, related_name="reservations")
    key = models.CharField(max_length=300, blank=True)
    window_start = models.DateTimeField()
    amount = models.BigIntegerField()
    state = models.CharField(max_length=8, choices=State, default=State.RESERVED)
    created_at = models.DateTimeField(
        help_text="When it was reserved (database clock); rolling windows count from it."
    )
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["action_id", "measure"], name="agents_reservation_once_per_action"),
            models.CheckConstraint(condition=Q(amount__gte=0), name="agents_reservation_amount"),
        ]
        indexes = [
            models.Index(
                fields=["measure", "key", "created_at"],
                condition=~Q(state="released"),
                name="agents_reservation_live",
            )
        ]

    def __str__(self) -> str:
        return f"{self.action_id}: {self.amount}"
