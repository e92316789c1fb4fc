"""What the list of runs is narrowed to: state, workflow, agent, department, time, words, what it waits for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from agents.models import Department, User
from agents.selectors import visible_agents
from workflows.actions.models import Action
from workflows.runs.choices import OPEN_RUNS, OPEN_STEPS, RunState
from workflows.runs.models import Run, Step, Workflow
from workflows.runs.selectors import visible_to, visible_workflows
from workflows.tasks.models import Task

MOST_CHOICES = 200
MOST_AGENTS = 20
# An agent may have done a million steps: its runs are looked for among its newest.
MOST_STEPS = 5_000
# To look for a word in a label takes longer than to test an id: so many runs are looked at, the newest first.
MOST_READ = 50_000
CLOCKS_APART = timedelta(hours=1)
PEOPLE = (Task.Kind.HUMAN_WORK, Task.Kind.EXCEPTION, Task.Kind.QUESTION)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which runs are shown: its word, and the states of a run that belong to it; perhaps only paused ones."""

    key: str
    word: Any
    states: tuple[RunState, ...]
    only_paused: bool = False


CHOICES = (
    Choice("open", _("Open"), OPEN_RUNS),
    Choice("incident", _("Wait for an operator"), (RunState.INCIDENT,)),
    Choice("paused", _("Paused"), OPEN_RUNS, only_paused=True),
    Choice("done", _("Done"), (RunState.DONE,)),
    Choice("cancelled", _("Cancelled"), (RunState.CANCELLED,)),
    Choice("ended", _("Ended"), (RunState.DONE, RunState.CANCELLED)),
    Choice("all", _("All"), tuple(RunState)),
)
ORDERS = (("newest", _("Newest first")), ("oldest", _("Longest first")))
_HELD = Q(action__state=Action.State.HELD) | Q(undo_action__state=Action.State.HELD)
WAITS: Mapping[str, tuple[Any, Q]] = {
    "people": (_("People"), _HELD | Q(task__kind__in=PEOPLE, task__state__in=Task.WAITING)),
    "agent": (_("An agent to take it"), Q(task__kind=Task.Kind.AGENT_WORK, task__state=Task.State.OPEN)),
    "action": (_("What an agent asked for"), ~Q(task__waits_for="") & Q(task__state__in=Task.WAITING)),
    "system": (_("A system or a turn"), Q(held_by__isnull=False) | Q(action__waits_for__isnull=False)),
    "signal": (_("A signal"), Q(subscription__isnull=False)),
    "run": (_("Another run"), Q(kind="sub")),
}


class RunFilters(forms.Form):
    """The filters as a form that is sent by its address; what makes no sense is left out, and said."""

    workflow = forms.ChoiceField(label=_("Workflow"), required=False)
    waits = forms.ChoiceField(label=_("Waits for"), required=False)
    agent = forms.CharField(label=_("Agent"), required=False, max_length=120)
    department = forms.ChoiceField(label=_("Department"), required=False)
    since = forms.DateField(label=_("Started from"), required=False)
    until = forms.DateField(label=_("Started to"), required=False)
    text = forms.CharField(label=_("Words or id"), required=False, max_length=100)
    order = forms.ChoiceField(label=_("Order"), required=False, choices=ORDERS)

    use_required_attribute = False

    def __init__(self, data: Any, *, user: User) -> None:
        super().__init__(data, auto_id="filter_%s")
        self.user, self.visible = user, visible_to(user)
        self.workflows = list(_workflows_of(user, self.visible)[:MOST_CHOICES])
        self.departments = list(_departments_of(user)[:MOST_CHOICES])
        self._offer("workflow", [(it.code, it.name) for it in self.workflows], _("Every workflow"))
        self._offer("department", [(it.code, str(it)) for it in self.departments], _("Every department"))
        self._offer("waits", [(key, word) for key, (word, _q) in WAITS.items()], _("Anything"))
        for name in ("since", "until"):
            self.fields[name].widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
        self.asked = {name: self[name].value() or "" for name in self.fields}
        self.is_valid()

    def _offer(self, name: str, choices: list[tuple[str, Any]], nothing: Any) -> None:
        field: Any = self.fields[name]
        field.choices = [("", nothing), *choices]

    @property
    def said(self) -> dict[str, Any]:
        """Return what was asked for and makes sense, by its name."""
        return {name: value for name, value in self.cleaned_data.items() if value}

    @property
    def is_narrowed(self) -> bool:
        """Say whether anything is filtered, the order apart."""
        return bool(set(self.said) - {"order"})

    @property
    def is_oldest_first(self) -> bool:
        """Say whether what was begun first comes first."""
        return bool(self.said.get("order") == "oldest")

    @property
    def query(self) -> str:
        """Return the filters as an address says them."""
        return urlencode({name: value for name, value in self.said.items() if value != "newest"})

    def words(self) -> list[tuple[str, str]]:
        """Return what the list is narrowed to, by label and value, for the record of a download."""
        return [(str(self.fields[name].label), str(value)) for name, value in self.said.items()]

    def narrowed(self, choice: Choice) -> QuerySet[Run]:
        """Return the runs that are asked for, in no order."""
        found = self.visible.filter(state__in=choice.states)
        if choice.only_paused:
            found = found.filter(is_paused=True)
        for name, value in self.said.items():
            if narrow := _NARROW.get(name):
                found = narrow(found, value, self.user)
        return found


