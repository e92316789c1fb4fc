"""An agent copied into another department, over HTTP."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents import selectors
from agents.api.workforce import CONFLICT
from agents.models import Department, Role, User
from agents.permissions import IsPerson
from agents.serializers import AgentSerializer, ReasonSerializer
from agents.services.cloning import clone_agent
from audit.services import refusals_recorded


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


class CloneView(APIView):
    """Copy an agent into another department."""

    permission_classes = [IsPerson]

    @extend_schema(
        operation_id="agents_clone",
        request=CloneSerializer,
        responses={201: ClonedSerializer, **CONFLICT},
        tags=["workforce"],
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """Copy it as a draft; each of its own grants waits for a second person. The original stays as it is."""
        user = cast("User", request.user)
        agent = get_object_or_404(selectors.visible_agents(user), pk=pk)
        with refusals_recorded(actor=user.as_actor(), subject=agent.as_ref(), **agent.event_refs()):
            form = CloneSerializer(data=request.data)
            form.is_valid(raise_exception=True)
            found = clone_agent(actor=user.as_actor(), agent=agent, **form.validated_data)
        body = {
            "agent": found.agent,
            "copied": found.copied,
            "waiting": [change.pk for change in found.waiting],
            "not_copied": found.not_copied,
        }
        return Response(ClonedSerializer(body).data, status=status.HTTP_201_CREATED)
