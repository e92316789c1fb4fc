"""The page of one run: its steps, its documents, what was decided, and what a person may do to it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from agents.models import User
from audit import reading
from audit.selectors import newest_position
from workflows.documents.models import Document
from workflows.documents.selectors import visible_to as visible_documents
from workflows.pages.access import admin_page, for_people, page, part
from workflows.pages.activity import STEPS
from workflows.pages.graph import run_graph
from workflows.pages.lines import Line, lines_of
from workflows.pages.question import pretty
from workflows.pages.steps import MOST_STEPS, lines_of_steps, named, names_of
from workflows.pages.words import ECHOED, Tag, facts_of, humanize, state_tag
from workflows.runs import services
from workflows.runs.choices import OPEN_RUNS, RunState, RunVerb
from workflows.runs.models import Intervention, Run
from workflows.runs.selectors import visible_to

MOST_LINES = 200
AS_USUAL = 3  # the priority of a run that nobody said anything about
# The table of the steps says these better.
IN_THE_TABLE = (
    *("tasks.task_opened", "tasks.task_claimed", "tasks.task_redirected"),
    "actions.action_requested",
)
TONES = {RunVerb.RETRY: "good", RunVerb.RESUME: "good", RunVerb.COMPENSATE: "bad", RunVerb.CANCEL: "bad"}


@never_cache
@require_safe
@for_people
def run(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Show one run from its beginning to where it is now."""
    found = _find(request, run_id)
    return page(request, "portal/run.html", "Run", subtitle=found.label, **_told(found, request))


@never_cache
@require_safe
@for_people
def run_parts(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Return the same without the frame, for a page that follows it live."""
    return part(request, "portal/run_parts.html", **_told(_find(request, run_id), request))


def orders_of(found: Run, user: User) -> list[tuple[str, str, str]]:
    """Return what a person may do to a run now, as words, address and tone; nothing to one that is over."""
    if not services.may_steer(user, found):
        return []
    return [
        (verb.label, reverse(f"run-{verb}", args=[found.pk]), TONES.get(verb, ""))
        for verb in services.verbs_of_run(found)
    ]


def _find(request: HttpRequest, run_id: UUID) -> Run:
    return get_object_or_404(visible_to(_user(request)), pk=run_id)


def _told(found: Run, request: HttpRequest) -> dict[str, Any]:
    user = _user(request)
    # Before everything else, so that what happens between the reads is read again, never missed.
    position = newest_position()
    documents = list(Document.objects.filter(pk__in=found.run_documents.values("document")).order_by("pk"))
    names = names_of(documents)
    readable = set(
        visible_documents(user).filter(pk__in=[it.pk for it in documents]).values_list("pk", flat=True)
    )
    steps = lines_of_steps(found, user, names)
    return {
        "position": position,
        "graph": run_graph(found, steps, user),
        "run": found,
        "is_open": found.state in OPEN_RUNS,
        "is_parked": found.state == RunState.INCIDENT,
        "tags": tags_of(found),
        "pause": _pause_of(found),
        "orders": orders_of(found, user),
        "workflow_link": admin_page(found.workflow) if user.has_perm("runs.view_workflow") else "",
        "parent": visible_to(user).filter(steps__child=found).first(),
        "steps": steps,
        "more_steps": max(0, found.steps.count() - MOST_STEPS),
        "documents": [(document, document.pk in readable) for document in documents],
        "input": facts_of(named(found.input, names), found.version.content.get("input")),
        "output": facts_of(named(found.output or {}, names)),
        "raw": pretty({"input": found.input, "output": found.output}),
        "lines": _lines(found, user),
    }


def tags_of(found: Run) -> list[Tag]:
    """Return the state of a run, what was ordered for it, and how it ended in the workflow's own word."""
    tags = [state_tag(found.state, found.get_state_display())]
    if found.state in OPEN_RUNS:
        if found.is_paused:
            tags.append(Tag("Paused", "pause_circle", "wait"))
        if found.is_compensating:
            tags.append(Tag("Being undone", "undo", "wait"))
        if found.priority != AS_USUAL:
            tags.append(Tag(f"Priority {found.priority}", "priority_high", "info"))
    if found.outcome and found.outcome != found.state:
        tags.append(Tag(f"Outcome: {humanize(found.outcome).lower()}", "flag"))
    return tags


def _pause_of(found: Run) -> Intervention | None:
    """Return who paused a run that is paused now, when and why."""
    if not found.is_paused or found.state not in OPEN_RUNS:
        return None
    return found.interventions.select_related("by").filter(verb=RunVerb.PAUSE).last()


def _lines(found: Run, user: User) -> list[Line]:
    """Return what was decided and done, newest first; of tasks only what closes the steps themselves."""
    tasks = [str(key) for key in found.steps.values_list("task_id", flat=True) if key]
    echoes = ECHOED & ~Q(subject_id__in=tasks)
    besides = echoes | Q(verb__in=(*STEPS, *IN_THE_TABLE))
    newest = reading.timeline("runs.run", str(found.pk), user, besides=besides, size=MOST_LINES)
    return list(reversed(lines_of(reading.in_order(newest.events))))


def _user(request: HttpRequest) -> User:
    return request.user  # type: ignore[return-value]
