"""What is told of one thing that waits: who asks for what, how grave it is, until when, and what comes then."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from django.conf import settings
from django.urls import reverse

from agents.models import Agent, User
from workflows.actions.models import Action
from workflows.actions.selectors import HIGH, RISK_WORDS, amount_words, hidden_in_action, risk_level
from workflows.approvals.models import Approval, Escalation
from workflows.notices.choices import Why
from workflows.notices.models import Notice
from workflows.notices.policies import Item, Later
from workflows.runs.selectors import clocks_of
from workflows.tasks.models import Task

ACTION = "actions.action"
APPEAL = "appeals.appeal"
# What comes when nobody answers: words of templates/mail/later.txt, beside those of deadlines.
LEVEL, REFUSED, STANDS, STAYS = "level", "refused", "stands", "stays"
UNANSWERED, STAYS_DENIED = "unanswered", "denied"


def item_of(notice: Notice) -> Item:
    """Return what is told of a task. Of an agent's own words there is the label only, and what a rule hides is
    not in it."""
    task = notice.task
    is_reminder = notice.why == Why.REMINDED
    approval = Approval.objects.filter(task=task).first() if task.kind == Task.Kind.APPROVAL else None
    if approval is not None:
        return _decision(approval, task, is_reminder)
    return _work(task, is_reminder)


def address_of(path: str) -> str:
    """Return the full address of a page."""
    return f"{settings.PUBLIC_URL.rstrip('/')}{path}"


def _decision(approval: Approval, task: Task, is_reminder: bool) -> Item:
    action = _action_of(task)
    hides = bool(action and hidden_in_action(action))
    level, why = risk_level(action, approval)
    return Item(
        kind=task.get_kind_display(),
        what=_label(task, action if hides else None),
        link=address_of(reverse("inbox-approval", args=[approval.pk])),
        asked_by=approval.requester_label,
        sponsor=str(action.agent.sponsor) if action else "",
        deed=_deed(action),
        system=action.operation.system.name if action and action.operation else "",
        amount=amount_words(action) if action and not hides else "",
        risk=(RISK_WORDS[level], *why),
        is_grave=level == HIGH,
        until=None if approval.clock_stopped_at else approval.expires_at,
        later=tuple(_later_of(approval)),
        since=_asked_since(approval),
        is_reminder=is_reminder,
        is_decision=True,
        is_of_agent=approval.requester_kind == User.Kind.AGENT,
        hides=hides,
    )


def _work(task: Task, is_reminder: bool) -> Item:
    action, agent = _action_of(task), _agent_of(task)
    hides = bool(action and hidden_in_action(action))
    asked_by = str(task.input.get("asked_by", ""))
    return Item(
        kind=task.get_kind_display(),
        what=_label(task, action if hides else None),
        link=address_of(reverse("inbox-task", args=[task.pk])),
        asked_by=asked_by or (agent.name if agent else ""),
        sponsor=str(agent.sponsor) if agent else "",
        deed=_deed(action),
        system=action.operation.system.name if action and action.operation else "",
        amount=amount_words(action) if action and not hides else "",
        until=None if task.clock_stopped_at else task.due_at,
        later=tuple(_late(task)),
        is_reminder=is_reminder,
        is_of_agent=task.kind == Task.Kind.QUESTION,
        hides=hides,
    )


def _action_of(task: Task) -> Action | None:
    """Return the action a task is about or belongs to: what is hidden in it is hidden in what is told."""
    key = task.subject_id if task.subject_kind == ACTION else task.references.get("action_id", "")
    found = Action.objects.select_related("agent__sponsor", "operation__system")
    return found.filter(pk=key).first() if _is_key(key) else None


def _agent_of(task: Task) -> Agent | None:
    """Return the agent that asks, or that a task is about."""
    agents = Agent.objects.select_related("sponsor")
    if task.asked_for is not None:
        return agents.filter(user=task.asked_for.claimed_by_id).first()
    key = task.references.get("agent_id", "")
    return agents.filter(pk=key).first() if _is_key(key) else None


def _is_key(text: Any) -> bool:
    try:
        return bool(UUID(str(text)))
    except ValueError:
        return False


def _deed(action: Action | None) -> str:
    """Return what is asked for as people call it."""
    if action is None:
        return ""
    return action.operation.name if action.operation else action.operation_code


def _label(task: Task, hiding: Action | None) -> str:
    """Return what it is about; of an action with something to hide, only which operation it is."""
    if hiding is not None:
        return f"{_deed(hiding)} (details are hidden)"
    return task.subject_label if task.kind == Task.Kind.APPROVAL else task.title


def _levels(approval: Approval, *, done: bool) -> list[Escalation]:
    """Return whom the stage that is on asks when nobody decides, those already asked or those still to be."""
    of_stage = approval.escalations.filter(stage=approval.stage, passed_over="", done_at__isnull=not done)
    return list(of_stage.exclude(at=None).select_related("group", "person").order_by("at", "level", "id"))


def _name_of(row: Escalation) -> str:
    return str(row.person or row.group or row.get_asks_display())


def _asked_since(approval: Approval) -> str:
    return ", ".join(dict.fromkeys(map(_name_of, _levels(approval, done=True))))


def _later_of(approval: Approval) -> Iterator[Later]:
    """Yield whom a request goes on to, and its end: what nobody decides is refused."""
    if approval.clock_stopped_at:
        yield Later(STANDS)
        return
    for at, rows in groupby(_levels(approval, done=False), lambda row: row.at):
        yield Later(LEVEL, at, ", ".join(dict.fromkeys(map(_name_of, rows))))
    yield Later(REFUSED, approval.expires_at)


def _late(task: Task) -> Iterator[Later]:
    """Yield what is done about work that nobody does: by its deadlines, else by what it is."""
    if task.clock_stopped_at:
        yield Later(STANDS)
        return
    clocks = [clock for clock in clocks_of(task, getattr(task, "step", None)) if clock.at is not None]
    is_taken = task.state == Task.State.CLAIMED
    for clock in clocks:
        if not (is_taken and clock.deadline == "start"):
            yield Later(f"{clock.deadline}_{clock.then}", clock.at, ", ".join(clock.to))
    if not clocks:
        yield Later(*_end_of(task))


def _end_of(task: Task) -> tuple[str, datetime | None]:
    """Return what comes of work without deadlines of its own when its time is over."""
    if task.due_at and task.kind == Task.Kind.QUESTION:
        return UNANSWERED, task.due_at
    if task.due_at and task.subject_kind == APPEAL:
        return STAYS_DENIED, task.due_at
    return STAYS, None
