"""The ledger over HTTP: what the caller may see, in the order of positions."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from audit import asking, reading
from audit.permissions import MayReadEvents
from audit.serializers import FeedPageSerializer, FeedQuerySerializer


class EventFeed(APIView):
    """The feed of events."""

    permission_classes = [MayReadEvents]

    @extend_schema(
        operation_id="events_list",
        summary="Follow the ledger",
        description=(
            "Events that you may see, ascending by position. Positions are dense and commit in order: a reader "
            "that continues from `next_after` misses nothing and gets nothing twice. A page may be empty "
            "although `next_after` moved on: there were only events that you may not see, or did not ask for. "
            "Every filter has an index; what is not known as a filter is refused."
        ),
        parameters=[FeedQuerySerializer],
        responses={200: FeedPageSerializer},
        tags=["events"],
    )
    def get(self, request: Request) -> Response:
        """Return one page after a position."""
        query = FeedQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        asked = dict(query.validated_data)
        page = reading.feed(
            request.user,
            asking.question(asked),
            after=asked["after"],
            limit=asked["limit"],
            period=reading.in_period(asked.get("since"), asked.get("until")),
        )
        context = {"with_payload": request.user.has_perm("audit.view_payload")}
        return Response(FeedPageSerializer(page, context=context).data)
