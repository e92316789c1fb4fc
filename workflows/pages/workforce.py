"""The agents at work: who does what now, in which state, and the brake that one person may put on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from guardian.shortcuts import get_objects_for_user

from agents.models import Agent, User
from agents.selectors import agents_in_scope, visible_agents
from agents.services import lifecycle, stops
from audit.selectors import newest_position
from audit.services import refusals_recorded
from audit.vocabulary import Refusal
from workflows.actions.choices import FINAL
from workflows.actions.models import Action
from workflows.actions.selectors import visible_to as visible_actions
from workflows.pages.access import STATUS_OF_KIND, admin_page, for_people, page, part
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
    deed: str = ""


@never_cache
@require_safe
@for_people
def agents(request: HttpRequest) -> HttpResponse:
    """Show who works on what now."""
    return page(request, "portal/agents.html", "Agents at work", **_list(request))


@never_cache
@require_safe
@for_people
def agents_parts(request: HttpRequest) -> HttpResponse:
    """Return the list alone, for a page that follows it live."""
    return part(request, "portal/agents_parts.html", **_list(request))


@require_POST
@for_people
def brake(request: HttpRequest, agent_id: UUID) -> HttpResponse:
    """Pause an agent, or let it go on. The service asks every question again."""
    user: User = request.user  # type: ignore[assignment]
    agent = get_object_or_404(visible_agents(user), pk=agent_id)
    actor, reason = user.as_actor(), request.POST.get("reason", "")
    verb = {"pause": lifecycle.pause_agent, "resume": lifecycle.lift_brake}.get(request.POST.get("deed", ""))
    if verb is None:
        return _refused(request, agent, "Choose whether to pause it or let it go on.", 422)
    try:
        with refusals_recorded(actor=actor, subject=agent.as_ref(), **agent.event_refs()):
            verb(actor=actor, agent=agent, reason=reason)
    except Refusal as refusal:
        return _refused(request, agent, refusal.in_full(), STATUS_OF_KIND.get(refusal.kind, 403))
    now = "is paused: every further call is refused" if verb is lifecycle.pause_agent else "may act again"
    messages.success(request, f"{agent.name} {now}.")
    return redirect("agents")


def _refused(request: HttpRequest, agent: Agent, words: str, status: int) -> HttpResponse:
    said = {"refused": words, "refused_agent": agent, "reason": request.POST.get("reason", "")}
    return page(request, "portal/agents.html", "Agents at work", status, **said, **_list(request))


def _list(request: HttpRequest) -> dict[str, Any]:
    user: User = request.user  # type: ignore[assignment]
    position = newest_position()
    lines = lines_for(user)
    return {
        "position": position,
        "lines": lines,
        "at_work": sum(line.standing == "working" for line in lines),
        "may_register": user.has_perm("agents.add_agent"),
    }


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
    deeds = _deeds(user, found)
    lines = [_line(it, deeds.get(it.pk, ""), doings[it.pk], tags) for it in found]
    return sorted(lines, key=lambda line: ORDER.index(line.standing))


def _line(agent: Agent, deed: str, doings: list[Doing], tags: Mapping[Any, tuple[str, Tag]]) -> AgentLine:
    standing, tag = _standing(agent, tags)
    return AgentLine(
        agent=agent,
        standing=standing,
        tag=tag,
        link=admin_page(agent),
        doings=doings[:MOST_DOINGS],
        more=max(0, len(doings) - MOST_DOINGS),
        deed=deed,
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


def _deeds(user: User, agents: list[Agent]) -> dict[Any, str]:
    """Return what this person may do to each agent here, asked once for all; the service asks again."""
    pausable = _permitted(user, "agents.pause_agent") | {it.pk for it in agents if user.pk in _answer_for(it)}
    liftable = _permitted(user, "agents.lift_brake")
    free = {agent.pk: agent.brake == Agent.Brake.NONE for agent in agents}
    may = {key: key in (pausable if is_free else liftable) for key, is_free in free.items()}
    return {key: ("pause" if free[key] else "resume") for key, allowed in may.items() if allowed}


def _permitted(user: User, permission: str) -> set[Any]:
    return set(
        get_objects_for_user(user, permission, Agent, accept_global_perms=True).values_list("pk", flat=True)
    )


def _answer_for(agent: Agent) -> set[Any]:
    return {agent.sponsor_id, agent.deputy_id}


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
