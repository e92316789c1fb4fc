"""Workflows and their versions over HTTP: read, compared in words, and proposed as YAML."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from audit.services import refusals_recorded
from audit.vocabulary import Ref, Refusal, RefusalKind
from workflows.api.serializers import ProblemSerializer, ReasonedSerializer
from workflows.api.work import OpenObjectField
from workflows.permissions import IsPerson, caller
from workflows.runs import selectors, services
from workflows.runs.models import Workflow, WorkflowVersion

problem = OpenApiResponse(ProblemSerializer, description="Refused; the problem says why and what to do next.")
MOST_CHARACTERS = 400_000


class WorkflowSerializer(serializers.ModelSerializer):
    """Work that is done again and again."""

    owner = serializers.CharField(
        source="owner.name", read_only=True, help_text="The group that answers for it."
    )
    current = serializers.IntegerField(
        source="current.number", default=None, read_only=True, help_text="The version new runs follow, or null."
    )

    class Meta:
        model = Workflow
        fields = ["id", "code", "name", "purpose", "owner", "is_enabled", "current", "created_at"]
        read_only_fields = fields


class VersionSerializer(serializers.ModelSerializer):
    """One version: who proposed it, and what became of that."""

    workflow = serializers.CharField(source="workflow.code", read_only=True, help_text="Code of the workflow.")
    proposed_by = serializers.CharField(source="proposed_by.username", read_only=True)
    approved_by = serializers.CharField(source="approved_by.username", default="", read_only=True)

    class Meta:
        model = WorkflowVersion
        fields = [
            "id",
            "workflow",
            "number",
            "state",
            "sha256",
            "reason",
            "proposed_by",
            "approved_by",
            "created_at",
            "decided_at",
        ]
        read_only_fields = fields


class VersionDetailSerializer(VersionSerializer):
    """One version with its definition."""

    text = serializers.CharField(read_only=True, help_text="The definition as it was written (YAML).")
    content = OpenObjectField(read_only=True, help_text="The same as JSON.")

    class Meta(VersionSerializer.Meta):
        fields = [*VersionSerializer.Meta.fields, "text", "content"]
        read_only_fields = fields


class ProposalSerializer(ReasonedSerializer):
    """A definition, and why it should be the next version."""

    text = serializers.CharField(
        max_length=MOST_CHARACTERS, trim_whitespace=False, help_text="The definition (YAML)."
    )


class DifferenceSerializer(serializers.Serializer):
    """What a version changes against another one."""

    version = serializers.IntegerField()
    compared_with = serializers.IntegerField(allow_null=True, help_text="Null: it is the first version.")
    differences = serializers.ListField(child=serializers.CharField(), help_text="Sentence by sentence.")


class Workflows(generics.ListAPIView):
    """The workflows the caller may see; proposing one."""

    serializer_class = WorkflowSerializer
    permission_classes = [IsPerson]

    def get_queryset(self) -> QuerySet[Workflow]:
        """Return what the caller may see."""
        return (
            selectors.visible_workflows(caller(self.request)).select_related("owner", "current").order_by("pk")
        )

    @extend_schema(operation_id="list_workflows", responses={200: WorkflowSerializer(many=True)})
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the workflows the caller may see."""
        return super().get(request, *args, **kwargs)

    @extend_schema(
        operation_id="propose_workflow_version",
        request=ProposalSerializer,
        responses={201: VersionDetailSerializer, **dict.fromkeys((401, 403, 409, 422), problem)},
    )
    def post(self, request: Request) -> Response:
        """Propose a definition as the next version of its workflow, or a new one; a second person decides."""
        body = ProposalSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        actor = caller(request).as_actor()
        with refusals_recorded(actor=actor, subject=Ref("runs.workflow", "", "a proposed version")):
            version = services.propose_version(actor=actor, **body.validated_data)
        response = Response(VersionDetailSerializer(version).data, status=201)
        response["Location"] = reverse(
            "workflows-api:workflow-version", args=[version.workflow.code, version.number]
        )
        return response


class WorkflowDetail(APIView):
    """One workflow."""

    permission_classes = [IsPerson]

    @extend_schema(operation_id="read_workflow", responses={200: WorkflowSerializer, 404: problem})
    def get(self, request: Request, code: str) -> Response:
        """Read one workflow."""
        return Response(WorkflowSerializer(_workflow(request, code)).data)


class WorkflowVersions(generics.ListAPIView):
    """The versions of a workflow."""

    serializer_class = VersionSerializer
    permission_classes = [IsPerson]

    def get_queryset(self) -> QuerySet[WorkflowVersion]:
        """Return them all; cursors go by key, which grows with the number."""
        if getattr(self, "swagger_fake_view", False):
            return WorkflowVersion.objects.none()
        return _versions(_workflow(self.request, self.kwargs["code"])).order_by("-pk")

    @extend_schema(
        operation_id="list_workflow_versions", responses={200: VersionSerializer(many=True), 404: problem}
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the versions of a workflow, newest first."""
        return super().get(request, *args, **kwargs)


class WorkflowVersionDetail(APIView):
    """One version."""

    permission_classes = [IsPerson]

    @extend_schema(operation_id="read_workflow_version", responses={200: VersionDetailSerializer, 404: problem})
    def get(self, request: Request, code: str, number: int) -> Response:
        """Read one version with its definition."""
        return Response(VersionDetailSerializer(_version(_workflow(request, code), number)).data)


class WorkflowVersionDiff(APIView):
    """What a version changes."""

    permission_classes = [IsPerson]

    @extend_schema(
        operation_id="compare_workflow_versions",
        parameters=[
            OpenApiParameter(
                "from",
                int,
                description="Compared with this version; without it the one in force, or the one before.",
            )
        ],
        responses={200: DifferenceSerializer, **dict.fromkeys((404, 422), problem)},
    )
    def get(self, request: Request, code: str, number: int) -> Response:
        """Say in words what a version changes against another one."""
        workflow = _workflow(request, code)
        version = _version(workflow, number)
        asked = request.query_params.get("from")
        before = _version(workflow, _number(asked)) if asked is not None else services.compared_with(version)
        return Response(
            {
                "version": version.number,
                "compared_with": before.number if before else None,
                "differences": services.differences_of(version, before),
            }
        )


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 9):
        raise Refusal(
            "invalid",
            f"Nothing was compared: {text[:20]!r} is no number of a version.",
            kind=RefusalKind.INVALID,
            next_step="Send the number of a version of this workflow, e.g. ?from=2.",
        )
    return int(text)


def _workflow(request: Request, code: str) -> Workflow:
    visible = selectors.visible_workflows(caller(request)).select_related("owner", "current")
    found = visible.filter(code=code[:60].replace("\x00", "")).first()
    if found is None:
        raise Http404
    return found


def _versions(workflow: Workflow) -> QuerySet[WorkflowVersion]:
    return workflow.versions.select_related("workflow__current", "proposed_by", "approved_by")


def _version(workflow: Workflow, number: int) -> WorkflowVersion:
    found = _versions(workflow).filter(number=number).first() if number < 2**31 else None
    if found is None:
        raise Http404
    return found
