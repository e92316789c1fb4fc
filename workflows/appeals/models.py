"""Appeals of agents against denials, and what several of them propose."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from uuid_utils.compat import uuid7

from agents.models import Agent, ChangeRequest
from audit.vocabulary import Ref
from workflows.actions.models import Action
from workflows.appeals.choices import NEXT, Against, ProposalState, State
from workflows.tasks.models import Task


class Appeal(models.Model):
    """One agent contests one denial, once. What it says never changes; what people say comes once."""

    State = State

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    action = models.OneToOneField(Action, on_delete=models.PROTECT, related_name="appeal")
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="appeals")
    operation_code = models.CharField(max_length=120)
    reason = models.TextField(max_length=2000, help_text="Why, in the agent's own unchecked words.")
    grounds = models.JSONField(
        default=list, help_text="What denied it: kind, id, name, what was compared, and with which value."
    )
    task = models.ForeignKey(Task, on_delete=models.PROTECT, null=True, related_name="+")
    state = models.CharField(max_length=11, choices=State, default=State.OPEN)
    answer = models.CharField(max_length=2000, blank=True, help_text="Why, as who answered says it.")
    answered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    answered_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=[state.value for state in State]), name="appeal_state_known"
            ),
            models.CheckConstraint(
                condition=Q(state="open", answered_at__isnull=True)
                | (~Q(state="open") & Q(answered_at__isnull=False)),
                name="appeal_answered_when_closed",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["open", "lapsed"]) | Q(answered_by__isnull=False),
                name="appeal_answered_by_somebody",
            ),
        ]
        indexes = [models.Index(fields=["agent", "-created_at"], name="appeal_of_agent")]

    def __str__(self) -> str:
        return f"Appeal: {self.action}"[:300]

    def as_ref(self) -> Ref:
        """Return this appeal as the subject of an event."""
        return Ref("appeals.appeal", str(self.pk), str(self))

    @property
    def next_step(self) -> str:
        """Return what the agent may do now."""
        return NEXT[State(self.state)]

    @property
    def is_open(self) -> bool:
        """Whether nobody has answered yet."""
        return self.state == State.OPEN


class Proposal(models.Model):
    """The smallest change that several appeals ask for. It does nothing: a person takes it up, or not."""

    State = ProposalState
    Against = Against

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=5, choices=Against)
    subject_id = models.CharField(max_length=64, help_text="Id of the rule or limit.")
    subject_name = models.CharField(max_length=120)
    operation_code = models.CharField(max_length=120)
    shape = models.CharField(max_length=300, blank=True, help_text="What was compared.")
    words = models.CharField(max_length=500, help_text="What would change, in words.")
    changes = models.JSONField(default=dict, help_text="What would be changed, as a change of it is proposed.")
    cases = models.PositiveIntegerField(default=0, help_text="How many appeals nobody said no to.")
    state = models.CharField(max_length=9, choices=ProposalState, default=ProposalState.OPEN)
    change_request = models.ForeignKey(
        ChangeRequest, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=2000, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=[state.value for state in ProposalState]), name="proposal_state_known"
            ),
            models.CheckConstraint(
                condition=Q(state="open", decided_at__isnull=True)
                | (~Q(state="open") & Q(decided_at__isnull=False)),
                name="proposal_decided_when_closed",
            ),
            models.UniqueConstraint(
                fields=["kind", "subject_id", "operation_code", "shape"],
                condition=Q(state="open"),
                name="proposal_open_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subject_name}: {self.words}"[:300]

    def as_ref(self) -> Ref:
        """Return this proposal as the subject of an event."""
        return Ref("appeals.proposal", str(self.pk), str(self))
