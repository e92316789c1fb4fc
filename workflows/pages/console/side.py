"""Beside the feed: how the portal keeps pace, what needs a person, and the run that is looked at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from agents.models import Stop, User
from agents.selectors import visible_stops
from audit.selectors import MOST_COUNTED, pace
from workflows.actions.models import Action
from workflows.actions.selectors import visible_to as visible_actions
from workflows.pages.console.stopping import stop_ways
from workflows.pages.run import tags_of
from workflows.pages.steps import steps_of, who_has
from workflows.pages.waiting import rows_of
from workflows.pages.words import Tag, state_tag
from workflows.runs.choices import OPEN_RUNS, OPEN_STEPS, RunState
from workflows.runs.models import Run
from workflows.runs.selectors import visible_to as visible_runs
from workflows.runs.services import may_steer, verbs_of_run, verbs_of_steps
from workflows.tasks.models import Instruction

FEW = 6
MOST_STEPS = 12
BEHIND_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that needs a person. Title and words are text that others wrote, never markup."""

    tag: Tag
    title: str
    words: str
    link: str
    at: Any = None
    quote: str = ""


@dataclass(frozen=True, slots=True)
class RunStep:
    """One step of the run that is looked at, in short."""

    name: str
    tag: Tag
    who: str
    since: Any
    verbs: list[tuple[str, str]] = field(default_factory=list)


def pulse() -> dict[str, Any]:
    """Return how many entries a minute are written, and how far their numbering is behind the clock."""
    found = pace()
    is_many = found.per_minute > MOST_COUNTED
    rate = _("more than %(many)d a minute") if is_many else _("%(many)d a minute")
    late = found.behind > BEHIND_SECONDS
    seconds = f"{found.behind:.1f}"
    words = _("%(seconds)s s behind") % {"seconds": seconds} if found.behind >= 1 else _("up to date")
    return {"rate": rate % {"many": min(found.per_minute, MOST_COUNTED)}, "lag": words, "is_late": late}


def active_stops(user: User) -> list[dict[str, Any]]:
    """Return the stops that are on, oldest first, each with what this person may do about it."""
    found = visible_stops(user).filter(lifted_at__isnull=True).order_by("raised_at")[:FEW]
    return [{"stop": stop, "what": _what(stop), "ways": stop_ways(stop, user)} for stop in found]


def is_whole(stop: Stop) -> bool:
    """Say whether nothing more can be stopped: everything is, and nothing of it goes on yet."""
    return stop.scope_kind == Stop.ScopeKind.EVERYTHING and stop.stage == Stop.Stage.STOP


def _what(stop: Stop) -> str:
    return stop.scope_label or str(stop.get_scope_kind_display())


def needs_of(user: User) -> list[Need]:
    """Return what needs a person now: runs that cannot go on, doubt, then what waits for this person."""
    wrong = [*_parked(user), *_in_doubt(user)]
    told = {need.link for need in wrong}
    return [*wrong, *(need for need in _mine(user) if need.link not in told)]


def incidents_way() -> str:
    """Return where everything that needs an operator is listed."""
    return reverse("incidents")


def _parked(user: User) -> list[Need]:
    parked = visible_runs(user).filter(state=RunState.INCIDENT).order_by("-pk")[:FEW]
    tag = Tag(_("Cannot go on"), "report", "bad")
    return [Need(tag, run.label, run.problem, reverse("run", args=[run.pk])) for run in parked]


def _in_doubt(user: User) -> list[Need]:
    found = visible_actions(user).filter(state=Action.State.IN_DOUBT).order_by("-pk")[:FEW]
    tag = Tag(_("In doubt"), "help", "bad")
    return [
        Need(tag, one.label, f"{one.agent.name}: {one.sentence}", reverse("action", args=[one.pk]))
        for one in found
    ]


def _mine(user: User) -> list[Need]:
    tag = Tag(_("Waits for you"), "front_hand", "wait")
    return [
        Need(tag, row.title, row.why or row.words, row.link, row.at if row.is_due else None, row.quote)
        for row in rows_of(user, "mine", FEW).rows
    ]


def run_of(user: User, run_id: str) -> dict[str, Any] | None:
    """Return the run that is looked at, with its newest steps and what may be ordered; None: nothing to see."""
    found = visible_runs(user, kept=True).filter(pk=run_id).first() if run_id else None
    if found is None:
        return None
    return {
        "run": found,
        "tags": tags_of(found),
        "steps": _steps(found, user),
        "verbs": _verbs_of(found, user),
        "is_open": found.state in OPEN_RUNS,
    }


def _steps(run: Run, user: User) -> list[RunStep]:
    newest = list(steps_of(run).order_by("-pk")[:MOST_STEPS])[::-1]
    verbs = verbs_of_steps(run, newest) if may_steer(user, run) else {}
    return [
        RunStep(
            name=step.name,
            tag=state_tag(step.state, step.get_state_display()),
            who=who_has(step),
            since=step.finished_at or step.started_at or step.created_at,
            verbs=[
                (str(verb.label), reverse(f"step-{verb}", args=[run.pk, step.pk]))
                for verb in verbs.get(step.pk, ())
                if step.state in OPEN_STEPS or run.state == RunState.INCIDENT
            ],
        )
        for step in newest
    ]


def _verbs_of(run: Run, user: User) -> list[tuple[str, str]]:
    if not may_steer(user, run):
        return []
    return [(str(verb.label), reverse(f"run-{verb}", args=[run.pk])) for verb in verbs_of_run(run)]


def instructions_to(agent: Any) -> list[Instruction]:
    """Return what operators said to an agent last, for who may see it."""
    found = Instruction.objects.filter(agent=agent).select_related("author", "task")
    return list(found.order_by("-pk")[:3])
