"""Agents come for their work: what none of them can take is noticed here, and told to the operators."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Count, Q
from django.db.models.functions import Now

from agents.models import Department, Role
from audit.vocabulary import Ref
from workflows.runs.models import Step
from workflows.runs.policies import Choice, Sticky, nobody
from workflows.runs.services.moving import ENGINE
from workflows.runs.services.routing import Roster
from workflows.tasks.models import Task
from workflows.tasks.services import close_if_waiting, offer_to_all, open_task

BATCH = 200
OFFERED = Q(kind=Task.Kind.AGENT_WORK, state=Task.State.OPEN, waits_for="", is_paused=False)
SUBJECT = "agents.role"


@dataclass(frozen=True)
class Wanted:
    """What kind of agent open tasks ask for. ``key`` names it on the incident about it."""

    role: str
    department: str
    needs: tuple[str, ...]
    workflow_id: str = ""

    @property
    def key(self) -> str:
        """Return it as one text."""
        return "/".join([self.role, self.department, *self.needs])

    def look_at(self, roster: Roster, sticky: Sticky | None = None) -> Choice:
        """Say who could take such a task now."""
        return roster.look_at(
            role=self.role,
            department=self.department,
            workflow_id=self.workflow_id,
            needs=self.needs,
            sticky=sticky,
        )[1]


def release_kept() -> int:
    """Offer tasks to all that are kept for an agent which may not work or take them any more; return how many.

    Why stands on the step. While that agent may work, the task waits for it, at most until it is overdue.
    """
    roster, released = Roster(), 0
    kept = Task.objects.filter(OFFERED, preferred_agent__isnull=False)
    for task in kept.select_related("role", "department", "preferred_agent").order_by("pk")[:BATCH]:
        if why := _against(task, roster):
            released += _release(task.pk, why)
    return released


def tell_unclaimed() -> int:
    """Ask the operators to look where nobody can take what has waited; close what is settled; return how many.

    One incident for each kind of agent that is missing, however many tasks wait for it.
    """
    missing = list(_missing())
    asked = {
        str(task.references.get("routing")): task
        for task in Task.objects.filter(
            kind=Task.Kind.INCIDENT, subject_kind=SUBJECT, state__in=Task.WAITING, references__has_key="routing"
        )
    }
    for key, task in asked.items():
        if key not in {wanted.key for wanted, *_ in missing}:
            reason = "Somebody can take it again, or nothing waits any more."
            close_if_waiting(actor=ENGINE, task_id=task.pk, state=Task.State.DONE, reason=reason)
    fresh = [found for found in missing if found[0].key not in asked]
    for wanted, count, why in fresh:
        _open_incident(wanted, count, why)
    return len(fresh)


def why_unclaimed(steps: Iterable[Step]) -> dict[UUID, str]:
    """Return for steps whose task nobody can take why that is; the others are left out."""
    roster, found = Roster(), {}
    for step in steps:
        task = step.task
        if task is None or task.kind != Task.Kind.AGENT_WORK or task.state != Task.State.OPEN or not task.role:
            continue
        choice = _wanted(task).look_at(roster)
        if choice.agent is None:
            found[step.pk] = nobody(choice.others)
    return found


def _missing() -> Iterable[tuple[Wanted, int, str]]:
    """Yield what kinds of agents are asked for and not there, with the number of tasks, and why."""
    since = Now() - timedelta(seconds=settings.UNCLAIMED_SECONDS)
    waiting = (
        Task.objects.filter(OFFERED, available_at__lt=since, role__isnull=False)
        .order_by()
        .values_list("role__code", "department__code", "needs")
        .annotate(Count("pk"))
    )
    roster = Roster()
    for role, department, needs, count in waiting[:BATCH]:
        wanted = Wanted(role, department or "", tuple(needs))
        choice = wanted.look_at(roster)
        if choice.agent is None:
            yield wanted, count, nobody(choice.others)


@transaction.atomic
def _open_incident(wanted: Wanted, count: int, why: str) -> None:
    role = Role.objects.get(code=wanted.role)
    place = f" in {Department.objects.get(code=wanted.department)}" if wanted.department else ""
    labels = f" with {', '.join(wanted.needs)}" if wanted.needs else ""
    waiting = f"{count} tasks wait" if count > 1 else "1 task waits"
    open_task(
        actor=ENGINE,
        kind=Task.Kind.INCIDENT,
        title=f"Nobody can take the work of {role}{place}{labels}",
        body=f"{waiting}. {why} Let an agent work again, give one the label, or steer the runs. "
        "This closes by itself when somebody can.",
        subject=Ref(SUBJECT, str(role.pk), role.name),
        groups=Group.objects.filter(name=settings.INCIDENT_GROUP),
        priority=2,
        references={"routing": wanted.key},
    )


def _against(task: Task, roster: Roster) -> str:
    """Return what keeps the agent that a task is kept for from it, or ''."""
    assert task.preferred_agent is not None  # noqa: S101 - asked for by the query
    return _wanted(task).look_at(roster, Sticky("", task.preferred_agent.code)).unstuck


@transaction.atomic
def _release(task_id: UUID, why: str) -> bool:
    if not offer_to_all(task_id=task_id):
        return False
    Step.objects.filter(task=task_id).update(chosen_because=why[:500])
    return True


def _wanted(task: Task) -> Wanted:
    role: Any = task.role
    department = task.department.code if task.department else ""
    return Wanted(role.code, department, tuple(task.needs), str(task.references.get("workflow_id", "")))
