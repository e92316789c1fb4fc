"""What is wrong now, gravest first: stops, stopped runs, doubt, what is late or kept back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count, Min, Q, QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.timesince import timesince

from agents.models import Agent, Stop, User
from agents.selectors import visible_agents, visible_stops
from audit import seals
from audit.reading import first_id
from workflows.actions.models import Action
from workflows.actions.selectors import visible_to
from workflows.pages.access import admin_page
from workflows.pages.steps import who_has
from workflows.runs.choices import OPEN_RUNS, OPEN_STEPS, RunState
from workflows.runs.models import Run, Step
from workflows.runs.selectors import visible_to as visible_runs

FEW = 6
WRONG_SINCE = timedelta(hours=24)
PASSING_SINCE = timedelta(minutes=10)
IN_LINE_SINCE = timedelta(minutes=1)
# What failed lately was asked for in the last days: nothing older is looked through for it.
ASKED_WITHIN = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is not as it should be, and where to look at it."""

    icon: str
    tone: str
    title: str
    detail: str
    link: str = ""


def troubles_for(user: User) -> list[Trouble]:
    """Return what is wrong now, gravest first: stops, stopped runs, doubt, what is late or kept back."""
    runs = visible_runs(user)
    return [
        *_stops(user),
        *_seals(user),
        *_parked(runs),
        *_actions_in_trouble(user),
        *_overdue(runs),
        *_in_line(user),
        *_paused(runs),
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


def _parked(runs: QuerySet[Run]) -> list[Trouble]:
    parked = runs.filter(state=RunState.INCIDENT).order_by("-pk")[:FEW]
    return [
        Trouble("report", "bad", f"Cannot go on: {run.label}", run.problem, reverse("run", args=[run.pk]))
        for run in parked
    ]


def _paused(runs: QuerySet[Run]) -> list[Trouble]:
    """Return the runs that somebody paused: a pause that is forgotten ends by nobody's clock."""
    paused = runs.filter(is_paused=True, state__in=OPEN_RUNS).order_by("-pk")[:FEW]
    words = "Nothing new begins in it until somebody lets it go on."
    return [
        Trouble("pause_circle", "wait", f"Paused: {run.label}", words, reverse("run", args=[run.pk]))
        for run in paused
    ]


def _overdue(runs: QuerySet[Run]) -> list[Trouble]:
    """Return the steps of visible runs that somebody should have done by now."""
    late = (
        Step.objects.filter(state__in=OPEN_STEPS, task__due_at__lt=timezone.now(), run__in=runs)
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
            f"{stop.raised_by}: “{stop.reason}”{way_back}",
            admin_page(stop),
        )
        for stop in active
    ]


def _actions_in_trouble(user: User) -> list[Trouble]:
    now = timezone.now()
    # What failed before it could have an effect, and may go through later, is news for a while only.
    passing = Q(is_temporary=True, finished_at__lt=now - PASSING_SINCE)
    recent = Q(finished_at__gte=now - WRONG_SINCE, pk__gte=first_id(now, -ASKED_WITHIN)) & ~passing
    seen = visible_to(user).select_related("agent").order_by("-id")
    # Two questions, so that each is answered from where such rows lie and nothing else is read.
    in_doubt = seen.filter(state=Action.State.IN_DOUBT)[:FEW]
    failed = seen.filter(recent & (Q(state=Action.State.FAILED) | Q(outcome="differs")))[:FEW]
    wrong = sorted({*in_doubt, *failed}, key=lambda action: action.pk, reverse=True)
    return [_of_action(action) for action in wrong[:FEW]]


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
