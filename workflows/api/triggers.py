"""What starts runs by itself, over HTTP: read by people, kept in the admin."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from workflows.api.serializers import ProblemSerializer, require_choice
from workflows.api.work import OpenObjectField
from workflows.permissions import IsPerson, caller
from workflows.runs import selectors as runs
from workflows.triggers.choices import Outcome
from workflows.triggers.models import EventDelivery, EventTrigger, Firing, HookDelivery, Schedule, Webhook
from workflows.triggers.selectors import visible_triggers
from workflows.triggers.services.webhooks import address_of

problem = OpenApiResponse(ProblemSerializer, description="Refused; the problem says why and what to do next.")
TRIGGER_FIELDS = ["id", "name", "workflow", "signal", "is_enabled", "condition", "give", "key"]
OCCASION_FIELDS = ["id", "outcome", "code", "sentence", "key", "run", "at"]
OUTCOME = OpenApiParameter("outcome", str, enum=Outcome.values, description="Only those that ended so.")


class TriggerSerializer(serializers.ModelSerializer):
    """What every trigger has."""

    workflow = serializers.CharField(source="workflow.code", read_only=True, help_text="Code of the workflow.")
    give = OpenObjectField(read_only=True, help_text="The run's input: a CEL text for each member.")


class OccasionSerializer(serializers.ModelSerializer):
    """What came once, and what became of it."""

    run = serializers.SerializerMethodField(help_text="Id of the run, where the caller may see it, or null.")

    @extend_schema_field({"type": ["string", "null"], "format": "uuid"})
    def get_run(self, occasion: Any) -> str | None:
        """Return the id of the run."""
        visible = self.context.get("visible_runs", frozenset())
        return str(occasion.run_id) if occasion.run_id in visible else None


class ScheduleSerializer(TriggerSerializer):
    """Times at which runs start."""

    next_at = serializers.DateTimeField(
        source="due.at", default=None, read_only=True, help_text="When it fires next, null when it is off."
    )
    waiting = serializers.CharField(
        source="due.waiting", default="", read_only=True, help_text="Why what is due has not begun, or empty."
    )

    class Meta:
        model = Schedule
        fields = [*TRIGGER_FIELDS, "cron", "time_zone", "catch_up", "catch_up_most", "next_at", "waiting"]
        read_only_fields = fields


class FiringSerializer(OccasionSerializer):
    """One due time of a schedule and what became of it."""

    class Meta:
        model = Firing
        fields = [*OCCASION_FIELDS, "due_at"]
        read_only_fields = fields


class WebhookSerializer(TriggerSerializer):
    """An address for signed messages."""

    address = serializers.SerializerMethodField(help_text="Where a sender reaches it.")

    class Meta:
        model = Webhook
        fields = [*TRIGGER_FIELDS, "address", "most_bytes", "most_per_minute", "allow_binary"]
        read_only_fields = fields

    def get_address(self, webhook: Webhook) -> str:
        """Return where a sender reaches it."""
        return address_of(webhook)


class HookDeliverySerializer(OccasionSerializer):
    """One message and what became of it; refusals of what nobody proved are counted by the minute."""

    class Meta:
        model = HookDelivery
        fields = [*OCCASION_FIELDS, "message_id", "event_type", "attempts", "last_at"]
        read_only_fields = fields


class EventTriggerSerializer(TriggerSerializer):
    """Events of the ledger that start runs."""

    position = serializers.IntegerField(
        source="cursor.position", default=None, read_only=True, help_text="How far it has read the ledger."
    )
    waiting = serializers.CharField(
        source="cursor.waiting", default="", read_only=True, help_text="Why the next event waits, or empty."
    )

    class Meta:
        model = EventTrigger
        fields = [*TRIGGER_FIELDS, "verbs", "most_per_hour", "position", "waiting"]
        read_only_fields = fields


class EventDeliverySerializer(OccasionSerializer):
    """One event and what became of it."""

    class Meta:
        model = EventDelivery
        fields = [*OCCASION_FIELDS, "position", "verb"]
        read_only_fields = fields


class TriggerList(generics.ListAPIView):
    """The triggers of one kind that the caller may see."""

    permission_classes = [IsPerson]
    model: type[Any]

    def get_queryset(self) -> QuerySet[Any]:
        """Return what the caller may see, of one workflow if asked."""
        found = visible_triggers(caller(self.request), self.model).order_by("-pk")
        if code := self.request.query_params.get("workflow"):
            found = found.filter(workflow__code=code[:60].replace("\x00", ""))
        return found


class TriggerDetail(APIView):
    """One trigger."""

    permission_classes = [IsPerson]
    model: type[Any]
    serializer_class: type[Any]

    def answer(self, request: Request, key: Any) -> Response:
        """Return one trigger the caller may see; raise 404 for any other."""
        return Response(self.serializer_class(visible(request, self.model, key)).data)


class OccasionList(generics.ListAPIView):
    """What came to one trigger, newest first."""

    permission_classes = [IsPerson]
    model: type[Any]
    occasions: str
    key: str

    def get_queryset(self) -> QuerySet[Any]:
        """Return what came, by outcome if asked."""
        trigger = visible(self.request, self.model, self.kwargs[self.key])
        found: QuerySet[Any] = getattr(trigger, self.occasions).order_by("-pk")
        if outcome := self.request.query_params.get("outcome"):
            found = found.filter(outcome=require_choice("outcome", outcome, Outcome.values))
        return found

    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        """Tell the rows of a page which of their runs the caller may see."""
        shown = [row.run_id for row in args[0] if row.run_id] if args and kwargs.get("many") else []
        found = runs.visible_to(caller(self.request)).filter(pk__in=shown).values_list("pk", flat=True)
        kwargs["context"] = {**self.get_serializer_context(), "visible_runs": frozenset(found)}
        return self.serializer_class(*args, **kwargs)  # type: ignore[misc]


class Schedules(TriggerList):
    """The schedules the caller may see."""

    model = Schedule
    serializer_class = ScheduleSerializer

    def get_queryset(self) -> QuerySet[Any]:
        """Return them with their next due times."""
        return super().get_queryset().select_related("workflow", "due")

    @extend_schema(
        operation_id="list_schedules",
        parameters=[OpenApiParameter("workflow", str, description="Code of a workflow.")],
        responses={200: ScheduleSerializer(many=True)},
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the schedules the caller may see, newest first."""
        return super().get(request, *args, **kwargs)


