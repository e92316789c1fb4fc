"""Appeals over HTTP: an agent contests a denial once; people answer, and take up what several propose."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from workflows.api.actions import require_visible
from workflows.api.runs import problem
from workflows.api.serializers import ReasonedSerializer, StrictSerializer, require_choice
from workflows.appeals import services
from workflows.appeals.choices import ANSWERS, State
from workflows.appeals.models import Appeal, Proposal
from workflows.appeals.selectors import visible_proposals, visible_to
from workflows.permissions import IsAgent, IsKnown, IsPerson, caller

REFUSED = dict.fromkeys((401, 403, 404, 409, 422, 429), problem)


class ContestSerializer(StrictSerializer):
    """Why a denial is wrong."""

    reason = serializers.CharField(
        min_length=5,
        max_length=2000,
        help_text="What people can check. They read it as your own words; it decides nothing.",
    )


class AppealAnswerSerializer(StrictSerializer):
    """What a person says about an appeal."""

    decision = serializers.ChoiceField(
        choices=[state.value for state in ANSWERS],
        help_text="upheld: the rule is right. ask_again: the agent may ask again, and is decided anew. "
        "change_rule: the rule is to be changed, by a change of its own.",
    )
    reason = serializers.CharField(min_length=5, max_length=2000, help_text="Why, as the agent reads it.")


class TakeUpSerializer(ReasonedSerializer):
    """Why a proposed change is taken up."""

    value = serializers.CharField(
        max_length=200, required=False, help_text="Another value than the proposed one."
    )


class DismissSerializer(ReasonedSerializer):
    """Why a proposed change is put aside."""


class AppealGroundSerializer(serializers.Serializer[Any]):
    """What denied it. An agent is told the name, as in the denial."""

    kind = serializers.ChoiceField(choices=["rule", "limit", "grant"])
    name = serializers.CharField()
    compared = serializers.CharField(source="shown", help_text="The value that was compared, if it is one.")


class AppealSerializer(serializers.ModelSerializer[Appeal]):
    """One appeal and what people said."""

    action = serializers.UUIDField(source="action_id", read_only=True)
    agent = serializers.CharField(source="agent.code", read_only=True)
    asked = serializers.CharField(source="action.label", read_only=True, help_text="In business words.")
    denied = serializers.CharField(source="action.sentence", read_only=True)
    grounds = AppealGroundSerializer(many=True, read_only=True)
    next = serializers.CharField(source="next_step", read_only=True, help_text="What the agent may do now.")
    answered_by = serializers.SerializerMethodField()

    class Meta:
        model = Appeal
        fields = [
            "id", "action", "agent", "operation_code", "asked", "denied", "reason", "grounds", "state",
            "answer", "answered_by", "answered_at", "next", "created_at", "is_open",
        ]  # fmt: skip
        read_only_fields = fields

    def get_answered_by(self, appeal: Appeal) -> str | None:
        """Return the name of who answered."""
        return str(appeal.answered_by) if appeal.answered_by else None


class ContestedRuleSerializer(serializers.ModelSerializer[Proposal]):
    """The smallest change that several appeals ask for."""

    decided_by = serializers.SerializerMethodField()

    class Meta:
        model = Proposal
        fields = [
            "id", "kind", "subject_id", "subject_name", "operation_code", "shape", "words", "changes", "cases",
            "state", "change_request", "decided_by", "decided_at", "reason", "created_at",
        ]  # fmt: skip
        read_only_fields = fields

    def get_decided_by(self, proposal: Proposal) -> str | None:
        """Return the name of who took it up or put it aside."""
        return str(proposal.decided_by) if proposal.decided_by else None


class ActionAppeal(APIView):
    """The appeal against one denial."""

    permission_classes = [IsKnown]

    def get_permissions(self) -> list[Any]:
        """Anybody who sees the action reads; only agents contest."""
        return [IsAgent()] if self.request.method == "POST" else [IsKnown()]

    @extend_schema(
        operation_id="read_appeal",
        parameters=[
            OpenApiParameter(
                "wait", int, description="Answer when people have, at the latest after so many seconds."
            )
        ],
        responses={200: AppealSerializer, **REFUSED},
        tags=["appeals"],
    )
    def get(self, request: Request, action_id: UUID) -> Response:
        """Read it: whether people have answered, what they said, and what the agent may do now."""
        require_visible(request, action_id)
        found = get_object_or_404(visible_to(caller(request)), action=action_id)
        return Response(AppealSerializer(found).data)

    @extend_schema(
        operation_id="contest_action",
        request=ContestSerializer,
        responses={201: AppealSerializer, **REFUSED},
        tags=["appeals"],
    )
    def post(self, request: Request, action_id: UUID) -> Response:
        """Contest a denial by a rule, a limit or a missing grant: once, with a reason. It allows nothing."""
        require_visible(request, action_id)
        body = ContestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        appeal = services.contest_action(
            actor=caller(request).as_actor(), action_id=action_id, reason=body.validated_data["reason"]
        )
        return Response(AppealSerializer(appeal).data, status=status.HTTP_201_CREATED)


class Appeals(generics.ListAPIView[Appeal]):
    """The appeals the caller may see."""

    permission_classes = [IsKnown]
    serializer_class = AppealSerializer

    def get_queryset(self) -> QuerySet[Appeal]:
        """Return them, newest first, in one state if asked."""
        found = visible_to(caller(self.request))
        if state := self.request.query_params.get("state"):
            found = found.filter(state=require_choice("state", state, State.values))
        return found

    @extend_schema(
        operation_id="list_appeals",
        parameters=[OpenApiParameter("state", str, enum=State.values)],
        responses={200: AppealSerializer(many=True), 422: problem},
        tags=["appeals"],
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List appeals: an agent its own, people those they may see or answer."""
        return super().get(request, *args, **kwargs)


