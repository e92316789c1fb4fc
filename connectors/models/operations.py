"""What may be asked of a system, in which revision, and by whom."""

from __future__ import annotations

from typing import Any, NoReturn

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase
from uuid_utils.compat import uuid7

from agents.models.tracked import tracked
from audit.vocabulary import Ref
from connectors import choices
from connectors.models.systems import System

USE_OPERATION = "use_operation"
code_shape = RegexValidator(
    r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$", "A code is words with dots, e.g. erp.supplier_invoice.post."
)


class Operation(models.Model):
    """One thing the portal can do at a system. Nobody may use it without a grant on exactly this row."""

    Effect = choices.Effect

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    system = models.ForeignKey(System, models.PROTECT, related_name="operations")
    code = models.CharField(
        max_length=120, unique=True, validators=[code_shape], help_text="Its stable name for agents and rules."
    )
    name = models.CharField(max_length=120, help_text="What it does, in words.")
    description = models.TextField(blank=True, max_length=2000, help_text="What an agent should know.")
    effect = models.CharField(max_length=20, choices=choices.Effect, help_text="What it does to the world.")
    idempotent = models.BooleanField(
        default=False, help_text="Doing it twice with the same reference does it once."
    )
    lookup_operation = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="looked_up_for",
        help_text="A read that finds out whether it happened.",
    )
    undo_operation = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="undoes", help_text="What takes it back."
    )
    money_path = models.CharField(
        max_length=120, blank=True, help_text="JSON pointer to the amount in its arguments, e.g. /total."
    )
    reference_field = models.CharField(
        max_length=120, blank=True, help_text="The field over there that carries our reference."
    )
    label_template = models.CharField(
        max_length=200, blank=True, help_text="One line for people, e.g. Invoice {number} of {supplier}."
    )
    is_enabled = models.BooleanField(default=True, help_text="Off: unknown to everybody.")
    current_revision = models.ForeignKey(
        "OperationRevision",
        models.RESTRICT,
        null=True,
        blank=True,
        editable=False,
        related_name="current_of",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    history = tracked()

    class Meta:
        ordering = ["code"]
        permissions = [
            (USE_OPERATION, "May use the operation"),
            ("grant_operation", "May propose and revoke grants"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(effect="financial") | ~models.Q(money_path=""),
                name="operation_financial_names_its_amount",
                violation_error_message="A financial operation names where its amount is.",
            ),
        ]

    def __str__(self) -> str:
        return self.code

    def as_ref(self) -> Ref:
        """Return this operation as the subject of an event."""
        return Ref("connectors.operation", str(self.pk), self.code)

    @property
    def reads_only(self) -> bool:
        """Whether a Probe may perform it."""
        return self.effect == choices.Effect.READ

    def clean(self) -> None:
        """A look-up is a read at the same system."""
        lookup = self.lookup_operation
        if lookup and (lookup.effect != choices.Effect.READ or lookup.system_id != self.system_id):
            raise ValidationError({"lookup_operation": "A look-up is a read at the same system."})


class OperationRevision(models.Model):
    """An operation as it was published: schemas and mapping under one hash. Never changed afterwards."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    operation = models.ForeignKey(Operation, models.CASCADE, related_name="revisions")
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    input_schema = models.JSONField(help_text="JSON Schema 2020-12 of the arguments.")
    output_schema = models.JSONField(default=dict, blank=True, help_text="JSON Schema 2020-12 of the result.")
    mapping = models.JSONField(help_text="How the driver turns arguments into requests: data, never code.")
    schema_hash = models.CharField(max_length=64, help_text="SHA-256 over the RFC 8785 form of the above.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["operation", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["operation", "number"], name="revision_number_once"),
        ]

    def __str__(self) -> str:
        return f"{self.operation} r{self.number}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert; a second save is refused, because approvals are bound to what was published."""
        if not self._state.adding:
            self._refuse()
        super().save(*args, **kwargs)

    def _refuse(self) -> NoReturn:
        raise ValidationError("A published revision is never changed. Publish a new one.")


class OperationUserObjectPermission(UserObjectPermissionBase):
    """A grant: this user (an agent's identity) may use this operation. Goes with the operation."""

    content_object = models.ForeignKey(Operation, models.CASCADE)
    history = tracked()

    class Meta(UserObjectPermissionBase.Meta):
        verbose_name = "grant to an agent"
        verbose_name_plural = "grants to agents"


class OperationGroupObjectPermission(GroupObjectPermissionBase):
    """A grant: every agent of this role's group may use this operation. Goes with the operation."""

    content_object = models.ForeignKey(Operation, models.CASCADE)
    history = tracked()

    class Meta(GroupObjectPermissionBase.Meta):
        verbose_name = "grant to a role"
        verbose_name_plural = "grants to roles"
