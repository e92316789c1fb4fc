"""Read-only questions about workflows and runs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group
from django.db import connection
from django.db.models import OuterRef, Q, QuerySet
from guardian.shortcuts import get_objects_for_user

from agents.models import Role, User
from audit.lookups import EachRow
from workflows.actions.models import Action
from workflows.approvals.models import Approval
from workflows.approvals.selectors import asked_of
from workflows.approvals.selectors.asking import listed
from workflows.runs.choices import Undone
from workflows.runs.models import Run, RunDocument, Step, Timer, Workflow, WorkflowVersion
from workflows.tasks import selectors as tasks
from workflows.tasks.models import Task
from workflows.tasks.registry import Circle

Work = tuple[str | None, str | None]  # the ids of a step's task and action


def visible_workflows(user: User) -> QuerySet[Workflow]:
    """Return the workflows a person may see; agents see none."""
    if not user.is_active or user.is_agent:
        return Workflow.objects.none()
    return get_objects_for_user(user, "runs.view_workflow", Workflow, accept_global_perms=True)


def startable_by(user: User) -> QuerySet[Workflow]:
    """Return the workflows a person may start a run of now: switched on, with a version in force."""
    if not user.is_active or user.is_agent:
        return Workflow.objects.none()
    ready = Workflow.objects.filter(is_enabled=True, current__isnull=False).select_related("current")
    return get_objects_for_user(user, "runs.start_workflow", ready, accept_global_perms=True)


def visible_to(user: User, *, kept: bool = False) -> QuerySet[Run]:
    """Return the runs a user may see.

    An agent: those it has work of, and those it started. A person: those they started, have a task of or are
    asked to decide something in (nobody should approve what they cannot look into); all with
    ``runs.view_run``. ``kept``: asked again and again later as it is, and so of what comes then, too; quick
    where it is asked by key.
    """
    runs = Run.objects.select_related("workflow", "version", "department")
    if not user.is_active:
        return runs.none()
    mine = Q(started_by_id=str(user.pk))
    if user.is_agent:
        return runs.filter(mine | Q(pk__in=_runs_of(Task.objects.filter(claimed_by=user))))
    if user.has_perm("runs.view_run"):
        return runs
    keys = None if kept else _listed(user)
    if keys is not None:
        return runs.filter(pk__any_of=keys)
    return runs.filter(mine | _involving(user))


def _listed(user: User) -> set[UUID] | None:
    """Return the runs a person without the right may see, found from each side by itself; None: too many.

    Who sees many is asked about run by run: the newest are soon found. So it is for who may read every task,
    of which nearly every run has one. A task of a step is work, never an approval.
    """
    if user.has_perm("tasks.view_task"):
        return None
    work = (Q(task__in=side.order_by().values("pk")) for side in tasks.sides_of_work(user))
    parts = (*work, *_asking(asked_of(user).order_by()))
    steps = [Step.objects.filter(part).values_list("run") for part in parts]
    return listed([Run.objects.filter(started_by_id=str(user.pk)).values_list("pk"), *steps])


def readable_documents(user: User) -> Q | None:
    """Let people read the documents of runs they may see, and an agent those of the work it has now."""
    linked = RunDocument.objects.all()
    if user.is_agent:
        held = Task.objects.filter(claimed_by=user, state=Task.State.CLAIMED)
        return Q(pk__in=linked.filter(run__in=_runs_of(held)).values("document"))
    return Q(pk__in=linked.filter(run__in=visible_to(user)).values("document"))


@dataclass(frozen=True, slots=True)
class Clock:
    """One deadline of a task (start or complete): when it passes and is reminded of, and what happens then.

    No ``at``: it has passed, or it needs nobody any more.
    """

    deadline: str
    at: datetime | None
    remind_at: datetime | None
    then: str
    to: Sequence[str]
    answer: Mapping[str, Any] | None


def clocks_of(task: Task, step: Step | None) -> list[Clock]:
    """Return the deadlines of a task as their timers stand now."""
    timers = {timer.kind: timer.fire_at for timer in step.timers.all()} if step and task.deadlines else {}
    return [
        Clock(
            deadline=name,
            at=timers.get(Timer.OF_DEADLINE[name][1]),
            remind_at=timers.get(Timer.OF_DEADLINE[name][0]),
            then=facts["then"],
            to=facts.get("to", ()),
            answer=facts.get("answer"),
        )
        for name, facts in sorted(task.deadlines.items(), reverse=True)
    ]


def circle_of(task: Task) -> Circle:
    """Return who takes part in the run of a task, as its approved version says: nobody else is let into it."""
    version = WorkflowVersion.objects.filter(runs__steps__task=task).first()
    if version is None:
        return Circle(frozenset(), frozenset())
    roles = {node["role"] for node in version.content["nodes"].values() if "role" in node}
    return Circle(frozenset(roles), frozenset(groups_named_by(version).values_list("name", flat=True)))


def groups_named_by(version: WorkflowVersion) -> QuerySet[Group]:
    """Return the groups of people that a version names: owners, who does work, who is asked when it is late."""
    nodes = version.content["nodes"].values()
    names = {version.content["owner"], *(node["owner"] for node in nodes if "owner" in node)}
    for node in nodes:
        names |= set(node.get("groups", ()))
        names |= {name for facts in node.get("deadlines", {}).values() for name in facts.get("to", ())}
    return groups_of_people().filter(name__in=names)


def done_for_steps(found: Iterable[Work]) -> dict[Work, dict[str, Any]]:
    """Return what conditions read of the actions of steps, by the ids of their task and action."""
    if not (pairs := list(found)):
        return {}  # a query that asks for nothing is not sent, and yet costs what it takes to write it
    own = _facts_of(Action.objects.filter(pk__in=[action for _, action in pairs if action]))
    by_action = {facts["id"]: facts for _, facts in own}
    of_tasks: dict[str, list[dict[str, Any]]] = {}
    for task, facts in _facts_of(Action.objects.filter(task__in=[task for task, _ in pairs if task])):
        of_tasks.setdefault(task, []).append(facts)
    return {
        (task, action): {"action": by_action.get(action or "", {}), "actions": of_tasks.get(task or "", [])}
        for task, action in pairs
    }


def _facts_of(actions: QuerySet[Action]) -> list[tuple[str, dict[str, Any]]]:
    """Return what conditions read of actions, in the order they were asked for, each with its task."""
    names = ("task_id", "pk", "operation_code", "state", "code", "outcome", "result", "remote_ref")
    rows = actions.order_by("pk").values_list(*names)
    return [
        (
            str(task),
            {
                "id": str(key),
                "operation": operation,
                "state": state,
                "code": code,
                "outcome": outcome,
                "result": result or {},
                "remote_ref": remote_ref,
            },
        )
        for task, key, operation, state, code, outcome, result, remote_ref in rows
    ]


def groups_of_people() -> QuerySet[Group]:
    """Return the groups that work can be given to: the group of a role is one of agents."""
    return Group.objects.exclude(pk__in=Role.objects.values("group"))


# Its runs: those it is inside of, up to the root, and everything inside of that. Ids only, each found by its
# index: the planner, who cannot know how large a tree is, would rather read all of history.
_PEOPLE_BEHIND = """
WITH RECURSIVE around AS (
    SELECT id, parent_id, version_id, started_by_kind, started_by_id FROM runs_run WHERE id = %(run)s
    UNION ALL
    SELECT r.id, r.parent_id, r.version_id, r.started_by_kind, r.started_by_id
      FROM around a JOIN runs_step s ON s.id = a.parent_id JOIN runs_run r ON r.id = s.run_id
), family AS (
    SELECT id FROM around WHERE parent_id IS NULL
    UNION ALL
    SELECT r.id FROM family f
     CROSS JOIN LATERAL (SELECT id FROM runs_step WHERE run_id = f.id AND kind = 'sub' OFFSET 0) s
     CROSS JOIN LATERAL (SELECT id FROM runs_run WHERE parent_id = s.id OFFSET 0) r
), task AS (
    SELECT t.id, t.claimed_by_id FROM family f
     CROSS JOIN LATERAL (SELECT task_id FROM runs_step WHERE run_id = f.id AND task_id IS NOT NULL OFFSET 0) s
     CROSS JOIN LATERAL (SELECT id, claimed_by_id FROM tasks_task WHERE id = s.task_id OFFSET 0) t
), person AS (
    SELECT claimed_by_id FROM task
    UNION
    SELECT q.claimed_by_id FROM task t
     CROSS JOIN LATERAL (SELECT claimed_by_id FROM tasks_task
                          WHERE asked_for_id = t.id AND state = 'done' OFFSET 0) q
)
SELECT u.id::text FROM person p JOIN agents_user u ON u.id = p.claimed_by_id WHERE u.kind = 'person'
UNION
SELECT i.by_id::text FROM family f
 CROSS JOIN LATERAL (SELECT by_id FROM runs_intervention WHERE run_id = f.id AND shapes OFFSET 0) i
