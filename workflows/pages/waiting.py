"""What waits for people, approvals and tasks alike, as the rows of one inbox."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from agents.models import Rule, User
from audit.wording import said_lazy
from workflows.actions.models import Action
from workflows.approvals.models import Approval
from workflows.approvals.selectors import asked_through_others, shapes_of
from workflows.pages.risk import leaves_company, risk_of
from workflows.pages.row_words import decision_words, not_done, quote_of, task_words, waiting_words
from workflows.pages.shelves import (
    SOMETIME,
    Place,
    approvals_on,
    decisions_for,
    last_looked_at,
    tasks_on,
    work_for,
)
from workflows.pages.sieve import Sieve
from workflows.pages.words import Tag
from workflows.runs.models import Run
from workflows.runs.selectors import visible_to as visible_runs
from workflows.tasks.models import Task
from workflows.tasks.selectors import holder_of

ON_A_PAGE = 50
# More than that is "more than 200": nobody needs the number, and counting it costs every page.
MOST_COUNTED = 200
PAGES = {"actions.action": "action", "runs.run": "run"}
OWN_PAGES = {"appeals.appeal": "appeal"}
# What is decided where the life of an agent is shown, and closed by that.
OF_AGENTS = {"agents.attestation", "agents.takeover"}
ICONS = {Task.Kind.EXCEPTION: "report", Task.Kind.INCIDENT: "report", Task.Kind.QUESTION: "help"}


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the inbox. ``detail`` is '' for what is dealt with on a page of its own; ``shape`` is '' for
    what is decided by itself. ``why`` is what work says of itself, ``quote`` what agents or documents say."""

    key: str
    icon: str
    title: str
    words: str
    at: datetime
    is_due: bool
    link: str
    detail: str = ""
    shape: str = ""
    who: str = ""
    rule: str = ""
    run: str = ""
    why: str = ""
    quote: str = ""
    tags: list[Tag] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Listed:
    """One page of a list; ``more`` is where the next begins, '' when there is none."""

    rows: list[Row]
    more: str = ""
    is_searched_on: bool = False


@dataclass(frozen=True, slots=True)
class About:
    """What the rows of approvals need to know, asked once for all of them."""

    actions: dict[UUID, Action]
    runs: dict[str, str]
    rules: dict[str, str]
    whom: dict[Any, str]
    shapes: dict[UUID, str]


def count_for(user: User) -> int:
    """Return how much waits for a person: at most ``MOST_COUNTED`` + 1, which stands for more."""
    approvals = decisions_for(user).order_by().values("pk")[: MOST_COUNTED + 1].count()
    return min(MOST_COUNTED + 1, approvals + work_for(user).order_by().values("pk")[: MOST_COUNTED + 1].count())


def others_waiting(user: User) -> int:
    """Return how much waits for others that a person may see: at most ``MOST_COUNTED`` + 1, which is "more"."""
    most = MOST_COUNTED + 1
    approvals = approvals_on(user, "others", None).order_by().values("pk")[:most].count()
    return min(most, approvals + tasks_on(user, "others", None).order_by().values("pk")[:most].count())


def rows_of(
    user: User, shelf: str, most: int = ON_A_PAGE, sieve: Sieve | None = None, after: Place | None = None
) -> Listed:
    """Return one page of a shelf: what is due soonest first, what is decided newest first."""
    sieve = sieve or Sieve()
    end = last_looked_at(after) if shelf == "decided" else None
    waiting = sieve.approvals(approvals_on(user, shelf, after))
    if end:
        waiting = waiting.filter(decided_at__gte=end.at)
    approvals = list(waiting[: most + 1])
    about = about_of(approvals, user, shelf)
    tasks = sieve.tasks(tasks_on(user, shelf, after))
    if end:
        tasks = tasks.filter(closed_at__gte=end.at)
    found = [_of_approval(one, user, shelf, about) for one in approvals]
    found += [_of_task(task, user, shelf) for task in tasks[: most + 1]]
    found.sort(key=lambda row: _urgency(row, shelf), reverse=shelf == "decided")
    if len(found) > most:
        at, key = _urgency(found[most - 1], shelf)
        return Listed(found[:most], Place(at, UUID(key)).text)
    return Listed(found, end.text if end else "", is_searched_on=end is not None)


def page_of(task: Task) -> str:
    """Return where a task is dealt with: trouble on the page of its action or run, work in the inbox."""
    if task.subject_kind in OF_AGENTS:
        return reverse("agent-life", args=[UUID(task.subject_id)])
    is_trouble = task.kind in (Task.Kind.INCIDENT, Task.Kind.QUESTION)
    name = {**OWN_PAGES, **(PAGES if is_trouble else {})}.get(task.subject_kind, "")
    return reverse(name, args=[UUID(task.subject_id)]) if name else reverse("inbox-task", args=[task.pk])


def next_for(user: User) -> str:
    """Return the address of what waits next, or of the list when nothing does."""
    following = next(iter(rows_of(user, "mine", 1).rows), None)
    return following.link if following else reverse("inbox")


