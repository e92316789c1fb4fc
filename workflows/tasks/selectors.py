"""Read-only questions about tasks."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Exists, Max, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from agents.models import Agent, Throttle, User
from agents.selectors import agent_facts
from audit.lookups import EachRow
from audit.once import once
from audit.selectors import database_now
from workflows.tasks.models import Instruction, Snooze, Task

STRIDE = timedelta(hours=1)
# Whatever is due so soon is shown, however it was put off.
NEAR = timedelta(hours=1)

MOST_INSTRUCTIONS = 50
OF_PEOPLE = tuple(kind for kind in Task.Kind if kind != Task.Kind.AGENT_WORK)
WORK_OF_PEOPLE = tuple(kind for kind in OF_PEOPLE if kind != Task.Kind.APPROVAL)


def next_turn(role_id: UUID, lane: UUID, priority: int) -> datetime:
    """Return where new work stands in line: now, or ``STRIDE`` after the last of its department that waits.

    It is the virtual clock of ``runs.services.lanes``; the stride is longer, since agents are slower than the
    engine. It has to be longer than one task takes, or a flood would overtake its own line.
    """
    now = database_now()
    line = Task.objects.filter(role=role_id, lane=lane, priority=priority, state=Task.State.OPEN)
    last: datetime | None = line.aggregate(last=Max("turn"))["last"]
    return now if last is None else max(now, last + STRIDE)


def waiting() -> QuerySet[Task]:
    """Return the tasks that are not ended."""
    return Task.objects.filter(state__in=Task.WAITING)


def visible_to(user: User) -> QuerySet[Task]:
    """Return the tasks a user has to do with: those they may do or have claimed.

    People with ``tasks.view_task`` see all. An agent never does, whatever somebody gave it.
    """
    if not user.is_active:
        return Task.objects.none()
    if user.kind == User.Kind.PERSON and user.has_perm("tasks.view_task"):
        return Task.objects.all()
    return Task.objects.filter(_candidate(user) | Q(claimed_by=user))


def work_visible_to(user: User) -> QuerySet[Task]:
    """Return the same apart from approvals, which are found by themselves: work of people is few of all."""
    found = visible_to(user)
    if user.is_active and user.kind == User.Kind.PERSON and not user.has_perm("tasks.view_task"):
        found = Task.objects.filter(_candidate(user, WORK_OF_PEOPLE) | Q(claimed_by=user))
    return found.exclude(kind=Task.Kind.APPROVAL)


def sides_of_work(user: User) -> list[QuerySet[Task]]:
    """Return what ``work_visible_to`` says of a person without the right, each side from their own rows.

    A task may be of several sides.
    """
    grouped = Task.candidate_groups.through.objects.filter(group__in=_groups_of(user))
    named = Task.candidate_users.through.objects.filter(user=user)
    work = Task.objects.filter(kind__in=WORK_OF_PEOPLE)
    return [
        Task.objects.exclude(kind=Task.Kind.APPROVAL).filter(claimed_by=user),
        work.filter(pk__in=named.values("task")),
        work.filter(pk__in=grouped.values("task")),
    ]


def closed_for(user: User) -> QuerySet[Task]:
    """Return the work of people that is over, of what a person may see; each once, in any order asked for."""
    over = Task.objects.filter(~Q(kind__in=[Task.Kind.AGENT_WORK, Task.Kind.APPROVAL]), closed_at__isnull=False)
    if not user.is_active or user.kind != User.Kind.PERSON:
        return over.none()
    if user.has_perm("tasks.view_task"):
        return over
    named = Task.candidate_users.through.objects.filter(task_id=OuterRef("pk"), user=user)
    grouped = Task.candidate_groups.through.objects.filter(
        task_id=OuterRef("pk"), group__in=user.groups.values("pk")
    )
    return over.filter(Q(claimed_by=user) | Exists(named) | Exists(grouped))


def readable_by(user: User) -> QuerySet[Task]:
    """Return the tasks a user may read: an agent only what it has or had, and what it might take now."""
    found = visible_to(user)
    if user.kind == User.Kind.PERSON:
        return found
    return found.filter(Q(claimed_by=user) | Q(state=Task.State.OPEN))


def reachable_by(user: User) -> QuerySet[Task]:
    """Return the tasks a user may speak about: also what went through their hands, to hear that it is over."""
    passed = Q(passed_on__contains=[{"holder_id": str(user.pk)}])
    visible = visible_to(user).values("pk")
    return Task.objects.filter(Q(pk__in=visible) | passed) if user.is_active else Task.objects.none()


def waiting_for(user: User) -> QuerySet[Task]:
    """Return what a user could do now, most urgent first."""
    return Task.objects.filter(_candidate(user) | Q(claimed_by=user), state__in=Task.WAITING)


def work_waiting_for(user: User) -> QuerySet[Task]:
    """Return the same apart from approvals."""
    mine = _candidate(user, WORK_OF_PEOPLE) | Q(claimed_by=user)
    return Task.objects.filter(mine, state__in=Task.WAITING).exclude(kind=Task.Kind.APPROVAL)


def holder_of(task: Task, now: datetime) -> User | None:
    """Return who has a task now: a claim that lapsed, or of somebody who left, is nobody's."""
    holder = task.claimed_by if task.state == Task.State.CLAIMED else None
    if holder is None or not holder.is_active:
        return None
    return holder if task.lease_until is None or task.lease_until > now else None


