"""Runs over HTTP: people start, read and steer them; an agent starts one by an operation, like any effect."""

from __future__ import annotations

from typing import Any

from django.db.models import Prefetch, Q
from django.http import Http404
from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from workflows.api.serializers import (
    DocumentSerializer,
    JSONObjectField,
    ProblemSerializer,
    ResultField,
    StrictSerializer,
    require_choice,
)
from workflows.api.work import OpenObjectField
from workflows.permissions import IsKnown, caller
from workflows.runs import selectors, services
from workflows.runs.choices import RunState
from workflows.runs.models import Run, Step

problem = OpenApiResponse(ProblemSerializer, description="Refused; the problem says why and what to do next.")
KEY_CHARACTERS = 255


class StartSerializer(StrictSerializer):
    """What to start, with what, and what names the work."""

    workflow = serializers.SlugField(max_length=60, help_text="Code of the workflow.")
    input = JSONObjectField(help_text="What it starts from, as the workflow's own schema says. No fractions.")
    key = serializers.CharField(
        max_length=KEY_CHARACTERS, help_text="Names the work: the same key again is the run that is there."
    )


class PassedOverSerializer(serializers.Serializer):
    """An agent that was looked at for a step and did not get it."""

    agent = serializers.CharField(help_text="Its code.")
    name = serializers.CharField()
    code = serializers.CharField(help_text="agent_paused, no_grant, label_missing, elsewhere, busier, ...")
    why = serializers.CharField(help_text="The same in words.")


class RoutingSerializer(serializers.Serializer):
    """What a step asked of its agent, and who else was looked at."""

    needs = serializers.ListField(child=serializers.CharField())
    others = PassedOverSerializer(many=True)


class StepSerializer(serializers.ModelSerializer):
    """One step of a run; a node that was done again is a new generation."""

    input = OpenObjectField(read_only=True)
    answer = ResultField(allow_null=True, read_only=True)
    error = OpenObjectField(read_only=True, help_text="Code and message when it failed, else empty.")
    routing = RoutingSerializer(
        allow_null=True, read_only=True, help_text="Who else was looked at, and why not; null: nobody was."
    )
    agent = serializers.CharField(
        source="agent.code", default="", read_only=True, help_text="Code of the agent that did it, or empty."
    )
    undone = serializers.CharField(
        read_only=True,
        help_text="running, done, failed, given_up or by_hand; empty while nobody wants it undone.",
    )

    child = serializers.UUIDField(
        source="child.pk",
        default=None,
        allow_null=True,
        read_only=True,
        help_text="The run it began and waits for, or null.",
    )
    waits_for_signal = serializers.CharField(
        source="subscription.name",
        allow_null=True,
        read_only=True,
        help_text="Name of the signal it waits for, or null.",
    )

    class Meta:
        model = Step
        fields = [
            "id",
            "node",
            "generation",
            "kind",
            "name",
            "state",
            "agent",
            "chosen_because",
            "routing",
            "task",
            "action",
            "child",
            "waits_for_signal",
            "input",
            "answer",
            "error",
            "undone",
            "undo_action",
            "created_at",
            "started_at",
            "finished_at",
        ]
        read_only_fields = fields


class RunSerializer(serializers.ModelSerializer):
    """One run as it stands."""

    url = serializers.SerializerMethodField()
    workflow = serializers.CharField(source="workflow.code", read_only=True, help_text="Code of the workflow.")
    version = serializers.IntegerField(
        source="version.number", read_only=True, help_text="The version it follows to its end."
    )
    department = serializers.CharField(
        source="department.code",
        default="",
        read_only=True,
        help_text="Code of the department whose work it is, or empty. Departments take turns.",
    )
    input = OpenObjectField(read_only=True)
    parent_run = serializers.UUIDField(
        source="parent.run_id",
        default=None,
        allow_null=True,
        read_only=True,
        help_text="The run it is inside of, or null.",
    )
    output = ResultField(allow_null=True, read_only=True, help_text="What its end says came of it, or null.")

    class Meta:
        model = Run
        fields = [
            "id",
            "url",
            "workflow",
            "version",
            "department",
            "key",
            "label",
            "state",
            "outcome",
            "problem",
            "is_paused",
            "priority",
            "parent_run",
            "input",
            "output",
            "started_by",
            "started_at",
            "finished_at",
        ]
        read_only_fields = fields

    def get_url(self, run: Run) -> str:
        """Return the address of the run."""
        return run_url(run)