def _workflows_of(user: User, visible: QuerySet[Run]) -> QuerySet[Workflow]:
    """Return the workflows somebody may see, or those that runs they may see are of."""
    if user.has_perm("runs.view_workflow"):
        return visible_workflows(user).order_by("name")
    return Workflow.objects.filter(Exists(visible.order_by().filter(workflow=OuterRef("pk")))).order_by("name")


def _departments_of(user: User) -> QuerySet[Department]:
    if user.has_perm("agents.view_department"):
        return Department.objects.order_by("name")
    own = user.department_id
    return Department.objects.filter(pk=own) if own else Department.objects.none()


def _of_workflow(found: QuerySet[Run], code: str, user: User) -> QuerySet[Run]:
    return found.filter(workflow__code=code)


def _of_department(found: QuerySet[Run], code: str, user: User) -> QuerySet[Run]:
    return found.filter(department__code=code)


def _of_agent(found: QuerySet[Run], text: str, user: User) -> QuerySet[Run]:
    named = Q(code=text) | Q(name__icontains=text)
    agents = list(visible_agents(user).filter(named).order_by().values_list("pk", flat=True)[:MOST_AGENTS])
    steps = Step.objects.filter(agent__in=agents).order_by("-pk")
    return found.filter(pk__in=steps.values("run")[:MOST_STEPS])


def _since(found: QuerySet[Run], day: date, user: User) -> QuerySet[Run]:
    at = _midnight(day)
    return found.filter(started_at__gte=at, pk__gte=_first_id(at - CLOCKS_APART))


def _until(found: QuerySet[Run], day: date, user: User) -> QuerySet[Run]:
    at = _midnight(day + timedelta(days=1))
    return found.filter(started_at__lt=at, pk__lt=_first_id(at + CLOCKS_APART))


def _with_words(found: QuerySet[Run], text: str, user: User) -> QuerySet[Run]:
    if (key := as_key(text)) is not None:
        return found.filter(pk=key)
    newest = found.order_by("-pk").values("pk")[:MOST_READ]
    return found.filter(Q(label__icontains=text) | Q(key__icontains=text), pk__in=newest)


def _waits_for(found: QuerySet[Run], kind: str, user: User) -> QuerySet[Run]:
    waiting = Step.objects.filter(WAITS[kind][1], state__in=OPEN_STEPS)
    return found.filter(state__in=OPEN_RUNS, pk__in=waiting.values("run"))


Narrow = Callable[[QuerySet[Run], Any, User], QuerySet[Run]]
# Words last: they are looked for among what is left.
_NARROW: Mapping[str, Narrow] = {
    "workflow": _of_workflow,
    "waits": _waits_for,
    "agent": _of_agent,
    "department": _of_department,
    "since": _since,
    "until": _until,
    "text": _with_words,
}


def as_key(text: str) -> UUID | None:
    """Return a text as the key of a run, if it is one."""
    try:
        return UUID(text.strip())
    except ValueError:
        return None


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time()), timezone.get_current_timezone())


def _first_id(at: datetime) -> UUID:
    """Return the least UUIDv7 of a moment: ids carry the time, so the key of the table finds a period."""
    return UUID(int=min(max(0, int(at.timestamp() * 1000)), 2**48 - 1) << 80)