def in_hand() -> Q:
    """Return what of tasks somebody has just now."""
    lasts = Q(lease_until=None) | Q(lease_until__gt=Now())
    return lasts & Q(state=Task.State.CLAIMED, claimed_by__is_active=True)


def snoozes_of(user: User) -> QuerySet[Snooze]:
    """Return what a person has put off and is not to see yet."""
    return Snooze.objects.filter(person=user, until__gt=Now())


def handed_on_by(user: User) -> QuerySet[Task]:
    """Return what waits and this person has asked others about in particular."""
    return waiting().exclude(passed_on=[]).filter(passed_on__contains=[{"by_id": str(user.pk)}])


def held_by(agent: Agent) -> QuerySet[Task]:
    """Return the tasks an agent has now; what lapsed is as good as given back."""
    return Task.objects.filter(claimed_by=agent.user_id, state=Task.State.CLAIMED, lease_until__gt=Now())


def held_under(throttle: Throttle) -> int | None:
    """Return how many tasks the agent of a throttle has now; None for a throttle of anything else."""
    if throttle.scope_kind != Throttle.ScopeKind.AGENT:
        return None
    agent = Agent.objects.filter(pk=throttle.scope_id).first()
    return held_by(agent).count() if agent else 0


def may_do(user: User, task: Task) -> bool:
    """Say whether a user is a candidate of the task, directly or by group."""
    return Task.objects.filter(_candidate(user), pk=task.pk).exists()


def instructions_of(agent: Agent) -> QuerySet[Instruction]:
    """Return what operators said to an agent, newest first."""
    return Instruction.objects.filter(agent=agent).select_related("author", "task").order_by("-pk")


def offered_to(agent: Agent) -> Q:
    """Return what is for an agent: work of its role and department that needs no label it lacks and is not kept
    for another agent; none of people, whatever its groups."""
    candidates = Task.candidate_users.through.objects.filter(task_id=OuterRef("pk"))
    return Q(
        ~Exists(candidates) | Exists(candidates.filter(user_id=agent.user_id)),
        Q(department=None) | Q(department__in=agent_facts(agent).department_ids),
        Q(preferred_agent=None) | Q(preferred_agent=agent),
        ~Q(not_offered_to__contains=[str(agent.user_id)]),
        needs__contained_by=list(agent.labels),
        role_id=agent.role_id,
        kind=Task.Kind.AGENT_WORK,
    )


def _candidate(user: User, kinds: Collection[str] = OF_PEOPLE) -> Q:
    if user.kind == User.Kind.AGENT:
        agent = Agent.objects.select_related("department", "role").filter(user=user).first()
        return offered_to(agent) if agent else Q(pk__in=[])
    grouped = Task.candidate_groups.through.objects.filter(task=OuterRef("pk"), group__in=_groups_of(user))
    named = Task.candidate_users.through.objects.filter(task=OuterRef("pk"), user=user)
    return Q(kind__in=kinds) & (Q(EachRow(grouped)) | Q(EachRow(named)))


def _groups_of(user: User) -> list[int]:
    return once(("groups", user.pk), lambda: list(user.groups.values_list("pk", flat=True)))
