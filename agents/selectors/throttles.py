"""Which throttles count something; whoever begins work asks this under their lock (``services.throttles``)."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Q, QuerySet

from agents.models import Throttle
from audit.vocabulary import Ref


def throttles_of(scopes: Iterable[Ref]) -> QuerySet[Throttle]:
    """Return the throttles in force for any of these scopes, in the one order in which they are locked."""
    hit = Q(pk__in=[])
    for scope in scopes:
        hit |= Q(scope_kind=scope.kind, scope_id=scope.id)
    return Throttle.objects.filter(hit, is_enabled=True).order_by("pk")
