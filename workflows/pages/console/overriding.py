"""What an operator does with the steps an agent has in hand: each leads to its verb, which shows its effect."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from agents.models import Agent, User
from agents.selectors import visible_agents
from audit.vocabulary import Refusal
from workflows.actions.models import Action
from workflows.pages.access import STATUS_OF_KIND, for_people, page
from workflows.pages.steps import tag_of
from workflows.pages.words import Tag
from workflows.runs import services
from workflows.runs.choices import OPEN_STEPS, RunState, StepState
from workflows.runs.models import Step
from workflows.runs.selectors import visible_to as visible_runs
from workflows.tasks.models import Task

MOST_STEPS = 20
MOST_RUNS = 6


@dataclass(frozen=True, slots=True)
class StepInHand:
    """One step an agent has in hand, or failed at, and what may be done with it. Names are others' words."""

    step: Step
    tag: Tag
    run: str
    run_link: str
    verbs: list[tuple[str, str]]
    why_none: str = ""


@dataclass(frozen=True, slots=True)
class InHand:
    """The steps of the first few runs, and how many more there are."""

    steps: list[StepInHand]
    left_out: int = 0


def steps_in_hand(agent: Agent, user: User, only: Collection[str] = ()) -> InHand:
    """Return the steps an agent is at, those that failed and wait first, with the verbs this person may use."""
    tasks = Task.objects.filter(claimed_by=agent.user_id, state=Task.State.CLAIMED).values_list("pk", flat=True)
    actions = Action.objects.filter(agent=agent, finished_at__isnull=True).values_list("pk", flat=True)
    open_ones = list(actions.order_by("-pk")[:MOST_STEPS])
    # What waits for people has been given back: the step is still its own until they have decided.
    given_back = list(
        Action.objects.filter(pk__in=open_ones, task__isnull=False).values_list("task", flat=True)
    )
    at_it = Q(task__in=[*tasks[:MOST_STEPS], *given_back]) | Q(action__in=open_ones)
    parked = visible_runs(user).filter(state=RunState.INCIDENT).values("pk")
    failed = Q(run__in=parked, state=StepState.FAILED) & (Q(agent=agent) | Q(task__claimed_by=agent.user_id))
    steps = Step.objects.select_related(
        "run__workflow", "run__version", "task", "action", "agent", "subscription"
    )
    found = [*steps.filter(failed).order_by("-pk")[:MOST_STEPS]]
    found += [*steps.filter(at_it, state__in=OPEN_STEPS).order_by("pk")[:MOST_STEPS]]
    shown = set(visible_runs(user).filter(pk__in=[s.run_id for s in found]).values_list("pk", flat=True))
    found = [step for step in found if step.run_id in shown]
    offered = _offered(found, user)
    held = set(Action.objects.filter(pk__in=open_ones, state=Action.State.HELD).values_list("task", flat=True))
    lines = [
        _in_hand(step, user, only, offered[step.pk], is_held=step.task_id in held)
        for step in found
        if step.pk in offered
    ]
    return InHand(lines, len(found) - len(lines))


def _offered(steps: list[Step], user: User) -> dict[Any, Collection[Any]]:
    """Return the verbs of the steps of the first few runs: each run is asked once."""
    of_run: dict[Any, list[Step]] = {}
    for step in steps:
        of_run.setdefault(step.run_id, []).append(step)
    offered: dict[Any, Collection[Any]] = {}
    for its in list(of_run.values())[:MOST_RUNS]:
        run = its[0].run
        may = services.may_steer(user, run)
        verbs = services.verbs_of_steps(run, its) if may else {}
        offered |= {step.pk: verbs.get(step.pk, ()) for step in its}
    return offered


def _in_hand(
    step: Step, user: User, only: Collection[str], offered: Collection[Any], *, is_held: bool
) -> StepInHand:
    run = step.run
    may = services.may_steer(user, run)
    verbs = [
        (str(verb.label), reverse(f"step-{verb}", args=[run.pk, step.pk]))
        for verb in offered
        if not only or verb in only
    ]
    if may and not only and not services.why_not_failed(step):
        verbs.append((_("Mark it failed"), reverse("console-step-fail", args=[run.pk, step.pk])))
    tag = tag_of(step, is_held=is_held)
    why = (
        "" if verbs else _("You may not steer this run.") if not may else _("Nothing of it can be changed now.")
    )
    return StepInHand(step, tag, run.label, reverse("run", args=[run.pk]), verbs, why)


@never_cache
@require_safe
@for_people
def override(request: HttpRequest, agent_id: UUID) -> HttpResponse:
    """Show the steps an agent has in hand, each with what can be done with it."""
    user: User = request.user  # type: ignore[assignment]
    agent = get_object_or_404(visible_agents(user).select_related("role", "department"), pk=agent_id)
    return page(
        request,
        "portal/console_override.html",
        _("Override"),
        subtitle=agent.name,
        agent=agent,
        in_hand=steps_in_hand(agent, user),
        back=f"{reverse('console')}?agent={agent.pk}",
    )


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@for_people
def fail_step(request: HttpRequest, run_id: UUID, step_id: UUID) -> HttpResponse:
    """Show what marking a step failed would change, and do it."""
    user: User = request.user  # type: ignore[assignment]
    run = get_object_or_404(visible_runs(user), pk=run_id)
    if not services.may_steer(user, run):
        raise PermissionDenied
    step = get_object_or_404(Step.objects.select_related("task__claimed_by"), pk=step_id, run=run)
    if request.method == "POST":
        try:
            reason = request.POST.get("reason", "")
            services.fail_step(actor=user.as_actor(), run=run, step=step, reason=reason)
        except Refusal as refusal:
            return _failing(request, step, STATUS_OF_KIND.get(refusal.kind, 403), refused=refusal.in_full())
        messages.success(request, _("%(step)s is marked as failed.") % {"step": step.name})
        return redirect("run", run.pk)
    why = services.why_not_failed(step)
    hindered = _("It cannot be marked failed: %(why)s.") % {"why": why} if why else ""
    return _failing(request, step, 200, hindered=hindered)


def _failing(request: HttpRequest, step: Step, status: int, **said: Any) -> HttpResponse:
    what = {
        "title": _("Mark this step failed"),
        "words": _("It ends as failed for good. The run goes where its workflow says for that."),
        "submit": _("Mark it failed"),
        "tone": "bad",
    }
    return page(
        request,
        "portal/console_order.html",
        what["title"],
        status,
        subtitle=step.run.label,
        what=what,
        about=step.name,
        form=None,
        effects=_effects(step),
        back=reverse("run", args=[step.run_id]),
        reason=request.POST.get("reason", ""),
        **{"refused": "", "hindered": "", **said},
    )


def _effects(step: Step) -> list[tuple[Tag, str]]:
    holder = step.task.claimed_by if step.task and step.task.state == Task.State.CLAIMED else None
    node = step.run.version.content["nodes"].get(step.node, {})
    found = []
    if holder is not None:
        words = _("%(who)s has it and loses it; what it still sends for it is refused.") % {"who": holder}
        found.append((Tag("", "person_off", "bad"), words))
    if then := node.get("failed"):
        after = step.run.version.content["nodes"].get(then, {}).get("name", then)
        found.append((Tag("", "play_circle", "info"), _("The run goes on with: %(step)s.") % {"step": after}))
    else:
        found.append((Tag("", "report", "wait"), _("The run stops here and waits for an operator.")))
    found.append((Tag("", "push_pin", ""), _("What was done in systems for it stays done.")))
    return found
