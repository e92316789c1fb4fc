"""Where each agent stands, found by the database: ten thousand cost as many questions as ten.

Failing is said of facts: its last three actions failed, one is in doubt, its system is down, or a budget that
stops work is spent. Each is looked for among the few to which something happened, never agent by agent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Case, Count, F, IntegerField, Q, QuerySet, Value, When, Window
from django.db.models.functions import RowNumber
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from agents.models import Agent
from agents.selectors import stopped_agents
from audit.selectors import database_now, events_since
from workflows.actions.choices import State
from workflows.actions.models import Action
from workflows.pages.words import Tag
from workflows.runs.choices import StepState
from workflows.runs.models import Step
from workflows.tasks.models import Task

RECENTLY = timedelta(hours=24)
IN_A_ROW = 3
# So many agents are looked at for failures: where there are more, the list is of no use and the count says so.
MOST_FAILING = 500
FAILED = (State.FAILED, State.IN_DOUBT)
UNDER_WAY = (State.REQUESTED, State.AUTHORIZED, State.DISPATCHED)
PAUSED = Agent.Brake.PAUSED


@dataclass(frozen=True, slots=True)
class Standing:
    """One way an agent can stand: its place in the list, its word and how that looks."""

    key: str
    rank: int
    word: Any
    icon: str
    tone: str = ""

    @property
    def tag(self) -> Tag:
        """Return it as a mark."""
        return Tag(str(self.word), self.icon, self.tone)


STANDINGS = (
    Standing("failing", 0, gettext_lazy("Failing"), "error", "bad"),
    Standing("waiting", 1, gettext_lazy("Waits for a person"), "front_hand", "wait"),
    Standing("working", 2, gettext_lazy("Working"), "play_circle", "good"),
    Standing("paused", 3, gettext_lazy("Paused"), "pause_circle", "bad"),
    Standing("idle", 4, gettext_lazy("Idle"), "bedtime"),
    Standing("draft", 5, gettext_lazy("Not at work yet"), "edit_note"),
)
BY_KEY = {one.key: one for one in STANDINGS}
BY_RANK = {one.rank: one for one in STANDINGS}


def with_standing(agents: QuerySet[Agent], failing: Mapping[UUID, str]) -> QuerySet[Any]:
    """Return agents, each with its ``rank`` (see STANDINGS)."""
    braked = ~Q(brake=Agent.Brake.NONE) | stopped_agents()
    return agents.annotate(
        rank=Case(
            When(~Q(lifecycle=Agent.Lifecycle.ACTIVE), then=Value(BY_KEY["draft"].rank)),
            When(braked, then=Value(BY_KEY["paused"].rank)),
            When(Q(pk__in=list(failing)), then=Value(BY_KEY["failing"].rank)),
            When(_busy(), then=Value(BY_KEY["working"].rank)),
            When(Q(pk__in=_waiting()), then=Value(BY_KEY["waiting"].rank)),
            default=Value(BY_KEY["idle"].rank),
            output_field=IntegerField(),
        )
    )


def counts_of(agents: QuerySet[Any]) -> dict[str, int]:
    """Return how many of these agents, which have a rank, stand in which way."""
    found = dict(agents.order_by().values_list("rank").annotate(many=Count("pk")))
    return {one.key: found.get(one.rank, 0) for one in STANDINGS}


def failing_now() -> dict[UUID, str]:
    """Return the agents that fail, and why in words; the gravest word wins."""
    since = database_now() - RECENTLY
    return {**_budgets_spent(since), **_systems_down(), **_failed_in_a_row(since), **_in_doubt()}


def _busy() -> Q:
    claimed = Task.objects.filter(state=Task.State.CLAIMED, claimed_by__isnull=False)
    moving = Action.objects.filter(state__in=UNDER_WAY, finished_at__isnull=True, waits_for__isnull=True)
    return Q(user_id__in=claimed.values("claimed_by")) | Q(pk__in=moving.values("agent"))


def _waiting() -> QuerySet[Action, Any]:
    """Return who has asked for something that people decide on, or that waits for its turn."""
    held = Q(state=State.HELD) | Q(state=State.AUTHORIZED, waits_for__isnull=False)
    return Action.objects.filter(held, finished_at__isnull=True).values("agent")


def _in_doubt() -> dict[UUID, str]:
    found = Action.objects.filter(state=State.IN_DOUBT).order_by().values_list("agent").annotate(Count("pk"))
    return {
        agent: ngettext(
            "It is not known whether %(many)d action of it was done.",
            "It is not known whether %(many)d actions of it were done.",
            many,
        )
        % {"many": many}
        for agent, many in found[:MOST_FAILING]
    }


def _failed_in_a_row(since: datetime) -> dict[UUID, str]:
    """Return the agents whose last actions all failed: of those to which it happened often enough of late."""
    failed = events_since(since).filter(effect__in=[str(state) for state in FAILED]).exclude(agent_id="")
    often = failed.order_by().values_list("agent_id").annotate(many=Count("pk")).filter(many__gte=IN_A_ROW)
    suspects = [UUID(key) for key, _many in often.order_by("-many")[:MOST_FAILING]]
    if not suspects:
        return {}
    place = Window(RowNumber(), partition_by=[F("agent")], order_by=F("id").desc())
    newest = (
        Action.objects.filter(agent__in=suspects, finished_at__gte=since, state__in=[*FAILED, State.CONFIRMED])
        .annotate(place=place)
        .filter(place__lte=IN_A_ROW)
        .values_list("agent", "state")
    )
    ends: dict[UUID, list[str]] = {}
    for agent, state in newest:
        ends.setdefault(agent, []).append(state)
    words = _("Its last %(many)d actions failed.") % {"many": IN_A_ROW}
    return {
        agent: words
        for agent, states in ends.items()
        if len(states) == IN_A_ROW and all(state in FAILED for state in states)
    }


def _systems_down() -> dict[UUID, str]:
    held = Step.objects.filter(state=StepState.READY, held_by__isnull=False, agent__isnull=False)
    return {
        agent: _("%(system)s cannot be called; what it has to do there waits.") % {"system": system}
        for agent, system in held.order_by().values_list("agent", "held_by__name").distinct()[:MOST_FAILING]
    }


def _budgets_spent(since: datetime) -> dict[UUID, str]:
    stops_work = {"payload__data__mode": "enforced", "payload__data__on_exceed__in": ["deny", "pause"]}
    spent = events_since(since).filter(verb="agents.budget_spent", run_id="", **stops_work).exclude(agent_id="")
    words = _("It spent a budget of model use in the last 24 hours, and gets no new work once that is so.")
    keys = spent.order_by().values_list("agent_id", flat=True).distinct()[:MOST_FAILING]
    return {UUID(key): words for key in keys}


def why_braked(agent: Agent, stops: Iterable[Any]) -> str:
    """Say in words what keeps an agent from acting."""
    if agent.brake != Agent.Brake.NONE:
        return str(agent.get_brake_display())
    labels = [stop.scope_label or stop.get_scope_kind_display() for stop in stops]
    return _("Stopped: %(what)s") % {"what": ", ".join(labels)} if labels else _("Stopped")
