"""What an agent has in hand, the workflows it is part of, and the versions of its file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from agents import registry
from agents.models import Agent, User
from workflows.actions.choices import FINAL
from workflows.actions.selectors import visible_to as visible_actions
from workflows.pages.access import edit_page
from workflows.pages.words import Tag, action_tag, humanize
from workflows.runs.selectors import visible_to as visible_runs
from workflows.runs.selectors import visible_workflows
from workflows.staffing.selectors import workflows_for_role, workflows_of
from workflows.tasks.models import Task
from workflows.tasks.selectors import visible_to as visible_tasks

MOST = 8
MOST_VERSIONS = 8
# Fields of an agent's file in which a version differs, as people name them.
KEPT = ("name", "purpose", "provider", "model", "version", "labels", "reached_by", "autonomy", "risk_tier")


@dataclass(frozen=True, slots=True)
class Doing:
    """One thing in hand. Title and progress are text that others wrote, never markup."""

    title: str
    link: str
    tag: Tag
    since: datetime | None = None
    progress: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """One workflow that needs this agent or its role, and how much of its newest work was part of it."""

    name: str
    link: str
    note: str


@dataclass(frozen=True, slots=True)
class FileVersion:
    """One version of an agent's file: who wrote it, why, and what is different from the one before."""

    at: datetime
    who: str
    why: str
    changed: list[tuple[str, str, str]] = field(default_factory=list)


def doings_of(user: User, agent: Agent) -> dict[str, Any]:
    """Return what an agent has in hand that somebody may see, newest last, and how much there is in all."""
    tasks = visible_tasks(user).filter(claimed_by=agent.user_id, state=Task.State.CLAIMED).order_by("pk")[:MOST]
    found = [*_tasks(user, list(tasks))]
    actions = visible_actions(user).filter(~Q(state__in=FINAL), agent=agent, finished_at=None)
    for action in actions.order_by("pk")[:MOST]:
        link = reverse("action", args=[action.pk])
        since = action.waits_since or action.requested_at
        found.append(Doing(action.label, link, action_tag(action), since))
    in_hand = registry.in_hand([agent.pk]).get(agent.pk, registry.InHand())
    total = in_hand.working + in_hand.waiting + in_hand.doubts
    return {"doings": found, "more_doings": max(0, total - len(found)), "in_hand": in_hand}


def _tasks(user: User, tasks: list[Task]) -> Iterator[Doing]:
    runs = {task.references.get("run_id") for task in tasks} - {None, ""}
    shown = {str(key) for key in visible_runs(user, kept=True).filter(pk__in=runs).values_list("pk", flat=True)}
    for task in tasks:
        run = task.references.get("run_id", "")
        link = reverse("run", args=[run]) if run in shown else ""
        tag = Tag(_("Has the task"), "assignment_ind", "info")
        yield Doing(task.title, link, tag, task.claimed_at, task.progress)


def jobs_of(user: User, agent: Agent) -> list[Job]:
    """Return the workflows that need its role, and those that its newest work was part of."""
    visible = visible_workflows(user)
    found = {
        it.pk: Job(it.name, edit_page(it), _n_of(number)) for it, number in workflows_of(agent, visible)[:MOST]
    }
    for it in workflows_for_role(agent.role, visible).order_by("name")[:MOST]:
        found.setdefault(it.pk, Job(it.name, edit_page(it), _("has work for its role")))
    return list(found.values())[:MOST]


def _n_of(number: int) -> str:
    return ngettext("%(number)s of its newest actions", "%(number)s of its newest actions", number) % {
        "number": number
    }


def versions_of(agent: Agent) -> list[FileVersion]:
    """Return the newest versions of what it is told and set to; one without a difference is none."""
    rows = list(
        agent.history.select_related("history_user").order_by("-history_date", "-history_id")[
            : MOST_VERSIONS * 4
        ]
    )
    found = []
    for place, row in enumerate(rows):
        before = rows[place + 1] if place + 1 < len(rows) else None
        changed = _changed(before, row) if before else []
        if changed or (before is None and row.history_type == "+"):
            who = str(row.history_user or _("The portal"))
            found.append(FileVersion(row.history_date, who, row.history_change_reason or "", changed))
    return found[:MOST_VERSIONS]


def _changed(before: Any, after: Any) -> list[tuple[str, str, str]]:
    return [
        (humanize(name), _shown(before, name), _shown(after, name))
        for name in KEPT
        if getattr(before, name) != getattr(after, name)
    ]


def _shown(row: Any, name: str) -> str:
    value = getattr(row, name)
    if isinstance(value, list):
        return ", ".join(map(str, value)) or _("none")
    display = getattr(row, f"get_{name}_display", None)
    return str(display() if display else value) or _("none")
