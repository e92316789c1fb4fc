"""What was open before whom, and a word to the manager where decisions come too quickly to have been read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction

from agents.models import User
from audit.services import record_event
from audit.vocabulary import Actor
from workflows.approvals import selectors
from workflows.approvals.models import Approval, Opening, QuickDecisions
from workflows.approvals.policies.load import Decided, figures_of, too_quick
from workflows.tasks.models import Task
from workflows.tasks.services import open_task

WATCH = Actor.system("approvals")


def note_opening(*, person: User, approvals: Iterable[Approval]) -> None:
    """Note that a person has all of these before them, as far as they wait: the first time counts, once.

    A page or a detail of the API that is read writes this and nothing else; it decides nothing.
    """
    waiting = [one for one in approvals if one.state == Approval.State.PENDING]
    if waiting and person.kind == User.Kind.PERSON:
        seen = [Opening(approval=one, person=person) for one in waiting]
        Opening.objects.bulk_create(seen, ignore_conflicts=True)


def look_for_quick_decisions() -> int:
    """Tell managers, once in a period, whose decisions came too quickly to have been read; return how many."""
    days = settings.QUICK_PERIOD_DAYS
    today = selectors.company_day()
    start = today - timedelta(days=(today.toordinal() % days))  # periods follow each other without a gap
    now = selectors.database_now()
    by_person: dict[str, list[Decided]] = defaultdict(list)
    for one in selectors.decided_since(now - timedelta(days=days)):
        by_person[one.person].append(one)
    limits = selectors.thresholds()
    found = {key: words for key, votes in by_person.items() if (words := too_quick(figures_of(votes), limits))}
    told = set(QuickDecisions.objects.filter(period_start=start).values_list("person_id", flat=True))
    return sum(_tell(UUID(key), words, start) for key, words in found.items() if UUID(key) not in told)


@transaction.atomic
def _tell(person_id: UUID, words: str, start: date) -> bool:
    person = User.objects.select_related("manager").get(pk=person_id)
    sentence = f"In the last {settings.QUICK_PERIOD_DAYS} days {words}: {person}"
    made, is_new = QuickDecisions.objects.get_or_create(
        person=person, period_start=start, defaults={"sentence": sentence[:500]}
    )
    if not is_new:
        return False
    managers = User.objects.filter(selectors.managers_of(person), is_active=True).distinct()
    open_task(
        actor=WATCH,
        kind=Task.Kind.INCIDENT,
        title=f"Talk with {person}: decisions come very quickly",
        body=f"{sentence}. Perhaps there are too many of one kind: a rule may hold what nobody needs "
        "to look at, or they could be decided together. See “How approvals go”.",
        subject=person.as_ref(),
        users=managers,
        priority=3,
    )
    record_event(
        actor=WATCH,
        verb="approvals.decisions_too_quick",
        subject=person.as_ref(),
        sentence=f"{sentence}. Their manager was told.",
        payload={"period_start": str(start)},
    )
    return bool(made)
