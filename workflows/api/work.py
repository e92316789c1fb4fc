"""How a task goes over the wire, with the run it belongs to and the documents that run is about."""

from __future__ import annotations

from typing import Any

from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from workflows.api.instructions import InstructionSerializer
from workflows.api.serializers import DocumentSerializer, ResultField
from workflows.runs.selectors import clocks_of
from workflows.tasks.models import Instruction, Task

_SAID = Prefetch("instructions", Instruction.objects.select_related("author").order_by("-pk"))


def with_work(tasks: QuerySet[Task]) -> QuerySet[Task]:
    """Return tasks with all that ``TaskSerializer`` shows, in a fixed number of queries."""
    return tasks.select_related(
        "claimed_by", "role", "preferred_agent", "step__run__workflow"
    ).prefetch_related("step__run__run_documents__document", "step__timers", "questions__claimed_by", _SAID)


@extend_schema_field({"type": "object", "additionalProperties": {}})
class OpenObjectField(serializers.JSONField):
    """A JSON object of any shape."""


class ClockSerializer(serializers.Serializer):
    """A deadline of work for people, and what happens when it passes."""

    deadline = serializers.ChoiceField(choices=["start", "complete"], help_text="Taken, or closed, in time.")
    at = serializers.DateTimeField(allow_null=True, help_text="When; null: it has passed or needs nobody now.")
    remind_at = serializers.DateTimeField(allow_null=True, help_text="When its people are reminded, or null.")
    then = serializers.ChoiceField(choices=["escalate", "reassign", "outcome"], help_text="What happens then.")
    to = serializers.ListField(child=serializers.CharField(), help_text="The groups that are asked then.")
    answer = OpenObjectField(allow_null=True, help_text="The answer it is closed with then, or null.")


class PassingSerializer(serializers.Serializer):
    """One time that a task was passed on."""

    how = serializers.ChoiceField(
        choices=["handed_off", "escalated", "reassigned"], help_text="By somebody, or by a deadline."
    )
    at = serializers.DateTimeField()
    by = serializers.CharField(help_text="Who did it; the engine for a deadline.")
    before = serializers.ListField(child=serializers.CharField(), help_text="Who had it or was asked before.")
    to = serializers.ListField(child=serializers.CharField(), help_text="Who is asked since.")
    reason = serializers.CharField(help_text="Why, in their own words.")
    note = serializers.CharField(help_text="What they left for whoever goes on. Text of theirs, not checked.")

    def get_fields(self) -> dict[str, Any]:
        """Call ``before`` what it is: ``from`` is a word of Python."""
        fields = super().get_fields()
        return {"from" if name == "before" else name: field for name, field in fields.items()}


class AnswerSerializer(serializers.ModelSerializer):
    """A question that was asked for a task, and what came of it."""

    question = serializers.CharField(source="input.question", default="", help_text="As it was asked.")
    answer = ResultField(allow_null=True, read_only=True, help_text="What came of it, or null. Not checked.")
    failure = OpenObjectField(read_only=True, help_text="Why there is no answer, if whoever was asked said so.")
    answered_by = serializers.CharField(
        source="claimed_by.username", default="", help_text="Who answered, or has the question now."
    )

    class Meta:
        model = Task
        fields = [
            "id",
            "question",
            "state",
            "answer",
            "failure",
            "answered_by",
            "created_at",
            "due_at",
            "closed_at",
        ]
        read_only_fields = fields


class TaskSerializer(serializers.ModelSerializer):
    """One task as it stands."""

    role = serializers.CharField(
        source="role.code", default="", read_only=True, help_text="Code of the role whose agents may take it."
    )
    kept_for = serializers.CharField(
        source="preferred_agent.code",
        default="",
        read_only=True,
        help_text="Code of the agent it is kept for as long as that may work, or empty.",
    )
    claimed_by = serializers.CharField(
        source="claimed_by.username", default="", read_only=True, help_text="Who has it, or had it last."
    )
    input = OpenObjectField(read_only=True, help_text="What the work starts from.")
    answer_schema = OpenObjectField(
        read_only=True, help_text="JSON Schema of the answer; empty: none is asked."
    )
    answer = ResultField(allow_null=True, read_only=True, help_text="What came of it, or null.")
    failure = OpenObjectField(read_only=True, help_text="Code and message of the last failure, or empty.")
    attempt = serializers.SerializerMethodField(help_text="1 at the first attempt.")
    key = serializers.SerializerMethodField(
        help_text="Names this piece of work, the same at every attempt: build your idempotency keys from it."
    )
    workflow = serializers.SerializerMethodField(help_text="Code of the workflow, or empty.")
    run = serializers.SerializerMethodField(help_text="The run it belongs to, or null.")
    node = serializers.SerializerMethodField(help_text="The node of the workflow, or empty.")
    deadlines = serializers.SerializerMethodField(
        help_text="Of work for people: when it is late, and what happens then."
    )
    answers = AnswerSerializer(
        source="questions", many=True, read_only=True, help_text="What was asked for it, with the answers."
    )
    passed_on = PassingSerializer(many=True, read_only=True, help_text="Through whose hands it went, and why.")
    instructions = InstructionSerializer(
        many=True, read_only=True, help_text="What operators said about it, newest first; say that you read it."
    )
    documents = serializers.SerializerMethodField(
        help_text="What the run is about; the bytes can be read while the task is claimed."
    )

    class Meta:
        model = Task
        fields = [
            "id",
            "kind",
            "title",
            "body",
            "state",
            "role",
            "needs",
            "kept_for",
            "claimed_by",
            "epoch",
            "lease_until",
            "input",
            "answer_schema",
            "attempt",
            "key",
            "workflow",
            "run",
            "node",
            "documents",
            "priority",
            "progress",
            "waits_for",
            "available_at",
            "due_at",
            "clock_stopped_at",
            "deadlines",
            "reminded_at",
            "closed_by_deadline",
            "passed_on",
            "instructions",
            "answers",
            "answer",
            "failure",
            "created_at",
            "closed_at",
        ]
        read_only_fields = fields

    def get_attempt(self, task: Task) -> int:
        """Return which attempt this is."""
        return task.attempts + 1

    def get_key(self, task: Task) -> str:
        """Return run, node and generation; a task of no run is named by its own id."""
        step = step_of(task)
        return step.key if step else str(task.pk)

    def get_workflow(self, task: Task) -> str:
        """Return the code of the workflow."""
        step = step_of(task)
        return step.run.workflow.code if step else ""

    @extend_schema_field({"type": ["string", "null"], "format": "uuid"})
    def get_run(self, task: Task) -> str | None:
        """Return the id of the run."""
        step = step_of(task)
        return str(step.run_id) if step else None

    def get_node(self, task: Task) -> str:
        """Return the id of the node."""
        step = step_of(task)
        return step.node if step else ""

    @extend_schema_field(ClockSerializer(many=True))
    def get_deadlines(self, task: Task) -> Any:
        """Return the deadlines as their clocks stand now."""
        return ClockSerializer(clocks_of(task, step_of(task)), many=True).data

    @extend_schema_field(DocumentSerializer(many=True))
    def get_documents(self, task: Task) -> Any:
        """Return the documents of the run."""
        step = step_of(task)
        linked = step.run.run_documents.all() if step else []
        return DocumentSerializer([link.document for link in linked], many=True).data


class ClaimedSerializer(serializers.Serializer):
    """The tasks that are the caller's now."""

    tasks = TaskSerializer(many=True)


def step_of(task: Task) -> Any:
    """Return the step of a run that a task was opened for, or None."""
    return getattr(task, "step", None)
