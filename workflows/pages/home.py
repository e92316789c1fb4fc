"""The first page: what waits for me, what is wrong, what changed since I was here, what runs now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Count, Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from agents.models import Agent, Department, Stop, User
from agents.selectors import visible_agents
from audit.reading import first_id, in_period
from audit.selectors import newest_position, visible_events
from workflows.actions.models import Action
from workflows.actions.selectors import visible_to
from workflows.approvals.models import Delegation
from workflows.approvals.selectors import company_day
from workflows.notices.models import Reading
from workflows.notices.services import note_visit
from workflows.pages.access import for_people, page, part
from workflows.pages.guides.frame import may_any
from workflows.pages.guides.overview import first_steps
from workflows.pages.home_figures import at_most, figures_for
from workflows.pages.lines import Line
from workflows.pages.news_lines import news_lines
from workflows.pages.run_list import run_lines
from workflows.pages.troubles import FEW, WRONG_SINCE, troubles_for
from workflows.pages.waiting import count_for, others_waiting, rows_of
from workflows.pages.words import ECHOED
from workflows.runs.choices import OPEN_RUNS
from workflows.runs.selectors import visible_to as visible_runs
from workflows.tasks.models import Task
from workflows.tasks.selectors import visible_to as visible_tasks

MOST_ASKED = 20_000
MOST_CHANGES = 24
MOST_MINE = 500
CHANGED_WITHIN = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Busy:
    """An agent at work. What it is on is text that others wrote."""

    agent: Agent
    title: str


@dataclass(frozen=True, slots=True)
class Changes:
    """What others changed: since when, of what this person answers for, and elsewhere."""

    since: datetime
    is_since_visit: bool
    mine: list[Line]
    elsewhere: list[Line]


@never_cache
@require_safe
@for_people
def home(request: HttpRequest) -> HttpResponse:
    """Show the state of things for this person."""
    note_visit(actor=_user(request).as_actor())
    return page(request, "portal/home.html", "Home", **_state(request))


@never_cache
@require_safe
@for_people
def home_parts(request: HttpRequest) -> HttpResponse:
    """Return the same without the frame, for a page that follows it live."""
    return part(request, "portal/home_parts.html", **_state(request))


def _state(request: HttpRequest) -> dict[str, Any]:
    user = _user(request)
    position = newest_position()
    waiting = count_for(user)
    agents = at_most(visible_agents(user))
    return {
        "position": position,
        "name": user.first_name or user.username,
        "waiting": rows_of(user, "mine", FEW).rows,
        "waiting_count": waiting,
        "others": 0 if waiting else others_waiting(user),
        "away": _away(user),
        "troubles": troubles_for(user),
        "today": _today(user),
        "changes": _changes(user),
        "agents": agents,
        "figures": figures_for(user, waiting),
        "guides": first_steps(user, agents.value) if may_any(user) else [],
        **_now(user),
        "may_register": _may_add(request, Agent),
        "may_stop": _may_add(request, Stop),
    }


def _now(user: User) -> dict[str, Any]:
    """Return what runs now: the newest open runs, how many there are, and some agents at work."""
    going = visible_runs(user).filter(state__in=OPEN_RUNS)
    return {"runs": run_lines(going.order_by("-pk")[:FEW]), "runs_count": at_most(going), "busy": _busy(user)}


def _busy(user: User) -> list[Busy]:
    """Return a few agents that have work now, with what of it this person may see."""
    taken = Task.objects.filter(state=Task.State.CLAIMED, kind=Task.Kind.AGENT_WORK)
    mine = visible_agents(user).exclude(lifecycle=Agent.Lifecycle.RETIRED)
    agents = list(mine.filter(user__in=taken.values("claimed_by")).order_by("name", "pk")[:FEW])
    seen = visible_tasks(user).filter(
        pk__in=taken.filter(claimed_by__in=[one.user_id for one in agents]).values("pk")
    )
    titles = dict(seen.order_by("pk").values_list("claimed_by", "title"))
    return [Busy(agent, titles.get(agent.user_id, "")) for agent in agents]


def _today(user: User) -> dict[str, Any]:
    since = timezone.now() - WRONG_SINCE
    states = Action.State
    newest = visible_to(user).filter(pk__gte=first_id(since, timedelta(0))).order_by("-pk")
    # A slice, so that a busy day is not counted to its end at each look.
    counted: dict[str, Any] = newest.values("pk", "state")[: MOST_ASKED + 1].aggregate(
        asked=Count("pk"),
        done=Count("pk", filter=Q(state=states.CONFIRMED)),
        held=Count("pk", filter=Q(state=states.HELD)),
        refused=Count("pk", filter=Q(state__in=[states.DENIED, states.REJECTED, states.STOPPED])),
    )
    return {**counted, "is_more": counted["asked"] > MOST_ASKED, "most": MOST_ASKED}


def _changes(user: User) -> Changes:
    """What other people changed or decided, each once: what follows from a vote or was refused is left out."""
    now = timezone.now()
    before = Reading.objects.filter(pk=user.pk).values_list("before_at", flat=True).first()
    oldest = now - CHANGED_WITHIN
    since = max(before, oldest) if before else oldest
    follows = Q(verb__startswith="actions.") | Q(verb__startswith="approvals.approval_")
    events = list(
        visible_events(user)
        .filter(in_period(since, None), actor_kind="person")
        .exclude(follows | ECHOED | Q(verb__endswith="_refused") | Q(actor_id=str(user.pk)))
        .exclude(verb__in=["agents.signed_in", "agents.signed_out"])
        .order_by("-id")[:MOST_CHANGES]
    )
    agents, departments = _answered_for(user)
    mine = [one for one in events if one.agent_id in agents or one.department_id in departments]
    own = {one.pk for one in mine}
    elsewhere = [one for one in events if one.pk not in own]
    return Changes(since, before is not None, news_lines(mine[:FEW]), news_lines(elsewhere[:FEW]))


def _answered_for(user: User) -> tuple[set[str], set[str]]:
    agents = Agent.objects.filter(Q(sponsor=user) | Q(deputy=user)).order_by("-pk").values_list("pk", flat=True)
    departments = Department.objects.filter(manager=user).values_list("pk", flat=True)
    return {str(key) for key in agents[:MOST_MINE]}, {str(key) for key in departments[:MOST_MINE]}


def _away(user: User) -> list[dict[str, Any]]:
    """Return who decides for whom now or soon, as far as it is this person's: theirs, and those to them."""
    today = company_day()
    mine: QuerySet[Delegation] = Delegation.objects.filter(
        Q(giver=user) | Q(delegate=user), withdrawn_at=None, last_day__gte=today
    ).select_related("giver", "delegate")
    return [
        {"one": one, "is_mine": one.giver_id == user.pk, "is_on": one.first_day <= today}
        for one in mine.order_by("first_day", "pk")[:FEW]
    ]


def _may_add(request: HttpRequest, model: type[Model]) -> bool:
    model_admin = admin.site._registry.get(model)
    return model_admin is not None and model_admin.has_add_permission(request)


def _user(request: HttpRequest) -> User:
    return request.user  # type: ignore[return-value]
