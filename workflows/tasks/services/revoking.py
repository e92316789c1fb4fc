"""Take back what stopped agents hold: their claims end at once, and a late answer is refused."""

from __future__ import annotations

import time
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from agents.models import Agent, Stop, User
from agents.selectors import agents_in_scope
from audit.vocabulary import Actor
from workflows.tasks import registry
from workflows.tasks.models import Task
from workflows.tasks.services.claiming import give_back
from workflows.tasks.services.records import locked, record

BATCH = 200
# Whoever stops waits for this at most; the sweeper takes back the rest.
LONGEST_SECONDS = 2.0


def revoke_claims(stop: Stop) -> int:
    """Open the tasks again that agents in a stop hold, and raise their epochs; return how many.

    It takes the rows alone, never the lock of a stop: a claim locks its task first. A task that somebody is
    just writing to is left to the next call.
    """
    taken, until = 0, time.monotonic() + LONGEST_SECONDS
    while batch := _revoke_some(stop):
        taken += batch
        if time.monotonic() > until:
            break
    return taken


@transaction.atomic
def take_back_task(*, actor: Actor, task_id: UUID | str, reason: str) -> Task:
    """Open a task again that somebody has, and raise its epoch. For higher sub-packages, which have asked."""
    task = locked(task_id)
    if task.state == Task.State.CLAIMED:
        holder = task.claimed_by
        task.epoch += 1
        give_back(task, "epoch")
        sentence = f"The task was taken back from {holder}: {task.title}"
        record(actor, "tasks.task_released", task, sentence, reason, code="taken_back")
    return task


def take_back_all(*, actor: Actor, agent: Agent, reason: str) -> int:
    """Take back everything an agent has, for whoever has paused it; return how many. Late answers are refused.

    A task that somebody is just writing to is left; the claim on it lapses by itself.
    """
    taken = 0
    while batch := _take_some(actor, agent, reason):
        taken += batch
    return taken


@transaction.atomic
def _take_some(actor: Actor, agent: Agent, reason: str) -> int:
    held = Task.objects.filter(claimed_by=agent.user_id, state=Task.State.CLAIMED).select_related("claimed_by")
    return _take_back(held, actor, reason, "agent_paused")


def claims_left(stop: Stop) -> int:
    """Return how many tasks the agents in a stop still hold."""
    return _held(stop).count()


@transaction.atomic
def _revoke_some(stop: Stop) -> int:
    if not Stop.objects.filter(pk=stop.pk, lifted_at__isnull=True).exists():
        return 0
    return _take_back(_held(stop), Actor.system("containment"), stop.reason, "stopped")


WORDS = {"stopped": "stopped", "agent_paused": "paused"}


def _take_back(held: QuerySet[Task], actor: Actor, reason: str, code: str) -> int:
    found = list(held.select_for_update(skip_locked=True, of=("self",)).order_by("pk")[:BATCH])
    for task in found:
        holder = task.claimed_by
        task.epoch += 1  # whoever still works on it finds its claim over
        give_back(task, "epoch")
        if holder:
            registry.tell_holder(task, str(holder.pk), "taken_back", code)
        sentence = f"The task was taken back from {holder}, who is {WORDS[code]}: {task.title}"
        record(actor, "tasks.task_released", task, sentence, reason, code=code)
    return len(found)


def _held(stop: Stop) -> QuerySet[Task]:
    if stop.stage == Stop.Stage.HELD:
        return Task.objects.none()  # its agents work again
    hit = Q(claimed_by__agent__in=agents_in_scope(stop.scope_kind, stop.scope_id))
    if stop.scope_kind == Stop.ScopeKind.WORKFLOW:
        hit = Q(references__workflow_id=stop.scope_id, claimed_by__kind=User.Kind.AGENT)
    return Task.objects.filter(hit, state=Task.State.CLAIMED).select_related("claimed_by")
