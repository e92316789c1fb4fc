"""The page of one run: what it is and waits for, its tabs, and what a person may do to it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from agents.models import User
from audit.selectors import newest_position
from workflows.pages.access import admin_page, for_people, page, part
from workflows.pages.graph import run_graph
from workflows.pages.run_head import callouts_of, elapsed_of, policies_of, trigger_of
from workflows.pages.run_meter import latency_of, meter_of
from workflows.pages.run_tabs import TABS, asked_of, links_of
from workflows.pages.words import Tag, humanize, state_tag
from workflows.runs import services
from workflows.runs.choices import OPEN_RUNS, RunState, RunVerb
from workflows.runs.models import Run
from workflows.runs.selectors import visible_to

AS_USUAL = 3  # the priority of a run that nobody said anything about
TONES = {RunVerb.RETRY: "good", RunVerb.RESUME: "good", RunVerb.COMPENSATE: "bad", RunVerb.CANCEL: "bad"}


@never_cache
@require_safe
@for_people
def run(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Show one run from its beginning to where it is now."""
    found = _find(request, run_id)
    return page(request, "portal/run.html", _("Run"), subtitle=found.label, **_told(found, request))


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
    user, asked = _user(request), asked_of(request.GET)
    # Before everything else, so that what happens between the reads is read again, never missed.
    position = newest_position()
    orders = orders_of(found, user)
    tab = TABS[asked.tab]
    told = tab.told(found, user, asked)
    return {
        "position": position,
        "run": found,
        "asked": asked,
        "is_open": found.state in OPEN_RUNS,
        "is_parked": found.state == RunState.INCIDENT,
        "tags": tags_of(found),
        "orders": orders,
        "callouts": callouts_of(found, user, may_steer=bool(orders)),
        "trigger": trigger_of(found),
        "elapsed": elapsed_of(found),
        "policies": policies_of(found),
        "meter": meter_of(found, user),
        "latency": latency_of(found, user),
        "workflow_link": admin_page(found.workflow) if user.has_perm("runs.view_workflow") else "",
        "parent": visible_to(user).filter(steps__child=found).first() if found.parent_id else None,
        "graph": run_graph(found, told["steps"], user) if tab.key == "steps" else None,
        "tabs": links_of(found, asked),
        "tab": tab,
        **told,
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


def _user(request: HttpRequest) -> User:
    return request.user  # type: ignore[return-value]
