"""What waits for people, approvals and tasks alike, as the rows of one inbox."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from uuid import UUID

from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils import timezone

from agents.models import User
from workflows.approvals.models import Approval
from workflows.approvals.selectors import asked_through_others, pending_for
from workflows.approvals.selectors import visible_to as visible_approvals
from workflows.pages.words import without_verdict
from workflows.runs.models import Run
from workflows.runs.selectors import visible_to as visible_runs
from workflows.tasks.models import Task
from workflows.tasks.selectors import visible_to as visible_tasks
from workflows.tasks.selectors import waiting_for

DECIDED_DAYS = 30
# An approval is shown by itself, not by its task, and agents have a door of their own.
FOR_PEOPLE = (Task.Kind.HUMAN_WORK, Task.Kind.EXCEPTION, Task.Kind.QUESTION, Task.Kind.INCIDENT)
PAGES = {"actions.action": "action", "runs.run": "run"}
OWN_PAGES = {"appeals.appeal": "appeal"}
# Such work says by its own word what it is.
OWN_WORDS = {"appeals.appeal": "Appeal: what was denied stays denied"}
# What is decided where the life of an agent is shown, and closed by that.
OF_AGENTS = {"agents.attestation", "agents.takeover"}
SOMETIME = datetime.max.replace(tzinfo=UTC)
ICONS = {Task.Kind.EXCEPTION: "report", Task.Kind.INCIDENT: "report", Task.Kind.QUESTION: "help"}


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the inbox. ``detail`` is '' for what is dealt with on a page of its own."""

    key: str
    icon: str
    title: str
    words: str
    at: datetime
    is_due: bool
    link: str
    detail: str = ""


def work_for(user: User) -> QuerySet[Task]:
    """Return the tasks a person could do now, apart from approvals; what a colleague has taken is theirs."""
    free = Q(claimed_by=None) | Q(claimed_by=user) | Q(claimed_by__is_active=False)
    return waiting_for(user).filter(free, kind__in=FOR_PEOPLE)


def count_for(user: User) -> int:
    """Return how much waits for a person."""
    return pending_for(user).count() + work_for(user).count()


def keys_for(user: User) -> list[str]:
    """Return what tells one state of a person's list from another."""
    tasks = work_for(user).order_by("pk").values_list("pk", "epoch", "reminded_at")
    approvals = pending_for(user).values_list("pk", "reminded_at", "clock_stopped_at")
    return [
        *(f"{key}:{at}:{stood}" for key, at, stood in approvals),
        *(f"{key}:{epoch}:{at}" for key, epoch, at in tasks),
    ]


def rows_of(user: User, shelf: str, most: int) -> list[Row]:
    """Return at most so many rows of a shelf: what is due soonest first, what is decided newest first."""
    approvals = list(_approvals(user, shelf)[:most])
    runs = _runs_of(approvals, user)
    whom = asked_through_others(user, approvals) if shelf == "mine" else {}
    found = [
        *(
            _of_approval(approval, shelf, runs.get(_run_id(approval), ""), whom.get(approval.pk, ""))
            for approval in approvals
        ),
        *(_of_task(task, user, shelf) for task in _tasks(user, shelf)[:most]),
    ]
    if shelf == "decided":
        return list(islice(sorted(found, key=lambda row: row.at, reverse=True), most))
    return list(islice(sorted(found, key=_urgency), most))


def page_of(task: Task) -> str:
    """Return where a task is dealt with: trouble on the page of its action or run, work in the inbox."""
    if task.subject_kind in OF_AGENTS:
        return reverse("agent-life", args=[UUID(task.subject_id)])
    is_trouble = task.kind in (Task.Kind.INCIDENT, Task.Kind.QUESTION)
    name = {**OWN_PAGES, **(PAGES if is_trouble else {})}.get(task.subject_kind, "")
    return reverse(name, args=[UUID(task.subject_id)]) if name else reverse("inbox-task", args=[task.pk])


def next_for(user: User) -> str:
    """Return the address of what waits next, or of the list when nothing does."""
    following = next(iter(rows_of(user, "mine", 1)), None)
    return following.link if following else reverse("inbox")


def _urgency(row: Row) -> tuple[datetime, str]:
    return (row.at if row.is_due else SOMETIME, row.key)


