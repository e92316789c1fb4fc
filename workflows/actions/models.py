"""One governed call, the truth of it: what was asked, what was decided, what was done, what came of it."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models
from django.db.models import F, Q
from django.db.models.fields.json import KeyTransform
from django.db.models.functions import Now
from django.db.models.lookups import IsNull
from uuid_utils.compat import uuid7

from agents.models import Agent, Role, Throttle
from agents.models.tracked import CheckedTogether
from audit.vocabulary import Ref
from connectors.models import Operation, OperationRevision
from workflows.actions.choices import FINAL, Outcome, State
from workflows.approvals.models import Approval
from workflows.tasks.models import Task

STEP_ID, RUN_ID = KeyTransform("step_id", "references"), KeyTransform("run_id", "references")


class Action(models.Model):
    """What one agent asked for, once. Arguments never change; another wish is another action."""

    State = State
    Outcome = Outcome

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="actions", db_index=False)
    on_behalf_of = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
    )
    operation_code = models.CharField(max_length=120, help_text="As the agent asked for it.")
    operation = models.ForeignKey(
        Operation, on_delete=models.PROTECT, null=True, blank=True, related_name="actions"
    )
    revision = models.ForeignKey(
        OperationRevision, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    arguments = models.JSONField(help_text="What the operation is to be done with. Never changed.")
    arguments_digest = models.CharField(max_length=64, help_text="SHA-256 of the RFC 8785 arguments.")
    label = models.CharField(max_length=300, help_text="The same in business words.")
    # What the agent says about itself: kept, shown as untrusted, and never read by a rule (provenance is).
    reason = models.TextField(blank=True, max_length=4000)
    evidence = models.JSONField(default=list, blank=True)
    confidence = models.CharField(max_length=20, blank=True)
    provenance = models.JSONField(default=dict, blank=True, help_text="Labels of where the data came from.")
    task = models.ForeignKey(
        Task,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="actions",
        db_index=False,
        help_text="Within which work.",
    )
    currency = models.CharField(max_length=3, blank=True)
    amount_minor = models.BigIntegerField(null=True, blank=True, help_text="In minor units of the currency.")
    amount_company_minor = models.BigIntegerField(
        null=True, blank=True, help_text="The same in minor units of the company's currency."
    )
    state = models.CharField(max_length=10, choices=State, default=State.REQUESTED)
    code = models.CharField(max_length=64, blank=True, help_text="Stable code of the present answer.")
    sentence = models.CharField(max_length=500, blank=True, help_text="Why it stands where it stands.")
    next_step = models.CharField(max_length=500, blank=True, help_text="The legal next move.")
    verdict = models.CharField(max_length=5, blank=True, help_text="What the last decision said.")
    explanation = models.JSONField(default=dict, blank=True, help_text="Every rule evaluated, with its result.")
    policy_version = models.CharField(max_length=80, blank=True)
    binding = models.CharField(max_length=64, blank=True)
    approval = models.ForeignKey(
        Approval,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        help_text="The last one asked.",
    )
    authorization_id = models.UUIDField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="When its authorization or hold lapses.")
    attempt = models.PositiveSmallIntegerField(default=0, help_text="How many authorizations it was given.")
    epoch = models.PositiveIntegerField(
        default=0, help_text="Counts leases; a write with an older one is refused."
    )
    is_temporary = models.BooleanField(
        default=False, help_text="It failed before anything could have had an effect; it may go through later."
    )
    waits_for = models.ForeignKey(
        Throttle,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        help_text="Which throttle leaves it no room now. It goes on by itself.",
    )
    waits_since = models.DateTimeField(
        null=True, blank=True, help_text="When it first waited for its turn; kept when it goes on."
    )
    took_turn = models.BooleanField(
        default=False, db_default=False, help_text="A throttle counted it when it was begun."
    )
    outcome = models.CharField(max_length=8, choices=Outcome, blank=True, help_text="What read-back found.")
    result = models.JSONField(null=True, blank=True)
    remote_ref = models.CharField(max_length=200, blank=True, help_text="Which record it is in the system.")
    correlation_id = models.CharField(max_length=64, blank=True)
    references = models.JSONField(
        default=dict, blank=True, help_text="Run, step and workflow it belongs to, as text."
    )
    replaces = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="replacements",
        db_index=False,
        help_text="The held action whose arguments a person changed; this one takes its place.",
    )
    edited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        help_text="Who changed the arguments. Another person approves it.",
    )
    edit_reason = models.CharField(max_length=1000, blank=True, help_text="Why they were changed.")
    edit_people = models.JSONField(
        default=list,
        blank=True,
        db_default=[],
        help_text="Ids of everybody who changed it or one it replaces, or in whose place that was done.",
    )
    standing = models.ForeignKey(
        "actions.StandingApproval",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="uses",
        db_index=False,
        help_text="The standing approval that it was let through by.",
    )
    requested_at = models.DateTimeField(db_default=Now(), editable=False)
    decided_at = models.DateTimeField(null=True, blank=True)
    dispatched_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    erased_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When its arguments, reasons and result were erased."
    )

    class Meta:
        ordering = ["-id"]
        permissions = [
            ("resolve_action", "May say what became of an action in doubt"),
            ("preview_decision", "May ask what would be decided for an agent"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=[state.value for state in State]), name="action_state_known"
            ),
            models.CheckConstraint(
                condition=Q(state__in=sorted(FINAL), finished_at__isnull=False)
                | (~Q(state__in=sorted(FINAL)) & Q(finished_at__isnull=True)),
                name="action_finished_when_final",
            ),
            models.CheckConstraint(
                condition=~Q(state="held") | Q(approval__isnull=False), name="action_held_has_approval"
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["authorized", "dispatched", "confirmed", "failed", "in_doubt"])
                | Q(operation__isnull=False, authorization_id__isnull=False),
                name="action_effect_has_authorization",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["dispatched", "confirmed", "failed", "in_doubt"])
                | Q(dispatched_at__isnull=False),
                name="action_effect_was_dispatched",
            ),
            models.CheckConstraint(
                condition=Q(state="requested") | Q(decided_at__isnull=False), name="action_decided"
            ),
            models.CheckConstraint(
                condition=Q(outcome="") | Q(state="confirmed"), name="action_outcome_when_done"
            ),
            models.UniqueConstraint(
                fields=["replaces"], condition=Q(replaces__isnull=False), name="action_replaced_once"
            ),
            models.CheckConstraint(
                condition=Q(replaces__isnull=True, edited_by__isnull=True)
                | Q(replaces__isnull=False, edited_by__isnull=False),
                name="action_replaced_by_somebody",
            ),
            models.CheckConstraint(
                condition=Q(standing__isnull=True) | Q(edited_by__isnull=True),
                name="action_edited_not_standing",
            ),
        ]
        # Most actions have none of what may be left out; an index of what has keeps an ask cheap.
        indexes = [
            models.Index(fields=["correlation_id"], name="action_correlation"),
            models.Index(
                fields=["on_behalf_of"], condition=Q(on_behalf_of__isnull=False), name="action_on_behalf_of"
            ),
            models.Index(fields=["task"], condition=Q(task__isnull=False), name="action_of_task"),
            models.Index(fields=["approval"], condition=Q(approval__isnull=False), name="action_of_approval"),
            # Which step and which run it was asked for, whoever asked.
            models.Index(STEP_ID, condition=Q(IsNull(STEP_ID, False)), name="action_of_step"),
            models.Index(RUN_ID, condition=Q(IsNull(RUN_ID, False)), name="action_of_run"),
            # What is wrong: few of all actions, and looked for on every home.
            models.Index(
                fields=["finished_at"], condition=Q(state="failed") | Q(outcome="differs"), name="action_wrong"
            ),
            # What people were asked about before: few of all actions.
            models.Index(
                fields=["operation", "-id"], condition=Q(approval__isnull=False), name="action_asked_of"
            ),
            models.Index(
                fields=["agent", "operation", "id"],
                condition=Q(approval__isnull=False),
                name="action_asked_by",
            ),
            models.Index(fields=["agent", "-id"], name="action_of_agent"),
            # What an agent has to do, however much it has done.
            models.Index(fields=["agent"], condition=Q(finished_at__isnull=True), name="action_open_of_agent"),
            models.Index(
                fields=["expires_at"], condition=Q(state__in=["authorized"]), name="action_authorized_due"
            ),
            models.Index(fields=["state"], condition=Q(state__in=["in_doubt", "held"]), name="action_waiting"),
            models.Index(fields=["standing"], condition=Q(standing__isnull=False), name="action_by_standing"),
            # Small however much was done: who waits for a turn, and what rates count.
            models.Index(
                fields=["waits_for", "waits_since"],
                condition=Q(state="authorized", waits_for__isnull=False),
                name="action_waits_for_turn",
            ),
            models.Index(fields=["-dispatched_at"], condition=Q(took_turn=True), name="action_took_turn"),
        ]

    def __str__(self) -> str:
        return self.label

    def as_ref(self) -> Ref:
        """Return this action as the subject of an event."""
        return Ref("actions.action", str(self.pk), self.label)

    @property
    def target(self) -> Operation:
        """Return its operation; an action that may have an effect always has one (a constraint holds that)."""
        assert self.operation is not None  # noqa: S101
        return self.operation

    @property
    def revision_number(self) -> int:
        """Return which revision of its operation was asked for; 0 for an operation nobody knows."""
        return self.revision.number if self.revision else 0

    @property
    def waits_for_turn(self) -> bool:
        """Whether it may be done and waits until a throttle leaves it room."""
        return self.state == State.AUTHORIZED and self.waits_for_id is not None

    @property
    def replaced_by(self) -> Action | None:
        """Return what took its place when a person changed its arguments."""
        return self.replacements.first() if self.state == State.SUPERSEDED else None

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in FINAL


class StandingApproval(CheckedTogether):
    """The like of one held action is approved in advance: of an agent or a role, within bounds, so many times.

    Two people said so. It is bound to the rules that held what it was modelled on; only its counters
    change, and it is ended once.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    agent = models.ForeignKey(
        Agent, on_delete=models.PROTECT, null=True, blank=True, related_name="+", help_text="Whose actions."
    )
    role = models.ForeignKey(
        Role,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Or those of every agent of a role.",
    )
    operation = models.ForeignKey(Operation, on_delete=models.PROTECT, related_name="+")
    revision = models.PositiveIntegerField(help_text="Revision of the operation; another one is not covered.")
    binding = models.CharField(max_length=64, help_text="SHA-256 of the rules that hold what it covers.")
    lines = models.JSONField(default=list, blank=True, help_text="What must be so of the arguments.")
    condition = models.CharField(max_length=2000, blank=True, help_text="The same in CEL.")
    words = models.CharField(max_length=500, help_text="What it lets through, in words.")
    most_minor = models.BigIntegerField(
        null=True, blank=True, help_text="The largest amount, in minor units of the company's currency."
    )
    total_minor = models.BigIntegerField(null=True, blank=True, help_text="All amounts together, likewise.")
    most_uses = models.PositiveIntegerField(help_text="How often.")
    used = models.PositiveIntegerField(default=0, help_text="How often it was used. A use is never given back.")
    spent_minor = models.BigIntegerField(default=0, help_text="All amounts that were let through by it.")
    starts_at = models.DateTimeField(help_text="From when it counts.")
    until = models.DateTimeField(help_text="When it ends by itself.")
    quorum = models.PositiveSmallIntegerField(default=1, help_text="How many the rules ask for.")
    approver_groups = models.ManyToManyField(
        Group, related_name="+", help_text="Whose members the rules ask; who granted it is in every one."
    )
    modelled_on = models.ForeignKey(
        Approval, on_delete=models.PROTECT, related_name="+", help_text="What was held when it was asked for."
    )
    granted_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    agreed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", help_text="The second person."
    )
    reason = models.CharField(max_length=1000, help_text="Why.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, help_text="When it was ended before its time.")
    revoked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    revoke_reason = models.CharField(max_length=1000, blank=True)

    class Meta:
        ordering = ["-id"]
        default_permissions = ("view",)
        permissions = [("revoke_standingapproval", "May end a standing approval")]
        constraints = [
            models.CheckConstraint(
                condition=Q(agent__isnull=True, role__isnull=False) | Q(agent__isnull=False, role__isnull=True),
                name="standing_of_agent_or_role",
            ),
            models.CheckConstraint(condition=Q(used__lte=F("most_uses")), name="standing_used_at_most"),
            models.CheckConstraint(
                condition=Q(total_minor__isnull=True) | Q(spent_minor__lte=F("total_minor")),
                name="standing_spent_at_most",
            ),
            models.CheckConstraint(condition=Q(starts_at__lt=F("until")), name="standing_times_in_order"),
            models.CheckConstraint(condition=~Q(granted_by=F("agreed_by")), name="standing_by_two_people"),
            models.CheckConstraint(
                condition=Q(revoked_at__isnull=True, revoked_by__isnull=True)
                | Q(revoked_at__isnull=False, revoked_by__isnull=False),
                name="standing_revoked_by_somebody",
            ),
        ]
        indexes = [
            models.Index(
                fields=["operation", "binding"], condition=Q(revoked_at=None), name="standing_in_force"
            )
        ]

    def __str__(self) -> str:
        return self.words

    def as_ref(self) -> Ref:
        """Return it as the subject of an event."""
        return Ref("actions.standingapproval", str(self.pk), self.words[:300])


class IdempotencyKey(models.Model):
    """Which action answers an agent's key. Written in the transaction that decides; kept with the action."""

    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="+")
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of the RFC 8785 request.")
    action = models.OneToOneField(Action, on_delete=models.PROTECT, related_name="idempotency")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["agent", "key"], name="idempotency_key_once_per_agent")]

    def __str__(self) -> str:
        return self.key


class Lease(models.Model):
    """Who is executing an action, until when by the database's clock. Longer than the longest call can be."""

    action = models.OneToOneField(Action, on_delete=models.CASCADE, primary_key=True, related_name="lease")
    holder = models.CharField(max_length=120, help_text="Host and process.")
    until = models.DateTimeField(db_index=True)
    epoch = models.PositiveIntegerField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(epoch__gte=1), name="lease_epoch_positive")]

    def __str__(self) -> str:
        return f"{self.holder} until {self.until}"
