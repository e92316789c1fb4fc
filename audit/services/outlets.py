"""How far each sink and stream has got, and since when one fails: what alarms and pages read."""

from __future__ import annotations

import logging
from collections.abc import Collection

from django.db.models import F, Value
from django.db.models.functions import Coalesce, Now

from audit.models import Outlet
from audit.vocabulary import Refusal

logger = logging.getLogger(__name__)

MOST_ERROR = 500
NOT_CONFIGURED = "Not configured any more."


def begin(name: str, kind: str, first: int = 0) -> int:
    """Return how far an outlet has got; one that is new begins at ``first``."""
    outlet, is_new = Outlet.objects.get_or_create(name=name, defaults={"kind": kind, "reached": first})
    if not is_new and outlet.last_error == NOT_CONFIGURED:
        Outlet.objects.filter(name=name).update(last_error="")
    return outlet.reached


def succeeded(name: str, reached: int) -> None:
    """Note that everything up to ``reached`` has arrived. Raise Refusal if the outlet is gone."""
    row = Outlet.objects.filter(name=name).values_list("failing_since", flat=True).first()
    changed = Outlet.objects.filter(name=name).update(
        reached=reached, last_ok_at=Now(), failing_since=None, last_error=""
    )
    if not changed:
        raise Refusal("outlet_gone", f"How far {name} has got was removed. Restart the exporter.")
    if row is not None:
        logger.info("%s takes what it is sent again.", name)


def failed(name: str, error: str) -> None:
    """Note that something has not arrived, since when, and why; said once, however often it is tried."""
    previous = Outlet.objects.filter(name=name).values_list("last_error", flat=True).first()
    error = error[:MOST_ERROR]
    Outlet.objects.filter(name=name).update(
        failing_since=Coalesce(F("failing_since"), Now()), last_error=Value(error)
    )
    if previous != error:
        logger.warning("%s: %s", name, error)


def retire(configured: Collection[str]) -> None:
    """Note which outlets are not configured any more: they keep their place and alarm nobody."""
    Outlet.objects.exclude(name__in=configured).update(failing_since=None, last_error=NOT_CONFIGURED)
