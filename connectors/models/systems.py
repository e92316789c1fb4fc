"""Installed enterprise systems, whose key is used there, and how they are doing."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from uuid_utils.compat import uuid7

from agents.models.tracked import tracked
from audit.vocabulary import Ref
from connectors import choices
from connectors.vocabulary import Origin, parse_network


class System(models.Model):
    """One installed enterprise system: where it is, what may be reached there, and how gently."""

    Category = choices.Category
    Environment = choices.Environment

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    code = models.SlugField(max_length=60, unique=True, help_text="Short name for addresses and rules.")
    name = models.CharField(max_length=120, help_text="What people call this system.")
    category = models.CharField(max_length=20, choices=choices.Category, help_text="What it is for.")
    kind = models.CharField(
        max_length=40, choices=choices.driver_kinds, help_text="The driver that speaks its language."
    )
    environment = models.CharField(
        max_length=20,
        choices=choices.Environment,
        default=choices.Environment.SANDBOX,
        help_text="How real the data behind it is.",
    )
    base_url = models.CharField(
        max_length=500, help_text="Where it answers, e.g. https://erp.example.com/corp."
    )
    config = models.JSONField(
        default=dict, blank=True, help_text="Settings of the driver: ids and names, never keys."
    )
    allowed_hosts = models.JSONField(
        default=list,
        blank=True,
        help_text="The only places its calls may go, each as scheme://host:port. Empty: the address above.",
    )
    private_networks = models.JSONField(
        default=list,
        blank=True,
        help_text="Networks inside the company it may resolve to, e.g. 10.2.0.0/16. "
        "This machine itself has to be named on its own, e.g. 127.0.0.1/32.",
    )
    max_concurrent = models.PositiveSmallIntegerField(
        default=4,
        validators=[MinValueValidator(1), MaxValueValidator(64)],
        help_text="Calls at the same time from one process of the portal.",
    )
    connect_timeout = models.PositiveSmallIntegerField(
        default=3,
        validators=[MinValueValidator(1), MaxValueValidator(30)],
        help_text="Seconds to get through.",
    )
    read_timeout = models.PositiveSmallIntegerField(
        default=10,
        validators=[MinValueValidator(1), MaxValueValidator(120)],
        help_text="Seconds of silence before a call is given up.",
    )
    total_timeout = models.PositiveSmallIntegerField(
        default=30,
        validators=[MinValueValidator(1), MaxValueValidator(300)],
        help_text="Seconds a whole call may take, all its steps together.",
    )
    breaker_threshold = models.PositiveSmallIntegerField(
        default=5,
        validators=[MinValueValidator(1)],
        help_text="Failures in a row after which calls are held back.",
    )
    breaker_cooldown = models.PositiveSmallIntegerField(
        default=30,
        validators=[MinValueValidator(1)],
        help_text="Seconds before one call may try again.",
    )
    is_enabled = models.BooleanField(default=True, help_text="Off: nothing is called here.")
    created_at = models.DateTimeField(auto_now_add=True)

    history = tracked()

    class Meta:
        ordering = ["name"]
        permissions = [("test_system", "May test the connection to a system")]

    def __str__(self) -> str:
        return self.name

    def as_ref(self) -> Ref:
        """Return this system as the subject of an event."""
        return Ref("connectors.system", str(self.pk), self.name)

    def clean(self) -> None:
        """Refuse addresses and networks that egress would refuse later, with the reason now."""
        errors: dict[str, Any] = {}
        origin = self._checked_origin(errors)
        if origin and not self.allowed_hosts:
            self.allowed_hosts = [str(origin)]
        self._check_hosts(origin, errors)
        self._check_networks(errors)
        if not isinstance(self.config, dict):
            errors["config"] = "Settings are a JSON object."
        if errors:
            raise ValidationError(errors)

    def _checked_origin(self, errors: dict[str, Any]) -> Origin | None:
        try:
            return Origin.of_url(self.base_url)
        except ValueError as error:
            errors["base_url"] = str(error)
            return None

    def _check_hosts(self, origin: Origin | None, errors: dict[str, Any]) -> None:
        try:
            allowed = {Origin.parse(entry) for entry in self.allowed_hosts}
        except (TypeError, ValueError) as error:
            errors["allowed_hosts"] = str(error)
            return
        if origin and origin not in allowed:
            errors["allowed_hosts"] = f"The address of the system itself, {origin}, is missing."

    def _check_networks(self, errors: dict[str, Any]) -> None:
        try:
            for entry in self.private_networks:
                parse_network(entry)
        except (TypeError, ValueError) as error:
            errors["private_networks"] = str(error)


class SystemHealth(models.Model):
    """How a system answered lately; the breaker reads it. Facts of operation, so without history."""

    system = models.OneToOneField(System, models.CASCADE, primary_key=True, related_name="health")
    consecutive_failures = models.PositiveIntegerField(default=0)
    opened_at = models.DateTimeField(null=True, blank=True, help_text="Since when calls are held back.")
    trial_at = models.DateTimeField(null=True, blank=True, help_text="When one call was let through to try.")
    last_ok_at = models.DateTimeField(null=True, blank=True)
    last_failure_at = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=300, blank=True)

    class Meta:
        verbose_name_plural = "system health"

    def __str__(self) -> str:
        return f"{self.system}: {self.consecutive_failures} failures in a row"


class Secret(models.Model):
    """A credential under AES-256-GCM, bound to this row and its purpose. Written, used, never shown."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    purpose = models.CharField(max_length=120, editable=False)
    kek_id = models.CharField(max_length=16, editable=False, db_index=True)
    wrapped_key = models.BinaryField(editable=False)
    ciphertext = models.BinaryField(editable=False)
    written_at = models.DateTimeField(auto_now_add=True)
    rotated_at = models.DateTimeField(null=True, blank=True, editable=False)

    def __str__(self) -> str:
        return "a secret"


