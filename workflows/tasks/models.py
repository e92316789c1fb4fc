"""What waits for somebody: one table, one inbox, one clock."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import Group
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from uuid_utils.compat import uuid7

from agents.models.tracked import CheckedTogether
from audit.vocabulary import Ref

EVENT_REFERENCES = {
    *("agent_id", "action_id", "run_id", "system_id", "department_id", "correlation_id"),
    *("operation", "delegated_id"),
}


NO_DEPARTMENT = UUID(int=0)
# What the work of a workflow is about; nothing else that the portal asks is about a step.
OF_A_WORKFLOW = "runs.step"


class Task(CheckedTogether):
    """Something that waits for a person or an agent. It sits in no queue: its row is the wait."""

    class Kind(models.TextChoices):
        AGENT_WORK = "agent_work", "Work for an agent"
        HUMAN_WORK = "human_work", "Work for a person"
        APPROVAL = "approval", "Approval"
        EXCEPTION = "exception", "Exception"
        QUESTION = "question", "Question"
        INCIDENT = "incident", "Incident"

    class State(models.TextChoices):
        OPEN = "open", "Open"
        CLAIMED = "claimed", "Claimed"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"
        EXPIRED = "expired", "Expired"

    WAITING = (State.OPEN, State.CLAIMED)
    TRANSITIONS = {
        State.OPEN: {State.CLAIMED, State.DONE, State.FAILED, State.CANCELLED, State.EXPIRED},
        State.CLAIMED: {State.OPEN, State.DONE, State.FAILED, State.CANCELLED, State.EXPIRED},
        State.DONE: set(),
        State.FAILED: set(),
        State.CANCELLED: set(),
        State.EXPIRED: set(),
    }

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=12, choices=Kind, help_text="What sort of attention it needs.")
    title = models.CharField(max_length=300, help_text="One line that says what is to be done.")
    body = models.TextField(blank=True, help_text="What the person must know before acting.")
    subject_kind = models.CharField(max_length=80, blank=True, help_text="What it is about: app_label.model.")
    subject_id = models.CharField(max_length=80, blank=True)
    subject_label = models.CharField(max_length=300, blank=True)
    references = models.JSONField(
        default=dict, blank=True, help_text="Agent, action, system, department and correlation ids, as text."
    )
    role = models.ForeignKey(
        "agents.Role",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Whose agents may take it; empty for work of people.",
    )
    department = models.ForeignKey(
        "agents.Department",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Only agents of this department or below it are offered it; empty: all of the role.",
    )
    needs = ArrayField(
        models.CharField(max_length=60),
        default=list,
        blank=True,
        help_text="Labels: only agents that have all of them are offered it.",
    )
    preferred_agent = models.ForeignKey(
        "agents.Agent",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="It is kept for this agent as long as it may work; empty: for all.",
    )
    input = models.JSONField(default=dict, blank=True, help_text="What whoever does it is given.")
    answer_schema = models.JSONField(
        default=dict, blank=True, help_text="JSON Schema that the answer must fit; empty: no answer is asked."
    )
    answer = models.JSONField(null=True, blank=True, help_text="What came of it.")
    failure = models.JSONField(default=dict, blank=True, help_text="Code and message of the last failure.")
    available_at = models.DateTimeField(
        db_default=Now(), help_text="Nobody is offered it before.", db_index=False
    )
    waits_for = models.CharField(
        max_length=80, blank=True, help_text="What must end first, as app_label.model:id; empty: nothing."
    )
    is_paused = models.BooleanField(
        default=False,
        db_default=False,
        help_text="The work it belongs to is paused: nobody may take it; whoever has it may finish.",
    )
    progress = models.CharField(max_length=200, blank=True, help_text="What whoever has it said last.")
    attempts = models.PositiveSmallIntegerField(default=0, help_text="How often it failed and may go on.")
    most_attempts = models.PositiveSmallIntegerField(default=3, help_text="After so many failures it fails.")
    lapses = models.PositiveSmallIntegerField(
        default=0, help_text="How often a claim lapsed. It counts apart: nobody said that the work failed."
    )
    candidate_groups = models.ManyToManyField(Group, blank=True, related_name="+")
    candidate_users = models.ManyToManyField(settings.AUTH_USER_MODEL, blank=True, related_name="+")
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    claimed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="claimed_tasks"
    )
    lease_until = models.DateTimeField(
        null=True, blank=True, help_text="When the claim lapses; empty: it does not."
    )
    claimed_at = models.DateTimeField(null=True, blank=True, help_text="Since when its claimer has it.")
    heartbeat_seconds = models.PositiveIntegerField(
        null=True, blank=True, help_text="No lease is longer; empty: as long as any."
    )
    epoch = models.PositiveIntegerField(
        default=0, help_text="Counts claims; a worker with an older number is refused."
    )
    due_at = models.DateTimeField(null=True, blank=True, help_text="When it must be done.")
    clock_stopped_at = models.DateTimeField(
        null=True, blank=True, help_text="Since when its times stand still; they go on by as much later."
    )
    deadlines = models.JSONField(
        default=dict,
        blank=True,
        help_text="What happens when it is not started, not completed in time; its owner keeps the clock.",
    )
    reminded_at = models.DateTimeField(null=True, blank=True, help_text="When its people were last reminded.")
    closed_by_deadline = models.CharField(
        max_length=10, blank=True, help_text="Which deadline closed it by itself; empty: somebody did."
    )
    passed_on = models.JSONField(
        default=list, blank=True, help_text="Through whose hands it went, and why: each time it was passed on."
    )
    not_offered_to = models.JSONField(
        default=list,
        blank=True,
        help_text="Ids of agents that passed it on; they do not get it back by themselves.",
    )
    has_asked = models.BooleanField(
        default=False, db_default=False, help_text="Its holder asked others: questions end with it."
    )
    asked_for = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        related_name="questions",
        help_text="Of a question: the task whose holder asks.",
    )
    priority = models.PositiveSmallIntegerField(default=3, help_text="1 is most urgent, 5 can wait.")
    lane = models.UUIDField(
        db_default=NO_DEPARTMENT,
        default=NO_DEPARTMENT,
        help_text="The department whose work it is; zeros: none.",
    )
    turn = models.DateTimeField(
        db_default=Now(), help_text="Its place within the priority: departments take turns, see services.lines."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    closed_at = models.DateTimeField(null=True, blank=True)
    close_reason = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["priority", "due_at", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    state__in=["open", "claimed", "done", "failed", "cancelled", "expired"],
                ),
                name="task_state_known",
            ),
            models.CheckConstraint(
                condition=Q(state="claimed", claimed_by__isnull=False) | ~Q(state="claimed"),
                name="task_claim_has_claimer",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["open", "claimed"], closed_at__isnull=True)
                | (~Q(state__in=["open", "claimed"]) & Q(closed_at__isnull=False)),
                name="task_closed_when_final",
            ),
            models.CheckConstraint(condition=Q(priority__range=(1, 5)), name="task_priority_1_to_5"),
        ]
        indexes = [
            models.Index(
                fields=["due_at"], condition=Q(state__in=["open", "claimed"]), name="task_waiting_due"
            ),
            models.Index(fields=["subject_kind", "subject_id"], name="task_subject"),
            # What agents of a role are offered: small, because it holds nothing but what waits.
            models.Index(
                fields=["role", "priority", "turn"], condition=Q(state="open", waits_for=""), name="task_turn"
            ),
            models.Index(
                fields=["role", "lane", "priority", "turn"], condition=Q(state="open"), name="task_lane"
            ),
            models.Index(
                fields=["waits_for"],
                condition=Q(state__in=["open", "claimed"]) & ~Q(waits_for=""),
                name="task_waits_for",
            ),
            models.Index(fields=["lease_until"], condition=Q(state="claimed"), name="task_lease"),
            models.Index(fields=["claimed_by"], condition=Q(state="claimed"), name="task_held_by"),
            models.Index(
                fields=["preferred_agent"],
                condition=Q(state="open", preferred_agent__isnull=False),
                name="task_kept_for",
            ),
            models.Index(fields=["asked_for"], condition=Q(asked_for__isnull=False), name="task_questions_of"),
            # Few of all tasks: most are of agents, or stand for an approval.
            models.Index(
                fields=["state"],
                condition=Q(kind__in=["human_work", "exception", "question", "incident"]),
                name="task_work_of_people",
            ),
            # What waits and was handed on: few, and asked for by who handed it on.
            models.Index(
                fields=["-closed_at", "-id"],
                condition=Q(closed_at__isnull=False) & ~Q(kind__in=["agent_work", "approval"]),
                name="task_closed_by_people",
            ),
            GinIndex(
                fields=["passed_on"],
                opclasses=["jsonb_path_ops"],
                condition=Q(state__in=["open", "claimed"]) & ~Q(passed_on=[]),
                name="task_passed_on",
            ),
            # What the clock looks at, however many were answered.
            models.Index(
                fields=["asked_for"],
                condition=Q(asked_for__isnull=False, state__in=["open", "claimed"]),
                name="task_questions_open",
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def subject(self) -> Ref:
        """Return what the task is about."""
        return Ref(self.subject_kind, self.subject_id, self.subject_label)

    @property
    def is_given(self) -> bool:
        """Whether its words are of a workflow or of the data of a run; those of other tasks are the portal's.

        The kind does not say so: a step may be an exception, and what the portal asks changes its kind when it
        is passed on.
        """
        return self.subject_kind == OF_A_WORKFLOW

    def as_ref(self) -> Ref:
        """Return the task itself as the subject of an event."""
        return Ref("tasks.task", str(self.pk), self.title)

    def event_refs(self) -> dict[str, Any]:
        """Return the indexed references its events carry."""
        return {name: value for name, value in self.references.items() if name in EVENT_REFERENCES}


class Snooze(models.Model):
    """That a person does not want to see something before a time. Theirs alone; no deadline moves with it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="snoozes")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    until = models.DateTimeField(help_text="When it is in their list again; sooner if its deadline comes near.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["until"]
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["task", "person"], name="snooze_once_per_person")]
        indexes = [models.Index(fields=["person", "until"], name="snooze_of_person")]

    def __str__(self) -> str:
        return f"{self.person}: {self.task}"


