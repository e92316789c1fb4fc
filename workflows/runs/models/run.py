from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from agents.models import Agent, Department
from agents.models.tracked import KeyedModel
from audit.vocabulary import Ref
from connectors.models import System
from workflows.actions.models import Action
from workflows.documents.models import Document
from workflows.runs.choices import RunState, StepState, Undone
from workflows.runs.models.workflow import Workflow, WorkflowVersion
from workflows.tasks.models import Task

NO_DEPARTMENT = UUID(int=0)


class Run(KeyedModel):
    """One piece of work that follows one version of a workflow from its beginning to its end."""

    State = RunState

    workflow = models.ForeignKey(Workflow, on_delete=models.PROTECT, related_name="runs")
    version = models.ForeignKey(WorkflowVersion, on_delete=models.PROTECT, related_name="runs")
    key = models.CharField(max_length=255, help_text="Names the work: started twice with it, it runs once.")
    label = models.CharField(max_length=200, help_text="What it is about, for people.")
    input = models.JSONField(default=dict, blank=True)
    input_digest = models.CharField(max_length=64, help_text="SHA-256 of the RFC 8785 input.")
    state = models.CharField(max_length=10, choices=RunState, default=RunState.RUNNING)
    outcome = models.CharField(max_length=40, blank=True, help_text="How it ended, in the workflow's own word.")
    output = models.JSONField(null=True, blank=True)
    parent = models.OneToOneField(
        "runs.Step",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="child",
        help_text="The step of another run that waits for this one.",
    )
    depth = models.PositiveSmallIntegerField(
        db_default=0, default=0, help_text="How many runs it is inside of."
    )
    started_by_kind = models.CharField(max_length=10)
    started_by_id = models.CharField(max_length=80)
    started_by = models.CharField(max_length=300)
    problem = models.CharField(max_length=500, blank=True, help_text="Why it waits for an operator.")
    is_paused = models.BooleanField(default=False, help_text="A person paused it: nothing new begins in it.")
    is_compensating = models.BooleanField(
        default=False, help_text="What was done is being undone; it ends then."
    )
    priority = models.PositiveSmallIntegerField(default=3, help_text="1 is looked at first, 5 last.")
    department = models.ForeignKey(
        Department,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Whose work it is: departments take turns. Empty: what belongs to none is one of them.",
    )
    started_at = models.DateTimeField(db_default=Now(), editable=False)
    finished_at = models.DateTimeField(null=True, blank=True)
    erased_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When what it was about was erased."
    )

    class Meta:
        ordering = ["-id"]
        permissions = [("steer_run", "May pause, cancel and otherwise steer a run and its steps")]
        constraints = [
            models.UniqueConstraint(fields=["workflow", "key"], name="runs_run_key_once"),
            models.CheckConstraint(
                condition=Q(state__in=[state.value for state in RunState]), name="runs_run_state_known"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["running", "incident"], finished_at__isnull=True)
                | (~Q(state__in=["running", "incident"]) & Q(finished_at__isnull=False)),
                name="runs_run_finished_when_final",
            ),
        ]
        indexes = [
            models.Index(fields=["workflow", "-id"], name="runs_run_of_workflow"),
            models.Index(
                fields=["state"], condition=Q(state__in=["running", "incident"]), name="runs_run_open"
            ),
            models.Index(fields=["started_by_id"], name="runs_run_started_by"),
            # The list: newest first of one state, and what has been open longest.
            models.Index(fields=["state", "-id"], name="runs_run_in_state"),
            models.Index(
                fields=["id"], condition=Q(state__in=["running", "incident"]), name="runs_run_open_longest"
            ),
            models.Index(
                fields=["parent"],
                condition=Q(parent__isnull=False, state__in=["running", "incident"]),
                name="runs_run_inside_open",
            ),
        ]

    def __str__(self) -> str:
        return self.label

    def as_ref(self) -> Ref:
        """Return this run as the subject of an event."""
        return Ref("runs.run", str(self.pk), self.label)

    def references(self) -> dict[str, str]:
        """Return the ids that everything done for this run carries."""
        return {
            "run_id": str(self.pk),
            "workflow_id": str(self.workflow_id),
            "correlation_id": str(self.pk),
        }

    @property
    def lane(self) -> UUID:
        """Return whose turns it takes: its department's, or those of all that has none."""
        return self.department_id or NO_DEPARTMENT

    def event_refs(self) -> dict[str, Any]:
        """Return the indexed references its events carry."""
        return {"run_id": str(self.pk), "correlation_id": str(self.pk)}


