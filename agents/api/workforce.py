"""The workforce over HTTP: one's own file, agents, brakes, stops and changes that wait for a second person."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import generics, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents import selectors
from agents.models import Agent, ChangeRequest, Rule, Stop, User
from agents.permissions import IsPerson, IsSignedIn, is_agent
from agents.serializers import (
    AgentSerializer,
    ChangeRequestSerializer,
    ContainmentSerializer,
    LabelsSerializer,
    MeSerializer,
    RaiseStopSerializer,
    ReasonSerializer,
    StageSerializer,
    StopSerializer,
)
from agents.services import changes, lifecycle, stops
from audit.services import refusals_recorded
from audit.vocabulary import Ref

REFUSED = {
    401: OpenApiResponse(description="Not signed in (application/problem+json)."),
    403: OpenApiResponse(description="Refused, with code, reason and next step (application/problem+json)."),
}
MISSING = {**REFUSED, 404: OpenApiResponse(description="No such object among those the caller may see.")}
CONFLICT = {
    **MISSING,
    409: OpenApiResponse(description="Not possible in the present state."),
    422: OpenApiResponse(description="A field was refused."),
}


def _user(request: Request) -> User:
    return cast("User", request.user)


def _reason(request: Request) -> str:
    form = ReasonSerializer(data=request.data)
    form.is_valid(raise_exception=True)
    return str(form.validated_data["reason"])


class MeView(APIView):
    """Who the portal takes the caller for."""

    permission_classes = [IsSignedIn]

    @extend_schema(operation_id="me", responses={200: MeSerializer, **REFUSED}, tags=["workforce"])
    def get(self, request: Request) -> Response:
        """Return the caller's own file: for an agent its standing, its operations and its contract in words."""
        user = _user(request)
        agent = _agents(user).filter(user=user).first() if is_agent(user) else None
        rules = selectors.visible_rules(user).filter(mode=Rule.Mode.ENFORCED).select_related("policy")
        body = {
            "kind": user.kind,
            "id": user.pk,
            "name": user.as_actor().label,
            "agent": agent,
            "groups": sorted(group.name for group in user.groups.all()),
            "operations": _operations(agent) if agent else [],
            "contract": rules if agent else [],
        }
        return Response(MeSerializer(body).data)


def _operations(agent: Agent) -> list[str]:
    return lifecycle.granted_operations(agent, selectors.authority_snapshot().grants)


def _agents(user: User) -> QuerySet[Agent]:
    return selectors.visible_agents(user).select_related("department", "role", "sponsor")


@extend_schema(tags=["workforce"])
class AgentsView(generics.ListAPIView[Agent]):
    """Agents the caller may see, newest first."""

    permission_classes = [IsSignedIn]
    serializer_class = AgentSerializer

    def get_queryset(self) -> QuerySet[Agent]:
        """Return the agents this caller may see."""
        return _agents(_user(self.request)) if self.request else Agent.objects.none()


@extend_schema(tags=["workforce"])
class AgentView(generics.RetrieveAPIView[Agent]):
    """One agent the caller may see."""

    permission_classes = [IsSignedIn]
    serializer_class = AgentSerializer

    def get_queryset(self) -> QuerySet[Agent]:
        """Return the agents this caller may see."""
        return _agents(_user(self.request))


class AgentVerbView(APIView):
    """What a person does to an agent they may see: a form in, its new standing or what waits out."""

    permission_classes = [IsPerson]

    def act(self, request: Request, pk: UUID, verb: Any, form: Any = ReasonSerializer) -> Any:
        """Call ``verb`` with what the form holds and return what it returns; refusals go on record."""
        user = _user(request)
        agent = get_object_or_404(selectors.visible_agents(user), pk=pk)
        with refusals_recorded(actor=user.as_actor(), subject=agent.as_ref(), **agent.event_refs()):
            body = form(data=request.data)
            body.is_valid(raise_exception=True)
            return verb(actor=user.as_actor(), agent=agent, **body.validated_data)

    def shown(self, agent: Agent) -> Response:
        """Return the agent as it stands now."""
        fresh = Agent.objects.select_related("department", "role", "sponsor").get(pk=agent.pk)
        return Response(AgentSerializer(fresh).data)

    def waiting(self, change: ChangeRequest) -> Response:
        """Return a change that waits for a second person."""
        return Response(ChangeRequestSerializer(change).data, status=status.HTTP_202_ACCEPTED)