class ScheduleDetail(TriggerDetail):
    """One schedule."""

    model = Schedule
    serializer_class = ScheduleSerializer

    @extend_schema(operation_id="read_schedule", responses={200: ScheduleSerializer, 404: problem})
    def get(self, request: Request, schedule_id: Any) -> Response:
        """Read a schedule: what it starts, when it fires next, and why what is due waits."""
        return self.answer(request, schedule_id)


class Firings(OccasionList):
    """What a schedule did."""

    model, occasions, key = Schedule, "firings", "schedule_id"
    serializer_class = FiringSerializer

    @extend_schema(
        operation_id="list_firings",
        parameters=[OUTCOME],
        responses={200: FiringSerializer(many=True), 404: problem, 422: problem},
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the due times of a schedule and what became of each, newest first."""
        return super().get(request, *args, **kwargs)


class Webhooks(TriggerList):
    """The webhooks the caller may see."""

    model = Webhook
    serializer_class = WebhookSerializer

    @extend_schema(
        operation_id="list_webhooks",
        parameters=[OpenApiParameter("workflow", str, description="Code of a workflow.")],
        responses={200: WebhookSerializer(many=True)},
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the webhooks the caller may see, newest first."""
        return super().get(request, *args, **kwargs)


class WebhookDetail(TriggerDetail):
    """One webhook."""

    model = Webhook
    serializer_class = WebhookSerializer

    @extend_schema(operation_id="read_webhook", responses={200: WebhookSerializer, 404: problem})
    def get(self, request: Request, webhook_id: Any) -> Response:
        """Read a webhook: what it starts and where it is reached. Its secrets are shown nowhere."""
        return self.answer(request, webhook_id)


class HookDeliveries(OccasionList):
    """What came to a webhook."""

    model, occasions, key = Webhook, "deliveries", "webhook_id"
    serializer_class = HookDeliverySerializer

    @extend_schema(
        operation_id="list_hook_deliveries",
        parameters=[OUTCOME],
        responses={200: HookDeliverySerializer(many=True), 404: problem, 422: problem},
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the messages that came to a webhook and what became of each, newest first."""
        return super().get(request, *args, **kwargs)


class EventTriggers(TriggerList):
    """The triggers on ledger events that the caller may see."""

    model = EventTrigger
    serializer_class = EventTriggerSerializer

    def get_queryset(self) -> QuerySet[Any]:
        """Return them with how far they have read."""
        return super().get_queryset().select_related("workflow", "cursor")

    @extend_schema(
        operation_id="list_event_triggers",
        parameters=[OpenApiParameter("workflow", str, description="Code of a workflow.")],
        responses={200: EventTriggerSerializer(many=True)},
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the triggers on ledger events that the caller may see, newest first."""
        return super().get(request, *args, **kwargs)


class EventTriggerDetail(TriggerDetail):
    """One trigger on ledger events."""

    model = EventTrigger
    serializer_class = EventTriggerSerializer

    @extend_schema(operation_id="read_event_trigger", responses={200: EventTriggerSerializer, 404: problem})
    def get(self, request: Request, trigger_id: Any) -> Response:
        """Read a trigger on ledger events: what it starts, how far it has read, why the next one waits."""
        return self.answer(request, trigger_id)


class EventDeliveries(OccasionList):
    """What a trigger made of events."""

    model, occasions, key = EventTrigger, "deliveries", "trigger_id"
    serializer_class = EventDeliverySerializer

    @extend_schema(
        operation_id="list_event_deliveries",
        parameters=[OUTCOME],
        responses={200: EventDeliverySerializer(many=True), 404: problem, 422: problem},
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the events that came to a trigger and what became of each, newest first."""
        return super().get(request, *args, **kwargs)


def visible(request: Request, model: type[Any], key: Any) -> Any:
    """Return a trigger the caller may see; raise 404 for any other."""
    found = visible_triggers(caller(request), model).filter(pk=key).first()
    if found is None:
        raise Http404
    return found
