"""Approvals over HTTP: read what waits, and vote on exactly what was read."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import generics, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents.models import User
from agents.services.stepping_up import step_up_of
from audit.services import refusals_recorded
from workflows.api.approval_bodies import (
    ApprovalDetailSerializer,
    ApprovalSerializer,
    AskBackSerializer,
    CommentSerializer,
    SayCommentSerializer,
    VotedTogetherSerializer,
    VoteSerializer,
    VoteTogetherSerializer,
)
from workflows.api.serializers import ProblemSerializer, require_choice
from workflows.api.work import AnswerSerializer
from workflows.approvals import selectors, services
from workflows.approvals.models import Approval
from workflows.permissions import IsPerson, caller

WITH_VOTES = (
    *("approver_groups", "votes__user", "votes__on_behalf_of", "votes__through"),
    *("escalations__group", "escalations__person", "escalations__stands_for", "stages__groups"),
    *("task__comments", "task__questions__claimed_by"),
)
TWO_ALIKE = {
    "verdict": "approve",
    "reason": "Checked against the orders of Monday.",
    "approvals": [
        {"id": "0192f2a4-7c1e-7a00-8000-000000000001", "digest": "a" * 64},
        {"id": "0192f2a4-7c1e-7a00-8000-000000000002", "digest": "b" * 64},
    ],
}
REFUSED = (401, 403, 404, 409, 422)
problem = OpenApiResponse(ProblemSerializer, description="Refused; the problem says why and what to do next.")


class Approvals(generics.ListAPIView):
    """What people are asked."""

    serializer_class = ApprovalSerializer
    permission_classes = [IsPerson]

    def get_queryset(self) -> Any:
        """Return the approvals the caller may see, by state if asked."""
        found = selectors.visible_to(caller(self.request)).prefetch_related("approver_groups")
        if state := self.request.query_params.get("state"):
            found = found.filter(state=require_choice("state", state, Approval.State.values))
        return found

    @extend_schema(
        operation_id="list_approvals",
        parameters=[OpenApiParameter("state", str, enum=Approval.State.values)],
        responses={200: ApprovalSerializer(many=True), 422: problem},
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the approvals the caller may see, newest first."""
        return super().get(request, *args, **kwargs)


class ApprovalDetail(generics.RetrieveAPIView):
    """One approval."""

    serializer_class = ApprovalDetailSerializer
    permission_classes = [IsPerson]
    lookup_url_kwarg = "approval_id"

    def get_queryset(self) -> Any:
        """Return what the caller may see; anything else is not found."""
        return selectors.visible_to(caller(self.request)).prefetch_related(*WITH_VOTES)

    @extend_schema(
        operation_id="read_approval",
        responses={200: ApprovalDetailSerializer, **dict.fromkeys((401, 403, 404), problem)},
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Read everything a voter must see: the whole subject, the rules, the limits, the votes so far."""
        approval = self.get_object()
        services.note_opening(person=caller(request), approvals=[approval])
        return Response(self.get_serializer(approval).data)


class Votes(APIView):
    """Votes on one approval."""

    permission_classes = [IsPerson]

    @extend_schema(
        operation_id="cast_vote",
        request=VoteSerializer,
        responses={200: ApprovalDetailSerializer, **dict.fromkeys((401, 403, 404, 409, 422), problem)},
    )
    def post(self, request: Request, approval_id: Any) -> Response:
        """Vote once, with a reason, on the digest that was shown."""
        require_seen(request, approval_id)
        body = VoteSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = dict(body.validated_data)
        if whom := given.pop("on_behalf_of", ""):
            # A name that nobody has is refused as one that handed nothing on.
            person = User.objects.filter(username=whom).first()
            given["on_behalf_of"] = str(person.pk) if person else whom
        user = caller(request)
        proof = step_up_of(user, request.session)
        services.cast_vote(actor=user.as_actor(), approval_id=approval_id, step_up=proof, **given)
        voted = Approval.objects.prefetch_related(*WITH_VOTES).get(pk=approval_id)
        return Response(ApprovalDetailSerializer(voted, context={"request": request}).data)


class VotesTogether(APIView):
    """Votes on several approvals that are alike."""

    permission_classes = [IsPerson]

    @extend_schema(
        operation_id="cast_votes_together",
        request=VoteTogetherSerializer,
        responses={200: VotedTogetherSerializer, **dict.fromkeys((401, 403, 409, 422), problem)},
        examples=[OpenApiExample("Two alike", TWO_ALIKE, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        """Vote with one reason on what is alike (same shape). Each counts or is refused by itself."""
        body = VoteTogetherSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        actor = caller(request).as_actor()
        with refusals_recorded(actor=actor, subject=services.SEVERAL):
            outcomes = services.cast_together(
                actor=actor,
                choices=[services.Choice(str(one["id"]), one["digest"]) for one in given["approvals"]],
                verdict=given["verdict"],
                reason=given["reason"],
                step_up=step_up_of(caller(request), request.session),
            )
        return Response(VotedTogetherSerializer({"results": outcomes}).data)


class Comments(APIView):
    """What people say about one approval."""

    permission_classes = [IsPerson]

    @extend_schema(
        operation_id="comment_on_approval",
        request=SayCommentSerializer,
        responses={201: CommentSerializer, **dict.fromkeys(REFUSED, problem)},
        examples=[OpenApiExample("A remark", {"text": "The order came on Monday."}, request_only=True)],
    )
    def post(self, request: Request, approval_id: Any) -> Response:
        """Say something about an approval one may see; it decides nothing and is kept for good."""
        require_seen(request, approval_id)
        body = SayCommentSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        said = services.comment_on(
            actor=caller(request).as_actor(), approval_id=approval_id, text=body.validated_data["text"]
        )
        return Response(CommentSerializer(said).data, status=status.HTTP_201_CREATED)


class Questions(APIView):
    """What the agent that asks is asked back."""

    permission_classes = [IsPerson]

    @extend_schema(
        operation_id="ask_agent_about_approval",
        request=AskBackSerializer,
        responses={201: AnswerSerializer, **dict.fromkeys(REFUSED, problem)},
        examples=[OpenApiExample("A question", {"question": "Which order is this for?"}, request_only=True)],
    )
    def post(self, request: Request, approval_id: Any) -> Response:
        """Ask the agent whose action is held. The approval waits on; read it again for the answer."""
        require_seen(request, approval_id)
        body = AskBackSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        asked = services.ask_back(
            actor=caller(request).as_actor(), approval_id=approval_id, **body.validated_data
        )
        return Response(AnswerSerializer(asked).data, status=status.HTTP_201_CREATED)


def require_seen(request: Request, approval_id: Any) -> None:
    """Answer what somebody may not see as what is not there, before anything of the body is looked at."""
    if not selectors.visible_to(caller(request)).filter(pk=approval_id).exists():
        raise Http404
