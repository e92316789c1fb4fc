"""Who decides for whom while somebody is away, over HTTP."""

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

from agents.models import User
from audit.services import refusals_recorded
from workflows.api.runs import problem
from workflows.api.serializers import ReasonedSerializer
from workflows.approvals import services
from workflows.approvals.models import Delegation
from workflows.approvals.selectors import in_force, visible_delegations
from workflows.permissions import IsPerson, caller

REFUSED = dict.fromkeys((401, 403, 404, 409, 422), problem)
EXAMPLE = {
    "delegate": "bob",
    "first_day": "2026-12-21",
    "last_day": "2027-01-04",
    "reason": "I am on holiday; Bob knows our suppliers.",
}


class GiveDelegationSerializer(ReasonedSerializer):
    """Who decides, from which day to which."""

    delegate = serializers.CharField(max_length=150, help_text="User name of who decides meanwhile.")
    giver = serializers.CharField(
        max_length=150,
        required=False,
        help_text="User name of who is away, if not the caller: for managers, and another person must agree.",
    )
    first_day = serializers.DateField(help_text="First day, by the company's clock.")
    last_day = serializers.DateField(help_text="Last day, included.")


class EndDelegationSerializer(ReasonedSerializer):
    """Why it is ended before its time."""


class DelegationSerializer(serializers.ModelSerializer[Delegation]):
    """Who decides for whom, and until when."""

    giver = serializers.CharField(source="giver.username", help_text="Who is away.")
    delegate = serializers.CharField(source="delegate.username", help_text="Who decides meanwhile.")
    given_by = serializers.CharField(source="given_by.username", help_text="Who said so.")
    in_force = serializers.SerializerMethodField(help_text="Whether it counts today.")

    class Meta:
        model = Delegation
        fields = [
            "id", "giver", "delegate", "first_day", "last_day", "reason", "given_by", "created_at",
            "withdrawn_at", "withdraw_reason", "in_force",
        ]  # fmt: skip
        read_only_fields = fields

    def get_in_force(self, delegation: Delegation) -> bool:
        """Say whether it counts today, by the company's clock."""
        return in_force().filter(pk=delegation.pk).exists()


class ProposedDelegationSerializer(serializers.Serializer[Any]):
    """A delegation for somebody else, which waits for a second person."""

    change_request = serializers.UUIDField(help_text="What is to be agreed to.")
    summary = serializers.CharField()


class Delegations(generics.ListAPIView[Delegation]):
    """The delegations the caller may see; everybody gives their own."""

    permission_classes = [IsPerson]
    serializer_class = DelegationSerializer

    def get_queryset(self) -> QuerySet[Delegation]:
        """Return those of the caller and to the caller, or all by permission, newest first."""
        return visible_delegations(caller(self.request))

    @extend_schema(tags=["approvals"])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List who decides for whom, newest first."""
        return super().get(request, *args, **kwargs)

    @extend_schema(
        operation_id="delegations_give",
        request=GiveDelegationSerializer,
        responses={201: DelegationSerializer, 202: ProposedDelegationSerializer, **REFUSED},
        examples=[OpenApiExample("While I am away", EXAMPLE, request_only=True)],
        tags=["approvals"],
    )
    def post(self, request: Request) -> Response:
        """Let somebody decide in one's place (201); for somebody else it waits for a second person (202)."""
        body = GiveDelegationSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given, user = dict(body.validated_data), caller(request)
        giver = _named(given.pop("giver", user.username), "giver")
        delegate = _named(given.pop("delegate"), "delegate")
        with refusals_recorded(actor=user.as_actor(), subject=giver.as_ref()):
            if giver.pk == user.pk:
                found = services.give_delegation(actor=user.as_actor(), delegate=delegate, **given)
                return Response(DelegationSerializer(found).data, status=status.HTTP_201_CREATED)
            change = services.propose_delegation(actor=user.as_actor(), giver=giver, delegate=delegate, **given)
        told = {"change_request": change.pk, "summary": change.summary}
        return Response(ProposedDelegationSerializer(told).data, status=status.HTTP_202_ACCEPTED)


class DelegationDetail(APIView):
    """One delegation."""

    permission_classes = [IsPerson]

    @extend_schema(
        operation_id="delegations_retrieve",
        responses={200: DelegationSerializer, **REFUSED},
        tags=["approvals"],
    )
    def get(self, request: Request, delegation_id: UUID) -> Response:
        """Return who decides for whom, and whether it counts today."""
        return Response(DelegationSerializer(_found(request, delegation_id)).data)


class DelegationEnd(APIView):
    """The end of a delegation before its time."""

    permission_classes = [IsPerson]

    @extend_schema(
        operation_id="delegations_end",
        request=EndDelegationSerializer,
        responses={200: DelegationSerializer, **REFUSED},
        examples=[OpenApiExample("Back early", {"reason": "I am back two days early."}, request_only=True)],
        tags=["approvals"],
    )
    def post(self, request: Request, delegation_id: UUID) -> Response:
        """End it at once: who is away, who stands in, or a manager."""
        delegation, actor = _found(request, delegation_id), caller(request).as_actor()
        body = EndDelegationSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        with refusals_recorded(actor=actor, subject=delegation.as_ref()):
            services.withdraw_delegation(actor=actor, delegation_id=delegation.pk, **body.validated_data)
        return Response(DelegationSerializer(_found(request, delegation_id)).data)


def _found(request: Request, delegation_id: UUID) -> Delegation:
    return get_object_or_404(visible_delegations(caller(request)), pk=delegation_id)


def _named(username: str, member: str) -> User:
    try:
        return get_object_or_404(User, username=username, kind=User.Kind.PERSON, is_active=True)
    except Http404:
        raise serializers.ValidationError(
            {member: ["There is no such person with an active account."]}
        ) from None
