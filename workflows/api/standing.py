"""Change what an agent asked for, and approve the like in advance, over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents.decision.facts import Line
from agents.models import User
from audit.services import refusals_recorded
from workflows.actions import selectors, services
from workflows.actions.models import StandingApproval
from workflows.api.runs import problem
from workflows.api.serializers import ActionSerializer, JSONObjectField, ReasonedSerializer, StrictSerializer
from workflows.approvals.models import Approval
from workflows.approvals.selectors import visible_to
from workflows.permissions import IsPerson, caller
from workflows.tasks.selectors import database_now

REFUSED = dict.fromkeys((401, 403, 404, 409, 422), problem)
MOST_MINOR = 10**15
EDIT = {
    "digest": "a" * 64,
    "changes": {"total": {"minor": 90_000}},
    "reason": "The invoice says 900.00; the agent read the sum before discount.",
}
STANDING = {
    "until": "2026-12-31T17:00:00Z",
    "most_uses": 20,
    "most_minor": 90_000,
    "total_minor": 1_000_000,
    "conditions": [{"field": "args.supplier", "comparison": "equal", "value": "S-1"}],
    "reason": "The same supplier sends the same every week.",
}


class EditSerializer(ReasonedSerializer):
    """What is to be another, and why."""

    digest = serializers.RegexField(r"^[0-9a-f]{64}$", help_text="The digest of the approval as it was shown.")
    changes = JSONObjectField(
        help_text="A JSON merge patch (RFC 7396) of the arguments: only what changes; null takes a member away."
    )
    on_behalf_of = serializers.CharField(
        max_length=150, required=False, help_text="User name of who is away and has handed it on to you."
    )


class ConditionSerializer(StrictSerializer):
    """One comparison that must hold of the arguments, as a rule has it."""

    field = serializers.CharField(max_length=120, help_text="E.g. args.supplier, currency, clock.weekend.")
    comparison = serializers.CharField(max_length=20, help_text="E.g. equal, at_most, one_of.")
    value = serializers.CharField(max_length=300, help_text="What it is compared with, as rules have it.")


class GiveStandingSerializer(ReasonedSerializer):
    """Within what the like is approved. Amounts are minor units of the company's currency."""

    until = serializers.DateTimeField(help_text="When it ends by itself.")
    starts_at = serializers.DateTimeField(required=False, help_text="From when it counts; left out: at once.")
    most_uses = serializers.IntegerField(min_value=1, max_value=services.MOST_USES)
    most_minor = serializers.IntegerField(
        required=False, min_value=1, max_value=MOST_MINOR, help_text="Largest amount; needed where money moves."
    )
    total_minor = serializers.IntegerField(
        required=False, min_value=1, max_value=MOST_MINOR, help_text="All amounts together."
    )
    for_role = serializers.BooleanField(default=False, help_text="For every agent of the role, not this one.")
    conditions = serializers.ListField(
        child=ConditionSerializer(),
        required=False,
        max_length=services.MOST_LINES,
        help_text="All of them must hold.",
    )

    def bounds(self) -> services.Bounds:
        """Return the validated body as the service takes it."""
        told = self.validated_data
        names = ("until", "starts_at", "most_uses", "most_minor", "total_minor", "for_role")
        lines = tuple(Line("and", **one) for one in told.get("conditions", ()))
        return services.Bounds(lines=lines, **{name: told[name] for name in names if name in told})


class RevokeStandingSerializer(ReasonedSerializer):
    """Why it is ended before its time."""


class StandingApprovalSerializer(serializers.ModelSerializer[StandingApproval]):
    """What was approved in advance, and how much of it is left."""

    agent = serializers.CharField(source="agent.code", default=None, allow_null=True)
    role = serializers.CharField(source="role.code", default=None, allow_null=True)
    operation = serializers.CharField(source="operation.code")
    granted_by = serializers.CharField(source="granted_by.username", help_text="Who asked for it.")
    agreed_by = serializers.CharField(source="agreed_by.username", help_text="The second person.")
    state = serializers.SerializerMethodField(
        help_text="in_force, to_come, used_up, over, revoked, or void: the operation or its people changed."
    )

    class Meta:
        model = StandingApproval
        fields = [
            "id", "words", "state", "agent", "role", "operation", "revision", "condition", "most_minor",
            "total_minor", "spent_minor", "most_uses", "used", "starts_at", "until", "modelled_on",
            "granted_by", "agreed_by", "reason", "created_at", "revoked_at", "revoke_reason",
        ]  # fmt: skip
        read_only_fields = fields

    def get_state(self, standing: StandingApproval) -> str:
        """Return how it stands now."""
        return selectors.state_of(standing, database_now())


