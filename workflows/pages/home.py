"""The first page: what waits for me, what is wrong, what runs now, what changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Count, Min, Model, Q
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.timesince import timesince
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from agents.models import Agent, Stop, User
from agents.selectors import visible_agents, visible_stops
from audit import seals
from audit.selectors import newest_position, visible_events
from workflows.actions.models import Action
from workflows.actions.selectors import visible_to
from workflows.pages.access import admin_page, for_people, page, part
from workflows.pages.guides.frame import may_any
from workflows.pages.guides.overview import first_steps
from workflows.pages.lines import lines_of
from workflows.pages.run_list import run_lines
from workflows.pages.steps import who_has
from workflows.pages.waiting import count_for, rows_of
from workflows.pages.words import ECHOED
from workflows.pages.workforce import lines_for
from workflows.runs.choices import OPEN_RUNS, OPEN_STEPS, RunState
from workflows.runs.models import Step
from workflows.runs.selectors import visible_to as visible_runs

FEW = 6
WRONG_SINCE = timedelta(hours=24)
PASSING_SINCE = timedelta(minutes=10)
IN_LINE_SINCE = timedelta(minutes=1)


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
    position, agents = newest_position(), visible_agents(user).count()
    return {
        "position": position,
        "waiting": rows_of(user, "mine", FEW),
        "waiting_count": count_for(user),
        "troubles": troubles_for(user),
        "today": _today(user),
        "lines": lines_of(_changes(user)),
        "agents": agents,
        "guides": first_steps(user, agents) if may_any(user) else [],
        **_now(user),
        "may_register": _may_add(request, Agent),
        "may_stop": _may_add(request, Stop),
    }


def troubles_for(user: User) -> list[Trouble]:
    """Return what is wrong now, gravest first: stops, stopped runs, doubt, what is late or kept back."""
    return [
        *_stops(user),
        *_seals(user),
        *_parked(user),
        *_actions_in_trouble(user),
        *_overdue(user),
        *_in_line(user),
        *_paused(user),
        *_braked_agents(user),
    ]


def _seals(user: User) -> list[Trouble]:
    """Return what is wrong with the seals of the ledger, once sealing has begun here at all."""
    if not user.has_perm("audit.view_event"):
        return []
    found = seals.standing()
    problems = found.problems if found.has_begun else ()
    page = reverse("admin:audit_seals")
    return [Trouble("gpp_bad", "bad", problem.title, problem.detail, page) for problem in problems[:FEW]]


def _now(user: User) -> dict[str, Any]:
    """Return what runs now: the newest open runs, how many there are, and which agents are at work."""
    going = visible_runs(user).filter(state__in=OPEN_RUNS)
    busy = [line for line in lines_for(user) if line.standing == "working"]
    return {
        "runs": run_lines(going.order_by("-pk")[:FEW]),
        "runs_count": going.count(),
        "busy": busy[:FEW],
        "busy_count": len(busy),
    }


def _parked(user: User) -> list[Trouble]:
    parked = visible_runs(user).filter(state=RunState.INCIDENT).order_by("-pk")[:FEW]
    return [
        Trouble("report", "bad", f"Cannot go on: {run.label}", run.problem, reverse("run", args=[run.pk]))
        for run in parked
    ]


def _paused(user: User) -> list[Trouble]:
    """Return the runs that somebody paused: a pause that is forgotten ends by nobody's clock."""
    paused = visible_runs(user).filter(is_paused=True, state__in=OPEN_RUNS).order_by("-pk")[:FEW]
    words = "Nothing new begins in it until somebody lets it go on."
    return [
        Trouble("pause_circle", "wait", f"Paused: {run.label}", words, reverse("run", args=[run.pk]))
        for run in paused
    ]


def _overdue(user: User) -> list[Trouble]:
    """Return the steps of visible runs that somebody should have done by now."""
    late = (
        Step.objects.filter(state__in=OPEN_STEPS, task__due_at__lt=timezone.now(), run__in=visible_runs(user))
        .select_related("run", "agent", "task__claimed_by__agent", "task__role")
        .prefetch_related("task__candidate_groups")
        .order_by("task__due_at")[:FEW]
    )
    return [
        Trouble(
            "alarm",
            "wait",
            f"Overdue: {step.name}",
            f"{step.run.label}: {who_has(step) or 'nobody has it'}",
            reverse("run", args=[step.run_id]),
        )
        for step in late
    ]


def _stop_title(stop: Stop) -> str:
    state = "Stopped" if stop.stage == Stop.Stage.STOP else stop.get_stage_display()
    return f"{state}: {stop.scope_label or stop.scope_id or stop.get_scope_kind_display()}"


def _stops(user: User) -> list[Trouble]:
    active = visible_stops(user).filter(lifted_at__isnull=True).order_by("raised_at")[:FEW]
    way_back = "" if user.has_perm("agents.lift_stop") else " (a manager lifts it)"
    return [
        Trouble(
            "front_hand",
            "bad",
            _stop_title(stop),
            f"{stop.raised_by}: {stop.reason}{way_back}",
            admin_page(stop),
        )
        for stop in active
    ]


def _actions_in_trouble(user: User) -> list[Trouble]:
    now = timezone.now()
    # What failed before it could have an effect, and may go through later, is news for a while only.
    passing = Q(is_temporary=True, finished_at__lt=now - PASSING_SINCE)
    recent = Q(finished_at__gte=now - WRONG_SINCE) & ~passing
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


def _in_line(user: User) -> list[Trouble]:
    """Return the throttles that keep something back for longer than a moment, and how much."""
    waiting = visible_to(user).filter(state=Action.State.AUTHORIZED, waits_for__isnull=False).order_by()
    found = waiting.values("waits_for", "waits_for__name").annotate(many=Count("pk"), since=Min("waits_since"))
    now = timezone.now()
    return [
        Trouble(
            "hourglass_top",
            "wait",
            f"Waits for its turn: {row['many']} action{'s' if row['many'] > 1 else ''}",
            f"{row['waits_for__name']}: the longest has waited for {timesince(row['since'], now, depth=1)}",
            reverse("admin:agents_throttle_change", args=[row["waits_for"]]),
        )
        for row in found.filter(since__lt=now - IN_LINE_SINCE).order_by("since")[:FEW]
    ]


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
        .exclude(follows | ECHOED | Q(verb__endswith="_refused"))
        .order_by("-placement__position")[:FEW]
    )


def _may_add(request: HttpRequest, model: type[Model]) -> bool:
    model_admin = admin.site._registry.get(model)
    return model_admin is not None and model_admin.has_add_permission(request)