class PauseView(AgentVerbView):
    """Pause an agent."""

    @extend_schema(
        operation_id="agents_pause",
        request=ReasonSerializer,
        responses={200: AgentSerializer, **CONFLICT},
        tags=["workforce"],
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """Refuse every further call of the agent at once."""
        return self.shown(self.act(request, pk, lifecycle.pause_agent))


class SuspendView(AgentVerbView):
    """Suspend an agent."""

    @extend_schema(
        operation_id="agents_suspend",
        request=ReasonSerializer,
        responses={200: AgentSerializer, **CONFLICT},
        tags=["workforce"],
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """Close the agent's access: its tokens are void and none is issued."""
        return self.shown(self.act(request, pk, lifecycle.suspend_agent))


class LiftBrakeView(AgentVerbView):
    """Lift the brake of an agent."""

    @extend_schema(
        operation_id="agents_lift_brake",
        request=ReasonSerializer,
        responses={200: AgentSerializer, **CONFLICT},
        tags=["workforce"],
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """Let the agent act again, within the authority it had."""
        return self.shown(self.act(request, pk, lifecycle.lift_brake))


class LabelsView(AgentVerbView):
    """What an agent can do, for work that needs it."""

    @extend_schema(
        operation_id="agents_label",
        request=LabelsSerializer,
        responses={200: AgentSerializer, **CONFLICT},
        tags=["workforce"],
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """Say anew what the agent can do; it gives no right to anything."""
        return self.shown(self.act(request, pk, lifecycle.label_agent, LabelsSerializer))


class StopsView(generics.ListAPIView[Stop]):
    """Stops the caller may see, newest first; pressing one is for people."""

    serializer_class = StopSerializer
    answers_stopped_agents = True  # here they read why

    def get_permissions(self) -> Any:
        """Anybody signed in may read; only a person may stop."""
        return [IsSignedIn() if self.request.method in ("GET", "HEAD", "OPTIONS") else IsPerson()]

    def get_queryset(self) -> QuerySet[Stop]:
        """Return the stops this caller may see."""
        return selectors.visible_stops(_user(self.request))

    @extend_schema(tags=["stops"])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List stops."""
        return super().get(request, *args, **kwargs)

    @extend_schema(
        operation_id="stops_raise",
        request=RaiseStopSerializer,
        responses={201: StopSerializer, **CONFLICT},
        tags=["stops"],
    )
    def post(self, request: Request) -> Response:
        """Stop everything in a scope: when this answers, no further dispatch in it commits."""
        form = RaiseStopSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        actor = _user(request).as_actor()
        with refusals_recorded(actor=actor, subject=Ref("agents.stop", "", "A new stop")):
            stop = stops.raise_stop(actor=actor, **form.validated_data)
        return Response(StopSerializer(stop).data, status=status.HTTP_201_CREATED)


class ContainmentView(APIView):
    """Where a stop has arrived, and where not yet."""

    permission_classes = [IsPerson]

    @extend_schema(
        operation_id="stops_containment", responses={200: ContainmentSerializer, **MISSING}, tags=["stops"]
    )
    def get(self, request: Request, pk: UUID) -> Response:
        """Return when the stop was asked for, when it was confirmed, and by whom it is not confirmed yet."""
        stop = get_object_or_404(selectors.visible_stops(_user(request)), pk=pk)
        return Response(ContainmentSerializer(selectors.containment_of(stop)).data)


class StageView(APIView):
    """Take a stop a stage back towards work, or make it stricter again."""

    permission_classes = [IsPerson]

    @extend_schema(
        operation_id="stops_stage",
        request=StageSerializer,
        responses={200: StopSerializer, **CONFLICT},
        tags=["stops"],
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """Let agents read (look), or work while every write is held (held); or stop all of it again (stop)."""
        user = _user(request)
        stop = get_object_or_404(selectors.visible_stops(user), pk=pk)
        form = StageSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        with refusals_recorded(actor=user.as_actor(), subject=stop.as_ref()):
            moved = stops.set_stage(actor=user.as_actor(), stop=stop, **form.validated_data)
        return Response(StopSerializer(moved).data)


class LiftStopView(APIView):
    """Lift a stop."""

    permission_classes = [IsPerson]

    @extend_schema(
        operation_id="stops_lift",
        request=ReasonSerializer,
        responses={200: StopSerializer, **CONFLICT},
        tags=["stops"],
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """Lift it; nothing resumes by itself, what waited is decided again."""
        user = _user(request)
        stop = get_object_or_404(selectors.visible_stops(user), pk=pk)
        with refusals_recorded(actor=user.as_actor(), subject=stop.as_ref()):
            lifted = stops.lift_stop(actor=user.as_actor(), stop=stop, reason=_reason(request))
        return Response(StopSerializer(lifted).data)


def _changes(user: User) -> QuerySet[ChangeRequest]:
    return selectors.visible_change_requests(user).select_related("proposer", "approver")


@extend_schema(tags=["change requests"])
class ChangeRequestsView(generics.ListAPIView[ChangeRequest]):
    """Changes of authority the caller may see, newest first; ``?state=pending`` for those that wait."""

    permission_classes = [IsPerson]
    serializer_class = ChangeRequestSerializer

    def get_queryset(self) -> QuerySet[ChangeRequest]:
        """Return the change requests this person may see."""
        found = _changes(_user(self.request))
        state = self.request.query_params.get("state")
        return found.filter(state=state) if state in ChangeRequest.State.values else found


class ChangeVerbView(APIView):
    """What a second person does with a proposed change."""

    permission_classes = [IsPerson]

    def act(self, request: Request, pk: UUID, verb: Any) -> Response:
        """Call ``verb`` on a change request the person may see."""
        user = _user(request)
        change = get_object_or_404(_changes(user), pk=pk)
        with refusals_recorded(actor=user.as_actor(), subject=change.as_ref()):
            verb(actor=user.as_actor(), change_request=change, reason=_reason(request))
        return Response(ChangeRequestSerializer(get_object_or_404(_changes(user), pk=pk)).data)


class ApplyChangeView(ChangeVerbView):
    """Apply a proposed change."""

    @extend_schema(
        operation_id="change_requests_apply",
        request=ReasonSerializer,
        responses={200: ChangeRequestSerializer, **CONFLICT},
        tags=["change requests"],
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """Apply exactly what was proposed; never by the person who proposed it."""
        return self.act(request, pk, changes.apply_change)


class RejectChangeView(ChangeVerbView):
    """Reject a proposed change."""

    @extend_schema(
        operation_id="change_requests_reject",
        request=ReasonSerializer,
        responses={200: ChangeRequestSerializer, **CONFLICT},
        tags=["change requests"],
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """Reject it; its proposer learns why."""
        return self.act(request, pk, changes.reject_change)