def about_of(approvals: list[Approval], user: User, shelf: str = "mine") -> About:
    """Return what the rows of these approvals need, in the same number of questions for one and for many."""
    mine = approvals if shelf == "mine" else []
    whom = asked_through_others(user, mine) if mine else {}
    alone = [one for one in mine if one.pk not in whom and not one.clock_stopped_at]
    return About(
        actions=_actions_of(approvals),
        runs=_runs_of(approvals, user),
        rules=_rules_of(approvals),
        whom=whom,
        shapes={key: shape.key for key, shape in shapes_of(alone).items()},
    )


def _urgency(row: Row, shelf: str) -> tuple[datetime, str]:
    """What has no deadline comes last; what is over is in the order in which it was."""
    return (row.at if row.is_due or shelf == "decided" else SOMETIME, row.key)


def _actions_of(approvals: list[Approval]) -> dict[UUID, Action]:
    earlier = Action.objects.filter(
        agent=OuterRef("agent"), operation=OuterRef("operation"), approval__isnull=False, id__lt=OuterRef("id")
    )
    found = Action.objects.filter(approval__in=[one.pk for one in approvals]).defer(
        "arguments", "explanation", "evidence", "result", "provenance", "reason"
    )
    found = found.select_related("agent", "operation__system").annotate(is_first=~Exists(earlier))
    return {one.approval_id: one for one in found if one.approval_id}


def _run_id(approval: Approval) -> str:
    return str(approval.references.get("run_id", ""))


def _runs_of(approvals: list[Approval], user: User) -> dict[str, str]:
    """Return what the runs are about that approvals are part of, by id: in words, where a request has codes."""
    wanted = [key for approval in approvals if (key := _run_id(approval))]
    runs = visible_runs(user, kept=True).filter(pk__in=wanted) if wanted else Run.objects.none()
    return {str(key): label for key, label in runs.order_by().values_list("pk", "label")}


def _rules_of(approvals: list[Approval]) -> dict[str, str]:
    wanted = {str(key) for one in approvals for key in one.explanation.get("deciding", ()) if _is_key(key)}
    rules = Rule.objects.filter(pk__in=wanted) if wanted else Rule.objects.none()
    return {str(key): name for key, name in rules.values_list("pk", "name")}


def _is_key(text: Any) -> bool:
    try:
        return bool(UUID(str(text)))
    except ValueError:
        return False


def _of_approval(approval: Approval, user: User, shelf: str, about: About) -> Row:
    run, whom = about.runs.get(_run_id(approval), ""), about.whom.get(approval.pk, "")
    rules = [about.rules.get(str(key), "") for key in approval.explanation.get("deciding", ())]
    action = about.actions.get(approval.pk)
    return Row(
        key=str(approval.pk),
        icon="front_hand" if action else "policy",
        title=approval.subject_label if action else said_lazy(approval.subject_label),
        words=decision_words(approval) if shelf == "decided" else waiting_words(approval, shelf, whom),
        at=approval.decided_at if shelf == "decided" and approval.decided_at else approval.expires_at,
        is_due=shelf != "decided",
        link=f"{reverse('inbox-approval', args=[approval.pk])}?show={shelf}",
        detail=reverse("inbox-detail", args=[approval.pk]),
        shape=about.shapes.get(approval.pk, ""),
        who=approval.requester_label,
        rule=", ".join(filter(None, rules)),
        run=run,
        tags=list(_marks(approval, action, user)) if shelf != "decided" else [],
        why=not_done(approval, action),
    )


def _marks(approval: Approval, action: Action | None, user: User) -> Iterator[Tag]:
    """Return what one has to know before one opens it: how grave, what is special, and who has it."""
    yield risk_of(action, approval).tag
    if action and action.operation:
        if action.operation.effect != "read" and action.operation.undo_operation_id is None:
            yield Tag(_("Cannot be undone"), "lock_clock", "wait")
        if leaves_company(action):
            yield Tag(_("Leaves the company"), "public", "wait")
    if action and action.is_first:  # type: ignore[attr-defined]
        yield Tag(_("First of its kind"), "new_releases", "info")
    if action and action.sentence.startswith("asked again"):
        yield Tag(_("Asked again"), "replay", "wait")
    if action and action.replaces_id:
        yield Tag(_("Changed by a person"), "edit_note", "info")
    if holder := holder_of(approval.task, timezone.now()):
        word = _("You have it") if holder == user else _("%(who)s has it") % {"who": holder}
        yield Tag(word, "person_check", "info")


def _of_task(task: Task, user: User, shelf: str) -> Row:
    link = page_of(task)
    is_here = link == reverse("inbox-task", args=[task.pk])
    is_decided = shelf == "decided"
    return Row(
        key=str(task.pk),
        icon=ICONS.get(Task.Kind(task.kind), "assignment"),
        title=task.title if task.is_given else said_lazy(task.title),
        words=", ".join(task_words(task, user, is_decided)),
        why="" if is_decided else task.body,
        quote="" if is_decided else quote_of(task.input),
        at=(task.closed_at if is_decided else task.due_at) or task.created_at,
        is_due=not is_decided and task.due_at is not None,
        link=f"{link}?show={shelf}" if is_here else link,
        detail=reverse("inbox-task-detail", args=[task.pk]) if is_here else "",
    )