class Account(models.Model):
    """Whose key is used at a system: one agent's, one role's, or the system's own. An agent never holds it."""

    Scheme = choices.Scheme

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    system = models.ForeignKey(System, models.CASCADE, related_name="accounts")
    name = models.CharField(max_length=120, help_text="Which account this is over there, e.g. accounts clerk.")
    role = models.ForeignKey(
        "agents.Role",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="accounts",
        help_text="Used by agents of this role.",
    )
    agent = models.ForeignKey(
        "agents.Agent",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="accounts",
        help_text="Used by this agent only; it wins over the account of its role.",
    )
    scheme = models.CharField(
        max_length=10,
        choices=choices.Scheme,
        default=choices.Scheme.BEARER,
        help_text="How the key is presented.",
    )
    username = models.CharField(max_length=120, blank=True, help_text="For user name and password.")
    header_name = models.CharField(max_length=60, blank=True, help_text="For a key in a header of its own.")
    secret = models.OneToOneField(
        Secret, models.SET_NULL, null=True, blank=True, editable=False, related_name="account"
    )
    is_enabled = models.BooleanField(default=True, help_text="Off: nobody acts through it.")

    history = tracked(excluded_fields=["secret"])

    class Meta:
        ordering = ["system", "name"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(role=None) | models.Q(agent=None), name="account_of_a_role_or_an_agent"
            ),
            models.UniqueConstraint(
                fields=["system"],
                condition=models.Q(role=None, agent=None),
                name="account_one_default_per_system",
                violation_error_message="This system already has an account of its own.",
            ),
            models.UniqueConstraint(
                fields=["system", "role"],
                name="account_one_per_role",
                violation_error_message="This role already has an account there.",
            ),
            models.UniqueConstraint(
                fields=["system", "agent"],
                name="account_one_per_agent",
                violation_error_message="This agent already has an account there.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} at {self.system}"

    def as_ref(self) -> Ref:
        """Return this account as the subject of an event."""
        return Ref("connectors.account", str(self.pk), str(self))
