"""Back-tests over HTTP: what a rule would have decided about recorded actions. Nothing is changed by it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents.selectors import visible_measures, visible_rules
from workflows.actions.selectors import visible_to as visible_actions
from workflows.api.runs import problem
from workflows.api.serializers import JSONObjectField, StrictSerializer
from workflows.backtests.models import Backtest
from workflows.backtests.selectors import visible_to
from workflows.backtests.services import ask_backtest, ask_limit_backtest
from workflows.permissions import IsPerson, caller

REFUSED = dict.fromkeys((401, 403, 404, 422, 429), problem)


class AskBacktestSerializer(StrictSerializer):
    """Which rule or limit, with which changes, on the actions of which period."""

    rule = serializers.UUIDField(required=False, help_text="Id of a rule, in any mode.")
    limit = serializers.UUIDField(required=False, help_text="Or id of a limit, in any mode.")
    since = serializers.DateTimeField(help_text="From which moment on actions are looked at.")
    until = serializers.DateTimeField(help_text="Up to which moment, not included; at most now.")
    changes = JSONObjectField(
        required=False,
        help_text='What of it is to be tried otherwise, e.g. {"condition": "amount > 500000"} of a rule, '
        '{"ceiling": 200, "window": "day"} of a limit.',
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """One of both is tried."""
        if ("rule" in attrs) == ("limit" in attrs):
            raise serializers.ValidationError({"rule": ["Name a rule, or a limit: one of both."]})
        return attrs


class BacktestActionSerializer(serializers.Serializer[Any]):
    """One action that would have been decided otherwise."""

    action = serializers.UUIDField()
    came_to = serializers.CharField(help_text="The state it came to.")
    sentence = serializers.CharField(help_text="What would have been decided.")


class BacktestChangeSerializer(serializers.Serializer[Any]):
    """One kind of change."""

    before = serializers.CharField(help_text="allow, hold or deny.")
    after = serializers.CharField(help_text="The same with the rule enforced.")
    count = serializers.IntegerField()
    came_to = serializers.DictField(child=serializers.IntegerField(), help_text="Counts by state.")
    reversed = serializers.DictField(
        child=serializers.IntegerField(),
        help_text="How many of them people undid, edited or rejected later.",
    )
    named = BacktestActionSerializer(many=True, help_text="Some of them, newest last, that the caller may see.")


class BacktestHoldSerializer(serializers.Serializer[Any]):
    """How many more decisions a group would have had on a day; '' stands for the ordinary approvers."""

    day = serializers.DateField()
    group = serializers.CharField()
    count = serializers.IntegerField()


class BacktestResultSerializer(serializers.Serializer[Any]):
    """What was counted so far."""

    looked_at = serializers.IntegerField()
    changed = serializers.IntegerField()
    unjudged = serializers.IntegerField(help_text="Denied only because the rule could not be checked.")
    changes = BacktestChangeSerializer(many=True)
    holds = BacktestHoldSerializer(many=True)


class BacktestSerializer(serializers.ModelSerializer[Backtest]):
    """One back-test and how far it has come."""

    asked_by = serializers.CharField(source="asked_by.username", read_only=True)
    result = serializers.SerializerMethodField()

    class Meta:
        model = Backtest
        fields = [
            "id", "rule", "limit", "rule_name", "sentence", "since", "until", "state", "total", "problem",
            "asked_by", "asked_at", "finished_at", "result",
        ]  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(BacktestResultSerializer)
    def get_result(self, backtest: Backtest) -> dict[str, Any]:
        """Return what was counted; actions the caller may not see are not named."""
        found = {"looked_at": 0, "changed": 0, "unjudged": 0, "changes": [], "holds": [], **backtest.result}
        keys = [one["action"] for change in found["changes"] for one in change["named"]]
        visible = visible_actions(caller(self.context["request"])).filter(pk__in=keys)
        shown = {str(key) for key in visible.order_by().values_list("pk", flat=True)} if keys else set()
        changes = [
            {**change, "named": [one for one in change["named"] if one["action"] in shown]}
            for change in found["changes"]
        ]
        return {**found, "changes": changes}


class Backtests(generics.ListAPIView[Backtest]):
    """The back-tests the caller may see; asking for one is for managers."""

    permission_classes = [IsPerson]
    serializer_class = BacktestSerializer

    def get_queryset(self) -> QuerySet[Backtest]:
        """Return what this person may see, newest first."""
        return visible_to(caller(self.request))

    @extend_schema(
        operation_id="backtests_ask",
        request=AskBacktestSerializer,
        responses={202: BacktestSerializer, **REFUSED},
        tags=["backtests"],
    )
    def post(self, request: Request) -> Response:
        """Begin to count what a rule or limit would have decided; read it until its state is not running."""
        body = AskBacktestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        person = caller(request)
        asked: dict[str, Any] = {
            "actor": person.as_actor(),
            "since": given["since"],
            "until": given["until"],
            "edits": given.get("changes"),
        }
        if "limit" in given:
            limit = get_object_or_404(visible_measures(person), pk=given["limit"])
            backtest = ask_limit_backtest(limit=limit, **asked)
        else:
            backtest = ask_backtest(rule=get_object_or_404(visible_rules(person), pk=given["rule"]), **asked)
        answer = BacktestSerializer(backtest, context={"request": request}).data
        return Response(answer, status=status.HTTP_202_ACCEPTED)


class BacktestDetail(APIView):
    """One back-test."""

    permission_classes = [IsPerson]

    @extend_schema(
        operation_id="backtests_retrieve", responses={200: BacktestSerializer, **REFUSED}, tags=["backtests"]
    )
    def get(self, request: Request, backtest_id: UUID) -> Response:
        """Return how far it has come, and what was counted."""
        found = get_object_or_404(visible_to(caller(request)), pk=backtest_id)
        return Response(BacktestSerializer(found, context={"request": request}).data)
