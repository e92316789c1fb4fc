"""All runs a person may see: what is open first, each with where it is and who has it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from agents.models import User
from audit.selectors import newest_position
from workflows.actions.models import Action
from workflows.pages.access import for_people, page, part
from workflows.pages.run import tags_of
from workflows.pages.steps import who_has
from workflows.pages.words import Tag
from workflows.runs.choices import OPEN_RUNS, OPEN_STEPS, RunState
from workflows.runs.models import Run, Step, Workflow
from workflows.runs.selectors import startable_by, visible_to

ON_A_PAGE = 50
MOST_NAMED = 2  # steps, or who has them, in one line of the list
AN_ACTION = "actions.action:"


@dataclass(frozen=True, slots=True)
class Choice:
    """Which runs are shown: its word, and the states of a run that belong to it; perhaps only paused ones."""

    key: str
    word: str
    states: tuple[RunState, ...]
    only_paused: bool = False


CHOICES = (
    Choice("open", "Open", OPEN_RUNS),
    Choice("incident", "Wait for an operator", (RunState.INCIDENT,)),
    Choice("paused", "Paused", OPEN_RUNS, only_paused=True),
    Choice("ended", "Ended", (RunState.DONE, RunState.CANCELLED)),
    Choice("all", "All", tuple(RunState)),
)


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run of the list, and where it is now."""

    run: Run
    tags: list[Tag]
    where: str
    who: str


@never_cache
@require_safe
@for_people
def runs(request: HttpRequest) -> HttpResponse:
    """Show the runs this person may see, newest first."""
    return page(request, "portal/runs.html", "Runs", **_list(request))


@never_cache
@require_safe
@for_people
def runs_parts(request: HttpRequest) -> HttpResponse:
    """Return the list alone, for a page that follows it live."""
    return part(request, "portal/runs_parts.html", **_list(request))


def run_lines(found: QuerySet[Run]) -> list[RunLine]:
    """Return runs as lines; costs the same number of questions for one and for many."""
    steps = (
        Step.objects.filter(state__in=OPEN_STEPS)
        .select_related("agent", "task__claimed_by__agent", "task__role")
        .prefetch_related("task__candidate_groups")
        .order_by("pk")
    )
    runs = list(found.prefetch_related(Prefetch("steps", steps, to_attr="open_steps")))
    asked = _asked_for(step for run in runs for step in run.open_steps)
    return [_line(run, asked) for run in runs]


def _asked_for(steps: Iterable[Step]) -> dict[str, Action]:
    """Return the actions for which agents gave their tasks back, by what those tasks wait for."""
    waited_for = {step.task.waits_for for step in steps if step.task is not None and step.task.waits_for}
    keys = [found.removeprefix(AN_ACTION) for found in waited_for if found.startswith(AN_ACTION)]
    found = Action.objects.filter(pk__in=keys) if keys else ()
    return {f"{AN_ACTION}{action.pk}": action for action in found}


def _who(step: Step, asked: Mapping[str, Action]) -> str:
    action = asked.get(step.task.waits_for) if step.task is not None else None
    is_held = action is not None and action.state == Action.State.HELD
    return who_has(step, is_held=is_held, is_in_line=action is not None and action.waits_for_turn)


def _line(run: Any, asked: Mapping[str, Action]) -> RunLine:
    if run.state == RunState.INCIDENT:
        return RunLine(run, tags_of(run), run.problem, "")
    names = Counter(step.name for step in run.open_steps)
    where = [f"{name} ({count} times)" if count > 1 else name for name, count in names.items()]
    # Who has it, each once, in the order of the steps.
    who = list(dict.fromkeys(found for step in run.open_steps if (found := _who(step, asked))))
    return RunLine(run, tags_of(run), in_short(where), in_short(who))


def in_short(words: Sequence[str]) -> str:
    """Return a few as they are, and of many the first with how many more there are."""
    if len(words) <= MOST_NAMED:
        return ", ".join(words)
    return f"{words[0]} and {len(words) - 1} more"


def _list(request: HttpRequest) -> dict[str, Any]:
    user: User = request.user  # type: ignore[assignment]
    position = newest_position()
    choice = next((it for it in CHOICES if it.key == request.GET.get("show")), CHOICES[0])
    visible = visible_to(user)
    workflows = Workflow.objects.filter(pk__in=visible.order_by().values("workflow"))
    chosen = next((it for it in workflows if it.code == request.GET.get("workflow")), None)
    found = visible.filter(state__in=choice.states)
    if choice.only_paused:
        found = found.filter(is_paused=True)
    if chosen:
        found = found.filter(workflow=chosen)
    if before := _key(request.GET.get("before", "")):
        found = found.filter(pk__lt=before)
    lines = run_lines(found.order_by("-pk")[: ON_A_PAGE + 1])
    return {
        "position": position,
        "lines": lines[:ON_A_PAGE],
        "earlier": lines[ON_A_PAGE - 1].run.pk if len(lines) > ON_A_PAGE else None,
        "before": before,
        "choice": choice,
        "choices": CHOICES,
        "chosen": chosen,
        "workflows": workflows,
        "any_run": bool(lines) or visible.exists(),
        "may_start": startable_by(user).exists(),
    }


def _key(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
