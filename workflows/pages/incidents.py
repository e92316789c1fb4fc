"""What needs an operator, grouped by its cause: what stopped, what is in doubt, what nobody takes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from guardian.shortcuts import get_objects_for_user

from agents.models import User
from audit.selectors import newest_position
from workflows.actions.models import Action, Lease
from workflows.actions.selectors import in_doubt
from workflows.actions.selectors import visible_to as visible_actions
from workflows.pages.access import for_people, page, part
from workflows.pages.step_words import full_name
from workflows.pages.waiting import page_of
from workflows.pages.words import humanize
from workflows.runs.choices import OPEN_RUNS, RunState
from workflows.runs.models import Run, Step, WorkflowVersion
from workflows.runs.selectors import visible_to
from workflows.tasks.models import Task
from workflows.tasks.selectors import visible_to as visible_tasks

MOST = 1_000  # steps that are grouped; the oldest first
MOST_SHOWN = 50  # of one cause; as many can be dealt with together
MOST_OTHERS = 50
# What tells one case from another is no part of the cause: numbers and ids.
PARTICULAR = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d[\d.,:]*")
ON_OWN_PAGES = ("runs.run", "actions.action")


@dataclass(frozen=True, slots=True)
class Case:
    """One step that waits for an operator. What others wrote is text, never markup."""

    key: str
    step: str
    run: str
    link: str
    why: str
    since: datetime
    may_steer: bool


@dataclass(frozen=True, slots=True)
class Cause:
    """Cases that stopped at the same step of the same workflow for the same reason."""

    key: str
    title: str
    why: str
    owner: str
    cases: list[Case] = field(default_factory=list)
    count: int = 0

    @property
    def since(self) -> datetime:
        """Return since when the oldest waits."""
        return min(case.since for case in self.cases)

    @property
    def may_steer(self) -> bool:
        """Say whether anything can be done about some of them by whoever reads it."""
        return any(case.may_steer for case in self.cases)


@dataclass(frozen=True, slots=True)
class Other:
    """What is dealt with on its own page: an action in doubt, one read back different, work nobody takes."""

    icon: str
    kind: str
    title: str
    why: str
    since: datetime
    link: str
    link_words: str


@never_cache
@require_safe
@for_people
def incidents(request: HttpRequest) -> HttpResponse:
    """Show what needs an operator."""
    return page(request, "portal/incidents.html", _("What needs an operator"), **told(_user(request)))


@never_cache
@require_safe
@for_people
def incidents_parts(request: HttpRequest) -> HttpResponse:
    """Return the lists alone, for a page that follows them live."""
    return part(request, "portal/incidents_parts.html", **told(_user(request)))


def told(user: User) -> dict[str, Any]:
    """Return what the page shows."""
    position = newest_position()
    causes, is_cut = causes_for(user)
    return {
        "position": position,
        "causes": causes,
        "is_cut": is_cut,
        "most": MOST,
        "most_shown": MOST_SHOWN,
        "others": others_for(user),
        "may_steer": any(cause.may_steer for cause in causes),
    }


def parked_steps(user: User) -> QuerySet[Step]:
    """Return the steps that wait for an operator in runs a person may see, the longest waiting first."""
    found = Step.objects.filter(is_parked=True, run__state__in=OPEN_RUNS)
    if not user.has_perm("runs.view_run"):
        found = found.filter(run__in=visible_to(user).order_by().values("pk"))
    return found.select_related("run__workflow").order_by("pk")


def steerable_runs(user: User, runs: Iterable[Any]) -> set[Any]:
    """Return which of these runs a person may steer, in one question for all."""
    wanted = set(runs)
    if user.has_perm("runs.steer_run"):
        return wanted
    among = Run.objects.filter(pk__in=wanted)
    return set(get_objects_for_user(user, "runs.steer_run", among).values_list("pk", flat=True))


def causes_for(user: User) -> tuple[list[Cause], bool]:
    """Return the causes, that of most cases first, and whether there are more cases than were looked at."""
    steps = list(parked_steps(user)[: MOST + 1])
    is_cut, steps = len(steps) > MOST, steps[:MOST]
    may = steerable_runs(user, [step.run_id for step in steps])
    owners = _owners(steps)
    groups: dict[str, list[Step]] = {}
    for step in steps:
        groups.setdefault(key_of(step), []).append(step)
    found = [_cause(key, some, may, owners) for key, some in groups.items()]
    return sorted(found, key=lambda cause: (-cause.count, cause.since)), is_cut


def why_of(step: Step) -> str:
    """Return why a step waits: its own error, else what its run says."""
    said = str(step.error.get("message") or "")
    if said:
        return said
    if step.error.get("code"):
        return humanize(str(step.error["code"]))
    return str(step.run.problem).removeprefix(f"{step.name}: ") or _("It stopped.")


def key_of(step: Step) -> str:
    """Return what is the same for cases of one cause: workflow, step, and the error without its particulars."""
    error = str(step.error.get("code") or "") or PARTICULAR.sub("#", why_of(step))
    return hashlib.sha256(f"{step.run.workflow_id}\n{step.node}\n{error}".encode()).hexdigest()[:16]


def _owners(steps: Iterable[Step]) -> Mapping[tuple[Any, str], str]:
    """Return who owns each step by its version and node, as the workflow says."""
    wanted = {step.run.version_id for step in steps}
    versions = WorkflowVersion.objects.filter(pk__in=wanted).values_list("pk", "content")
    return {
        (key, node): str(facts.get("owner") or content.get("owner", ""))
        for key, content in versions
        for node, facts in content["nodes"].items()
    }


def _cause(key: str, steps: list[Step], may: set[Any], owners: Mapping[tuple[Any, str], str]) -> Cause:
    first = steps[0]
    return Cause(
        key=key,
        title=f"{first.run.workflow.name}: {first.name}",
        why=why_of(first),
        owner=owners.get((first.run.version_id, first.node), ""),
        cases=[_case(step, step.run_id in may) for step in steps[:MOST_SHOWN]],
        count=len(steps),
    )


def _case(step: Step, may_steer: bool) -> Case:
    return Case(
        key=str(step.pk),
        step=full_name(step),
        run=step.run.label,
        link=f"{reverse('run', args=[step.run_id])}#step-{step.pk}",
        why=why_of(step),
        since=step.finished_at or step.started_at or step.created_at,
        may_steer=may_steer,
    )


def others_for(user: User) -> list[Other]:
    """Return what else needs an operator, the longest waiting first."""
    doubt = list(in_doubt(user)[:MOST_OTHERS])
    found = [*map(_doubt, doubt), *_mismatches(user), *_silent(user), *_tasks(user), *_stopped_elsewhere(user)]
    return sorted(found, key=lambda one: one.since)


def _doubt(action: Action) -> Other:
    return Other(
        "help",
        _("In doubt"),
        action.label,
        _("Nobody can tell whether it was done. %(why)s") % {"why": action.sentence},
        action.dispatched_at or action.requested_at,
        reverse("action", args=[action.pk]),
        _("Say whether it was done"),
    )


def _waiting_incidents(user: User) -> QuerySet[Task]:
    found = visible_tasks(user).filter(kind=Task.Kind.INCIDENT, state__in=Task.WAITING)
    return found.order_by("created_at")


def _mismatches(user: User) -> list[Other]:
    """Return the actions whose record is other than asked for, as long as nobody has looked at them."""
    asked = _waiting_incidents(user).filter(subject_kind="actions.action").values_list("subject_id", flat=True)
    wanted = list(asked[:MOST_OTHERS])
    found = visible_actions(user).filter(pk__in=wanted, outcome=Action.Outcome.DIFFERS)
    return [
        Other(
            "difference",
            _("Read back different"),
            action.label,
            _("The system holds something else than was asked for."),
            action.finished_at or action.requested_at,
            reverse("action", args=[action.pk]),
            _("See what differs"),
        )
        for action in (found if wanted else ())
    ]


def _silent(user: User) -> list[Other]:
    """Return the actions that are being done, and whoever does them has not been heard of any more."""
    lapsed = Lease.objects.filter(until__lt=timezone.now()).order_by("until").values_list("action", flat=True)
    wanted = list(lapsed[:MOST_OTHERS])
    found = visible_actions(user).filter(pk__in=wanted, state=Action.State.DISPATCHED)
    return [
        Other(
            "swap_horiz",
            _("Call without an outcome"),
            action.label,
            _("It was sent, and nothing has come back in time. The portal looks for it by itself."),
            action.dispatched_at or action.requested_at,
            reverse("action", args=[action.pk]),
            _("Its story"),
        )
        for action in (found if wanted else ())
    ]


def _tasks(user: User) -> list[Other]:
    """Return what operators were asked besides: e.g. work that no agent can take."""
    found = _waiting_incidents(user).exclude(subject_kind__in=ON_OWN_PAGES)[:MOST_OTHERS]
    return [
        Other("report", task.subject_label, task.title, task.body, task.created_at, page_of(task), _("Open it"))
        for task in found
    ]


def _stopped_elsewhere(user: User) -> list[Other]:
    """Return the runs that wait for an operator at no step of their own."""
    stopped = (
        visible_to(user)
        .filter(state=RunState.INCIDENT)
        .exclude(pk__in=Step.objects.filter(is_parked=True).values("run"))
    )
    return [
        Other(
            "report",
            run.workflow.name,
            run.label,
            run.problem,
            run.started_at,
            reverse("run", args=[run.pk]),
            _("Open the run"),
        )
        for run in stopped.order_by("pk")[:MOST_OTHERS]
    ]


def _user(request: HttpRequest) -> User:
    return request.user  # type: ignore[return-value]
