"""What the caller may use, with its schemas."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import generics
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import APIView

from agents.models import User
from connectors.models import Operation
from connectors.selectors import operations_for_agent, visible_to
from workflows.api.serializers import OperationDetailSerializer, OperationSerializer, ProblemSerializer
from workflows.permissions import IsKnown, caller

problem = OpenApiResponse(ProblemSerializer, description="Refused; the problem says why and what to do next.")


class ByCode(api_settings.DEFAULT_PAGINATION_CLASS):  # type: ignore[name-defined]
    """Pages in the order of codes; all else is as on the pages of the house."""

    page_size = 100
    ordering = "code"


class Operations(generics.ListAPIView):
    """Operations the caller may use (an agent) or see (a person)."""

    serializer_class = OperationSerializer
    permission_classes = [IsKnown]
    pagination_class = ByCode

    def get_queryset(self) -> Any:
        """Return published operations, by grant for agents and by right to view for people."""
        return usable_by(caller(self.request))

    @extend_schema(operation_id="list_operations")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the operations the caller may use."""
        return super().get(request, *args, **kwargs)


class OperationDetail(APIView):
    """One operation with its schemas."""

    permission_classes = [IsKnown]

    @extend_schema(
        operation_id="read_operation",
        responses={200: OperationDetailSerializer, **dict.fromkeys((401, 404), problem)},
    )
    def get(self, request: Request, code: str) -> Response:
        """Read how an operation is called."""
        found = usable_by(caller(request)).filter(code=code).first()
        if found is None:
            raise NotFound(
                f"You may not use an operation {code[:120]!r}, or there is none. See GET /api/v1/operations."
            )
        return Response(OperationDetailSerializer(found).data)


def usable_by(user: User) -> Any:
    """Return the published operations somebody may use or see."""
    if user.kind == User.Kind.AGENT:
        agent = getattr(user, "agent", None)
        return operations_for_agent(agent) if agent else Operation.objects.none()
    return visible_to(user).filter(current_revision__isnull=False)
