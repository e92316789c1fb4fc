"""Take tasks, keep them and give them back. The epoch of a claim fences every later write."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from agents.models import Agent, Stop, User
from agents.services import stops
from audit.vocabulary import Actor, ActorKind, Ref, Refusal, RefusalKind
from connectors.policies.schemas import plain_text
from workflows.tasks import broadcast, registry, selectors
from workflows.tasks.models import Task
from workflows.tasks.services.at_once import places_left, require_place
from workflows.tasks.services.closing import fail_locked
from workflows.tasks.services.records import (
    locked,
    record,
    refused,
    require_claimer,
    require_epoch,
    require_waiting,
    user_of,
)
from workflows.tasks.services.standing import agent_of, require_may_begin, require_not_finishing

SHORTEST_LEASE, LONGEST_LEASE = 5, 900  # seconds
MOST_AT_ONCE = 50
MOST_LAPSES = 5
PATIENCE = timedelta(hours=1)


@transaction.atomic
def claim_next(*, actor: Actor, most: int = 1, lease_seconds: int = 60) -> list[Task]:
    """Take what is offered to the agent's role, most urgent first; an empty list when nothing is.

    Two agents never get the same task. An agent that has as many as a throttle lets it have gets nothing until
    it has fewer, and one that was told to finish gets nothing new. Raises Refusal stopped, agent_paused,
    agent_suspended or agent_not_active: who may not work is given no work.
    """
    agent = agent_of(actor)
    require_may_begin(agent)
    places = 0 if agent.is_finishing else places_left(agent, at_most=max(1, min(most, MOST_AT_ONCE)))
    found = _not_stopped(_next(agent, places)) if places else []
    for task in found:
        _take(actor, task, agent.user, lease_seconds)
    return found


def _next(agent: Agent, most: int) -> list[Task]:
    """Return what the agent gets next: most urgent first, and departments take turns within a priority.

    One claim in ten takes what has waited longest, if that is longer than ``PATIENCE``: what is not urgent
    comes to its turn, however much is.
    """
    if random.random() < 0.1:  # noqa: S311 - a share of the claims, no secret
        waited = _offered(agent).filter(available_at__lt=Now() - PATIENCE).order_by("available_at")[:most]
        if found := list(waited):
            return found
    return list(_offered(agent).order_by("priority", "turn", "id")[:most])


@transaction.atomic
def claim_task(*, actor: Actor, task_id: UUID | str, lease_seconds: int | None = None) -> Task:
    """Take a task for oneself; the epoch it returns fences every later write. Only candidates may.

    With ``lease_seconds`` the claim lapses by the database clock unless it is taken again; an agent's always
    does.
    """
    task = locked(task_id)
    user = user_of(actor)
    if not selectors.may_do(user, task):
        raise refused(
            "task_not_yours",
            f"{actor.label} may not take the task {task.title!r}: "
            f"it is {task.get_kind_display().lower()}, and {actor.label} is not a candidate.",
            "Take what is offered to you. Who passed a task on does not get it back by itself.",
        )
    if actor.kind is ActorKind.AGENT:
        require_may_begin(agent_of(actor), task)
        if str(task.claimed_by_id) != actor.id:  # what it has it may take again, to keep it
            require_not_finishing(agent_of(actor))
        require_place(agent_of(actor), task)
        lease_seconds = lease_seconds or 60
    now = selectors.database_now()
    _require_now(actor, task, now)
    if _is_held_by_other(task, user, now):
        raise refused(
            "task_taken",
            f"The task {task.title!r} was not taken: {task.claimed_by} has it.",
            "Take another task, or ask them to release it.",
            kind=RefusalKind.CONFLICT,
        )
    require_waiting(task)
    _take(actor, task, user, lease_seconds)
    return task


@transaction.atomic
def heartbeat_task(
    *, actor: Actor, task_id: UUID | str, epoch: int, lease_seconds: int = 60, progress: str = ""
) -> Task:
    """Keep a claim for so many seconds more. A paused or stopped agent is refused and loses it in time."""
    task = locked(task_id)
    require_epoch(task, epoch)
    _require_held(actor, task)
    if actor.kind is ActorKind.AGENT:
        require_may_begin(agent_of(actor), task)
    task.lease_until = selectors.database_now() + timedelta(seconds=_lease(task, lease_seconds))
    fields = ["lease_until"]
    if progress:
        task.progress = plain_text(progress)[:200]
        fields.append("progress")
    task.save(update_fields=fields)
    return task


@transaction.atomic
def release_task(
    *,
    actor: Actor,
    task_id: UUID | str,
    epoch: int | None = None,
    reason: str = "",
    wait_for: Ref | None = None,
    after_seconds: int = 0,
) -> Task:
    """Give a claimed task back to its candidates.

    With ``wait_for`` nobody is offered it until that has ended: an action that people are asked about needs no
    agent that sits and waits. With ``after_seconds`` (at most a day, and not past its time) it is offered again
    later.
    """
    task = locked(task_id)
    require_epoch(task, epoch)
    _require_held(actor, task)
    awaited = _still_open(task, wait_for)
    task.available_at = _again_at(task, after_seconds)
    task.waits_for = awaited
    give_back(task, "available_at", "waits_for")
    about = f", which waits for {wait_for.label}" if wait_for and awaited else ""
    record(
        actor,
        "tasks.task_released",
        task,
        f"{actor.label} gave the task back{about}: {task.title}",
        reason,
        code="waits" if awaited else "",
    )
    return task


def wake_waiting(*awaited: Ref) -> int:
    """Offer the tasks again that waited for something which has ended; return how many. Call it in the
    transaction that ends it."""
    waiting = Task.objects.filter(waits_for__in=[f"{one.kind}:{one.id}" for one in awaited])
    roles = list(waiting.filter(state__in=Task.WAITING).values_list("role_id", flat=True))
    if not roles:
        return 0
    woken = waiting.update(waits_for="", available_at=Now())
    for role_id in {role for role in roles if role}:
        transaction.on_commit(partial(broadcast.tell_work, role_id))
    return woken


def follow_another(*, actor: Actor, before: Ref, after: Ref, sentence: str, reason: str) -> int:
    """Let tasks that wait for something wait for what takes its place, and say so; return how many."""
    waiting = Task.objects.select_for_update(of=("self",)).filter(waits_for=f"{before.kind}:{before.id}")
    found = list(waiting.order_by("pk"))
    for task in found:
        task.waits_for = f"{after.kind}:{after.id}"
        task.save(update_fields=["waits_for"])
        said = f"{task.title} waits for another: {sentence}"
        record(actor, "tasks.task_follows", task, said, reason, code="replaced_by_person")
    return len(found)


def hurry_task(*, task_id: UUID | str) -> None:
    """Put a task first that is overdue, and offer it now, if it was given back for later, and to all."""
    if not Task.objects.filter(pk=task_id, state__in=Task.WAITING).update(priority=1, preferred_agent=None):
        return
    Task.objects.filter(pk=task_id, state=Task.State.OPEN).update(available_at=Now())
    role_id = Task.objects.values_list("role_id", flat=True).get(pk=task_id)
    if role_id:
        transaction.on_commit(partial(broadcast.tell_work, role_id))


@transaction.atomic
def offer_to_all(*, task_id: UUID) -> bool:
    """Offer a task to everybody of its role that was kept for one agent; False if it was taken meanwhile."""
    kept = {"state": Task.State.OPEN, "preferred_agent__isnull": False}
    if not Task.objects.filter(pk=task_id, **kept).update(preferred_agent=None):
        return False
    role_id = Task.objects.values_list("role_id", flat=True).get(pk=task_id)
    transaction.on_commit(partial(broadcast.tell_work, role_id))
    return True


@transaction.atomic
def release_lapsed(*, limit: int = 100) -> int:
    """Open claimed tasks again whose lease is over; return how many. Run by the sweeper.

    What lapses too often fails: whoever takes it dies of it.
    """
    lapsed = (
        Task.objects.select_for_update(skip_locked=True, of=("self",))
        .filter(state=Task.State.CLAIMED, lease_until__lt=Now())
        .order_by("id")[:limit]
    )
    actor = Actor.system("sweeper")
    for task in lapsed:
        task.lapses += 1
        task.save(update_fields=["lapses"])
        if task.kind == Task.Kind.AGENT_WORK and task.lapses >= MOST_LAPSES:
            fail_locked(
                actor,
                task,
                code="claims_lapsed",
                message=f"{task.lapses} agents took it and none of them came back.",
            )
            continue
        give_back(task)
        record(actor, "tasks.task_released", task, f"The claim lapsed: {task.title}", code="lapsed")
    return len(lapsed)


def _offered(agent: Agent) -> QuerySet[Task]:
    """Return the tasks an agent may take now, locked; tasks that another claim just looks at are skipped."""
    stopped = (
        Stop.objects.filter(scope_kind="workflow", lifted_at=None)
        .exclude(stage=Stop.Stage.HELD)
        .values_list("scope_id", flat=True)
    )
    return (
        Task.objects.select_for_update(skip_locked=True, of=("self",))
        .filter(
            selectors.offered_to(agent),
            state=Task.State.OPEN,
            waits_for="",
            is_paused=False,
            available_at__lte=Now(),
        )
        .exclude(references__workflow_id__in=list(stopped))
    )


def _not_stopped(found: list[Task]) -> list[Task]:
    """Leave out work of stopped workflows, asked under the lock of the stop: one that came first wins."""
    stopped = set()
    for workflow_id in {str(task.references.get("workflow_id", "")) for task in found} - {""}:
        try:
            stops.lock_and_check([Ref("workflow", workflow_id)])
        except Refusal:
            stopped.add(workflow_id)
    return [task for task in found if str(task.references.get("workflow_id", "")) not in stopped]


def _require_now(actor: Actor, task: Task, now: datetime) -> None:
    """Refuse what waits for something; and to an agent what is to be offered later, e.g. after a failure.

    No claimed task waits for an action: the end of the action would have to wait for whoever holds the task.
    """
    if task.is_paused and str(task.claimed_by_id) != actor.id:
        raise refused(
            "run_paused",
            f"The task {task.title!r} was not taken: a person paused the work it belongs to.",
            "Take other work; this one may be taken when the run goes on.",
            kind=RefusalKind.CONFLICT,
        )
    later = actor.kind is ActorKind.AGENT and task.available_at > now
    if task.state == Task.State.OPEN and (task.waits_for or later):
        raise refused(
            "task_not_yet",
            f"The task {task.title!r} was not taken: it "
            + ("waits for something that has not ended." if task.waits_for else "is offered again later."),
            "Take other work; this one is offered again when it is time.",
            kind=RefusalKind.CONFLICT,
        )


def _is_held_by_other(task: Task, user: User, now: datetime) -> bool:
    """Say whether somebody else keeps it; whoever can no longer sign in would give nothing back."""
    return selectors.holder_of(task, now) not in (None, user)


def _again_at(task: Task, after_seconds: int) -> datetime:
    """Return when a task is offered again: giving it back for later does not let it become late."""
    now = selectors.database_now()
    later = now + timedelta(seconds=max(0, min(after_seconds, 86_400)))
    return later if task.due_at is None else min(later, max(now, task.due_at))


def _take(actor: Actor, task: Task, user: User, lease_seconds: int | None) -> None:
    now = selectors.database_now()
    if task.state != Task.State.CLAIMED or task.claimed_by_id != user.pk:
        task.claimed_at = now  # taking again what one has is the same attempt
    task.state, task.claimed_by = Task.State.CLAIMED, user
    task.epoch += 1
    task.progress = ""
    task.lease_until = now + timedelta(seconds=_lease(task, lease_seconds)) if lease_seconds else None
    task.save(update_fields=["state", "claimed_at", "claimed_by", "epoch", "lease_until", "progress"])
    record(actor, "tasks.task_claimed", task, f"{actor.label} took the task: {task.title}")


def give_back(task: Task, *fields: str) -> None:
    """End the claim on a locked task and offer it again; ``fields`` are saved with it."""
    task.state, task.claimed_by, task.lease_until = Task.State.OPEN, None, None
    if "available_at" not in fields:
        task.available_at = selectors.database_now()  # offered from now on
    task.save(update_fields=["state", "claimed_by", "lease_until", "available_at", *fields])
    if task.role_id:
        transaction.on_commit(partial(broadcast.tell_work, task.role_id))


def _still_open(task: Task, awaited: Ref | None) -> str:
    """Return what to wait for, or nothing if it has ended already."""
    if awaited is None:
        return ""
    try:
        is_open = registry.awaited_kind(awaited.kind)
    except KeyError:
        raise refused("cannot_wait", f"A task cannot wait for a {awaited.kind}.") from None
    return f"{awaited.kind}:{awaited.id}" if is_open(task, awaited.id) else ""


def _require_held(actor: Actor, task: Task) -> None:
    require_waiting(task)
    require_claimer(actor, task)


def _lease(task: Task, seconds: int) -> int:
    return max(SHORTEST_LEASE, min(seconds, task.heartbeat_seconds or LONGEST_LEASE, LONGEST_LEASE))
