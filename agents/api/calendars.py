"""Calendars over HTTP: when people work, for whoever may see it."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents import selectors
from agents.api.workforce import CONFLICT, MISSING
from agents.models import Calendar, User
from agents.permissions import IsPerson
from agents.serializers import AddCalendarSerializer, CalendarSerializer, ChangeCalendarSerializer
from agents.services import calendars
from audit.services import refusals_recorded
from audit.vocabulary import Ref

BERLIN = {
    "name": "Berlin office",
    "time_zone": "Europe/Berlin",
    "friday": "09:00-15:00",
    "holidays": "2026-12-25 Christmas Day\n2027-01-01 New Year",
    "reason": "The office has hours of its own.",
}


class CalendarsView(generics.ListAPIView[Calendar]):
    """The calendars the caller may see; making one is for managers."""

    permission_classes = [IsPerson]
    serializer_class = CalendarSerializer

    def get_queryset(self) -> QuerySet[Calendar]:
        """Return the calendars this person may see."""
        return _visible(self.request)

    @extend_schema(tags=["calendars"])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List calendars."""
        return super().get(request, *args, **kwargs)

    @extend_schema(
        operation_id="calendars_add",
        request=AddCalendarSerializer,
        responses={201: CalendarSerializer, **CONFLICT},
        examples=[OpenApiExample("An office", BERLIN, request_only=True)],
        tags=["calendars"],
    )
    def post(self, request: Request) -> Response:
        """Make a calendar. Days that are left out have the hours of most offices, Monday to Friday."""
        return Response(_save(request, AddCalendarSerializer), status=status.HTTP_201_CREATED)


class CalendarView(APIView):
    """One calendar."""

    permission_classes = [IsPerson]

    @extend_schema(
        operation_id="calendars_retrieve", responses={200: CalendarSerializer, **MISSING}, tags=["calendars"]
    )
    def get(self, request: Request, pk: UUID) -> Response:
        """Return a calendar."""
        return Response(CalendarSerializer(get_object_or_404(_visible(request), pk=pk)).data)

    @extend_schema(
        operation_id="calendars_change",
        request=ChangeCalendarSerializer,
        responses={200: CalendarSerializer, **CONFLICT},
        tags=["calendars"],
    )
    def patch(self, request: Request, pk: UUID) -> Response:
        """Change it; what waits already keeps its times."""
        return Response(_save(request, ChangeCalendarSerializer, get_object_or_404(_visible(request), pk=pk)))


def _save(request: Request, form: type[serializers.Serializer[Any]], calendar: Calendar | None = None) -> Any:
    body = form(data=request.data)
    body.is_valid(raise_exception=True)
    values, actor = dict(body.validated_data), cast("User", request.user).as_actor()
    reason = values.pop("reason")
    subject = calendar.as_ref() if calendar else Ref("agents.calendar", "", "A new calendar")
    try:
        with refusals_recorded(actor=actor, subject=subject):
            saved = calendars.save_calendar(actor=actor, values=values, reason=reason, calendar=calendar)
    except ValidationError as error:
        raise serializers.ValidationError(error.message_dict) from error
    return CalendarSerializer(saved).data


def _visible(request: Request) -> QuerySet[Calendar]:
    return selectors.visible_calendars(cast("User", request.user))
