from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

from agents.models.scope import PolicyScope, scope_constraint
from agents.models.tracked import KeyedModel, tracked


class Policy(KeyedModel):
    """A versioned set of rules with a scope; the policy of a role or an agent is its behavioural contract."""

    code = models.SlugField(max_length=60, unique=True, help_text="Short stable name, e.g. purchasing-limits.")
    name = models.CharField(max_length=120, help_text="The name people see.")
    purpose = models.TextField(blank=True, help_text="Why this policy exists, in plain words.")
    scope_kind = models.CharField(
        max_length=12, choices=PolicyScope, default=PolicyScope.COMPANY, help_text="Whom it binds."
    )
    scope_id = models.CharField(
        max_length=64, blank=True, help_text="Which department, role or agent; empty for the whole company."
    )
    version = models.PositiveIntegerField(
        default=0, editable=False, help_text="Goes up by one with every change of its rules."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    history = tracked()

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "policies"
        constraints = [scope_constraint("agents_policy_scope")]

    def __str__(self) -> str:
        return self.name


class PolicyVersion(KeyedModel):
    """A policy exactly as it stood from one moment on; never changed, so that old decisions can be replayed."""

    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField(help_text="1, 2, 3 ... within the policy.")
    content = models.JSONField(help_text="Scope and every rule, as they stood.")
    digest = models.CharField(max_length=64, help_text="SHA-256 of the RFC 8785 form of the content.")
    reason = models.TextField(blank=True, help_text="Why it was changed.")
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Who changed it.",
    )
    change_request = models.ForeignKey(
        "agents.ChangeRequest",
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="What two people agreed to; empty where it only tightened, so that one was enough.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["policy", "-number"]
        constraints = [models.UniqueConstraint(fields=["policy", "number"], name="agents_policyversion_number")]

    def __str__(self) -> str:
        return f"{self.policy} v{self.number}"


class Rule(KeyedModel):
    """One sentence of a policy, and its exact condition. Rules only tighten: they deny, hold, or add a duty."""

    class Verdict(models.TextChoices):
        DENY = "deny", "Refuse it"
        HOLD = "hold", "Hold it for a person"
        NONE = "none", "Only add duties"

    class Mode(models.TextChoices):
        DRAFT = "draft", "Draft: tried and recorded, decides nothing"
        SHADOW = "shadow", "Shadow: recorded on every call, decides nothing"
        ENFORCED = "enforced", "Enforced"

    class Comparison(models.TextChoices):
        ABOVE = "above", "is above"
        AT_LEAST = "at_least", "is at least"
        BELOW = "below", "is below"
        AT_MOST = "at_most", "is at most"
        EQUAL = "equal", "is"
        NOT_EQUAL = "not_equal", "is not"
        ONE_OF = "one_of", "is one of"
        NONE_OF = "none_of", "is none of"

    class Clock(models.TextChoices):
        WALL = "wall", "At any time"
        WORKING = "working", "In working hours"

    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="rules", help_text="Its policy.")
    name = models.CharField(max_length=120, help_text="A short name, e.g. Large invoices.")
    sentence = models.CharField(
        max_length=300,
        help_text="The rule in plain words, as an approver and an agent will read it, "
        "e.g. invoices above 10,000.00 EUR need a person.",
    )
    operations = models.CharField(
        max_length=200,
        default="*",
        help_text="Which operations: an exact code (erp.supplier_invoice.post) or a pattern (erp.*).",
    )
    effects = ArrayField(
        models.CharField(max_length=12),
        default=list,
        blank=True,
        help_text="Only operations with these effects: read, write, financial, destructive. Empty: all.",
    )
    field = models.CharField(
        max_length=120, blank=True, help_text="What is compared: amount, or an argument, e.g. args.supplier."
    )
    comparison = models.CharField(
        max_length=10, choices=Comparison, blank=True, help_text="How it is compared. Empty: written by hand."
    )
    value = models.CharField(
        max_length=300,
        blank=True,
        help_text="With what. An amount in company currency, e.g. 10000.00; several values with commas.",
    )
    also = models.JSONField(
        default=list,
        blank=True,
        help_text="Further comparisons: joined (and, or), field, comparison, value. And binds closer than or.",
    )
    condition = models.TextField(
        blank=True, max_length=2000, help_text="The exact condition in CEL. Empty: it always applies."
    )
    verdict = models.CharField(
        max_length=4, choices=Verdict, default=Verdict.HOLD, help_text="What happens when it applies."
    )
    approver_group = models.ForeignKey(
        "auth.Group",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Who may approve what is held. Empty: anybody who may approve.",
    )
    quorum = models.PositiveSmallIntegerField(default=1, help_text="How many people must approve.")
    stage = models.PositiveSmallIntegerField(
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(5)],
        help_text="When they decide: 1 first, 2 once all of stage 1 have agreed, up to 5. "
        "Nobody decides twice.",
    )
    step_up = models.BooleanField(
        default=False,
        help_text="Whoever approves must enter their password again just before.",
    )
    note = models.CharField(max_length=300, blank=True, help_text="What the approver is asked to look at.")
    redact = ArrayField(
        models.CharField(max_length=120),
        default=list,
        blank=True,
        help_text="Arguments hidden in records and pages, e.g. args.iban.",
    )
    mode = models.CharField(
        max_length=8, choices=Mode, default=Mode.DRAFT, help_text="Draft, then shadow, then enforced."
    )
    version = models.PositiveIntegerField(
        default=1, editable=False, help_text="Goes up by one with every change of this rule."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    remind_minutes = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="After how many minutes those who may approve are reminded. Empty: as in the company.",
    )
    levels = models.JSONField(
        default=list,
        blank=True,
        help_text="Up to five next levels: minutes, to (group, sponsor, manager, head, refuse), group. They "
        "may approve, too; as many must approve as before. Empty: as in the company.",
    )
    clock = models.CharField(
        max_length=7,
        choices=Clock,
        default=Clock.WALL,
        help_text="Whether these minutes pass at any time, or in working hours only (see Calendars).",
    )

    history = tracked()

    class Meta:
        ordering = ["policy", "name"]
        permissions = [("publish_rule", "Can publish, tighten and propose changes of rules and limits")]
        constraints = [
            models.UniqueConstraint(fields=["policy", "name"], name="agents_rule_name_in_policy"),
            models.CheckConstraint(condition=Q(quorum__gte=1, quorum__lte=20), name="agents_rule_quorum"),
            models.CheckConstraint(condition=Q(stage__gte=1, stage__lte=5), name="agents_rule_stage"),
            models.CheckConstraint(
                condition=Q(verdict__in=["deny", "hold", "none"]), name="agents_rule_verdict_known"
            ),
            models.CheckConstraint(
                condition=Q(mode__in=["draft", "shadow", "enforced"]), name="agents_rule_mode_known"
            ),
            models.CheckConstraint(
                condition=Q(remind_minutes__isnull=True) | Q(remind_minutes__gte=1), name="agents_rule_reminder"
            ),
            models.CheckConstraint(condition=Q(clock__in=["wall", "working"]), name="agents_rule_clock_known"),
        ]

    def __str__(self) -> str:
        return self.name


class PolicyUserObjectPermission(UserObjectPermissionBase):
    """A right of one person on one policy; it dies with the policy."""

    content_object = models.ForeignKey(Policy, on_delete=models.CASCADE)
    history = tracked()


class PolicyGroupObjectPermission(GroupObjectPermissionBase):
    """A right of one group on one policy; it dies with the policy."""

    content_object = models.ForeignKey(Policy, on_delete=models.CASCADE)
    history = tracked()
