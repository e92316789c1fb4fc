"""Schedules: kept by people, fired by the database's clock, each due time once.

A due time is a row. Whoever takes it locks it with its schedule (SKIP LOCKED); starting the run, saying what
became of it and moving the row on are one transaction. Two clocks fire it once, and a clock that dies in
between has done nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models.functions import Now

from agents.services.history import lock_row
from audit.services import record_event
from audit.vocabulary import Actor, Refusal
from workflows.triggers.choices import Outcome
from workflows.triggers.models import Due, Firing, Schedule
from workflows.triggers.policies.cron import due_after, local_facts, planned, read_times, read_zone
from workflows.triggers.services.keeping import FIELDS, keep, require_may
from workflows.triggers.services.starting import Became, actor_of, start

OWN_FIELDS = ("cron", "time_zone", "catch_up", "catch_up_most")
WHEN = ("cron", "time_zone", "is_enabled")  # a change of these counts from now on
NAMES = ("due_at", "local", "schedule")
MOST_SCHEDULES = 500
MOST_OF_ONE = 20  # firings in one look, so that one that catches up keeps nobody waiting

logger = logging.getLogger(__name__)


def save_schedule(
    *, actor: Actor, values: Mapping[str, Any], reason: str, schedule: Schedule | None = None
) -> Schedule:
    """Keep a schedule. Needs ``triggers.change_schedule`` and the right to start its workflow.

    When it fires counts from now: a new or changed schedule has nothing to catch up.
    """
    with transaction.atomic():
        require_may(actor, Schedule, reason)
        schedule = lock_row(Schedule, schedule.pk) if schedule else Schedule()
        before = _when(schedule)
        kept = keep(
            _checked(schedule, values),
            actor=actor,
            values=values,
            reason=reason,
            fields=(*FIELDS, *OWN_FIELDS),
            names=NAMES,
        )
        if not Due.objects.filter(pk=kept.pk).exists() or _when(kept) != before:
            _set_due(kept)
        return kept


def fire_due() -> int:
    """Fire what is due by the database's clock; return how many firings that were. Two clocks do no harm."""
    due = Due.objects.filter(at__lte=Now()).order_by("at").values_list("pk", flat=True)[:MOST_SCHEDULES]
    return sum(_fire_all(schedule_id) for schedule_id in list(due))


def facts_of(schedule: Schedule, due_at: datetime) -> dict[str, Any]:
    """Return what the CEL of a schedule may read."""
    return {
        "due_at": f"{due_at:%Y-%m-%dT%H:%M:%SZ}",
        "local": local_facts(due_at, read_zone(schedule.time_zone)),
        "schedule": {"id": str(schedule.pk), "name": schedule.name},
    }


def default_key(schedule: Schedule, due_at: datetime) -> str:
    """Return what names the work of one due time where the schedule says nothing else."""
    return f"{schedule.pk} {due_at:%Y-%m-%dT%H:%M:%SZ}"


def next_times(schedule: Schedule, number: int) -> list[datetime]:
    """Return the next due times of a schedule, as if nothing were late."""
    found: list[datetime] = []
    moment: datetime | None = _now()
    times, zone = read_times(schedule.cron), read_zone(schedule.time_zone)
    while len(found) < number and moment is not None:
        moment = due_after(times, zone, moment)
        found += [moment] if moment else []
    return found


def _fire_all(schedule_id: Any) -> int:
    fired = 0
    try:
        while fired < MOST_OF_ONE and _fire_next(schedule_id):
            fired += 1
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        logger.exception("The schedule %s could not be fired; its due time stays.", schedule_id)
    return fired


@transaction.atomic
def _fire_next(schedule_id: Any) -> bool:
    """Deal with the next due time of a schedule; say whether a firing was dealt with for good."""
    due = (
        Due.objects.select_for_update(skip_locked=True, of=("self", "schedule"))
        .select_related("schedule__workflow")
        .filter(pk=schedule_id, at__lte=Now(), schedule__is_enabled=True)
        .first()
    )
    if due is None:
        return False
    schedule = due.schedule
    plan = planned(
        read_times(schedule.cron),
        read_zone(schedule.time_zone),
        at=due.at,
        now=_now(),
        catch_up=schedule.catch_up,
        most=schedule.catch_up_most,
    )
    if plan.skipped:
        _skip(due, *plan.skipped)
    if plan.fire is None:
        return _move(due, plan.next)
    if Firing.objects.filter(schedule=schedule, due_at=plan.fire).exists():
        return _move(due, plan.next)  # the database's clock was set back
    try:
        became = start(schedule, facts_of(schedule, plan.fire), default_key(schedule, plan.fire))
    except Refusal as refusal:
        return _wait(due, plan.fire, refusal)
    became.fill(Firing(schedule=schedule, due_at=plan.fire))
    return _move(due, plan.next)


def _move(due: Due, at: datetime | None) -> bool:
    if at is None:
        due.delete()
        return False
    due.at, due.waiting = at, ""
    due.save(update_fields=["at", "waiting"])
    return True


def _wait(due: Due, at: datetime, refusal: Refusal) -> bool:
    """What is due waits, as it would if the portal were away; what it is worth later says ``catch_up``."""
    if (due.at, due.waiting) != (at, refusal.message[:500]):
        due.at, due.waiting = at, refusal.message[:500]
        due.save(update_fields=["at", "waiting"])
    return False


def _skip(due: Due, first: datetime, last: datetime) -> None:
    schedule = due.schedule
    if Firing.objects.filter(schedule=schedule, due_at=last).exists():
        return
    stretch = f"{first:%Y-%m-%d %H:%M}" + (f" to {last:%Y-%m-%d %H:%M}" if last != first else "")
    why = due.waiting or "nobody was there to fire it."
    sentence = f"What was due {stretch} (UTC) was skipped: {why}"
    Became(Outcome.SKIPPED, sentence, "too_late").fill(Firing(schedule=schedule, due_at=last))
    record_event(
        actor=actor_of(schedule),
        verb="triggers.times_skipped",
        subject=schedule.as_ref(),
        sentence=f"{schedule.name}: {sentence}",
        code="too_late",
    )


def _when(schedule: Schedule) -> tuple[Any, ...]:
    return tuple(getattr(schedule, name) for name in WHEN)


def _checked(schedule: Schedule, values: Mapping[str, Any]) -> Schedule:
    """Return the schedule; raise ValidationError unless its times make sense and ever come."""
    wrong = {}
    cron = values.get("cron", schedule.cron)
    zone = values.get("time_zone", schedule.time_zone)
    try:
        times = read_times(cron)
    except ValueError as error:
        wrong["cron"] = str(error)
    try:
        place = read_zone(zone)
    except ValueError as error:
        wrong["time_zone"] = str(error)
    if not wrong and due_after(times, place, _now()) is None:
        wrong["cron"] = "It never comes: no such day is in the calendar."
    if wrong:
        raise ValidationError(wrong)
    return schedule


def _set_due(schedule: Schedule) -> None:
    Due.objects.filter(pk=schedule.pk).delete()
    if schedule.is_enabled:
        at = due_after(read_times(schedule.cron), read_zone(schedule.time_zone), _now())
        if at is not None:
            Due.objects.create(schedule=schedule, at=at)


def _now() -> datetime:
    """Return the time by the database's clock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        found: datetime = cursor.fetchone()[0]
    return found
