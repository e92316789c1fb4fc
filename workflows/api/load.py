"""How approvals go, over HTTP: the same figures as the page."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents.models import User
from audit.services import refusals_recorded
from workflows.api.approval_bodies import ApprovalSerializer
from workflows.api.approvals import REFUSED, problem, require_seen
from workflows.api.serializers import ReasonedSerializer, require_choice
from workflows.approvals import services
from workflows.approvals.models import Approval
from workflows.approvals.selectors.load import PERIODS, load_for
from workflows.permissions import IsPerson, caller


class FiguresSerializer(serializers.Serializer[Any]):
    """What a number of decisions shows; null where there are too few to say. Shares are from 0 to 1."""

    decided = serializers.IntegerField()
    approved = serializers.IntegerField()
    median_seconds = serializers.FloatField(
        allow_null=True, help_text="From having the request open to the vote; what was never open is left out."
    )
    unopened_share = serializers.FloatField(
        allow_null=True, help_text="Of what was approved: without ever having it open."
    )
    override_rate = serializers.FloatField(allow_null=True, help_text="Rejected, of all.")
    reversed_share = serializers.FloatField(allow_null=True, help_text="Of what was approved: undone later.")


class NamedFiguresSerializer(serializers.Serializer[Any]):
    """The figures of one person or rule."""

    name = serializers.CharField()
    figures = FiguresSerializer()


class ComingSerializer(serializers.Serializer[Any]):
    """How many will wait by the end of a working day, as the last weeks went."""

    at = serializers.DateTimeField()
    waiting = serializers.IntegerField()


class LimitsSerializer(serializers.Serializer[Any]):
    """From when on a person's manager is told that decisions come too quickly to have been read."""

    decisions = serializers.IntegerField()
    seconds = serializers.FloatField()
    unopened_percent = serializers.IntegerField()


class LoadSerializer(serializers.Serializer[Any]):
    """How approvals went in a period, as far as the caller may see."""

    days = serializers.IntegerField()
    since = serializers.DateTimeField()
    as_of = serializers.DateTimeField(help_text="When the figures were added up; they may be a minute old.")
    waiting = serializers.IntegerField(help_text="How many wait now.")
    coming = ComingSerializer(many=True)
    all = FiguresSerializer()
    by_person = NamedFiguresSerializer(many=True)
    by_rule = NamedFiguresSerializer(many=True)
    thresholds = LimitsSerializer()


class ApprovalsLoad(APIView):
    """How approvals go."""

    permission_classes = [IsPerson]

    @extend_schema(
        operation_id="read_approvals_load",
        parameters=[
            OpenApiParameter("days", int, enum=list(PERIODS), description="The period; 30 if left out.")
        ],
        responses={200: LoadSerializer, **dict.fromkeys((401, 403, 422), problem)},
    )
    def get(self, request: Request) -> Response:
        """Read what waits, what will, and how decisions were made: all with the right to, else one's own."""
        days = require_choice("days", request.query_params.get("days") or "30", [str(one) for one in PERIODS])
        found = load_for(caller(request), int(days))
        shown = {
            "days": found.days,
            "since": found.since,
            "as_of": found.as_of,
            "waiting": found.waiting,
            "coming": [{"at": at, "waiting": number} for at, number in found.coming],
            "all": found.all,
            "by_person": [{"name": name, "figures": one} for name, one in found.by_person],
            "by_rule": [{"name": name, "figures": one} for name, one in found.by_rule],
            "thresholds": found.thresholds,
        }
        return Response(LoadSerializer(shown).data)


class ReassignSerializer(ReasonedSerializer):
    """Whom to ask in particular, and why."""

    people = serializers.ListField(
        child=serializers.CharField(max_length=150),
        min_length=1,
        max_length=10,
        help_text="User names of people who may decide it themselves.",
    )


class Reassignment(APIView):
    """Handing an approval to others who may decide it, too."""

    permission_classes = [IsPerson]

    @extend_schema(
        operation_id="reassign_approval",
        request=ReassignSerializer,
        responses={200: ApprovalSerializer, **dict.fromkeys(REFUSED, problem)},
        examples=[
            OpenApiExample(
                "To a colleague", {"people": ["bob"], "reason": "He knows this supplier."}, request_only=True
            )
        ],
    )
    def post(self, request: Request, approval_id: Any) -> Response:
        """Ask named people in particular. Nobody gains or loses a right; who was asked before still may."""
        require_seen(request, approval_id)
        body = ReassignSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given, actor = body.validated_data, caller(request).as_actor()
        people = list(User.objects.filter(username__in=given["people"], kind=User.Kind.PERSON))
        approval = Approval.objects.get(pk=approval_id)
        # A name that nobody has is refused as one that may not decide it.
        missing = set(given["people"]) - {one.username for one in people}
        people += [User(username=name, is_active=False) for name in sorted(missing)]
        with refusals_recorded(actor=actor, subject=approval.as_ref(), **approval.event_refs()):
            found = services.reassign(
                actor=actor, approval_id=approval_id, people=people, reason=given["reason"]
            )
        return Response(ApprovalSerializer(found).data, status=status.HTTP_200_OK)
