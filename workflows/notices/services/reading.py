"""What somebody has read is theirs: it changes nothing of what waits, and nothing of the ledger."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from agents import policies
from agents.models import User
from audit.vocabulary import Actor
from workflows.notices.models import Glance, Reading
from workflows.tasks.selectors import database_now

# Who was away for longer comes anew: what changed meanwhile is shown until they go again.
VISIT_ENDS = timedelta(minutes=30)
NOTED_EVERY = timedelta(minutes=2)
MOST_GLANCES = 500


@transaction.atomic
def read_all(*, actor: Actor, until: datetime | None = None) -> Reading:
    """Take everything up to now (or ``until``, as it was shown) as read. People only, for themselves."""
    person = _person(actor, "mark their news as read")
    now = database_now()
    read_at = min(until, now) if until else now
    reading, _ = Reading.objects.select_for_update().get_or_create(pk=person.pk)
    if reading.read_at is None or reading.read_at < read_at:
        reading.read_at = read_at
        reading.save(update_fields=["read_at"])
    Glance.objects.filter(person=person).delete()
    return reading


@transaction.atomic
def mark_one(*, actor: Actor, key: str, is_read: bool) -> Glance:
    """Mark one thing as read or unread. Raises ValueError for a key that is none."""
    person = _person(actor, "mark their news as read")
    glance, _ = Glance.objects.update_or_create(
        person=person, key=str(UUID(key)), defaults={"is_read": is_read, "at": database_now()}
    )
    kept = Glance.objects.filter(person=person).order_by("-at").values("pk")[:MOST_GLANCES]
    Glance.objects.filter(person=person).exclude(pk__in=kept).delete()
    return glance


@transaction.atomic
def note_visit(*, actor: Actor) -> datetime | None:
    """Note that somebody is here, and return when they were here before this visit; None: never."""
    person = _person(actor, "have a home page")
    now = database_now()
    reading, _ = Reading.objects.select_for_update().get_or_create(pk=person.pk)
    last = reading.here_at
    if last is not None and now - last < NOTED_EVERY:
        return reading.before_at
    if last is not None and now - last >= VISIT_ENDS:
        reading.before_at = last
    reading.here_at = now
    reading.save(update_fields=["here_at", "before_at"])
    return reading.before_at


def _person(actor: Actor, doing: str) -> User:
    policies.require(policies.may_act_as_person(actor, doing))
    return User.objects.get(pk=actor.id)
