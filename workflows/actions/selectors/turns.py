"""Whose turn it is: who has a place at a throttle, who waits for one, and how many are free."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from agents.models import Throttle
from audit.vocabulary import Ref
from workflows.actions import registry
from workflows.actions.choices import State
from workflows.actions.models import Action
from workflows.tasks.selectors import database_now

Kind = Throttle.ScopeKind
AS_MANY_AS_COME = 1_000_000


@dataclass
class Room:
    """What a throttle leaves: how many may begin now, and in how many seconds the next may, where time says so.

    ``places`` is below zero where more was begun before it was tightened.
    """

    throttle: Throttle
    places: int = AS_MANY_AS_COME
    seconds: float | None = None


def counted_in(action: Action) -> list[Ref]:
    """Return the scopes in which an action is counted."""
    return [
        Ref(Kind.SYSTEM, str(action.target.system_id)),
        Ref(Kind.OPERATION, action.operation_code),
        Ref(Kind.AGENT, str(action.agent_id)),
    ]


def being_done(throttle: Throttle) -> QuerySet[Action]:
    """Return who has a place: what is dispatched, and nothing else.

    What is in doubt has none: a person may take days to find out, and nothing is under way. By its leases,
    which are few, however much was done.
    """
    return Action.objects.filter(_counts(throttle), state=State.DISPATCHED, lease__isnull=False)


def line_of(throttle: Throttle) -> QuerySet[Action]:
    """Return who waits for this throttle, the longest first, without those that a paused run keeps back."""
    waiting = Action.objects.filter(waits_for=throttle, state=State.AUTHORIZED)
    kept_back = waiting.filter(registry.waiting()).order_by().values("pk")
    return waiting.exclude(pk__in=kept_back).order_by("waits_since", "pk")


def room_of(throttle: Throttle) -> Room:
    """Return what a throttle leaves now; exact under its lock, a good guess without."""
    room = Room(throttle)
    if not throttle.is_enabled:
        return room
    if throttle.most_at_once is not None:
        room.places = throttle.most_at_once - being_done(throttle).count()
    if throttle.most is not None and throttle.per_seconds is not None:
        begun = Action.objects.filter(
            _counts(throttle), took_turn=True, dispatched_at__gt=Now() - timedelta(seconds=throttle.per_seconds)
        ).order_by("-dispatched_at")
        left = throttle.most - begun.count()
        room.places = min(room.places, left)
        if left <= 0:
            room.seconds = _next_at(begun, throttle.most, throttle.per_seconds)
    return room


def _next_at(begun: QuerySet[Action], most: int, per_seconds: int) -> float:
    """Return in how many seconds the oldest that counts falls out of the window."""
    oldest = begun.values_list("dispatched_at", flat=True)[most - 1 : most]
    ago = [(database_now() - at).total_seconds() for at in oldest if at is not None]
    return max(0.0, per_seconds - ago[0]) if ago else 0.0


def _counts(throttle: Throttle) -> Q:
    if throttle.scope_kind == Kind.SYSTEM:
        return Q(operation__system=throttle.scope_id)
    if throttle.scope_kind == Kind.OPERATION:
        return Q(operation_code=throttle.scope_id)
    return Q(agent=throttle.scope_id)
