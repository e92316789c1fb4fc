"""Show again over HTTP who one is, for what asks for that: it counts in the session of the call."""

from __future__ import annotations

from typing import Any, cast

from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents import registry
from agents.api.workforce import REFUSED
from agents.models import User
from agents.permissions import IsPerson
from agents.serializers import ConfirmSerializer, StepUpSerializer
from agents.services import stepping_up

LIMITED = OpenApiResponse(description="Too many failures; wait a minute (application/problem+json).")


class StepUpView(APIView):
    """Whether the caller has just shown again who they are."""

    permission_classes = [IsPerson]

    @extend_schema(
        operation_id="step_up_read", responses={200: StepUpSerializer, **REFUSED}, tags=["workforce"]
    )
    def get(self, request: Request) -> Response:
        """Say whether the caller has shown in this session who they are, until when it counts, and how to."""
        return Response(_shown(request))

    @extend_schema(
        operation_id="step_up",
        request=ConfirmSerializer,
        responses={200: StepUpSerializer, **REFUSED, 429: LIMITED},
        tags=["workforce"],
        examples=[
            OpenApiExample("By password", {"method": "password", "password": "..."}, request_only=True),
        ],
    )
    def post(self, request: Request) -> Response:
        """Enter one's password again. Both ways it is on record; guessing is slowed down as at the sign-in."""
        body = ConfirmSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = dict(body.validated_data)
        stepping_up.confirm_person(
            user=cast("User", request.user),
            session=request.session,
            method=given.pop("method"),
            given=given,
            address=request.META.get("REMOTE_ADDR", ""),
        )
        return Response(_shown(request))


def _shown(request: Request) -> dict[str, Any]:
    user = cast("User", request.user)
    proof = stepping_up.step_up_of(user, request.session)
    fresh = proof if stepping_up.is_fresh(proof, user) else None
    shown = {
        "method": fresh.method if fresh else "",
        "confirmed_at": fresh.at if fresh else None,
        "good_until": fresh.at + stepping_up.lasting() if fresh else None,
        "methods": sorted(registry.step_up_methods()),
    }
    return dict(StepUpSerializer(shown).data)
