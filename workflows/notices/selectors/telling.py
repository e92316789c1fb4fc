"""Whom to tell, and of what. Asked when something is sent, so that what was decided meanwhile is not told."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet

from agents.models import User
from workflows.approvals.selectors import in_force, pending_for
from workflows.notices.choices import WINDOW_MINUTES, How, State
from workflows.notices.models import Channel, Line, Mail, Post, Preference
from workflows.tasks.models import Task
from workflows.tasks.selectors import waiting_for


def mail_is_set_up() -> bool:
    """Tell whether there is a mail server to send by."""
    return bool(settings.EMAIL_HOST)


def is_anybody_told() -> bool:
    """Tell whether anything would be sent at all."""
    return mail_is_set_up() or _ready().filter(agent=None).exists()


def who_may_act(task: Task) -> list[User]:
    """Return the active people with an address who may act on a task now; of one somebody has, only them."""
    if task.state not in Task.WAITING:
        return []
    reachable = User.objects.filter(kind=User.Kind.PERSON, is_active=True).exclude(email="")
    found = reachable.filter(pk=task.claimed_by_id) if task.claimed_by_id else reachable.filter(_asked(task))
    return [person for person in found.distinct().order_by("pk") if may_act_now(person, task)]


def may_act_now(person: User, task: Task) -> bool:
    """Tell whether it is on this person to act: an approval follows four eyes, and a vote given ends it."""
    if not person.is_active or task.state not in Task.WAITING:
        return False
    if task.kind == Task.Kind.APPROVAL:
        return pending_for(person).filter(task=task).exists()
    if task.claimed_by_id and task.claimed_by_id != person.pk:
        return False
    return waiting_for(person).filter(pk=task.pk).exists()


def how_of(person: User) -> str:
    """Return when a person wants mail."""
    chosen = Preference.objects.filter(pk=person.pk).values_list("how", flat=True).first()
    return chosen or How.AT_ONCE


def channels_of(task: Task) -> QuerySet[Channel]:
    """Return the channels that are told of a task: of the groups it is offered to."""
    groups = task.candidate_groups.values("pk")
    return _ready().filter(agent=None, groups__in=groups).distinct()


def channels_of_agents(agents: Iterable[UUID]) -> QuerySet[Channel]:
    """Return the channels of these agents that a message can go to now."""
    return _ready().filter(agent__in=list(agents))


def channels_of_role(role_id: UUID) -> QuerySet[Channel]:
    """Return the channels of the agents of a role that a message can go to now, with their agents."""
    return _ready().filter(agent__role=role_id).select_related("agent")


def lines_due(now: datetime) -> QuerySet[Line]:
    """Return what may go into a mail now: due, and its person has had none within the window."""
    busy = Mail.objects.filter(person=OuterRef("person")).filter(
        Q(state=State.WAITING) | Q(created_at__gt=now - timedelta(minutes=WINDOW_MINUTES))
    )
    return Line.objects.filter(~Exists(busy), mail=None, is_dropped=False, due_at__lte=now).order_by("pk")


def visible_events(user: User) -> Q | None:
    """Events about what is sent belong to those who may see channels."""
    return Q(subject_kind__startswith="notices.") if user.has_perm("notices.view_channel") else None


def mails_before(mail: Mail) -> list[UUID]:
    """Return the earlier mails to the same person about the one task of a mail, the oldest first."""
    tasks = list(mail.lines.values_list("notice__task", flat=True).distinct()[:2])
    if len(tasks) != 1:
        return []
    told = Mail.objects.filter(person=mail.person_id, lines__notice__task=tasks[0], pk__lt=mail.pk)
    return list(told.filter(state=State.SENT).order_by("pk").values_list("pk", flat=True).distinct())


def counts() -> dict[str, int]:
    """Return how many mails and messages wait or were given up, for the page of an operator."""
    found: dict[str, int] = {"waiting": 0, "given_up": 0}
    for state in found:
        found[state] += Mail.objects.filter(state=state).count() + Post.objects.filter(state=state).count()
    return found


def _ready() -> QuerySet[Channel]:
    """Return the channels that a message can go to."""
    return Channel.objects.filter(is_enabled=True, secret__isnull=False)


def _asked(task: Task) -> Q:
    """Return who may be meant: of an approval also those who decide for somebody who is away."""
    found = Q(groups__in=task.candidate_groups.values("pk")) | Q(pk__in=task.candidate_users.values("pk"))
    if task.kind == Task.Kind.APPROVAL:
        found |= Q(pk__in=in_force().values("delegate"))
    return found
