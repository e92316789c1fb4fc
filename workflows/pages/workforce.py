"""The agents at work: who does what now, for pages that name a few of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q
from django.urls import reverse

from agents.models import Agent, User
from agents.selectors import agents_in_scope, visible_agents
from agents.services import stops
from workflows.actions.choices import FINAL
from workflows.actions.models import Action
from workflows.actions.selectors import visible_to as visible_actions
from workflows.pages.access import admin_page
from workflows.pages.words import IN_LINE, Tag, action_tag
from workflows.runs.selectors import visible_to as visible_runs
from workflows.tasks.models import Task
from workflows.tasks.selectors import visible_to as visible_tasks

MOST_DOINGS = 5
# Where each agent stands, the busiest first.
ORDER = ("working", "waiting", "braked", "idle", "other")
STOPPED = Tag("Stopped", "front_hand", "bad")
RETIRED = Agent.Lifecycle.RETIRED


@dataclass(frozen=True, slots=True)
class Doing:
    """One thing an agent has in hand. Title and progress are text that others wrote, never markup."""

    title: str
    link: str
    tag: Tag
    progress: str = ""
    since: Any = None


@dataclass(frozen=True, slots=True)
class AgentLine:
    """One agent of the list."""

    agent: Agent
    standing: str
    tag: Tag
    link: str
    doings: list[Doing] = field(default_factory=list)
    more: int = 0


def lines_for(user: User) -> list[AgentLine]:
    """Return the agents this person may see and what each has in hand; one or many cost the same questions."""
    found = list(
        visible_agents(user)
        .exclude(lifecycle=RETIRED)
        .select_related("role", "department", "user")
        .order_by("name")
    )
    doings = _doings(user, found)
    tags = _tags(found)
    lines = [_line(it, doings[it.pk], tags) for it in found]
    return sorted(lines, key=lambda line: ORDER.index(line.standing))


def _line(agent: Agent, doings: list[Doing], tags: Mapping[Any, tuple[str, Tag]]) -> AgentLine:
    standing, tag = _standing(agent, tags)
    return AgentLine(
        agent=agent,
        standing=standing,
        tag=tag,
        link=admin_page(agent),
        doings=doings[:MOST_DOINGS],
        more=max(0, len(doings) - MOST_DOINGS),
    )


def _standing(agent: Agent, tags: Mapping[Any, tuple[str, Tag]]) -> tuple[str, Tag]:
    if agent.brake != Agent.Brake.NONE:
        icon = "lock" if agent.brake == Agent.Brake.SUSPENDED else "pause_circle"
        return "braked", Tag(agent.get_brake_display(), icon, "bad")
    if agent.lifecycle != Agent.Lifecycle.ACTIVE:
        return "other", Tag(agent.get_lifecycle_display(), "edit_note")
    return tags.get(agent.pk, ("idle", Tag("Idle", "bedtime")))


def _tags(agents: list[Agent]) -> dict[Any, tuple[str, Tag]]:
    """Return what each agent that is not idle does, whether or not the reader may see what it is about."""
    working = Tag("Working", "play_circle", "good")
    held = Tag("Waits for people", "front_hand", "wait")
    return {
        **dict.fromkeys(
            _with(agents, waits_for__isnull=False, state=Action.State.AUTHORIZED), ("waiting", IN_LINE)
        ),
        **dict.fromkeys(_with(agents, state=Action.State.HELD), ("waiting", held)),
        **dict.fromkeys(_busy(agents), ("working", working)),
        **dict.fromkeys(_stopped(), ("braked", STOPPED)),
    }


def _stopped() -> set[Any]:
    """Return the agents that a stop stops as a whole; there are as many questions as such stops."""
    found: set[Any] = set()
    for stop in stops.stops_of_agents():
        found |= set(agents_in_scope(stop.scope_kind, stop.scope_id).values_list("pk", flat=True))
    return found


def _busy(agents: list[Agent]) -> set[Any]:
    """Return which agents have something in hand, whether or not the reader may see what it is."""
    claimed = Task.objects.filter(claimed_by__agent__in=agents, state=Task.State.CLAIMED)
    moving = Action.objects.filter(agent__in=agents).exclude(state__in=[*FINAL, Action.State.HELD])
    moving = moving.exclude(state=Action.State.AUTHORIZED, waits_for__isnull=False)
    return {*claimed.values_list("claimed_by__agent", flat=True), *moving.values_list("agent", flat=True)}


def _with(agents: list[Agent], **actions: Any) -> set[Any]:
    """Return the agents that have such actions."""
    return set(Action.objects.filter(agent__in=agents, **actions).values_list("agent", flat=True))


def _doings(user: User, agents: list[Agent]) -> dict[Any, list[Doing]]:
    found: dict[Any, list[Doing]] = defaultdict(list)
    claimed = visible_tasks(user).filter(claimed_by__agent__in=agents, state=Task.State.CLAIMED)
    tasks = list(claimed.select_related("claimed_by__agent").order_by("pk"))
    runs = {task.references.get("run_id") for task in tasks} - {None, ""}
    shown = {str(key) for key in visible_runs(user).filter(pk__in=runs).values_list("pk", flat=True)}
    for task in tasks:
        run = task.references.get("run_id", "")
        link = reverse("run", args=[run]) if run in shown else ""
        tag = Tag("Has the task", "assignment_ind", "info")
        found[task.claimed_by.agent.pk].append(Doing(task.title, link, tag, task.progress))  # type: ignore[union-attr]
    open_ones = visible_actions(user).filter(~Q(state__in=FINAL), agent__in=agents).order_by("pk").distinct()
    for action in open_ones:
        link = reverse("action", args=[action.pk])
        tag, since = action_tag(action), action.waits_since or action.requested_at
        found[action.agent_id].append(Doing(action.label, link, tag, since=since))
    return found
