"""POST and GET of actions, withdrawal, resolution, and the long poll."""

from __future__ import annotations

import contextlib
import re
from functools import cache
from typing import Any

from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import generics
from rest_framework.exceptions import ParseError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from workflows.actions import selectors, services
from workflows.actions.choices import State
from workflows.actions.models import Action
from workflows.api.answers import answer
from workflows.api.serializers import (
    ActionSerializer,
    AskSerializer,
    ProblemSerializer,
    ResolutionSerializer,
    WithdrawalSerializer,
    ask_of,
    require_choice,
)
from workflows.permissions import IsAgent, IsKnown, IsPerson, caller

DEFAULT_WAIT = 10
MOST_WAIT = 30
_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,6})", re.IGNORECASE)

problem = OpenApiResponse(ProblemSerializer, description="Refused; the problem says why and what to do next.")
KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    required=True,
    description="1 to 255 printable ASCII characters. The same key with the same body is answered the same.",
)
PREFER = OpenApiParameter(
    "Prefer", str, OpenApiParameter.HEADER, description="wait=N seconds (RFC 7240), 0 to 30, 10 if left out."
)


class Actions(generics.ListAPIView):
    """The caller's actions: list them, or ask for one."""

    serializer_class = ActionSerializer
    permission_classes = [IsKnown]

    def get_permissions(self) -> list[Any]:
        """Anybody known may list; only agents ask."""
        return [IsAgent()] if self.request.method == "POST" else [IsKnown()]

    def get_queryset(self) -> Any:
        """Return what the caller may see, by state and operation if asked."""
        found = selectors.visible_to(caller(self.request))
        if state := self.request.query_params.get("state"):
            found = found.filter(state=require_choice("state", state, State.values))
        if operation := self.request.query_params.get("operation"):
            found = found.filter(operation_code=operation[:120].replace("\x00", ""))
        return found

    @extend_schema(
        operation_id="list_actions",
        parameters=[
            OpenApiParameter("state", str, enum=State.values),
            OpenApiParameter("operation", str, description="Code of an operation."),
        ],
        responses={200: ActionSerializer(many=True), 422: problem},
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the actions the caller may see, newest first."""
        return super().get(request, *args, **kwargs)

    @extend_schema(
        operation_id="request_action",
        parameters=[KEY, PREFER],
        request=AskSerializer,
        responses={
            201: ActionSerializer,
            202: ActionSerializer,
            **dict.fromkeys((400, 401, 403, 409, 422, 429), problem),
        },
    )
    def post(self, request: Request) -> Response:
        """Ask for an action. It is decided at once; what is allowed is begun and waited for as preferred."""
        ask = ask_of(_asking().run_validation(request.data))
        key = _idempotency_key(request)
        preferred = preferred_wait(request.headers.get("Prefer", ""))
        action = services.request_action(
            actor=caller(request).as_actor(), agent=caller(request).agent, key=key, ask=ask
        )
        action = _begin_and_wait(action, DEFAULT_WAIT if preferred is None else preferred)
        response = answer(action)
        if preferred is not None:
            response["Preference-Applied"] = f"wait={preferred}"
        return response


class ActionDetail(generics.RetrieveAPIView):
    """One action."""

    serializer_class = ActionSerializer
    permission_classes = [IsKnown]
    lookup_url_kwarg = "action_id"

    def get_queryset(self) -> Any:
        """Return what the caller may see; anything else is not found."""
        return selectors.visible_to(caller(self.request))

    @extend_schema(
        operation_id="read_action",
        parameters=[
            OpenApiParameter(
                "wait", int, description="Answer when it is final, at the latest after so many seconds."
            )
        ],
        responses={200: ActionSerializer, **dict.fromkeys((401, 404), problem)},
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Read an action: where it stands, why, what came of it and what to do next."""
        return super().get(request, *args, **kwargs)


class Withdrawal(APIView):
    """The agent takes back what waits for a person, or for its turn."""

    permission_classes = [IsAgent]

    @extend_schema(
        operation_id="withdraw_action",
        request=WithdrawalSerializer,
        responses={200: ActionSerializer, **dict.fromkeys((401, 403, 404, 409, 422), problem)},
    )
    def post(self, request: Request, action_id: Any) -> Response:
        """Withdraw an action that is held, or waits for its turn: what it reserved is free again."""
        require_visible(request, action_id)
        body = WithdrawalSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        action = services.withdraw_action(
            actor=caller(request).as_actor(), action_id=action_id, reason=body.validated_data["reason"]
        )
        return Response(ActionSerializer(action).data)


class Resolution(APIView):
    """A person says what became of an action in doubt."""

    permission_classes = [IsPerson]

    @extend_schema(
        operation_id="resolve_action",
        request=ResolutionSerializer,
        responses={200: ActionSerializer, **dict.fromkeys((401, 403, 404, 409, 422), problem)},
    )
    def post(self, request: Request, action_id: Any) -> Response:
        """Resolve a doubt as done or not done, with what was found."""
        require_visible(request, action_id)
        body = ResolutionSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        action = services.resolve_in_doubt(
            actor=caller(request).as_actor(), action_id=action_id, **body.validated_data
        )
        return Response(ActionSerializer(action).data)


@cache
def _asking() -> AskSerializer:
    """Return one to check every body with: what it keeps while it checks is none of the body."""
    return AskSerializer()


def preferred_wait(header: str) -> int | None:
    """Return the seconds a client prefers to wait (RFC 7240 section 4.3), at most 30; else None."""
    found = _WAIT.search(header)
    return min(int(found[1]), MOST_WAIT) if found else None


def require_visible(request: Request, action_id: Any) -> None:
    """Raise 404 unless the caller may see the action."""
    if not selectors.visible_to(caller(request)).filter(pk=action_id).exists():
        raise Http404


def _idempotency_key(request: Request) -> str:
    key = request.headers.get("Idempotency-Key", "").strip()
    if not key or len(key) > services.KEY_CHARACTERS or not (key.isascii() and key.isprintable()):
        raise ParseError(
            "The header Idempotency-Key is missing or is not 1 to 255 printable ASCII characters. "
            "Send a fresh UUID, and the same one when you repeat the request.",
            code="idempotency_key_missing" if not key else "idempotency_key_invalid",
        )
    return key


def _begin_and_wait(action: Action, seconds: int) -> Action:
    """Begin an authorized action in the pool of its system; return it as it stands when the wait is over."""
    started = services.dispatch_action(action=action)
    if started is None:
        return action
    # An error was logged where it happened, and is no answer: the row says what is known.
    with contextlib.suppress(Exception):
        return started.result(timeout=seconds)
    return Action.objects.select_related("agent", "operation__system").get(pk=action.pk)
