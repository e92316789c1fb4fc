"""Signals over HTTP: people tell a run something, by its id or by what names it; agents by an operation."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from workflows.api.runs import KEY_CHARACTERS, problem, visible_run
from workflows.api.serializers import JSONObjectField, StrictSerializer
from workflows.api.work import OpenObjectField
from workflows.permissions import IsPerson, caller
from workflows.runs import selectors, services
from workflows.runs.models import Run, Signal


class SendSerializer(StrictSerializer):
    """What to tell a run."""

    name = serializers.CharField(max_length=60, help_text="What a step of the run waits for.")
    payload = JSONObjectField(help_text="What is told; the answer of the step that takes it. No fractions.")
    dedup_key = serializers.CharField(
        max_length=KEY_CHARACTERS,
        help_text="Names the occasion: the same name and key again is the signal that is there.",
    )


class SendByKeySerializer(SendSerializer):
    """What to tell the run of a workflow with a key."""

    workflow = serializers.SlugField(max_length=60, help_text="Code of the workflow.")
    key = serializers.CharField(max_length=KEY_CHARACTERS, help_text="Names the run.")


class SignalSerializer(serializers.ModelSerializer):
    """One signal, and whether a step has taken it."""

    payload = OpenObjectField(read_only=True)
    dedup_key = serializers.CharField(source="key", read_only=True)
    taken_by = serializers.UUIDField(
        source="taken_by_id",
        allow_null=True,
        read_only=True,
        help_text="The step that took it, or null.",
    )

    class Meta:
        model = Signal
        fields = ["run", "name", "dedup_key", "payload", "sent_by", "sent_at", "taken_by", "taken_at"]
        read_only_fields = fields


ANSWERS = {
    200: OpenApiResponse(SignalSerializer, description="It had come already."),
    201: SignalSerializer,
    **dict.fromkeys((401, 403, 404, 409, 422, 429), problem),
}


class RunSignals(APIView):
    """Tell a run something."""

    permission_classes = [IsPerson]

    @extend_schema(operation_id="send_signal", request=SendSerializer, responses=ANSWERS)
    def post(self, request: Request, run_id: Any) -> Response:
        """Send a signal: the step that waits for it goes on, or it is kept for the step that will wait."""
        run = visible_run(request, run_id)
        body = SendSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return _sent(request, run, body.validated_data)


class Signals(APIView):
    """Tell the run of a workflow with a key something."""

    permission_classes = [IsPerson]

    @extend_schema(operation_id="send_signal_by_key", request=SendByKeySerializer, responses=ANSWERS)
    def post(self, request: Request) -> Response:
        """Send a signal to the run that a business key names; an agent asks for `portal.run.signal`."""
        body = SendByKeySerializer(data=request.data)
        body.is_valid(raise_exception=True)
        wanted = dict(body.validated_data)
        named = {"workflow__code": wanted.pop("workflow"), "key": wanted.pop("key")}
        run = selectors.visible_to(caller(request)).filter(**named).first()
        if run is None:
            raise Http404
        return _sent(request, run, wanted)


def _sent(request: Request, run: Run, wanted: dict[str, Any]) -> Response:
    sent = services.send_signal(
        actor=caller(request).as_actor(),
        run=run,
        name=wanted["name"],
        payload=wanted["payload"],
        key=wanted["dedup_key"],
    )
    return Response(SignalSerializer(sent.signal).data, status=201 if sent.is_new else 200)
