"""The contract of an agent over HTTP: read by itself and by people who may see it, and signed by a person."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents import selectors
from agents.api.workforce import CONFLICT, MISSING
from agents.decision.contract import as_document
from agents.models import Agent, User
from agents.permissions import IsPerson, IsSignedIn, is_agent
from agents.serializers import ContractSerializer, SignContractSerializer
from agents.services import contracts
from audit.services import refusals_recorded
from audit.vocabulary import Refusal, RefusalKind


class MyContractView(APIView):
    """What binds the calling agent."""

    permission_classes = [IsSignedIn]

    @extend_schema(
        operation_id="me_contract", responses={200: ContractSerializer, **MISSING}, tags=["workforce"]
    )
    def get(self, request: Request) -> Response:
        """Return the caller's own contract in sentences, with the digest that names its version."""
        user = cast("User", request.user)
        agent = Agent.objects.filter(user=user).first() if is_agent(user) else None
        if agent is None:
            raise Refusal(
                "no_contract",
                "You have no contract here: only agents do.",
                kind=RefusalKind.NOT_FOUND,
                next_step="Read that of an agent at /api/v1/agents/<id>/contract.",
            )
        return Response(_shown(agent, user))


class ContractView(APIView):
    """What binds an agent."""

    permission_classes = [IsSignedIn]

    @extend_schema(
        operation_id="agents_contract", responses={200: ContractSerializer, **MISSING}, tags=["workforce"]
    )
    def get(self, request: Request, pk: UUID) -> Response:
        """Return the contract of an agent the caller may see; people also read who signed it."""
        user = cast("User", request.user)
        return Response(_shown(get_object_or_404(selectors.visible_agents(user), pk=pk), user))


class SignContractView(APIView):
    """Sign what binds an agent."""

    permission_classes = [IsPerson]

    @extend_schema(
        operation_id="agents_contract_sign",
        request=SignContractSerializer,
        responses={200: ContractSerializer, **CONFLICT},
        tags=["workforce"],
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """Put one's name to exactly the version read; 409 ``contract_changed`` when another is in force."""
        user = cast("User", request.user)
        agent = get_object_or_404(selectors.visible_agents(user), pk=pk)
        with refusals_recorded(actor=user.as_actor(), subject=agent.as_ref(), **agent.event_refs()):
            form = SignContractSerializer(data=request.data)
            form.is_valid(raise_exception=True)
            contracts.sign_contract(actor=user.as_actor(), agent=agent, **form.validated_data)
        return Response(_shown(agent, user))


def _shown(agent: Agent, user: User) -> dict[str, Any]:
    """Return the document; an agent is told whether people stand behind it, not who."""
    for_agent = is_agent(user)
    contract = selectors.contract_of(agent)
    signing = selectors.signing_of(agent, contract)
    document = {
        **as_document(contract, for_agent=for_agent),
        "is_signed": bool(signing.current),
        "signatures": [] if for_agent else signing.current,
    }
    return cast("dict[str, Any]", ContractSerializer(document).data)
