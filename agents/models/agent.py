from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

from agents.models.organisation import Department, Role
from agents.models.tracked import KeyedModel, label_form, tracked


class Agent(KeyedModel):
    """A member of staff that is software: one identity, one accountable sponsor, one role.

    Four facts are kept apart: lifecycle (is it employed), probation (is it still watched), autonomy (how freely
    it works) and brake (may it act right now). Lifting a brake never changes the others.
    """

    class ReachedBy(models.TextChoices):
        POLLS = "polls", "It asks the portal for work"
        MCP = "mcp", "It connects over MCP"
        A2A = "a2a", "The portal calls it over A2A"
        WEBHOOK = "webhook", "The portal calls its web address"
        HOSTED = "hosted", "The portal runs it"

    class Lifecycle(models.TextChoices):
        DRAFT = "draft", "Draft"
        ACTIVE = "active", "Active"
        RETIRED = "retired", "Retired"

    class Autonomy(models.TextChoices):
        READ_ONLY = "read_only", "May only read"
        HOLD_WRITES = "hold_writes", "A person approves every write"
        BY_CONTRACT = "by_contract", "Works within its contract"

    class Brake(models.TextChoices):
        NONE = "none", "None"
        PAUSED = "paused", "Paused"
        SUSPENDED = "suspended", "Suspended"

    class RiskTier(models.TextChoices):
        LOW = "low", "Low"
        MEDIUM = "medium", "Medium"
        HIGH = "high", "High"

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="agent",
        help_text="The identity this agent signs in with.",
    )
    name = models.CharField(max_length=120, help_text="The name people see, e.g. Invoice clerk 1.")
    code = models.SlugField(
        max_length=60, unique=True, help_text="Short stable name, used in rules and records."
    )
    purpose = models.TextField(help_text="What this agent is for, in one or two sentences.")
    sponsor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="sponsored_agents",
        help_text="The person who answers for this agent. Without an active sponsor an agent may only read.",
    )
    deputy = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="deputised_agents",
        help_text="Who answers when the sponsor is away.",
    )
    department = models.ForeignKey(
        Department, on_delete=models.PROTECT, related_name="agents", help_text="Where this agent works."
    )
    role = models.ForeignKey(
        Role, on_delete=models.PROTECT, related_name="agents", help_text="The job this agent has."
    )
    provider = models.CharField(max_length=80, blank=True, help_text="Who makes the model, e.g. Anthropic.")
    model = models.CharField(max_length=120, blank=True, help_text="Which model powers it.")
    version = models.CharField(max_length=60, blank=True, help_text="Version of the agent itself.")
    labels = ArrayField(
        models.CharField(max_length=60, validators=[label_form]),
        default=list,
        blank=True,
        size=50,
        help_text="What it can do, e.g. german, scans: work that needs a label is offered to agents with it. "
        "A label gives no right to anything; grants and the contract do.",
    )
    reached_by = models.CharField(
        max_length=10, choices=ReachedBy, default=ReachedBy.POLLS, help_text="How the portal and it talk."
    )
    lifecycle = models.CharField(
        max_length=10, choices=Lifecycle, default=Lifecycle.DRAFT, help_text="Only an active agent may act."
    )
    autonomy = models.CharField(
        max_length=12,
        choices=Autonomy,
        default=Autonomy.HOLD_WRITES,
        help_text="How freely it works. The contract applies in every case.",
    )
    brake = models.CharField(
        max_length=10,
        choices=Brake,
        default=Brake.NONE,
        help_text="Paused: every call is refused until resumed. Suspended: its access is closed as well.",
    )
    pause_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="It takes no new work and finishes what it has: then, or when nothing is left, it is paused.",
    )
    pause_because = models.TextField(
        blank=True, default="", db_default="", editable=False, help_text="Why it is to be paused then."
    )
    risk_tier = models.CharField(
        max_length=6, choices=RiskTier, default=RiskTier.MEDIUM, help_text="How much harm a mistake could do."
    )
    attest_by = models.DateField(
        null=True,
        blank=True,
        help_text="By this day the sponsor must confirm that it is still needed. Some days after it, as the "
        "terms of employment say, it may only read.",
    )
    probation_since = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Since when it is on probation: a person approves every write. Empty: it is not.",
    )
    probation_until = models.DateField(
        null=True, blank=True, help_text="When that is planned to end. It never ends by itself."
    )
    cloned_from = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="clones",
        help_text="The agent whose file and authority it was copied from.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    history = tracked()

    class Meta:
        ordering = ["name"]
        permissions = [
            ("activate_agent", "Can activate an agent"),
            ("pause_agent", "Can pause an agent"),
            ("lift_brake", "Can lift the brake of an agent"),
            ("suspend_agent", "Can suspend an agent"),
            ("retire_agent", "Can retire an agent"),
            ("set_autonomy", "Can change how freely an agent works"),
            ("issue_credentials", "Can issue and revoke the credentials of an agent"),
            ("sign_contract", "Can sign the contract of an agent"),
            ("promote_agent", "Can propose that the probation of an agent ends"),
            ("demote_agent", "Can put an agent back on probation, or let it only read, at once"),
        ]
        indexes = [
            models.Index(
                fields=["pause_at"], condition=Q(pause_at__isnull=False), name="agents_agent_finishing"
            ),
            # The list of agents and the agents of a role, page by page from any name on.
            models.Index(fields=["name", "id"], name="agents_agent_by_name"),
            models.Index(fields=["role", "name", "id"], name="agents_agent_of_role"),
        ]
        constraints = [
            models.CheckConstraint(condition=~Q(sponsor=F("user")), name="agents_agent_not_its_own_sponsor"),
            models.CheckConstraint(
                condition=Q(deputy__isnull=True) | ~Q(deputy=F("user")), name="agents_agent_not_its_own_deputy"
            ),
            models.CheckConstraint(
                condition=Q(lifecycle__in=["draft", "active", "retired"]), name="agents_agent_lifecycle_known"
            ),
            models.CheckConstraint(
                condition=Q(autonomy__in=["read_only", "hold_writes", "by_contract"]),
                name="agents_agent_autonomy_known",
            ),
            models.CheckConstraint(
                condition=Q(brake__in=["none", "paused", "suspended"]), name="agents_agent_brake_known"
            ),
            models.CheckConstraint(
                condition=Q(pause_at__isnull=True) | Q(brake="none"),
                name="agents_agent_finishes_before_its_brake",
            ),
            models.CheckConstraint(
                condition=Q(probation_since__isnull=True, probation_until__isnull=True)
                | Q(probation_since__isnull=False, probation_until__isnull=False),
                name="agents_agent_probation_has_an_end",
            ),
        ]

    @property
    def on_probation(self) -> bool:
        """Tell whether a person approves everything it writes because it is new, or was put back."""
        return self.probation_since is not None

    @property
    def is_finishing(self) -> bool:
        """Tell whether it takes no new work, finishes what it has, and is paused after that."""
        return self.pause_at is not None

    def event_refs(self) -> dict[str, Any]:
        """Return the indexed references its events carry."""
        return {"agent_id": str(self.pk), "department_id": str(self.department_id)}

    def __str__(self) -> str:
        return self.name


class AgentUserObjectPermission(UserObjectPermissionBase):
    """A right of one person on one agent; it dies with the agent."""

    content_object = models.ForeignKey(Agent, on_delete=models.CASCADE)
    history = tracked()


class AgentGroupObjectPermission(GroupObjectPermissionBase):
    """A right of one group on one agent; it dies with the agent."""

    content_object = models.ForeignKey(Agent, on_delete=models.CASCADE)
    history = tracked()
