"""The agents of the console: those that fail, wait or work first, a page at a time, with what each does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import CharField, F, OuterRef, Q, QuerySet, Subquery, Sum, Window
from django.db.models.functions import Cast, RowNumber
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from guardian.shortcuts import get_objects_for_user

from agents.decision.budgets import cost_words
from agents.models import Agent, Department, ModelUse, Role, Stop, User
from agents.selectors import company_currency, visible_agents
from audit.selectors import newest_of
from workflows.actions.models import Action
from workflows.actions.selectors import visible_to as visible_actions
from workflows.pages.access import admin_page
from workflows.pages.console.standing import (
    BY_KEY,
    BY_RANK,
    STANDINGS,
    counts_of,
    failing_now,
    why_braked,
    with_standing,
)
from workflows.pages.words import Tag, action_tag
from workflows.runs.selectors import visible_to as visible_runs
from workflows.tasks.models import Task
from workflows.tasks.selectors import visible_to as visible_tasks

ON_A_PAGE = 40
MOST_DOINGS = 2
MOST_CHOICES = 200
LONGEST_WORD = 100


@dataclass(frozen=True, slots=True)
class Asked:
    """Which agents are asked for: how they stand, where, in which role, called what; after which one."""

    state: str = ""
    department: str = ""
    role: str = ""
    words: str = ""
    after: str = ""

    @property
    def narrows(self) -> bool:
        """Say whether anything is left out."""
        return bool(self.state or self.department or self.role or self.words)


@dataclass(frozen=True, slots=True)
class Doing:
    """One thing an agent has in hand. Title, progress and labels are text that others wrote, never markup."""

    title: str
    link: str
    tag: Tag
    run: str = ""
    run_id: str = ""
    step: str = ""
    progress: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class AgentLine:
    """One agent of the list. ``way`` is the address of its file, '' for who has no page for it."""

    agent: Any
    standing: str
    tag: Tag
    why: str
    way: str
    spent: str
    orders: tuple[str, ...]
    doings: list[Doing] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Staff:
    """A page of the list, with how many there are in each state, and where the next page begins."""

    lines: list[AgentLine]
    counts: list[tuple[Any, int]]
    total: int
    onward: str


def asked_of(given: Mapping[str, str]) -> Asked:
    """Return which agents an address asks for; what is not known is not asked for."""
    state = given.get("state", "")
    return Asked(
        state=state if state in BY_KEY else "",
        department=_uuid(given.get("department", "")),
        role=_uuid(given.get("role", "")),
        words=given.get("q", "").replace("\x00", "").strip()[:LONGEST_WORD],
        after=given.get("after", ""),
    )


def staff_of(user: User, asked: Asked) -> Staff:
    """Return one page of the agents this person may see; ten thousand cost as many questions as ten."""
    failing = failing_now()
    employed = visible_agents(user).exclude(lifecycle=Agent.Lifecycle.RETIRED)
    narrowed: QuerySet[Any] = with_standing(_narrowed(employed, asked), failing)
    counted = counts_of(narrowed)
    found: Any = narrowed.filter(rank=BY_KEY[asked.state].rank) if asked.state else narrowed
    found = _from(found, asked.after).select_related("role", "department", "user")
    page = list(_with_signs(found.order_by("rank", "name", "pk"))[: ON_A_PAGE + 1])
    more, page = len(page) > ON_A_PAGE, page[:ON_A_PAGE]
    onward = f"{page[-1].rank}.{page[-1].pk}" if more else ""
    counts = [(one, counted[one.key]) for one in STANDINGS if counted[one.key] or one.key != "draft"]
    return Staff(lines_of_agents(user, page, failing), counts, sum(counted.values()), onward)


def one_agent(user: User, agent_id: str) -> AgentLine | None:
    """Return one agent with everything it has in hand, None for what this person may not see."""
    failing = failing_now()
    found = with_standing(visible_agents(user).filter(pk=agent_id), failing)
    agents = list(_with_signs(found).select_related("role", "department", "user"))
    return next(iter(lines_of_agents(user, agents, failing, most=10)), None)


def choices() -> dict[str, list[tuple[str, str]]]:
    """Return the departments and roles there are to choose among."""
    departments, roles = Department.objects.order_by("name"), Role.objects.order_by("name")
    return {
        "departments": [(str(key), name) for key, name in departments.values_list("pk", "name")[:MOST_CHOICES]],
        "roles": [(str(key), name) for key, name in roles.values_list("pk", "name")[:MOST_CHOICES]],
    }


def _narrowed(agents: QuerySet[Agent], asked: Asked) -> QuerySet[Agent]:
    if asked.department:
        agents = agents.filter(department_id=asked.department)
    if asked.role:
        agents = agents.filter(role_id=asked.role)
    if asked.words:
        agents = agents.filter(Q(name__icontains=asked.words) | Q(code__icontains=asked.words))
    return agents


def _from(agents: QuerySet[Any], after: str) -> QuerySet[Agent]:
    """Go on after an agent, by the place it had: nothing is skipped if it stands otherwise by now."""
    rank, _dot, key = after.partition(".")
    if not rank.isdigit() or int(rank) not in BY_RANK or not _uuid(key):
        return agents
    name = Agent.objects.filter(pk=key).values_list("name", flat=True).first()
    if name is None:
        return agents
    later = Q(name__gt=name) | Q(name=name, pk__gt=key)
    return agents.filter(Q(rank__gt=int(rank)) | Q(rank=int(rank)) & later)


def _with_signs(agents: QuerySet[Any]) -> QuerySet[Any]:
    """Add when each was last heard of: the newest thing it did, or said that its model took."""
    did = newest_of(Cast(OuterRef("user_id"), CharField()))
    used = ModelUse.objects.filter(agent=OuterRef("pk")).order_by("-at")
    return agents.annotate(
        did_at=Subquery(did.values("occurred_at")[:1]), used_at=Subquery(used.values("at")[:1])
    )


def lines_of_agents(
    user: User, agents: Sequence[Any], failing: Mapping[UUID, str], *, most: int = MOST_DOINGS
) -> list[AgentLine]:
    """Return agents, annotated as here, as lines; one or many cost the same questions."""
    doings = _doings(user, agents, most)
    spent, rights = _spent_today(agents), _rights(user, agents)
    stops = _stops_of(agents)
    lines = []
    for agent in agents:
        agent.seen_at = max((at for at in (agent.did_at, agent.used_at) if at), default=None)
        standing = BY_RANK[agent.rank]
        tag, why = _said(agent, standing, failing, stops)
        line = AgentLine(
            agent=agent,
            standing=standing.key,
            tag=tag,
            why=why,
            way=admin_page(agent),
            spent=spent.get(agent.pk, ""),
            orders=_orders(agent, standing.key, rights),
            doings=doings[agent.pk],
        )
        lines.append(line)
    return lines


def _said(
    agent: Any, standing: Any, failing: Mapping[UUID, str], stops: Mapping[str, list[Any]]
) -> tuple[Tag, str]:
    if standing.key == "failing":
        return standing.tag, failing.get(agent.pk, "")
    if standing.key == "draft":
        return Tag(str(agent.get_lifecycle_display()), standing.icon), ""
    if standing.key == "paused":
        hit = [*stops[""], *stops[str(agent.role_id)], *stops[str(agent.pk)]]
        is_stopped = agent.brake == Agent.Brake.NONE
        tag = Tag(_("Stopped"), "front_hand", "bad") if is_stopped else standing.tag
        return tag, why_braked(agent, hit) if is_stopped or agent.brake != Agent.Brake.PAUSED else ""
    if agent.is_finishing:
        return standing.tag, _("It takes nothing new, finishes what it has, and is paused then.")
    return standing.tag, ""


def _stops_of(agents: Sequence[Any]) -> dict[str, list[Any]]:
    """Return the active stops by what they name; '' is everything. The tree of departments is not read here."""
    found: dict[str, list[Any]] = defaultdict(list)
    if any(BY_RANK[agent.rank].key == "paused" for agent in agents):
        whole = Stop.objects.filter(stage=Stop.Stage.STOP, lifted_at__isnull=True)
        for stop in whole.filter(scope_kind__in=("everything", "role", "agent"))[:MOST_CHOICES]:
            found[stop.scope_id].append(stop)
    return found


def _orders(agent: Any, standing: str, rights: Mapping[str, set[Any]]) -> tuple[str, ...]:
    """Return what this person may order for an agent; the service asks again."""
    if standing == "draft":
        return ()
    brake = "resume" if agent.brake != Agent.Brake.NONE else "pause"
    wanted = [brake, *(["resume"] if agent.is_finishing else []), "redirect", "override"]
    return tuple(name for name in wanted if agent.pk in rights[name])


def _rights(user: User, agents: Sequence[Any]) -> dict[str, set[Any]]:
    keys = {agent.pk for agent in agents}
    mine = {agent.pk for agent in agents if user.pk in (agent.sponsor_id, agent.deputy_id)}
    steers = keys if user.has_perm("runs.steer_run") else set()
    says = keys if user.has_perm("tasks.add_instruction") else mine
    return {
        "pause": mine | _permitted(user, "agents.pause_agent", keys),
        "resume": _permitted(user, "agents.lift_brake", keys),
        "redirect": says | steers,
        "override": steers,
    }


def _permitted(user: User, permission: str, keys: set[Any]) -> set[Any]:
    if user.has_perm(permission):
        return keys
    few = Agent.objects.filter(pk__in=keys)
    return set(get_objects_for_user(user, permission, few).values_list("pk", flat=True))


def _spent_today(agents: Sequence[Any]) -> dict[Any, str]:
    """Return what the models of these agents took since midnight of the company, as they say."""
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    found = ModelUse.objects.filter(agent__in=[agent.pk for agent in agents], at__gte=midnight)
    sums = dict(found.order_by().values_list("agent").annotate(cost=Sum("cost")))
    currency = company_currency() if sums else ""
    return {key: cost_words(cost, currency) for key, cost in sums.items() if cost}


def _doings(user: User, agents: Sequence[Any], most: int) -> dict[Any, list[Doing]]:
    found: dict[Any, list[Doing]] = defaultdict(list)
    for agent_id, doing in [*_tasks(user, agents, most), *_actions(user, agents, most)]:
        if len(found[agent_id]) < most:
            found[agent_id].append(doing)
    return found


def _tasks(user: User, agents: Sequence[Any], most: int) -> list[tuple[Any, Doing]]:
    place = Window(RowNumber(), partition_by=[F("claimed_by")], order_by=F("id").desc())
    held = Task.objects.filter(claimed_by__in=[agent.user_id for agent in agents], state=Task.State.CLAIMED)
    keys = list(held.annotate(place=place).filter(place__lte=most).values_list("pk", flat=True))
    if not keys:
        return []
    tasks = list(
        visible_tasks(user).filter(pk__in=keys).select_related("step__run", "claimed_by__agent").order_by("pk")
    )
    runs = {step.run_id for task in tasks if (step := getattr(task, "step", None))}
    shown = set(visible_runs(user).filter(pk__in=runs).values_list("pk", flat=True)) if runs else set()
    return [(task.claimed_by.agent.pk, _of_task(task, shown)) for task in tasks]  # type: ignore[union-attr]


def _of_task(task: Any, shown: set[Any]) -> Doing:
    step = getattr(task, "step", None)
    is_shown = step is not None and step.run_id in shown
    return Doing(
        title=task.title,
        link=reverse("run", args=[step.run_id]) if step and is_shown else "",
        tag=Tag(_("Has the task"), "assignment_ind", "info"),
        run=step.run.label if step and is_shown else "",
        run_id=str(step.run_id) if step and is_shown else "",
        step=step.name if step and is_shown else "",
        progress=task.progress,
        since=task.claimed_at,
    )


def _actions(user: User, agents: Sequence[Any], most: int) -> list[tuple[Any, Doing]]:
    place = Window(RowNumber(), partition_by=[F("agent")], order_by=F("id").desc())
    open_ones = Action.objects.filter(agent__in=[agent.pk for agent in agents], finished_at__isnull=True)
    keys = list(open_ones.annotate(place=place).filter(place__lte=most).values_list("pk", flat=True))
    if not keys:
        return []
    actions = visible_actions(user).filter(pk__in=keys).order_by("-pk").distinct()
    return [(action.agent_id, _of_action(action)) for action in actions]


def _of_action(action: Action) -> Doing:
    return Doing(
        title=action.label,
        link=reverse("action", args=[action.pk]),
        tag=action_tag(action),
        since=action.waits_since or action.requested_at,
    )


def _uuid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        return ""