class Comment(models.Model):
    """What somebody said about a task. Never edited."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="comments")
    author_id = models.CharField(max_length=80)
    author_label = models.CharField(max_length=300)
    text = models.TextField(max_length=4000)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.author_label}: {self.text[:60]}"


class Instruction(models.Model):
    """What an operator says to an agent, about a task or in general; never edited. It says that it read it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    agent = models.ForeignKey("agents.Agent", on_delete=models.PROTECT, related_name="+")
    task = models.ForeignKey(
        Task, on_delete=models.PROTECT, null=True, blank=True, db_index=False, related_name="instructions"
    )
    text = models.TextField(max_length=4000, help_text="What the agent is told.")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    reason = models.TextField(help_text="Why, for the ledger.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    read_at = models.DateTimeField(null=True, blank=True, help_text="When the agent said that it read it.")

    class Meta:
        ordering = ["-id"]
        default_permissions = ("add", "view")
        indexes = [
            models.Index(fields=["agent", "-id"], name="instruction_of_agent"),
            models.Index(fields=["agent"], condition=Q(read_at__isnull=True), name="instruction_unread"),
            models.Index(fields=["task"], condition=Q(task__isnull=False), name="instruction_of_task"),
        ]

    def __str__(self) -> str:
        return f"{self.author} to {self.agent}: {self.text[:60]}"