class AppealAnswer(APIView):
    """The answer to one appeal."""

    permission_classes = [IsPerson]

    @extend_schema(
        operation_id="answer_appeal",
        request=AppealAnswerSerializer,
        responses={200: AppealSerializer, **REFUSED},
        tags=["appeals"],
    )
    def post(self, request: Request, appeal_id: UUID) -> Response:
        """Answer an appeal that is put to you. The denied action stays denied, whatever you say."""
        get_object_or_404(visible_to(caller(request)), pk=appeal_id)
        body = AppealAnswerSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        appeal = services.answer_appeal(
            actor=caller(request).as_actor(), appeal_id=appeal_id, **body.validated_data
        )
        return Response(AppealSerializer(appeal).data)


class ContestedRules(generics.ListAPIView[Proposal]):
    """What several appeals propose."""

    permission_classes = [IsPerson]
    serializer_class = ContestedRuleSerializer

    def get_queryset(self) -> QuerySet[Proposal]:
        """Return the proposals about rules and limits this person may see, newest first."""
        return visible_proposals(caller(self.request))


class _Proposed(APIView):
    """A verb of one proposal."""

    permission_classes = [IsPerson]

    def require(self, request: Request, proposal_id: UUID) -> None:
        """Raise 404 unless the person may see it."""
        get_object_or_404(visible_proposals(caller(request)), pk=proposal_id)


class TakeUp(_Proposed):
    """Taking up a proposal."""

    @extend_schema(
        operation_id="take_up_proposal",
        request=TakeUpSerializer,
        responses={200: ContestedRuleSerializer, **REFUSED},
        tags=["appeals"],
    )
    def post(self, request: Request, proposal_id: UUID) -> Response:
        """Propose the change in your name; what loosens waits for a second person."""
        self.require(request, proposal_id)
        body = TakeUpSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        proposal, _ = services.take_up_proposal(
            actor=caller(request).as_actor(), proposal_id=proposal_id, **body.validated_data
        )
        return Response(ContestedRuleSerializer(proposal).data)


class Dismissal(_Proposed):
    """Putting a proposal aside."""

    @extend_schema(
        operation_id="dismiss_proposal",
        request=DismissSerializer,
        responses={200: ContestedRuleSerializer, **REFUSED},
        tags=["appeals"],
    )
    def post(self, request: Request, proposal_id: UUID) -> Response:
        """Put it aside with a reason; only appeals made after it can make another."""
        self.require(request, proposal_id)
        body = DismissSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        proposal = services.dismiss_proposal(
            actor=caller(request).as_actor(), proposal_id=proposal_id, **body.validated_data
        )
        return Response(ContestedRuleSerializer(proposal).data)
