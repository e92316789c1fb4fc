"""The head of a run's page: what it is and took so far, and what it waits for, each with the next step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Max, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from agents.models import User
from audit.services.evidence.cells import length_words
from workflows.actions.models import Action
from workflows.actions.selectors import visible_to as visible_actions
from workflows.approvals.selectors import pending_for
from workflows.approvals.selectors import visible_to as visible_approvals
from workflows.pages.lines import who_of
from workflows.pages.step_words import full_name, who_has
from workflows.runs.choices import OPEN_RUNS, OPEN_STEPS, RunState, RunVerb
from workflows.runs.models import Intervention, Run, Step
from workflows.tasks.models import Task
from workflows.tasks.selectors import visible_to as visible_tasks

FEW = 3  # of each kind; the table of the steps has them all
TRIGGERS = {
    "person": gettext_lazy("By hand"),
    "agent": gettext_lazy("An agent asked for it"),
}


@dataclass(frozen=True, slots=True)
class Callout:
    """What a run waits for, in a sentence with words of others: never markup. ``link``: what to do."""

    tone: str
    icon: str
    words: str
    since: datetime | None = None
    more: str = ""
    link: str = ""
    link_words: str = ""


def trigger_of(run: Run) -> str:
    """Return what began a run, in words: a person, an agent, another run, or e.g. ``Folder invoices``."""
    if run.parent_id:
        return _("Another run")
    return str(TRIGGERS.get(run.started_by_kind) or who_of(run.started_by))


def elapsed_of(run: Run) -> str:
    """Return how long a run took, or has taken until now."""
    return length_words(((run.finished_at or timezone.now()) - run.started_at).total_seconds())


def policies_of(run: Run) -> str:
    """Return under which versions of the policies the actions of a run were decided, oldest first."""
    found = Action.objects.filter(correlation_id=str(run.pk)).exclude(policy_version="").order_by()
    rows = found.values("policy_version").annotate(last=Max("requested_at")).order_by("last")
    return ", ".join(row["policy_version"] for row in rows)


def callouts_of(run: Run, user: User, *, may_steer: bool) -> list[Callout]:
    """Return what a person has to know first: what stands still, why, since when, and what can be done."""
    actions = list(_actions(run, user))
    found = [
        *(_doubt(action) for action in actions if action.state == Action.State.IN_DOUBT),
        *(_mismatch(action) for action in actions if action.outcome == Action.Outcome.DIFFERS),
    ]
    if run.state not in OPEN_RUNS:
        return found
    held = [action for action in actions if action.state == Action.State.HELD]
    return [
        *_parked(run, may_steer),
        *_paused(run, may_steer),
        *found,
        *_held(held, user),
        *_waits(run, user),
    ]


def pause_of(run: Run) -> Intervention | None:
    """Return who paused a run that is paused now, when and why."""
    if not run.is_paused or run.state not in OPEN_RUNS:
        return None
    return run.interventions.select_related("by").filter(verb=RunVerb.PAUSE).last()


def _actions(run: Run, user: User) -> Iterator[Action]:
    """Yield the first few actions of each kind that somebody has to look at."""
    of_run = (
        visible_actions(user)
        .filter(correlation_id=str(run.pk))
        .filter(Q(state__in=[Action.State.IN_DOUBT, Action.State.HELD]) | Q(outcome=Action.Outcome.DIFFERS))
        .prefetch_related("approval__approver_groups")
        .order_by("requested_at")
    )
    taken: dict[str, int] = {}
    for action in of_run[: FEW * 20]:
        kind = action.outcome or action.state
        taken[kind] = taken.get(kind, 0) + 1
        if taken[kind] <= FEW:
            yield action


def _doubt(action: Action) -> Callout:
    return Callout(
        "bad",
        "help",
        _("Nobody can tell whether this was done: %(what)s") % {"what": action.label},
        since=action.dispatched_at,
        link=reverse("action", args=[action.pk]),
        link_words=_("Look in the system and say"),
    )


def _mismatch(action: Action) -> Callout:
    return Callout(
        "bad",
        "difference",
        _("The system holds something else than was asked for: %(what)s") % {"what": action.label},
        since=action.finished_at,
        link=reverse("action", args=[action.pk]),
        link_words=_("See what differs"),
    )


def _parked(run: Run, may_steer: bool) -> Iterator[Callout]:
    if run.state != RunState.INCIDENT:
        return
    step = run.steps.filter(is_parked=True).order_by("pk").first()
    yield Callout(
        "bad",
        "report",
        _("It waits for an operator: %(why)s") % {"why": run.problem},
        since=step.finished_at or step.started_at if step else None,
        more="" if may_steer else _("An operator has to let it go on."),
        link=reverse("run-retry", args=[run.pk]) if may_steer else "",
        link_words=_("Let it go on"),
    )


def _paused(run: Run, may_steer: bool) -> Iterator[Callout]:
    if (pause := pause_of(run)) is None:
        return
    yield Callout(
        "wait",
        "pause_circle",
        _("%(who)s paused it: “%(why)s”") % {"who": pause.by, "why": pause.reason},
        since=pause.at,
        more=_("Nothing new begins in it until somebody lets it go on."),
        link=reverse("run-resume", args=[run.pk]) if may_steer else "",
        link_words=_("Let it go on"),
    )


def _held(actions: Iterable[Action], user: User) -> Iterator[Callout]:
    asked = [action for action in actions if action.approval is not None]
    if not asked:
        return
    wanted = [action.approval_id for action in asked if action.approval_id]
    shown = set(visible_approvals(user).filter(pk__in=wanted).values_list("pk", flat=True))
    theirs = set(pending_for(user).filter(pk__in=shown).values_list("pk", flat=True)) if shown else set()
    for action in asked:
        approval: Any = action.approval
        groups = _(" and ").join(group.name for group in approval.approver_groups.all())
        yield Callout(
            "wait",
            "front_hand",
            _("Waiting for %(whom)s: %(what)s") % {"whom": groups or _("people"), "what": action.label},
            since=approval.created_at,
            link=reverse("inbox-approval", args=[approval.pk]) if approval.pk in shown else "",
            link_words=_("Review now") if approval.pk in theirs else _("Look at it"),
        )


def _waits(run: Run, user: User) -> Iterator[Callout]:
    """Yield what waits for people's work, or for a system that cannot be called now."""
    people = Q(task__kind__in=[Task.Kind.HUMAN_WORK, Task.Kind.EXCEPTION], task__state__in=Task.WAITING)
    steps = list(
        Step.objects.filter(people | Q(held_by__isnull=False), run=run, state__in=OPEN_STEPS)
        .select_related("task__claimed_by__agent", "task__role", "agent", "held_by")
        .prefetch_related("task__candidate_groups", "task__candidate_users")
        .order_by("pk")[: FEW * 2]
    )
    tasks = [step.task_id for step in steps if step.task_id]
    shown = set(visible_tasks(user).filter(pk__in=tasks).values_list("pk", flat=True)) if tasks else set()
    for step in steps:
        yield _system(step) if step.held_by is not None else _work(step, shown)


def _system(step: Step) -> Callout:
    words = _("%(step)s waits for %(system)s and goes on by itself: %(why)s")
    return Callout(
        "wait",
        "cloud_off",
        words % {"step": full_name(step), "system": step.held_by, "why": step.held_because},
        since=step.clock_stopped_at or step.created_at,
    )


def _work(step: Step, shown: set[Any]) -> Callout:
    words = _("%(step)s waits for people: %(who)s")
    has_it = step.task is not None and step.task.claimed_by is not None
    who = _("%(name)s has it") % {"name": who_has(step)} if has_it else who_has(step)
    return Callout(
        "wait",
        "front_hand",
        words % {"step": full_name(step), "who": who},
        since=step.started_at or step.created_at,
        link=reverse("inbox-task", args=[step.task_id]) if step.task_id in shown else "",
        link_words=_("Open the work"),
    )
