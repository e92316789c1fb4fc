"""The employment of agents over HTTP: where one stands, what is decided about it, certificates, terms."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import generics, status
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents import registry, selectors
from agents.api.employment_bodies import (
    AttestSerializer,
    CertificateSerializer,
    DemoteSerializer,
    EmploymentSerializer,
    HandoverItemSerializer,
    RetireSerializer,
    SetTermsSerializer,
    TermsSerializer,
)
from agents.api.workforce import CONFLICT, MISSING, REFUSED, AgentVerbView
from agents.models import Agent, Certificate, ChangeRequest, LifecycleTerms, User
from agents.permissions import IsPerson, IsSignedIn
from agents.serializers import AgentSerializer, ChangeRequestSerializer, ReasonSerializer
from agents.services import attesting, lifecycle, probation, sponsors, terms
from agents.services.handing_over import Settlement
from audit.services import refusals_recorded
from audit.vocabulary import Ref, Refusal, RefusalKind

TAGS = ["employment"]


def _user(request: Request) -> User:
    return cast("User", request.user)


class EmploymentView(APIView):
    """Where an agent stands as an employee."""

    permission_classes = [IsPerson]

    @extend_schema(
        operation_id="agents_employment", responses={200: EmploymentSerializer, **MISSING}, tags=TAGS
    )
    def get(self, request: Request, pk: UUID) -> Response:
        """Return its standing, the terms that apply, its record and its life in order."""
        agent = get_object_or_404(selectors.visible_agents(_user(request)), pk=pk)
        body = {
            "state": selectors.state_words(agent),
            "on_probation": agent.on_probation,
            "probation_since": agent.probation_since,
            "probation_until": agent.probation_until,
            "attest_by": agent.attest_by,
            "contract": selectors.contract_of(agent).digest,
            "terms": selectors.terms_for(agent.role_id),
            "evidence": selectors.evidence_of(agent),
            "timeline": selectors.timeline_of(agent),
        }
        return Response(EmploymentSerializer(body).data)


class PromoteView(AgentVerbView):
    """End the probation of an agent."""

    @extend_schema(
        operation_id="agents_promote",
        request=ReasonSerializer,
        responses={202: ChangeRequestSerializer, **CONFLICT},
        tags=TAGS,
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """Propose it, with the record of this moment; a second person approves exactly that."""
        return self.waiting(self.act(request, pk, probation.propose_promotion))


class DemoteView(AgentVerbView):
    """Put an agent back."""

    @extend_schema(
        operation_id="agents_demote",
        request=DemoteSerializer,
        responses={200: AgentSerializer, **CONFLICT},
        tags=TAGS,
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """Put it back on probation, or let it only read: at once."""
        return self.shown(self.act(request, pk, probation.demote_agent, DemoteSerializer))


class AttestView(AgentVerbView):
    """Confirm that an agent is still needed."""

    @extend_schema(
        operation_id="agents_attest",
        request=AttestSerializer,
        responses={200: AgentSerializer, **CONFLICT},
        tags=TAGS,
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """State it as who answers for the agent; what it needs no longer is taken away at once."""
        return self.shown(self.act(request, pk, attesting.attest_agent, AttestSerializer))


class TakeOverView(AgentVerbView):
    """Answer for an agent whose sponsor has left."""

    @extend_schema(
        operation_id="agents_take_over",
        request=ReasonSerializer,
        responses={202: ChangeRequestSerializer, **CONFLICT},
        tags=TAGS,
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """Propose to become its sponsor; a second person applies it."""
        return self.waiting(self.act(request, pk, sponsors.propose_takeover))


class HandoverView(APIView):
    """What an agent has open."""

    permission_classes = [IsPerson]

    @extend_schema(
        operation_id="agents_handover",
        responses={200: HandoverItemSerializer(many=True), **MISSING},
        tags=TAGS,
    )
    def get(self, request: Request, pk: UUID) -> Response:
        """Return everything that is open, what blocks its retirement first, with what becomes of each."""
        agent = get_object_or_404(selectors.visible_agents(_user(request)), pk=pk)
        return Response(HandoverItemSerializer(registry.handover_items(agent), many=True).data)


class RetireView(AgentVerbView):
    """Retire an agent."""

    @extend_schema(
        operation_id="agents_retire",
        request=RetireSerializer,
        responses={200: AgentSerializer, **CONFLICT},
        tags=TAGS,
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """Retire it for good; 409 ``handover_open`` names what is not settled."""

        def retire(*, actor: Any, agent: Agent, reason: str, settled: Any = ()) -> Agent:
            said = {entry["key"]: _settlement(_user(request), entry) for entry in settled}
            return lifecycle.retire_agent(actor=actor, agent=agent, reason=reason, settled=said)

        return self.shown(self.act(request, pk, retire, RetireSerializer))


def _settlement(user: User, entry: Any) -> Settlement:
    code = entry.get("to")
    to = selectors.visible_agents(user).filter(code=code).first() if code else None
    if code and to is None:
        raise Refusal(
            "handover_unfit",
            f"Nobody was retired: there is no agent {code} for you to hand anything to.",
            kind=RefusalKind.INVALID,
            next_step="Name another agent by its code, or leave it with a reason.",
        )
    return Settlement(reason=entry["reason"], to=to)


@extend_schema(tags=TAGS)
class CertificatesView(generics.ListAPIView[Certificate]):
    """The certificates of an agent the caller may see, newest first."""

    permission_classes = [IsSignedIn]
    serializer_class = CertificateSerializer

    def get_queryset(self) -> QuerySet[Certificate]:
        """Return what was decided about this agent."""
        if not self.request:
            return Certificate.objects.none()
        agent = get_object_or_404(selectors.visible_agents(_user(self.request)), pk=self.kwargs["pk"])
        return selectors.visible_certificates(_user(self.request)).filter(agent=agent)


@extend_schema(tags=TAGS)
class CertificateView(generics.RetrieveAPIView[Certificate]):
    """One certificate of an agent the caller may see."""

    permission_classes = [IsSignedIn]
    serializer_class = CertificateSerializer

    def get_queryset(self) -> QuerySet[Certificate]:
        """Return the certificates this caller may see."""
        return selectors.visible_certificates(_user(self.request))


class TermsView(APIView):
    """The terms of employment."""

    permission_classes = [IsPerson]

    @extend_schema(
        operation_id="lifecycle_terms", responses={200: TermsSerializer(many=True), **REFUSED}, tags=TAGS
    )
    def get(self, request: Request) -> Response:
        """Return the terms of the company and of each role that has its own."""
        if not _user(request).has_perm("agents.view_lifecycleterms"):
            raise PermissionDenied
        return Response(TermsSerializer(LifecycleTerms.objects.select_related("role"), many=True).data)

    @extend_schema(
        operation_id="lifecycle_terms_set",
        request=SetTermsSerializer,
        responses={200: TermsSerializer, 202: ChangeRequestSerializer, **CONFLICT},
        tags=TAGS,
    )
    def post(self, request: Request) -> Response:
        """Set terms: stricter ones apply at once (200), looser ones wait for a second person (202)."""
        actor = _user(request).as_actor()
        with refusals_recorded(actor=actor, subject=Ref("agents.lifecycleterms", "", "Terms of employment")):
            form = SetTermsSerializer(data=request.data)
            form.is_valid(raise_exception=True)
            values = dict(form.validated_data)
            role, reason = values.pop("role"), values.pop("reason")
            outcome = terms.set_terms(actor=actor, role=role, values=values, reason=reason)
        if isinstance(outcome, ChangeRequest):
            return Response(ChangeRequestSerializer(outcome).data, status=status.HTTP_202_ACCEPTED)
        return Response(TermsSerializer(outcome).data)
