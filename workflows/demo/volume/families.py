"""What belongs together: an action with its approval, pass and calls; a run with its steps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import Q, QuerySet

from agents.models import Agent, User
from connectors.models import Authorization, Call
from workflows.actions.models import Action, IdempotencyKey
from workflows.approvals.models import Approval, Escalation, Opening, Stage, Vote
from workflows.demo.volume.multiplying import Family
from workflows.runs.models import Frame, Run, RunDocument, Step
from workflows.tasks.models import Comment, Task

MOST_SAMPLES = 8


def families_of(kind: str) -> list[Family]:
    """Return a few samples of what is there: ``agents``, ``actions``, ``approvals``, ``runs``."""
    made: Iterable[Family] = {"agents": _agents, "actions": _actions, "approvals": _approvals, "runs": _runs}[
        kind
    ]()
    return list(made)[:MOST_SAMPLES]


def _agents() -> Iterator[Family]:
    for agent in Agent.objects.filter(lifecycle="active").select_related("user").order_by("pk"):
        family = Family()
        family.add(User.objects.filter(pk=agent.user_id))
        family.add(Agent.objects.filter(pk=agent.pk))
        yield family


def _alone() -> QuerySet[Action]:
    """Return actions that are part of no run and replace nothing."""
    return Action.objects.filter(task=None, replaces=None, replacements=None, standing=None).order_by("-pk")


def _actions() -> Iterator[Family]:
    for action in _alone().filter(approval=None, state__in=["confirmed", "failed", "denied"]):
        yield _of_actions([action.pk])


def _approvals() -> Iterator[Family]:
    held = _alone().exclude(approval=None)
    waiting = held.filter(state="held")[: MOST_SAMPLES // 2]
    decided = held.exclude(state="held").exclude(finished_at=None)[: MOST_SAMPLES // 2]
    for action in (*waiting, *decided):
        yield _of_actions([action.pk])


def _runs() -> Iterator[Family]:
    for run in Run.objects.filter(parent=None).order_by("-pk"):
        steps = Step.objects.filter(run=run)
        tasks = Task.objects.filter(pk__in=steps.exclude(task=None).values("task"))
        within = Q(task__in=tasks) | Q(pk__in=steps.exclude(action=None).values("action"))
        actions = Action.objects.filter(within).distinct().values_list("pk", flat=True)
        family = _of_actions(list(actions))
        for rows in (tasks, Run.objects.filter(pk=run.pk), Frame.objects.filter(run=run), steps):
            family.add(rows)
        family.add(RunDocument.objects.filter(run=run))
        yield family


def _of_actions(actions: list[Any]) -> Family:
    names = [str(pk) for pk in actions]
    approvals = Approval.objects.filter(subject_kind="actions.action", subject_id__in=names)
    tasks = Task.objects.filter(pk__in=approvals.values("task"))
    family = Family()
    beside: tuple[QuerySet[Any, Any], ...] = (
        tasks,
        approvals,
        *(model.objects.filter(approval__in=approvals) for model in _of_approvals()),
        Comment.objects.filter(task__in=tasks),
        Action.objects.filter(pk__in=actions),
        IdempotencyKey.objects.filter(action__in=actions),
        Authorization.objects.filter(action_id__in=names),
        Call.objects.filter(action_id__in=names),
    )
    for rows in beside:
        family.add(rows)
    return family


def _of_approvals() -> tuple[Any, ...]:
    return (Stage, Vote, Opening, Escalation)