class Step(KeyedModel):
    """One node of one run. A node that is done again is a new generation; what was is kept."""

    State = StepState

    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="steps")
    node = models.CharField(max_length=40)
    frame = models.ForeignKey(
        "runs.Frame",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="steps",
        help_text="The parallel or map it is inside of; none: it is outside of all.",
    )
    index = models.PositiveIntegerField(default=0, help_text="Which branch or item of the frame, from 0.")
    scope = models.CharField(
        max_length=48,
        blank=True,
        help_text="The item of a map it belongs to, as frame:index; '' outside of maps.",
    )
    generation = models.PositiveSmallIntegerField(default=1)
    kind = models.CharField(max_length=20)
    name = models.CharField(max_length=120)
    state = models.CharField(max_length=10, choices=StepState, default=StepState.READY)
    input = models.JSONField(default=dict, blank=True)
    answer = models.JSONField(null=True, blank=True)
    error = models.JSONField(default=dict, blank=True, help_text="Code and message when it failed.")
    attempts = models.PositiveSmallIntegerField(default=0, help_text="How often the work failed.")
    infra_attempts = models.PositiveSmallIntegerField(default=0, help_text="How often what carries it failed.")
    priority = models.PositiveSmallIntegerField(null=True, blank=True)
    is_parked = models.BooleanField(default=False, help_text="It waits for an operator.")
    held_by = models.ForeignKey(
        System,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="The system it waits for; it goes on by itself when that can be called again.",
    )
    held_because = models.CharField(max_length=500, blank=True, help_text="Why it is held, for people.")
    clock_stopped_at = models.DateTimeField(
        null=True, blank=True, help_text="Since when its deadlines stand still; they go on by as much later."
    )
    clock_stopped_by = models.JSONField(
        default=list, blank=True, help_text="What keeps them: system_down, paused, ..."
    )
    joins = models.OneToOneField(
        "runs.Frame",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="join",
        help_text="What it closes.",
    )
    undone = models.CharField(
        max_length=8,
        choices=Undone,
        blank=True,
        help_text="What became of undoing it; '' while nobody wants that.",
    )
    undoes = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Being undone for it now.",
    )
    undo_action = models.OneToOneField(
        Action, null=True, blank=True, on_delete=models.PROTECT, related_name="undone_step"
    )
    agent = models.ForeignKey(
        Agent,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        help_text="Who did it.",
    )
    chosen_because = models.CharField(max_length=500, blank=True, help_text="Why this agent and no other.")
    routing = models.JSONField(
        null=True, blank=True, help_text="The labels it needed, who else was looked at, and why not."
    )
    task = models.OneToOneField(Task, null=True, blank=True, on_delete=models.PROTECT, related_name="step")
    action = models.OneToOneField(Action, null=True, blank=True, on_delete=models.PROTECT, related_name="step")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["run", "node", "frame", "index", "generation"],
                name="runs_step_once",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=Q(state__in=[state.value for state in StepState]), name="runs_step_state_known"
            ),
            models.CheckConstraint(
                condition=Q(clock_stopped_at=None, clock_stopped_by=[])
                | Q(clock_stopped_at__isnull=False) & ~Q(clock_stopped_by=[]),
                name="runs_step_clock_stands_for_something",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["ready", "running"], finished_at__isnull=True)
                | (~Q(state__in=["ready", "running"]) & Q(finished_at__isnull=False)),
                name="runs_step_finished_when_final",
            ),
        ]
        indexes = [
            models.Index(fields=["state"], condition=Q(state__in=["ready", "running"]), name="runs_step_open"),
            models.Index(fields=["run", "scope", "node"], name="runs_step_of_scope"),
            models.Index(
                fields=["held_by"], condition=Q(held_by__isnull=False, state="ready"), name="runs_step_held"
            ),
            models.Index(fields=["undone"], condition=Q(undone="running"), name="runs_step_being_undone"),
            models.Index(fields=["is_parked"], condition=Q(is_parked=True), name="runs_step_parked"),
            # What an agent did last, however much it did.
            models.Index(fields=["agent", "-id"], condition=Q(agent__isnull=False), name="runs_step_of_agent"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def key(self) -> str:
        """Return what names this piece of work for whoever does it, the same at every attempt."""
        item = f":{self.frame_id}:{self.index}" if self.frame_id else ""
        return f"{self.run_id}:{self.node}{item}:{self.generation}"


class Ready(models.Model):
    """The engine has to look at a step. Written in the transaction that makes it so, deleted in the one that
    deals with it: the table is as small as what is left to do."""

    step = models.OneToOneField(Step, on_delete=models.CASCADE, primary_key=True, related_name="ready")
    priority = models.PositiveSmallIntegerField(default=3)
    lane = models.UUIDField(
        db_default=NO_DEPARTMENT,
        default=NO_DEPARTMENT,
        help_text="The department whose work it is; zeros: none.",
    )
    turn = models.DateTimeField(
        db_default=Now(), help_text="Its place within the priority: see services.lanes."
    )
    not_before = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "ready"
        indexes = [
            models.Index(fields=["priority", "turn"], name="runs_ready_turn"),
            models.Index(fields=["lane", "priority", "turn"], name="runs_ready_lane"),
        ]

    def __str__(self) -> str:
        return str(self.pk)


class Timer(models.Model):
    """Something happens at a time by the database's clock, unless the step has ended by then."""

    class Kind(models.TextChoices):
        OVERDUE = "overdue", "Not done in time"
        START = "start", "Not taken in time"
        REMIND = "remind", "A reminder"
        REMIND_START = "remind_start", "A reminder that nobody has taken it"
        AGAIN = "again", "The next attempt"
        WAKE = "wake", "What it waits for has come"
        GIVE_UP = "give_up", "Waited long enough"
        QUEUE = "queue", "Nobody has begun it"
        RUN = "run", "One attempt has had its time"
        TOTAL = "total", "All attempts have had their time"

    # Of people's work: the reminder and the end of each of its two deadlines.
    OF_DEADLINE = {"start": (Kind.REMIND_START, Kind.START), "complete": (Kind.REMIND, Kind.OVERDUE)}

    step = models.ForeignKey(Step, on_delete=models.CASCADE, related_name="timers")
    kind = models.CharField(max_length=12, choices=Kind)
    fire_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["step", "kind"], name="runs_timer_once")]

    def __str__(self) -> str:
        return f"{self.kind} due at {self.fire_at}"


class RunDocument(models.Model):
    """A document a run is about. Whoever works on the run may read it meanwhile."""

    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="run_documents")
    document = models.ForeignKey(Document, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "document"], name="runs_document_once")]

    def __str__(self) -> str:
        return str(self.document)
