"""The clock of an approval before its end: people are reminded, then others are asked, too, level by level."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import groupby
from typing import Any

from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from agents.models import Agent, User
from audit.services import record_event
from audit.vocabulary import Actor
from workflows.approvals import selectors
from workflows.approvals.models import Approval, Escalation
from workflows.approvals.services.timing import WORKING, Times
from workflows.tasks.models import Task
from workflows.tasks.selectors import database_now, in_hand
from workflows.tasks.services import escalate_task, remind_task

CLOCK = Actor.system("sweeper")
DEADLINE = "decide"


def foresee(approval: Approval, times: Times) -> None:
    """Fix who may vote later in place of which group of a new approval, and where nobody can be asked."""
    planned = [(stage, level) for stage, levels in times.levels.items() for level in levels]
    if not planned:
        return
    names = {level.group for _, level in planned}
    names |= {name for _, level in planned for _, name in level.whom if name}
    groups = {group.name: group for group in Group.objects.filter(name__in=names)}
    Escalation.objects.bulk_create(
        Escalation(
            approval=approval,
            stands_for=groups[level.group],
            stage=stage,
            level=level.place,
            seconds=level.span.wall,
            working_seconds=level.span.working,
            at=level.at,
            in_working_time=level.clock == WORKING,
            asks=kind,
            **_asked(approval, times.agent, kind, groups.get(name), name),
        )
        for stage, level in planned
        if level.group in groups
        for kind, name in level.whom
    )


def _asked(
    approval: Approval, agent: Agent | None, kind: str, group: Group | None, name: str
) -> dict[str, Any]:
    """Return whom a level asks: a group, or who they are to the agent; or why nobody can be."""
    if kind == Escalation.Asks.GROUP:
        return {"group": group} if group else {"passed_over": f"There is no group {name[:200]}."}
    person = _by_role(agent, kind)
    if person is None:
        return {"passed_over": f"There is nobody: {Escalation.Asks(kind).label.lower()} is not named."}
    return {"person": person, "passed_over": _barred(approval, person)}


def _by_role(agent: Agent | None, kind: str) -> User | None:
    """Return who somebody is to an agent, as it is on record now."""
    path = {"sponsor": "sponsor", "manager": "sponsor__manager", "head": "department__manager"}[kind]
    named = Agent.objects.filter(pk=agent.pk).values(path) if agent else []
    return User.objects.filter(pk__in=named).first() if agent else None


def _barred(approval: Approval, person: User) -> str:
    """Say why this person cannot decide it, or nothing: four eyes hold on every level."""
    if str(person.pk) in (approval.requester_id, *approval.excluded_ids):
        return f"{person} asks for it, or it is for them: they do not decide it."
    if not person.is_active or person.is_agent:
        return f"{person} no longer works here."
    if str(person.pk) in selectors.taken_in(approval):
        return f"{person} has decided already."
    return ""


def _in_nobodys_hand() -> Q:
    """What nobody has in hand now: whoever has it needs no reminder, and nobody else is asked meanwhile."""
    return ~Q(Exists(Task.objects.filter(in_hand(), pk=OuterRef("task"))))


@transaction.atomic
def remind_due(*, limit: int = 100) -> int:
    """Remind the people of what has waited long enough; return how many. Run by the sweeper."""
    waiting = Approval.objects.select_for_update(of=("self",), skip_locked=True).filter(
        state=Approval.State.PENDING, clock_stopped_at=None, reminded_at=None, remind_at__lte=Now()
    )
    due = list(waiting.filter(_in_nobodys_hand(), expires_at__gt=Now()).order_by("id")[:limit])
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
        Exists(late),
        _in_nobodys_hand(),
        state=Approval.State.PENDING,
        clock_stopped_at=None,
        expires_at__gt=Now(),
    )
    due = list(waiting.order_by("id")[:limit])
    for approval in due:
        _escalate(approval)
    return len(due)


def _escalate(approval: Approval) -> None:
    """Do what is due; where nobody can be asked, go to the next level at once."""
    now = database_now()
    of_stage = approval.escalations.filter(stage=approval.stage, done_at=None)
    rows = of_stage.select_related("group", "person", "stands_for")
    asked: list[Escalation] = []
    passed: list[Escalation] = []
    for _, of_group in groupby(rows.order_by("stands_for", "level", "asks"), lambda row: row.stands_for_id):
        for _, one in groupby(of_group, lambda row: row.level):
            level = list(one)
            if not passed_on(level, now, passed):
                break
            is_over = _do(approval, level, now)
            (passed if is_over else asked).extend(level)
    if asked:
        groups = list({row.group_id: row.group for row in asked if row.group}.values())
        people = list({row.person_id: row.person for row in asked if row.person}.values())
        escalate_task(actor=CLOCK, task_id=approval.task_id, deadline=DEADLINE, groups=groups, people=people)
    _tell(approval, asked, passed)


def passed_on(level: list[Escalation], now: datetime, passed: list[Escalation]) -> bool:
    """Say whether it is the turn of a level: its time has come, or the one before it was passed over now."""
    before = {(row.stands_for_id, row.level) for row in passed}
    is_due = level[0].at is not None and level[0].at <= now
    return is_due or (level[0].stands_for_id, level[0].level - 1) in before


def _do(approval: Approval, level: list[Escalation], now: datetime) -> bool:
    """Note that a level is done; return whether it had to be passed over, which may have become so since."""
    for row in level:
        row.done_at = now
        row.passed_over = row.passed_over or (_barred(approval, row.person) if row.person else "")
        row.save(update_fields=["done_at", "passed_over"])
    return any(row.passed_over for row in level)


def _tell(approval: Approval, asked: Iterable[Escalation], passed: Iterable[Escalation]) -> None:
    said = [f"{row.whom} may vote in place of {row.stands_for}" for row in asked]
    over = [row for row in passed if row.passed_over]
    said += [f"{row.whom} was passed over ({row.passed_over})" for row in over]
    record_event(
        actor=CLOCK,
        verb="approvals.approval_escalated",
        subject=approval.as_ref(),
        sentence=f"Nobody has decided yet: {', '.join(said)}: {approval.subject_label}"[:500],
        payload={
            "groups": [[row.stands_for.name, row.whom] for row in asked],
            "passed_over": [[row.stands_for.name, row.whom, row.passed_over] for row in over],
        },
        **approval.event_refs(),
    )