def _approvals(user: User, shelf: str) -> QuerySet[Approval]:
    if shelf == "mine":
        return pending_for(user)
    visible = visible_approvals(user).prefetch_related("approver_groups", "stages")
    if shelf == "others":
        mine = pending_for(user).values("pk")
        waiting = visible.filter(state=Approval.State.PENDING).exclude(pk__in=mine)
        return waiting.order_by("expires_at", "id")
    since = timezone.now() - timedelta(days=DECIDED_DAYS)
    return visible.filter(decided_at__gte=since).order_by("-decided_at")


def _tasks(user: User, shelf: str) -> QuerySet[Task]:
    if shelf == "mine":
        return work_for(user).select_related("claimed_by").order_by("due_at", "id")
    visible = visible_tasks(user).filter(kind__in=FOR_PEOPLE).select_related("claimed_by")
    if shelf == "others":
        waiting = visible.filter(state__in=Task.WAITING).exclude(pk__in=work_for(user).order_by().values("pk"))
        return waiting.order_by("due_at", "id")
    since = timezone.now() - timedelta(days=DECIDED_DAYS)
    return visible.filter(closed_at__gte=since).order_by("-closed_at")


def _run_id(approval: Approval) -> str:
    return str(approval.references.get("run_id", ""))


def _runs_of(approvals: list[Approval], user: User) -> dict[str, str]:
    """Return what the runs are about that approvals are part of, by id: in words, where a request has codes."""
    wanted = [key for approval in approvals if (key := _run_id(approval))]
    runs = visible_runs(user).filter(pk__in=wanted) if wanted else Run.objects.none()
    return {str(key): label for key, label in runs.order_by().values_list("pk", "label")}


def _of_approval(approval: Approval, shelf: str, run: str, whom: str) -> Row:
    why = without_verdict(approval.sentence)
    who = f"{approval.requester_label}, for {run}" if run else approval.requester_label
    if approval.clock_stopped_at and shelf != "decided":
        why = f"{why} Its clock stands still."
    elif shelf == "others" and len(approval.stages.all()) > 1:
        why = f"{why} Waits for {' and '.join(sorted(group.name for group in approval.approver_groups.all()))}."
    elif approval.reminded_at and shelf != "decided":
        why = f"{why} Reminded."
    decided = f", {approval.get_state_display().lower()}"
    told = f"{decided}: “{approval.reason}”" if approval.reason else decided
    return Row(
        key=str(approval.pk),
        icon="front_hand",
        title=approval.subject_label,
        words=f"{f'In place of {whom}. ' if whom else ''}{who}{told if shelf == 'decided' else f': {why}'}",
        at=approval.decided_at if shelf == "decided" and approval.decided_at else approval.expires_at,
        is_due=shelf != "decided",
        link=f"{reverse('inbox-approval', args=[approval.pk])}?show={shelf}",
        detail=reverse("inbox-detail", args=[approval.pk]),
    )


def _of_task(task: Task, user: User, shelf: str) -> Row:
    link = page_of(task)
    is_here = link == reverse("inbox-task", args=[task.pk])
    return Row(
        key=str(task.pk),
        icon=ICONS.get(Task.Kind(task.kind), "assignment"),
        title=task.title,
        words=", ".join(_words(task, user, shelf)),
        at=(task.closed_at if shelf == "decided" else task.due_at) or task.created_at,
        is_due=shelf != "decided" and task.due_at is not None,
        link=f"{link}?show={shelf}" if is_here else link,
        detail=reverse("inbox-task-detail", args=[task.pk]) if is_here else "",
    )


def _words(task: Task, user: User, shelf: str) -> Iterable[str]:
    yield OWN_WORDS.get(task.subject_kind, task.get_kind_display())
    if task.reminded_at and shelf != "decided":
        yield "reminded"
    if shelf == "decided":
        yield f"{task.get_state_display().lower()}{f' by {task.claimed_by}' if task.claimed_by else ''}"
    elif task.claimed_by_id == user.pk:
        yield "you have it"
    elif task.claimed_by:
        is_here = task.claimed_by.is_active
        yield f"{task.claimed_by} has it" if is_here else f"{task.claimed_by} had it and has left"
