"""The page of one run: its steps, its documents, what was decided, and what a person may do to it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from agents.models import User
from audit.adminkit import holds
from audit.selectors import newest_position, timeline
from audit.services import refusals_recorded
from audit.vocabulary import Refusal
from workflows.documents.models import Document
from workflows.documents.selectors import visible_to as visible_documents
from workflows.pages.access import STATUS_OF_KIND, admin_page, for_people, page, part
from workflows.pages.activity import STEPS
from workflows.pages.lines import Line, lines_of
from workflows.pages.question import pretty
from workflows.pages.steps import MOST_STEPS, lines_of_steps, named, names_of
from workflows.pages.words import ECHOES, Tag, facts_of, humanize, state_tag
from workflows.runs import services
from workflows.runs.choices import OPEN_RUNS, RunState
from workflows.runs.models import Run
from workflows.runs.selectors import visible_to

MOST_LINES = 200
# The table of the steps says these better.
IN_THE_TABLE = ("tasks.task_opened", "tasks.task_claimed", "actions.action_requested", "runs.run_parked")
SAID = {"go_on": "{} goes on.", "cancel": "{} is cancelled."}


@never_cache
@require_safe
@for_people
def run(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Show one run from its beginning to where it is now."""
    return _page(request, _find(request, run_id))


@never_cache
@require_safe
@for_people
def run_parts(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Return the same without the frame, for a page that follows it live."""
    return part(request, "portal/run_parts.html", **_told(_find(request, run_id), request))


@never_cache
@require_safe
@for_people
def run_orders(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Return what this person may order now, for a page whose run has come to another state."""
    found = _find(request, run_id)
    if not _may_order(request, found):
        return HttpResponse()
    return part(request, "portal/run_orders.html", run=found, is_parked=found.state == RunState.INCIDENT)


@require_POST
@for_people
def steer(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Cancel a run, or let it go on. The service asks every question again."""
    found = _find(request, run_id)
    deed, reason = request.POST.get("deed", ""), request.POST.get("reason", "")
    if deed not in SAID:
        return _page(request, found, status=422, refused="Choose what to do with the run.", reason=reason)
    actor = _user(request).as_actor()
    verb = services.retry_run if deed == "go_on" else services.cancel_run
    try:
        with refusals_recorded(actor=actor, subject=found.as_ref(), **found.event_refs()):
            verb(actor=actor, run=found, reason=reason)
    except Refusal as refusal:
        status = STATUS_OF_KIND.get(refusal.kind, 403)
        fresh = _find(request, run_id)
        return _page(request, fresh, status=status, refused=refusal.in_full(), reason=reason)
    messages.success(request, SAID[deed].format(found.label))
    return redirect("run", found.pk)


def _page(request: HttpRequest, found: Run, status: int = 200, **said: Any) -> HttpResponse:
    shown: dict[str, Any] = {"subtitle": found.label, "may_steer": _may_order(request, found), **said}
    return page(request, "portal/run.html", "Run", status, **shown, **_told(found, request))


def _may_order(request: HttpRequest, found: Run) -> bool:
    return found.state in OPEN_RUNS and may_steer(_user(request), found)


def may_steer(user: User, found: Run) -> bool:
    """Say whether a person may cancel a run or let it go on; the service asks again."""
    return holds(user, "runs.steer_run", found)


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
    return {
        "position": position,
        "run": found,
        "is_open": found.state in OPEN_RUNS,
        "is_parked": found.state == RunState.INCIDENT,
        "tags": tags_of(found),
        "workflow_link": admin_page(found.workflow) if user.has_perm("runs.view_workflow") else "",
        "parent": visible_to(user).filter(steps__child=found).first(),
        "steps": lines_of_steps(found, user, names),
        "more_steps": max(0, found.steps.count() - MOST_STEPS),
        "documents": [(document, document.pk in readable) for document in documents],
        "input": facts_of(named(found.input, names), found.version.content.get("input")),
        "output": facts_of(named(found.output or {}, names)),
        "raw": pretty({"input": found.input, "output": found.output}),
        "lines": _lines(found, user),
    }


def tags_of(found: Run) -> list[Tag]:
    """Return the state of a run, and how it ended in the workflow's own word."""
    tags = [state_tag(found.state, found.get_state_display())]
    if found.outcome and found.outcome != found.state:
        tags.append(Tag(f"Outcome: {humanize(found.outcome).lower()}", "flag"))
    return tags


def _lines(found: Run, user: User) -> list[Line]:
    """Return what was decided and done, newest first; of tasks only what closes the steps themselves."""
    tasks = [str(key) for key in found.steps.values_list("task_id", flat=True) if key]
    echoes = Q(verb__in=ECHOES) & ~Q(subject_id__in=tasks)
    events = timeline("runs.run", str(found.pk), user).exclude(echoes | Q(verb__in=(*STEPS, *IN_THE_TABLE)))
    return list(reversed(lines_of(list(events)[-MOST_LINES:])))


def _user(request: HttpRequest) -> User:
    return request.user  # type: ignore[return-value]