UNION
SELECT g.sent_by_id FROM family f
 CROSS JOIN LATERAL (SELECT sent_by_id FROM runs_signal
                      WHERE run_id = f.id AND sent_by_kind = 'person' OFFSET 0) g
UNION
SELECT started_by_id FROM around WHERE started_by_kind = 'person'
UNION
SELECT v.proposed_by_id::text FROM around a JOIN runs_workflowversion v ON v.id = a.version_id
"""


def people_behind(action: Action) -> set[str]:
    """Return who wants what a run asks for: who started or steered it, answered something, wrote the step, also
    one that gives an agent work in which it asks by itself.

    The same of every run of its tree: of those it is inside of, those inside of it, and those beside it.
    """
    run_id = str(action.references.get("run_id", ""))
    if not run_id:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(_PEOPLE_BEHIND, {"run": run_id})
        return {found for (found,) in cursor.fetchall() if found}


def _asking(asked: QuerySet[Approval]) -> list[Q]:
    """Return which steps have one of these approvals: of their action, of undoing it, inside them."""
    found = asked.values("pk")
    inside = Action.objects.filter(approval__in=found, task__isnull=False).order_by().values("task")
    # Most steps have no action: said in the question, so that they are not looked up one by one.
    return [
        Q(action__isnull=False, action__approval__in=found),
        Q(undo_action__isnull=False, undo_action__approval__in=found),
        Q(task__in=inside),
    ]


def _involving(user: User) -> Q:
    """Return the same of one run: a step of it is work of this person, or has an approval that asks them."""
    asked = asked_of(user, kept=True).order_by()
    steps = Step.objects.filter(run=OuterRef("pk")).order_by()
    inside = Action.objects.filter(
        EachRow(asked.filter(pk=OuterRef("approval"))), approval__isnull=False, task=OuterRef("task")
    )
    parts = [
        EachRow(tasks.work_visible_to(user).filter(pk=OuterRef("task"))),
        EachRow(asked.filter(pk=OuterRef("action__approval"))),
        EachRow(asked.filter(pk=OuterRef("undo_action__approval"))),
        EachRow(inside.order_by()),
    ]
    return reduce(or_, (Q(EachRow(steps.filter(part))) for part in parts))


def _runs_of(found: QuerySet[Task]) -> QuerySet[Step, Any]:
    return Step.objects.order_by().filter(task__in=found.order_by().values("pk")).values("run")


def uuids(texts: Iterable[str]) -> list[UUID]:
    """Return what of these texts is a UUID: what was approved may be something else."""
    found = []
    for text in texts:
        with suppress(ValueError):
            found.append(UUID(text))
    return found


def undone_actions(action_ids: Collection[str]) -> set[str]:
    """Return which of these actions were undone by their run later."""
    steps = Step.objects.filter(action_id__in=uuids(action_ids), undone=Undone.DONE)
    return {str(key) for key in steps.values_list("action_id", flat=True)}
