"""An agent copied into another department, over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from agents.api.workforce import CONFLICT, AgentVerbView
from agents.models import Department, Role, User
from agents.serializers import AgentSerializer, ReasonSerializer
from agents.services.cloning import clone_agent


def _people() -> Any:
    return User.objects.filter(kind=User.Kind.PERSON, is_active=True)


class CloneSerializer(ReasonSerializer):
    """What is new about the copy, and why there is one."""

    name = serializers.CharField(max_length=120)
    code = serializers.SlugField(max_length=60)
    department = serializers.SlugRelatedField(
        slug_field="code", queryset=Department.objects.all(), help_text="Where it works, by code."
    )
    role = serializers.SlugRelatedField(
        slug_field="code", queryset=Role.objects.all(), required=False, help_text="Left out: the same role."
    )
    sponsor = serializers.SlugRelatedField(
        slug_field="username",
        queryset=_people(),
        help_text="Who answers for it: somebody of that department or above it, or a head of one of these.",
    )
    deputy = serializers.SlugRelatedField(
        slug_field="username", queryset=_people(), required=False, help_text="Who answers when they are away."
    )
    sponsor_from_elsewhere = serializers.BooleanField(
        default=False, help_text="That somebody who is not of that department answers for it is meant."
    )


class ClonedSerializer(serializers.Serializer[Any]):
    """The copy, and what of the original it has."""

    agent = AgentSerializer()
    copied = serializers.ListField(child=serializers.CharField())
    waiting = serializers.ListField(
        child=serializers.UUIDField(), help_text="Grants proposed: change requests for a second person."
    )
    not_copied = serializers.ListField(child=serializers.CharField())


class CloneView(AgentVerbView):
    """Copy an agent into another department."""

    @extend_schema(
        operation_id="agents_clone",
        request=CloneSerializer,
        responses={201: ClonedSerializer, **CONFLICT},
        tags=["workforce"],
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """Copy it as a draft; each of its own grants waits for a second person. The original stays as it is."""
        found = self.act(request, pk, clone_agent, CloneSerializer)
        body = {
            "agent": found.agent,
            "copied": found.copied,
            "waiting": [change.pk for change in found.waiting],
            "not_copied": found.not_copied,
        }
        return Response(ClonedSerializer(body).data, status=status.HTTP_201_CREATED)
