"""Throttles over HTTP: tightened at once, loosened when a second person agrees."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents import registry, selectors
from agents.api.workforce import CONFLICT, MISSING
from agents.models import Throttle, User
from agents.permissions import IsPerson
from agents.serializers import (
    AddThrottleSerializer,
    ChangeThrottleSerializer,
    ReasonSerializer,
    ThrottleChangeSerializer,
    ThrottleSerializer,
    ThrottleStandingSerializer,
)
from agents.services import throttles
from audit.services import refusals_recorded
from audit.vocabulary import Actor, Ref

CHANGED = {200: ThrottleChangeSerializer, 202: ThrottleChangeSerializer, **CONFLICT}


class ThrottlesView(generics.ListAPIView[Throttle]):
    """The throttles the caller may see; adding one is for managers."""

    permission_classes = [IsPerson]
    serializer_class = ThrottleSerializer

    def get_queryset(self) -> QuerySet[Throttle]:
        """Return the throttles this person may see."""
        return selectors.visible_throttles(_user(self.request))

    @extend_schema(tags=["throttles"])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List throttles."""
        return super().get(request, *args, **kwargs)

    @extend_schema(
        operation_id="throttles_add",
        request=AddThrottleSerializer,
        responses={201: ThrottleSerializer, **CONFLICT},
        tags=["throttles"],
    )
    def post(self, request: Request) -> Response:
        """Let less go on at once, or begin in a time, from now on; what is more waits for its turn."""
        given = _read(AddThrottleSerializer, request)
        named = {name: given.pop(name) for name in ("name", "scope_kind", "scope_id", "reason")}
        actor = _user(request).as_actor()
        with _told(actor, Ref("agents.throttle", "", "A new throttle")):
            throttle = throttles.add_throttle(actor=actor, content=given, **named)
        return Response(ThrottleSerializer(throttle).data, status=status.HTTP_201_CREATED)


class ThrottleView(APIView):
    """One throttle, and what it meets now."""

    permission_classes = [IsPerson]

    @extend_schema(
        operation_id="throttles_retrieve",
        responses={200: ThrottleStandingSerializer, **MISSING},
        tags=["throttles"],
    )
    def get(self, request: Request, pk: UUID) -> Response:
        """Return a throttle with how many are being done and wait for it now."""
        throttle = _visible(request, pk)
        counts = [
            {"what": label, "count": count} for label, count in registry.throttle_counts(throttle).items()
        ]
        return Response(ThrottleStandingSerializer(throttle, context={"counts": counts}).data)

    @extend_schema(
        operation_id="throttles_change", request=ChangeThrottleSerializer, responses=CHANGED, tags=["throttles"]
    )
    def patch(self, request: Request, pk: UUID) -> Response:
        """Change it at once (200) where that only tightens; else it waits for a second person (202)."""
        throttle, given = _visible(request, pk), _read(ChangeThrottleSerializer, request)
        reason = given.pop("reason")
        return _change(request, throttle, given, reason)


class LiftThrottleView(APIView):
    """Let as many begin as come."""

    permission_classes = [IsPerson]

    @extend_schema(
        operation_id="throttles_lift", request=ReasonSerializer, responses=CHANGED, tags=["throttles"]
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """Switch it off when a second person agrees; what waits for it then goes on by itself."""
        throttle = _visible(request, pk)
        return _change(request, throttle, {"is_enabled": False}, _read(ReasonSerializer, request)["reason"])


def _change(request: Request, throttle: Throttle, changes: dict[str, Any], reason: str) -> Response:
    actor = _user(request).as_actor()
    with _told(actor, throttle.as_ref()):
        found = throttles.propose_throttle_change(
            actor=actor, throttle=throttle, changes=changes, reason=reason
        )
    waits = status.HTTP_202_ACCEPTED if found.change_request else status.HTTP_200_OK
    return Response(ThrottleChangeSerializer(found).data, status=waits)


@contextmanager
def _told(actor: Actor, subject: Ref) -> Iterator[None]:
    """Put refusals on record, and name the field where a value is none."""
    try:
        with refusals_recorded(actor=actor, subject=subject):
            yield
    except ValidationError as error:
        raise serializers.ValidationError(error.message_dict) from error


def _read(form: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    found = form(data=request.data)
    found.is_valid(raise_exception=True)
    return dict(found.validated_data)


def _visible(request: Request, pk: UUID) -> Throttle:
    return get_object_or_404(selectors.visible_throttles(_user(request)), pk=pk)


def _user(request: Request) -> User:
    return cast("User", request.user)
