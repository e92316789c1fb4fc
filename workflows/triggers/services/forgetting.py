"""The log of triggers is kept for a while; what it proves for ever is in the runs and in the ledger."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models.functions import Now

from workflows.triggers.models import EventDelivery, Firing, HookDelivery

KEPT = timedelta(days=90)
BATCH = 5000


def forget_old() -> int:
    """Delete what is older than ninety days from the logs, some thousand rows at a time; return how many."""
    gone = 0
    models: tuple[Any, ...] = (EventDelivery, Firing, HookDelivery)
    for model in models:
        old = model.objects.filter(at__lt=Now() - KEPT).order_by("at").values("pk")[:BATCH]
        gone += model.objects.filter(pk__in=list(old.values_list("pk", flat=True))).delete()[0]
    return gone
