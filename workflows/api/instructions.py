"""What operators say to an agent: it reads it here, and with its work, and says that it did."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from workflows.api.serializers import ProblemSerializer
from workflows.permissions import IsAgent, caller
from workflows.tasks import selectors, services
from workflows.tasks.models import Instruction

problem = OpenApiResponse(ProblemSerializer, description="Refused; the problem says why and what to do next.")


class InstructionSerializer(serializers.ModelSerializer):
    """One thing that an operator said to an agent."""

    text = serializers.CharField(read_only=True, help_text="What you are told. It gives you no right.")
    author = serializers.CharField(source="author.username", read_only=True, help_text="Who said it.")
    task = serializers.UUIDField(
        source="task_id", read_only=True, allow_null=True, help_text="The task it is about, or null."
    )

    class Meta:
        model = Instruction
        fields = ["id", "text", "author", "task", "created_at", "read_at"]
        read_only_fields = fields


class InstructionsSerializer(serializers.Serializer):
    """What was said to an agent."""

    instructions = InstructionSerializer(many=True)


class Instructions(APIView):
    """What operators said to the caller."""

    permission_classes = [IsAgent]

    @extend_schema(
        operation_id="list_my_instructions",
        parameters=[OpenApiParameter("all", bool, description="Those that were read, too: the newest 50.")],
        responses={200: InstructionsSerializer, **dict.fromkeys((401, 403), problem)},
    )
    def get(self, request: Request) -> Response:
        """List what operators said to you and you have not said to have read, newest first."""
        found = selectors.instructions_of(caller(request).agent)
        if request.query_params.get("all") != "true":
            found = found.filter(read_at=None)
        shown = found[: selectors.MOST_INSTRUCTIONS]
        return Response({"instructions": InstructionSerializer(shown, many=True).data})


class InstructionRead(APIView):
    """That the caller has read something."""

    permission_classes = [IsAgent]

    @extend_schema(
        operation_id="read_instruction",
        request=None,
        responses={200: InstructionSerializer, **dict.fromkeys((401, 403, 404), problem)},
    )
    def post(self, request: Request, instruction_id: UUID) -> Response:
        """Say that you have read it; the operator sees it. Saying so again is no error."""
        read: Any = services.read_instruction(actor=caller(request).as_actor(), instruction_id=instruction_id)
        return Response(InstructionSerializer(read).data)
