"""What agents have in hand now: the newest of it as lines, and how much it is in all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, F, QuerySet, Window
from django.db.models.functions import RowNumber
from django.urls import reverse
from django.utils.translation import gettext as _

from agents.models import User
from workflows.actions.models import Action
from workflows.actions.selectors import visible_to as visible_actions
from workflows.pages.words import Tag, action_tag
from workflows.runs.selectors import visible_to as visible_runs
from workflows.tasks.models import Task
from workflows.tasks.selectors import visible_to as visible_tasks


@dataclass(frozen=True, slots=True)
class Doing:
    """One thing an agent has in hand. Title, progress and labels are text that others wrote, never markup."""

    title: str
    link: str
    tag: Tag
    run: str = ""
    run_id: str = ""
    step: str = ""
    progress: str = ""
    since: datetime | None = None


def doings_of(user: User, agents: Sequence[Any], most: int) -> tuple[dict[Any, list[Doing]], dict[Any, int]]:
    """Return by agent the newest of what it has in hand that a person may see, and how much it is in all."""
    tasks, claimed = _tasks(user, agents, most)
    actions, asked = _actions(user, agents, most)
    found: dict[Any, list[Doing]] = defaultdict(list)
    for agent_id, doing in [*tasks, *actions]:
        if len(found[agent_id]) < most:
            found[agent_id].append(doing)
    return found, {key: claimed.get(key, 0) + asked.get(key, 0) for key in {*claimed, *asked}}


def _newest(found: QuerySet[Any], by: str, most: int) -> tuple[list[Any], dict[Any, int]]:
    """Return the keys of the newest few of each, and how many each has, in one question."""
    place = Window(RowNumber(), partition_by=[F(by)], order_by=F("id").desc())
    many = Window(Count("id"), partition_by=[F(by)])
    rows = list(
        found.annotate(place=place, many=many).filter(place__lte=most).values_list("pk", by, "many").order_by()
    )
    return [row[0] for row in rows], {row[1]: row[2] for row in rows}


def _tasks(user: User, agents: Sequence[Any], most: int) -> tuple[list[tuple[Any, Doing]], dict[Any, int]]:
    agent_of = {agent.user_id: agent.pk for agent in agents}
    held = Task.objects.filter(claimed_by__in=list(agent_of), state=Task.State.CLAIMED)
    keys, many = _newest(held, "claimed_by", most)
    if not keys:
        return [], {}
    tasks = list(
        visible_tasks(user).filter(pk__in=keys).select_related("step__run", "claimed_by__agent").order_by("pk")
    )
    runs = {step.run_id for task in tasks if (step := getattr(task, "step", None))}
    shown = (
        set(visible_runs(user, kept=True).filter(pk__in=runs).values_list("pk", flat=True)) if runs else set()
    )
    counted = {agent_of[whose]: number for whose, number in many.items()}
    return [(agent_of[task.claimed_by_id], _of_task(task, shown)) for task in tasks], counted


def _of_task(task: Any, shown: set[Any]) -> Doing:
    step = getattr(task, "step", None)
    is_shown = step is not None and step.run_id in shown
    return Doing(
        title=task.title,
        link=reverse("run", args=[step.run_id]) if step and is_shown else "",
        tag=Tag(_("Has the task"), "assignment_ind", "info"),
        run=step.run.label if step and is_shown else "",
        run_id=str(step.run_id) if step and is_shown else "",
        step=step.name if step and is_shown else "",
        progress=task.progress,
        since=task.claimed_at,
    )


def _actions(user: User, agents: Sequence[Any], most: int) -> tuple[list[tuple[Any, Doing]], dict[Any, int]]:
    open_ones = Action.objects.filter(agent__in=[agent.pk for agent in agents], finished_at__isnull=True)
    keys, many = _newest(open_ones, "agent", most)
    if not keys:
        return [], {}
    shown = visible_actions(user).filter(pk__in=keys).order_by("-pk")
    actions = shown.defer("arguments", "explanation", "evidence", "result", "provenance", "reason")
    return [(action.agent_id, _of_action(action)) for action in actions], many


def _of_action(action: Action) -> Doing:
    return Doing(
        title=action.label,
        link=reverse("action", args=[action.pk]),
        tag=action_tag(action),
        since=action.waits_since or action.requested_at,
    )
