"""One governed call, the truth of it: what was asked, what was decided, what was done, what came of it."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from uuid_utils.compat import uuid7

from agents.models import Agent, Throttle
from audit.vocabulary import Ref
from connectors.models import Operation, OperationRevision
from workflows.actions.choices import FINAL, Outcome, State
from workflows.approvals.models import Approval
from workflows.tasks.models import Task


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
    requested_at = models.DateTimeField(db_default=Now(), editable=False)
    decided_at = models.DateTimeField(null=True, blank=True)
    dispatched_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

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
        ]
        # Most actions have none of what may be left out; an index of what has keeps an ask cheap.
        indexes = [
            models.Index(fields=["correlation_id"], name="action_correlation"),
            models.Index(
                fields=["on_behalf_of"], condition=Q(on_behalf_of__isnull=False), name="action_on_behalf_of"
            ),
            models.Index(fields=["task"], condition=Q(task__isnull=False), name="action_of_task"),
            models.Index(fields=["approval"], condition=Q(approval__isnull=False), name="action_of_approval"),
            models.Index(fields=["agent", "-id"], name="action_of_agent"),
            # What an agent has to do, however much it has done.
            models.Index(fields=["agent"], condition=Q(finished_at__isnull=True), name="action_open_of_agent"),
            models.Index(
                fields=["expires_at"], condition=Q(state__in=["authorized"]), name="action_authorized_due"
            ),
            models.Index(fields=["state"], condition=Q(state__in=["in_doubt", "held"]), name="action_waiting"),
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
    def is_final(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in FINAL


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
