"""The one door that takes no token: who signs a message with a webhook's secret may start its workflow."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from workflows.api.serializers import ProblemSerializer
from workflows.triggers import services
from workflows.triggers.choices import Outcome

problem = OpenApiResponse(ProblemSerializer, description="Refused; the problem says why and what to do next.")
HEADERS = [
    OpenApiParameter(name, str, OpenApiParameter.HEADER, required=True, description=words)
    for name, words in (
        ("webhook-id", "Names the message; the same one when it is sent again. No full stop in it."),
        ("webhook-timestamp", "Seconds since 1970; at most five minutes from the time of the portal."),
        ("webhook-signature", "v1,BASE64 of HMAC-SHA256 over id.timestamp.body; several with spaces between."),
    )
]


class IsSigned(BasePermission):
    """Anybody may knock; the service refuses what is not signed with a valid secret before it is parsed."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Let the service look at the signature."""
        return True


class ReceivedSerializer(serializers.Serializer):
    """What became of a message."""

    delivery = serializers.UUIDField(help_text="Names the message in the portal's log.")
    outcome = serializers.ChoiceField(choices=Outcome.choices)
    repeat = serializers.BooleanField(help_text="Whether it had been taken in before.")
    run = serializers.UUIDField(allow_null=True, help_text="The run it started, or that was there, or null.")


class Hook(APIView):
    """Where a sender's messages come in."""

    authentication_classes = []
    permission_classes = [IsSigned]

    @extend_schema(
        operation_id="receive_message",
        auth=[],
        parameters=HEADERS,
        request={"application/json": {}, "application/cloudevents+json": {}},
        responses={
            200: OpenApiResponse(ReceivedSerializer, description="Taken in; nothing new was started."),
            201: OpenApiResponse(ReceivedSerializer, description="It started a run."),
            **dict.fromkeys((401, 409, 413, 422, 429, 503), problem),
        },
    )
    def post(self, request: Request, hook_id: UUID) -> Response:
        """Take in a signed message (Standard Webhooks), plain JSON or a CloudEvent 1.0, once."""
        most = services.require_size(hook_id, _length(request))
        received = services.receive(
            hook_id=hook_id,
            headers={name.lower(): value for name, value in request.headers.items()},
            body=request._request.read(most + 1),
        )
        delivery = received.delivery
        answer = {
            "delivery": delivery.pk,
            "outcome": delivery.outcome,
            "repeat": received.is_repeat,
            "run": delivery.run_id,
        }
        is_new = delivery.outcome == Outcome.STARTED and not received.is_repeat
        return Response(ReceivedSerializer(answer).data, status=201 if is_new else 200)


def _length(request: Request) -> int:
    said = request.headers.get("Content-Length", "")
    return int(said) if said.isascii() and said.isdigit() and len(said) < 20 else 0
