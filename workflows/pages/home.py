"""The first page: what waits for me, what is wrong, what changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Count, Model, Q
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from agents.models import Agent, Stop, User
from agents.selectors import visible_agents, visible_stops
from audit.selectors import newest_position, visible_events
from workflows.actions.models import Action
from workflows.actions.selectors import visible_to
from workflows.approvals.selectors import pending_for
from workflows.pages.access import admin_page, for_people, page, part
from workflows.pages.lines import lines_of
from workflows.pages.waiting import page_of, work_for
from workflows.pages.words import ECHOES

FEW = 6
WRONG_SINCE = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is not as it should be, and where to look at it."""

    icon: str
    tone: str
    title: str
    detail: str
    link: str = ""


@never_cache
@require_safe
@for_people
def home(request: HttpRequest) -> HttpResponse:
    """Show the state of things for this person."""
    return page(request, "portal/home.html", "Home", **_state(request))


@never_cache
@require_safe
@for_people
def home_parts(request: HttpRequest) -> HttpResponse:
    """Return the same without the frame, for a page that follows it live."""
    return part(request, "portal/home_parts.html", **_state(request))


def _state(request: HttpRequest) -> dict[str, Any]:
    user: User = request.user  # type: ignore[assignment]
    position = newest_position()
    return {
        "position": position,
        "waiting": list(pending_for(user)[:FEW]),
        "waiting_count": pending_for(user).count(),
        "tasks": [(task, page_of(task)) for task in work_for(user).order_by("priority", "due_at")[:FEW]],
        "troubles": troubles_for(user),
        "today": _today(user),
        "lines": lines_of(_changes(user)),
        "agents": visible_agents(user).count(),
        "may_register": _may_add(request, Agent),
        "may_stop": _may_add(request, Stop),
    }


def troubles_for(user: User) -> list[Trouble]:
    """Return what is wrong now, gravest first: stops, work in doubt, differences, failures, brakes."""
    return [*_stops(user), *_actions_in_trouble(user), *_braked_agents(user)]


def _stops(user: User) -> list[Trouble]:
    active = visible_stops(user).filter(lifted_at__isnull=True).order_by("raised_at")[:FEW]
    way_back = "" if user.has_perm("agents.lift_stop") else " (a manager lifts it)"
    return [
        Trouble(
            "front_hand",
            "bad",
            f"Stopped: {stop.scope_label or stop.scope_id or stop.get_scope_kind_display()}",
            f"{stop.raised_by}: {stop.reason}{way_back}",
            admin_page(stop),
        )
        for stop in active
    ]


def _actions_in_trouble(user: User) -> list[Trouble]:
    recent = Q(finished_at__gte=timezone.now() - WRONG_SINCE)
    wrong = (
        visible_to(user)
        .filter(
            Q(state=Action.State.IN_DOUBT) | Q(recent, state=Action.State.FAILED) | Q(recent, outcome="differs")
        )
        .select_related("agent")
        .order_by("-id")[:FEW]
    )
    return [_of_action(action) for action in wrong]


def _of_action(action: Action) -> Trouble:
    icon, word = "error", "Failed"
    if action.state == Action.State.IN_DOUBT:
        icon, word = "help", "In doubt"
    elif action.outcome == "differs":
        icon, word = "difference", "Found different"
    return Trouble(
        icon,
        "bad",
        f"{word}: {action.label}",
        f"{action.agent.name}: {action.sentence}",
        reverse("action", args=[action.pk]),
    )


def _braked_agents(user: User) -> list[Trouble]:
    braked = visible_agents(user).exclude(brake=Agent.Brake.NONE).order_by("name")[:FEW]
    return [
        Trouble(
            "pause_circle",
            "wait",
            f"{agent.name} is {agent.get_brake_display().lower()}",
            "It may do nothing until a manager resumes it.",
            admin_page(agent),
        )
        for agent in braked
    ]


def _today(user: User) -> dict[str, int]:
    since = timezone.now() - WRONG_SINCE
    states = Action.State
    return (
        visible_to(user)
        .filter(requested_at__gte=since)
        .aggregate(
            asked=Count("pk"),
            done=Count("pk", filter=Q(state=states.CONFIRMED)),
            held=Count("pk", filter=Q(state=states.HELD)),
            refused=Count("pk", filter=Q(state__in=[states.DENIED, states.REJECTED, states.STOPPED])),
        )
    )


def _changes(user: User) -> Any:
    """What people changed or decided, each once: what follows from a vote or was refused is left out."""
    follows = Q(verb__startswith="actions.") | Q(verb__startswith="approvals.approval_")
    return (
        visible_events(user)
        .filter(actor_kind="person", placement__isnull=False)
        .exclude(follows | Q(verb__in=ECHOES) | Q(verb__endswith="_refused"))
        .order_by("-placement__position")[:FEW]
    )


def _may_add(request: HttpRequest, model: type[Model]) -> bool:
    model_admin = admin.site._registry.get(model)
    return model_admin is not None and model_admin.has_add_permission(request)
