"""How an agent is employed: the terms that apply, and the certificates of what was decided about it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from agents.models.agent import Agent
from agents.models.organisation import Role
from agents.models.tracked import KeyedModel, tracked

_MOST_DAYS, _MOST = 3660, 1_000_000
_OFF = "0 switches it off."


def _days(default: int, help_text: str) -> Any:
    return models.PositiveIntegerField(
        default=default, validators=[MaxValueValidator(_MOST_DAYS)], help_text=help_text
    )


def _count(help_text: str) -> Any:
    return models.PositiveIntegerField(
        default=0, validators=[MaxValueValidator(_MOST)], help_text=f"{help_text} {_OFF}"
    )


class LifecycleTerms(KeyedModel):
    """What applies to the agents of a role, or of the whole company where a role has no terms of its own."""

    class BreachThen(models.TextChoices):
        PROBATION = "probation", "Back on probation: a person approves every write"
        READ_ONLY = "read_only", "It may only read"

    role = models.OneToOneField(
        Role,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="lifecycle_terms",
        help_text="Whose agents; empty: all whose role has no terms of its own.",
    )
    probation_days = _days(
        30, "How long the probation of a new agent is planned. It never ends by itself. 0: it has none."
    )
    attest_every_days = _days(
        180, "How many days after a confirmation the next is due. 0: no next day is set by it."
    )
    attest_notice_days = _days(14, "How many days before that the sponsor is asked.")
    attest_grace_days = _days(7, "How many days after it the agent may still write. Then it may only read.")
    denials = _count("So many calls that an enforced rule refused put an agent back.")
    limits = _count("So many calls above a limit put an agent back.")
    doubts = _count("So many actions of which nobody knew what became put an agent back.")
    reversals = _count("So many actions that were taken back put an agent back.")
    window_days = models.PositiveIntegerField(
        default=7, validators=[MaxValueValidator(366)], help_text="Within how many days these are counted."
    )
    breach_then = models.CharField(
        max_length=9, choices=BreachThen, default=BreachThen.PROBATION, help_text="What happens to it then."
    )

    history = tracked()

    class Meta:
        ordering = ["role__name"]
        verbose_name = verbose_name_plural = "terms of employment"
        constraints = [
            models.UniqueConstraint(
                fields=["role"], nulls_distinct=False, name="agents_lifecycleterms_once_for_the_company"
            ),
            models.CheckConstraint(condition=Q(window_days__gte=1), name="agents_lifecycleterms_window"),
            models.CheckConstraint(
                condition=Q(breach_then__in=["probation", "read_only"]), name="agents_lifecycleterms_then"
            ),
        ]

    def __str__(self) -> str:
        return f"Terms of {self.role}" if self.role else "Terms of the company"


class Certificate(KeyedModel):
    """What was decided about an agent, in plain words and with the numbers it was decided on.

    Written once and never changed; the database refuses it. It is evidence and gives no right.
    """

    class Kind(models.TextChoices):
        ACTIVATION = "activation", "Activation"
        PROMOTION = "promotion", "Promotion"
        DEMOTION = "demotion", "Demotion"
        ATTESTATION = "attestation", "Attestation"
        RETIREMENT = "retirement", "Retirement"

    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="certificates")
    kind = models.CharField(max_length=11, choices=Kind, help_text="What was decided.")
    signer = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Who decided it; nobody: the portal did, by the terms of employment.",
    )
    signer_label = models.CharField(max_length=200, help_text="Their name at that moment.")
    proposer = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Who had asked for it, where that takes two people.",
    )
    proposer_label = models.CharField(max_length=200, blank=True)
    reason = models.TextField(help_text="What the signer said about it.")
    content = models.JSONField(help_text="All that it says, with the numbers behind it.")
    text = models.TextField(help_text="The same as plain text.")
    digest = models.CharField(max_length=64, help_text="SHA-256 of the RFC 8785 form of its content.")
    evidence_digest = models.CharField(max_length=64, blank=True, help_text="SHA-256 of the numbers.")
    contract_digest = models.CharField(max_length=64, blank=True, help_text="The contract in force then.")
    issued_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["-issued_at", "-pk"]
        default_permissions = ("view",)
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=["activation", "promotion", "demotion", "attestation", "retirement"]),
                name="agents_certificate_kind",
            ),
            models.CheckConstraint(
                condition=Q(digest__regex=r"^[0-9a-f]{64}$"), name="agents_certificate_digest"
            ),
            models.CheckConstraint(
                condition=Q(proposer__isnull=True) | ~Q(proposer=models.F("signer")),
                name="agents_certificate_two_people",
            ),
        ]
        indexes = [
            models.Index(fields=["agent", "-issued_at"], name="agents_certificate_of_agent"),
            models.Index(fields=["-issued_at", "-id"], name="agents_certificate_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.agent}"


TERM_FIELDS = tuple(
    field.name for field in LifecycleTerms._meta.concrete_fields if field.name not in ("id", "role")
)
