"""How long what is kept, and what nobody may erase meanwhile."""

from __future__ import annotations

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models.functions import Now
from simple_history.models import HistoricalRecords
from uuid_utils.compat import uuid7

from audit.vocabulary import Ref

# What the EU AI Act (article 19) asks for at least, and the 13 months that hold where nobody says otherwise.
LEAST_DAYS = 183
DEFAULT_DAYS = 396


def governed() -> HistoricalRecords:
    """Return the history of a governed table: every change, by whom, with the reason in full."""
    return HistoricalRecords(history_change_reason_field=models.TextField(null=True))


class RetentionRule(models.Model):
    """How many days one class of data is kept, in a department and those below it, or in the company."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    data_class = models.CharField(max_length=60, help_text="What is kept so long.")
    department_id = models.CharField(
        max_length=64, blank=True, default="", help_text="Whose; empty: the company, where no department says."
    )
    department_label = models.CharField(max_length=120, blank=True, default="")
    days = models.PositiveIntegerField(
        default=DEFAULT_DAYS,
        validators=[
            MinValueValidator(
                LEAST_DAYS, f"At least {LEAST_DAYS} days: the EU AI Act (article 19) asks for six months."
            )
        ],
        help_text=f"Days from its writing until it is erased: {LEAST_DAYS} or more.",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    history = governed()

    class Meta:
        ordering = ["data_class", "department_label"]
        default_permissions = ("add", "change", "view")
        constraints = [
            models.UniqueConstraint(
                fields=["data_class", "department_id"],
                name="retention_one_rule",
                violation_error_message="There is a rule for this already: change its days.",
            ),
            models.CheckConstraint(
                condition=models.Q(days__gte=LEAST_DAYS),
                name="retention_not_below_the_law",
                violation_error_message=f"At least {LEAST_DAYS} days: the EU AI Act (article 19) asks for it.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.data_class} of {self.department_label or 'the company'}: {self.days} days"

    def as_ref(self) -> Ref:
        """Return the rule as the subject of an event."""
        return Ref("audit.retentionrule", str(self.pk), str(self))


class LegalHold(models.Model):
    """What nobody may erase until two persons have ended the hold, whatever a rule or a request says."""

    class Scope(models.TextChoices):
        AGENT = "agent", "An agent"
        RUN = "run", "A run"
        ACTION = "action", "An action"
        OBJECT = "object", "An object"
        DEPARTMENT = "department", "A department"
        PERIOD = "period", "A period"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    scope = models.CharField(max_length=10, choices=Scope, help_text="What kind of thing is held.")
    target_kind = models.CharField(
        "kind of object",
        max_length=100,
        blank=True,
        default="",
        help_text="Of an object: its kind in the ledger, e.g. runs.run.",
    )
    target_id = models.CharField(
        "id of what is held", max_length=64, blank=True, default="", help_text="Its id; of a period: empty."
    )
    begins_on = models.DateField(null=True, blank=True, help_text="Of a period: its first day (UTC).")
    ends_on = models.DateField(null=True, blank=True, help_text="Of a period: its last day (UTC).")
    reason = models.TextField(help_text="Why nothing of it may be erased, e.g. the case it is evidence in.")
    placed_by_id = models.CharField(max_length=64, editable=False)
    placed_by = models.CharField(max_length=200, editable=False)
    placed_at = models.DateTimeField(db_default=Now(), editable=False)
    ended_at = models.DateTimeField(null=True, blank=True, editable=False)
    ended_by_id = models.CharField(max_length=64, blank=True, default="", editable=False)
    agreed_by_id = models.CharField(
        max_length=64, blank=True, default="", editable=False, help_text="The second person."
    )

    history = governed()

    class Meta:
        ordering = ["-id"]
        default_permissions = ("add", "change", "view")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(scope="period", target_id="", begins_on__isnull=False, ends_on__isnull=False)
                & models.Q(begins_on__lte=models.F("ends_on"))
                | ~models.Q(scope="period") & ~models.Q(target_id=""),
                name="hold_names_what_it_holds",
                violation_error_message="A period needs its first and last day; everything else needs its id.",
            ),
            models.CheckConstraint(
                condition=~models.Q(scope="object") | ~models.Q(target_kind=""),
                name="hold_of_an_object_names_its_kind",
                violation_error_message="An object needs its kind as the ledger names it, e.g. runs.run.",
            ),
            models.CheckConstraint(
                condition=models.Q(ended_at__isnull=True, ended_by_id="", agreed_by_id="")
                | models.Q(ended_at__isnull=False)
                & ~models.Q(ended_by_id="")
                & ~models.Q(agreed_by_id="")
                & ~models.Q(ended_by_id=models.F("agreed_by_id")),
                name="hold_ended_by_two_persons",
                violation_error_message="A hold is ended by two persons.",
            ),
        ]

    def __str__(self) -> str:
        if self.scope == self.Scope.PERIOD:
            return f"Hold on everything from {self.begins_on} to {self.ends_on}"
        return f"Hold on {self.get_scope_display().lower()} {self.target_id}"

    def as_ref(self) -> Ref:
        """Return the hold as the subject of an event."""
        return Ref("audit.legalhold", str(self.pk), str(self))
