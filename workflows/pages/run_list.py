"""All runs a person may see: narrowed by their filters, each with where it is and who has it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from agents.models import User
from audit.selectors import newest_position
from audit.services.downloading import safe_cell, written
from workflows.actions.models import Action
from workflows.pages.access import for_people, page, part
from workflows.pages.run import tags_of
from workflows.pages.run_filters import CHOICES, Choice, RunFilters, as_key
from workflows.pages.run_head import elapsed_of
from workflows.pages.step_words import who_has
from workflows.pages.words import Tag
from workflows.runs.choices import OPEN_STEPS, RunState
from workflows.runs.models import Run, Step
from workflows.runs.selectors import startable_by
from workflows.runs.services import record_list_taken

ON_A_PAGE = 50
MOST_COUNTED = 200
MOST_IN_FILE = 10_000
IN_A_PART = 500  # lines of the file that are read at once
MOST_NAMED = 2  # steps, or who has them, in one line of the list
AN_ACTION = "actions.action:"


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run of the list, and where it is now."""

    run: Run
    tags: list[Tag]
    where: str
    who: str
    since: Any = None
    elapsed: str = ""


@never_cache
@require_safe
@for_people
def runs(request: HttpRequest) -> HttpResponse:
    """Show the runs this person may see, newest first."""
    return page(request, "portal/runs.html", _("Runs"), **_list(request))


@never_cache
@require_safe
@for_people
def runs_parts(request: HttpRequest) -> HttpResponse:
    """Return the list alone, for a page that follows it live."""
    return part(request, "portal/runs_parts.html", **_list(request))


@never_cache
@require_safe
@for_people
def runs_file(request: HttpRequest) -> HttpResponse:
    """Give what the list is narrowed to as CSV, newest first; that it was taken is an entry of the ledger."""
    user, choice = _user(request), _choice(request)
    filters = RunFilters(request.GET, user=user)
    narrowed = [(_("State"), str(choice.word)), *filters.words()]
    record_list_taken(actor=user.as_actor(), most=MOST_IN_FILE, narrowed=narrowed)
    file = "".join(_csv(filters.narrowed(choice)))
    answer = HttpResponse(file, content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="runs-{timezone.now():%Y%m%d-%H%M%S}.csv"'
    return answer


def run_lines(found: QuerySet[Run]) -> list[RunLine]:
    """Return runs as lines; costs the same number of questions for one and for many."""
    steps = (
        Step.objects.filter(state__in=OPEN_STEPS)
        .select_related("agent", "task__claimed_by__agent", "task__role")
        .prefetch_related("task__candidate_groups", "task__candidate_users")
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
    since = min((step.started_at or step.created_at for step in run.open_steps), default=None)
    if run.state == RunState.INCIDENT:
        return RunLine(run, tags_of(run), run.problem, "", since, elapsed_of(run))
    names = Counter(step.name for step in run.open_steps)
    where = [f"{name} ({count} times)" if count > 1 else name for name, count in names.items()]
    # Who has it, each once, in the order of the steps.
    who = list(dict.fromkeys(found for step in run.open_steps if (found := _who(step, asked))))
    return RunLine(run, tags_of(run), in_short(where), in_short(who), since, elapsed_of(run))


def in_short(words: Sequence[str]) -> str:
    """Return a few as they are, and of many the first with how many more there are."""
    if len(words) <= MOST_NAMED:
        return ", ".join(words)
    return f"{words[0]} and {len(words) - 1} more"


def _list(request: HttpRequest) -> dict[str, Any]:
    user, choice = _user(request), _choice(request)
    position = newest_position()
    filters = RunFilters(request.GET, user=user)
    found = filters.narrowed(choice)
    place = as_key(request.GET.get("from", "") or request.GET.get("before", ""))
    if place:
        found = found.filter(pk__gt=place) if filters.is_oldest_first else found.filter(pk__lt=place)
    lines = run_lines(found.order_by("pk" if filters.is_oldest_first else "-pk")[: ON_A_PAGE + 1])
    return {
        "position": position,
        "lines": lines[:ON_A_PAGE],
        "following": lines[ON_A_PAGE - 1].run.pk if len(lines) > ON_A_PAGE else None,
        "place": place,
        "choice": choice,
        "choices": CHOICES,
        "filters": filters,
        "query": filters.query,
        "incidents": _incidents(filters),
        "most": MOST_COUNTED,
        "any_run": bool(lines) or filters.visible.exists(),
        "may_start": startable_by(user).exists(),
    }


def _incidents(filters: RunFilters) -> int:
    """Return how many runs wait for an operator, counted so far and no further."""
    waiting = filters.visible.order_by().filter(state=RunState.INCIDENT)
    return len(waiting.values_list("pk", flat=True)[: MOST_COUNTED + 1])


COLUMNS = (
    *("id", "name", "workflow", "version", "state", "outcome", "where", "who_has_it", "since"),
    *("started_at", "finished_at", "elapsed", "started_by", "priority", "department", "problem"),
)


def _csv(found: QuerySet[Run]) -> Iterator[str]:
    """Yield the file part by part, each read from where the last one ended."""
    yield written([COLUMNS])
    before, left = None, MOST_IN_FILE
    while left > 0:
        rows = found.filter(pk__lt=before) if before else found
        lines = run_lines(rows.order_by("-pk")[: min(IN_A_PART, left)])
        if not lines:
            return
        yield written([_row(line) for line in lines])
        before, left = lines[-1].run.pk, left - len(lines)


def _row(line: RunLine) -> list[Any]:
    run = line.run
    cells = [
        *(str(run.pk), run.label, run.workflow.name, run.version.number, run.get_state_display()),
        *(run.outcome, line.where, line.who, _iso(line.since), _iso(run.started_at), _iso(run.finished_at)),
        *(line.elapsed, run.started_by, run.priority, str(run.department or ""), run.problem),
    ]
    return [safe_cell(cell) for cell in cells]


def _iso(at: Any) -> str:
    return at.isoformat() if at else ""


def _choice(request: HttpRequest) -> Choice:
    return next((it for it in CHOICES if it.key == request.GET.get("show")), CHOICES[0])


def _user(request: HttpRequest) -> User:
    return request.user  # type: ignore[return-value]