class RunDetailSerializer(RunSerializer):
    """One run with its steps and documents."""

    steps = StepSerializer(many=True, read_only=True, help_text="In the order they were begun.")
    documents = serializers.SerializerMethodField()

    class Meta(RunSerializer.Meta):
        fields = [*RunSerializer.Meta.fields, "steps", "documents"]
        read_only_fields = fields

    @extend_schema_field(DocumentSerializer(many=True))
    def get_documents(self, run: Run) -> Any:
        """Return what the run is about."""
        return DocumentSerializer([link.document for link in run.run_documents.all()], many=True).data


class Runs(generics.ListAPIView):
    """The runs the caller may see: list them, or start one."""

    serializer_class = RunSerializer
    permission_classes = [IsKnown]

    def get_queryset(self) -> Any:
        """Return what the caller may see, by workflow, state and key if asked."""
        found, asked = selectors.visible_to(caller(self.request)), self.request.query_params
        found = found.select_related("parent")
        if workflow := asked.get("workflow"):
            found = found.filter(workflow__code=workflow[:60].replace("\x00", ""))
        if state := asked.get("state"):
            found = found.filter(state=require_choice("state", state, RunState.values))
        if key := asked.get("key"):
            found = found.filter(key=key[:KEY_CHARACTERS].replace("\x00", ""))
        return found

    @extend_schema(
        operation_id="list_runs",
        parameters=[
            OpenApiParameter("workflow", str, description="Code of a workflow."),
            OpenApiParameter("state", str, enum=RunState.values),
            OpenApiParameter("key", str, description="What names the work."),
        ],
        responses={200: RunSerializer(many=True), 422: problem},
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the runs the caller may see, newest first."""
        return super().get(request, *args, **kwargs)

    @extend_schema(
        operation_id="start_run",
        request=StartSerializer,
        responses={
            200: OpenApiResponse(RunDetailSerializer, description="The key's run was there already."),
            201: RunDetailSerializer,
            **dict.fromkeys((401, 403, 404, 409, 422), problem),
        },
    )
    def post(self, request: Request) -> Response:
        """Start a run as a person; an agent asks for the operation `portal.run.start`, once it is granted."""
        body = StartSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        wanted = body.validated_data
        started = services.start_run(
            actor=caller(request).as_actor(),
            workflow_code=wanted["workflow"],
            input=wanted["input"],
            key=wanted["key"],
        )
        response = Response(shown(request, started.run), status=201 if started.is_new else 200)
        response["Location"] = run_url(started.run)
        return response


class RunDetail(APIView):
    """One run."""

    permission_classes = [IsKnown]

    @extend_schema(operation_id="read_run", responses={200: RunDetailSerializer, 404: problem})
    def get(self, request: Request, run_id: Any) -> Response:
        """Read a run: where it stands, its steps and documents. An agent reads the steps it did itself."""
        return Response(shown(request, visible_run(request, run_id)))


def run_url(run: Run) -> str:
    """Return the address of a run."""
    return reverse("workflows-api:run", args=[run.pk])


def visible_run(request: Request, run_id: Any) -> Run:
    """Return a run the caller may see; raise 404 for any other."""
    found = selectors.visible_to(caller(request)).filter(pk=run_id).first()
    if found is None:
        raise Http404
    return found


def shown(request: Request, run: Run) -> Any:
    """Return a run as the caller may read it: what other agents were given and answered is not an agent's."""
    user = caller(request)
    steps = Step.objects.select_related("agent", "child", "subscription").order_by("pk")
    if user.is_agent:
        steps = steps.filter(Q(agent__user=user) | Q(task__claimed_by=user))
    found = (
        Run.objects.select_related("workflow", "version", "parent")
        .prefetch_related(Prefetch("steps", queryset=steps), "run_documents__document")
        .get(pk=run.pk)
    )
    return RunDetailSerializer(found).data
