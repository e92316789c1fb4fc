"""The clock of an approval before its end: people are reminded, then others are asked, too."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now

from audit.services import record_event
from audit.vocabulary import Actor
from workflows.approvals.models import Approval, Escalation
from workflows.approvals.policies import Level, levels_of, remind_after
from workflows.tasks.selectors import database_now
from workflows.tasks.services import escalate_task, remind_task

CLOCK = Actor.system("sweeper")
DEADLINE = "decide"


def reminder_at(expires_at: datetime, seconds: int, since: datetime | None = None) -> datetime | None:
    """Return when people are reminded: as a rule says, else after the company's share of the time.

    ``since``: when they were asked; left out: now.
    """
    now = since or database_now()
    within = (expires_at - now).total_seconds()
    after = remind_after(seconds, share=settings.APPROVAL_REMIND_SHARE, within=within)
    return None if after is None else now + timedelta(seconds=after)


def foresee(approval: Approval, said: Collection[Level]) -> None:
    """Fix who may vote later in place of which group of a new approval; one that is not there is not asked."""
    if not (settings.APPROVAL_ESCALATE_GROUP or any(one.to for one in said)):
        return
    for stage in sorted({one.stage for one in said}):
        _foresee_at(approval, stage, [one for one in said if one.stage == stage])


def begin_levels(approval: Approval, since: datetime) -> None:
    """Let the times of the levels of the stage that is on count from its beginning; those before are over."""
    for level in approval.escalations.filter(stage=approval.stage, done_at=None):
        level.at = since + timedelta(seconds=level.seconds)
        level.save(update_fields=["at"])


def _foresee_at(approval: Approval, stage: int, said: Collection[Level]) -> None:
    now = database_now()
    named = [Level(one.group or settings.DEFAULT_APPROVER_GROUP, one.to, one.seconds) for one in said]
    company = Level("", settings.APPROVAL_ESCALATE_GROUP, settings.APPROVAL_ESCALATE_SECONDS)
    found = levels_of(named, company=company, within=(approval.expires_at - now).total_seconds())
    if not found:
        return
    names = {name for one in found for name in (one.group, one.to)}
    groups = {group.name: group for group in Group.objects.filter(name__in=names)}
    # Who stands in belongs to all that are named: where one of them does not exist, nobody does.
    broken = {one.group for one in found if not {one.group, one.to} <= groups.keys()}
    Escalation.objects.bulk_create(
        Escalation(
            approval=approval,
            stands_for=groups[one.group],
            group=groups[one.to],
            stage=stage,
            seconds=one.seconds,
            at=now + timedelta(seconds=one.seconds) if stage == approval.stage else None,
        )
        for one in found
        if one.group not in broken
    )


@transaction.atomic
def remind_due(*, limit: int = 100) -> int:
    """Remind the people of what has waited long enough; return how many. Run by the sweeper."""
    waiting = Approval.objects.select_for_update(of=("self",), skip_locked=True).filter(
        state=Approval.State.PENDING, clock_stopped_at=None, reminded_at=None, remind_at__lte=Now()
    )
    due = list(waiting.filter(expires_at__gt=Now()).order_by("id")[:limit])
    for approval in due:
        approval.reminded_at = database_now()
        approval.save(update_fields=["reminded_at"])
        remind_task(actor=CLOCK, task_id=approval.task_id, deadline=DEADLINE)
    return len(due)


@transaction.atomic
def escalate_due(*, limit: int = 100) -> int:
    """Let others vote, too, on what nobody has decided by then; return on how many. Run by the sweeper."""
    late = Escalation.objects.filter(
        approval=OuterRef("pk"), stage=OuterRef("stage"), done_at=None, at__lte=Now()
    )
    waiting = Approval.objects.select_for_update(of=("self",), skip_locked=True).filter(
        Exists(late), state=Approval.State.PENDING, clock_stopped_at=None, expires_at__gt=Now()
    )
    due = list(waiting.order_by("id")[:limit])
    for approval in due:
        _escalate(approval)
    return len(due)


def _escalate(approval: Approval) -> None:
    levels = list(
        approval.escalations.filter(stage=approval.stage, done_at=None, at__lte=Now()).select_related(
            "group", "stands_for"
        )
    )
    for level in levels:
        level.done_at = database_now()
        level.save(update_fields=["done_at"])
    groups = list({level.group_id: level.group for level in levels}.values())
    escalate_task(actor=CLOCK, task_id=approval.task_id, deadline=DEADLINE, groups=groups)
    words = ", ".join(f"{level.group} may vote in place of {level.stands_for}" for level in levels)
    record_event(
        actor=CLOCK,
        verb="approvals.approval_escalated",
        subject=approval.as_ref(),
        sentence=f"Nobody has decided yet: {words}: {approval.subject_label}"[:500],
        payload={"groups": [[level.stands_for.name, level.group.name] for level in levels]},
        **approval.event_refs(),
    )