class ProposedStandingSerializer(serializers.Serializer[Any]):
    """A standing approval that waits for a second person."""

    change_request = serializers.UUIDField(help_text="What is to be agreed to.")
    standing_approval = serializers.UUIDField(help_text="What it will be.")
    summary = serializers.CharField()


class Edits(APIView):
    """Changes of what an agent asked for."""

    permission_classes = [IsPerson]

    @extend_schema(
        operation_id="edit_held_action",
        request=EditSerializer,
        responses={201: ActionSerializer, **REFUSED},
        examples=[OpenApiExample("A smaller amount", EDIT, request_only=True)],
        tags=["approvals"],
    )
    def post(self, request: Request, approval_id: UUID) -> Response:
        """Change arguments of what is held: another action takes its place, for another person to decide."""
        _require_seen(request, approval_id)
        body = EditSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = dict(body.validated_data)
        if whom := given.pop("on_behalf_of", ""):
            # A name that nobody has is refused as one that handed nothing on.
            person = User.objects.filter(username=whom).first()
            given["on_behalf_of"] = str(person.pk) if person else whom
        action = services.edit_action(actor=caller(request).as_actor(), approval_id=approval_id, **given)
        return Response(ActionSerializer(action).data, status=status.HTTP_201_CREATED)


class GiveStanding(APIView):
    """Approving the like of a request in advance."""

    permission_classes = [IsPerson]

    @extend_schema(
        operation_id="propose_standing_approval",
        request=GiveStandingSerializer,
        responses={202: ProposedStandingSerializer, **REFUSED},
        examples=[OpenApiExample("The same supplier", STANDING, request_only=True)],
        tags=["approvals"],
    )
    def post(self, request: Request, approval_id: UUID) -> Response:
        """Ask that the like is approved in advance; a second person has to agree."""
        _require_seen(request, approval_id)
        body = GiveStandingSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        actor = caller(request).as_actor()
        approval = Approval.objects.get(pk=approval_id)
        with refusals_recorded(actor=actor, subject=approval.as_ref(), **approval.event_refs()):
            change = services.propose_standing_approval(
                actor=actor, approval_id=approval_id, bounds=body.bounds(), reason=body.validated_data["reason"]
            )
        told = {"change_request": change.pk, "standing_approval": change.target_id, "summary": change.summary}
        return Response(ProposedStandingSerializer(told).data, status=status.HTTP_202_ACCEPTED)


class StandingApprovals(generics.ListAPIView[StandingApproval]):
    """What was approved in advance."""

    permission_classes = [IsPerson]
    serializer_class = StandingApprovalSerializer

    def get_queryset(self) -> QuerySet[StandingApproval]:
        """Return what the caller may see, newest first."""
        return selectors.visible_standing(caller(self.request))

    @extend_schema(operation_id="list_standing_approvals", tags=["approvals"])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List what was approved in advance, newest first."""
        return super().get(request, *args, **kwargs)


class StandingApprovalDetail(APIView):
    """One standing approval."""

    permission_classes = [IsPerson]

    @extend_schema(
        operation_id="read_standing_approval",
        responses={200: StandingApprovalSerializer, **REFUSED},
        tags=["approvals"],
    )
    def get(self, request: Request, standing_id: UUID) -> Response:
        """Return what it lets through, who said so, and how much of it is left."""
        return Response(StandingApprovalSerializer(_found(request, standing_id)).data)


class StandingApprovalEnd(APIView):
    """The end of a standing approval before its time."""

    permission_classes = [IsPerson]

    @extend_schema(
        operation_id="revoke_standing_approval",
        request=RevokeStandingSerializer,
        responses={200: StandingApprovalSerializer, **REFUSED},
        examples=[OpenApiExample("Not any more", {"reason": "The contract has ended."}, request_only=True)],
        tags=["approvals"],
    )
    def post(self, request: Request, standing_id: UUID) -> Response:
        """End it at once: whoever gave it, whoever would be asked, or a manager or operator."""
        standing, actor = _found(request, standing_id), caller(request).as_actor()
        body = RevokeStandingSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        with refusals_recorded(actor=actor, subject=standing.as_ref()):
            services.revoke_standing_approval(actor=actor, standing_id=standing.pk, **body.validated_data)
        return Response(StandingApprovalSerializer(_found(request, standing_id)).data)


def _found(request: Request, standing_id: UUID) -> StandingApproval:
    return get_object_or_404(selectors.visible_standing(caller(request)), pk=standing_id)


def _require_seen(request: Request, approval_id: UUID) -> None:
    if not visible_to(caller(request)).filter(pk=approval_id).exists():
        raise Http404
