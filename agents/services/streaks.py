"""Begin to count failures anew: what a person does when the cause of a row of failures is mended."""

from __future__ import annotations

from django.db import transaction

from agents import policies
from agents.models import Measure
from agents.services import measures
from agents.services.history import lock_row
from audit.services import record_event
from audit.vocabulary import Actor, Refusal, RefusalKind


@transaction.atomic
def forgive_failures(*, actor: Actor, measure: Measure, reason: str, key: str | None = None) -> int:
    """Let a limit of failures in a row count from zero, under one key or under all; return how many it had.

    What is under way still counts when it fails. Raises Refusal ``permission_missing``, ``reason_missing``,
    ``not_failures`` (of a limit that counts something else), ``no_failures``.
    """
    policies.require(policies.may_publish_rule(actor))
    policies.require_reason(reason)
    measure = lock_row(Measure, measure.pk)
    if measure.unit != Measure.Unit.FAILURES:
        raise Refusal(
            "not_failures",
            f"Nothing was changed: {measure.name} counts {measure.get_unit_display().lower()}.",
            kind=RefusalKind.CONFLICT,
            next_step="Only failures in a row are counted anew by hand; raise its ceiling instead.",
        )
    forgiven = measures.begin_anew(measure_id=measure.pk, key=key)
    if not forgiven:
        raise Refusal(
            "no_failures",
            f"Nothing was changed: {measure.name} stands at zero.",
            kind=RefusalKind.CONFLICT,
            next_step="Nothing is left to do.",
        )
    record_event(
        actor=actor,
        verb="agents.failures_forgiven",
        subject=measure.as_ref(),
        sentence=f"{actor.label} let {measure.name} count from zero again; it had counted {forgiven}.",
        reason=reason,
        payload={"key": key, "forgiven": forgiven},
    )
    return forgiven
