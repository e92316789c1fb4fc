"""Close tasks: done, failed, cancelled or expired. Whoever owns the task is told in the same transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction

from audit.vocabulary import Actor, ActorKind, Refusal, RefusalKind
from connectors.policies.schemas import argument_errors, plain_text
from workflows.tasks import broadcast, registry, selectors
from workflows.tasks.models import Task
from workflows.tasks.services.records import (
    locked,
    record,
    refused,
    require_claimer,
    require_epoch,
    require_waiting,
    require_work,
    user_of,
)
from workflows.tasks.services.standing import require_standing

LONGEST_PAUSE = 3600  # seconds between two attempts


@transaction.atomic
def complete_task(
    *,
    actor: Actor,
    task_id: UUID | str,
    reason: str = "",
    epoch: int | None = None,
    answer: Mapping[str, Any] | None = None,
) -> Task:
    """Close a task as done, with an answer that fits its schema.

    A worker passes the epoch of its claim; an older one is refused as stale. The same answer at the same epoch
    again is no error: whoever lost the reply may repeat it. Raises Refusal ``invalid_answer`` with JSON
    pointers, task_stale, task_not_claimed, task_closed.
    """
    task = locked(task_id)
    if task.state == Task.State.DONE and _is_repeated(actor, task, epoch, answer):
        return task
    require_epoch(task, epoch)
    require_waiting(task)
    if actor.kind is not ActorKind.SYSTEM:
        require_work(task)
        require_claimer(actor, task)
    require_standing(actor, task)
    task.answer = _checked(task, answer)
    task.save(update_fields=["answer"])
    return close_task(actor=actor, task=task, state=Task.State.DONE, verb="tasks.task_completed", reason=reason)


@transaction.atomic
def fail_task(
    *,
    actor: Actor,
    task_id: UUID | str,
    epoch: int,
    code: str,
    message: str,
    retry: bool,
    detail: Mapping[str, Any] | None = None,
    after_seconds: int | None = None,
) -> Task:
    """Say that the work failed. With ``retry`` it is offered again, later each time, until its attempts end.

    The same failure at the same epoch again is no error: whoever lost the reply may repeat it.
    """
    task = locked(task_id)
    failure = _failure(code, message, detail)
    if _has_failed_so(actor, task, epoch, failure):
        return task
    require_epoch(task, epoch)
    require_waiting(task)
    require_work(task)
    require_claimer(actor, task)
    require_standing(actor, task)
    return _fail_attempt(actor, task, failure, retry=retry, after_seconds=after_seconds)


@transaction.atomic
def time_out_task(*, task_id: UUID | str, code: str, message: str, retry: bool) -> Task:
    """Let an attempt fail because its time has passed; whoever still has it finds its claim over."""
    task = locked(task_id)
    if task.state == Task.State.CLAIMED:
        task.epoch += 1
        task.save(update_fields=["epoch"])
    return _fail_attempt(Actor.system("engine"), task, _failure(code, message, None), retry=retry)


def _fail_attempt(
    actor: Actor, task: Task, failure: dict[str, Any], *, retry: bool, after_seconds: int | None = None
) -> Task:
    """Count a failure of a locked task: it is offered again when its owner, or it itself, says so."""
    task.attempts += 1
    code, message = failure["code"], failure["message"]
    pause = _pause(task, code, after_seconds) if retry else None
    if pause is None:
        task.failure = failure
        task.save(update_fields=["attempts", "failure"])
        return _close_failed(actor, task, message)
    task.state, task.claimed_by, task.lease_until = Task.State.OPEN, None, None
    task.failure = failure
    task.available_at = selectors.database_now() + timedelta(seconds=pause)
    task.save(update_fields=["attempts", "state", "claimed_by", "lease_until", "failure", "available_at"])
    sentence = f"Attempt {task.attempts} of {task.most_attempts} failed: {task.title}: {message}"
    record(actor, "tasks.task_failed_once", task, sentence, code=code)
    if task.role_id:
        transaction.on_commit(partial(broadcast.tell_work, task.role_id))
    return task


def _pause(task: Task, code: str, after_seconds: int | None) -> int | None:
    """Return the seconds before the next attempt; whoever failed may ask for more of them, None: no more."""
    asked = None if after_seconds is None else min(after_seconds, LONGEST_PAUSE)
    if waits := registry.waits_of(task):
        seconds = waits(code)
        return None if seconds is None else max(seconds, asked or 0)
    if task.attempts >= task.most_attempts:
        return None
    return min(2**task.attempts, LONGEST_PAUSE) if asked is None else asked


def fail_locked(
    actor: Actor, task: Task, *, code: str, message: str, detail: Mapping[str, Any] | None = None
) -> Task:
    """Close a locked task as failed for good."""
    task.failure = _failure(code, message, detail)
    task.save(update_fields=["failure"])
    return _close_failed(actor, task, message)


@transaction.atomic
def fail_by_hand(*, actor: Actor, task_id: UUID | str, code: str, message: str) -> Task:
    """Close a task as failed, whoever has it. For higher sub-packages, which have asked whether one may."""
    task = locked(task_id)
    require_waiting(task)
    if task.state == Task.State.CLAIMED:
        task.epoch += 1  # a late answer is refused
        task.save(update_fields=["epoch"])
    return fail_locked(actor, task, code=code, message=message)


def _close_failed(actor: Actor, task: Task, message: str) -> Task:
    return close_task(actor=actor, task=task, state=Task.State.FAILED, verb="tasks.task_failed", reason=message)


@transaction.atomic
def cancel_task(*, actor: Actor, task_id: UUID | str, reason: str) -> Task:
    """Close a task that nobody needs any more."""
    task = locked(task_id)
    if actor.kind is ActorKind.AGENT:
        raise refused("people_only", "Agents do not cancel tasks. Ask a person who is responsible for it.")
    if actor.kind is ActorKind.PERSON and not user_of(actor).has_perm("tasks.change_task"):
        require_claimer(actor, task)
    return close_task(
        actor=actor, task=task, state=Task.State.CANCELLED, verb="tasks.task_cancelled", reason=reason
    )


def close_task(*, actor: Actor, task: Task, state: str, verb: str, reason: str, code: str = "") -> Task:
    """Move a locked, waiting task to a final state. The caller has already asked whether the actor may."""
    require_waiting(task)
    task.state = Task.State(state)
    task.closed_at = selectors.database_now()
    task.close_reason = plain_text(reason)[:500]
    task.waits_for = ""
    task.save(update_fields=["state", "closed_at", "close_reason", "waits_for"])
    code = str(task.failure.get("code", "")) if task.state == Task.State.FAILED else code
    record(actor, verb, task, f"{task.title}: {task.get_state_display().lower()}", reason, code[:60])
    registry.tell_closed(actor, task)
    if task.claimed_by_id and str(task.claimed_by_id) != actor.id:
        registry.tell_holder(task, str(task.claimed_by_id), task.state, code[:60])
    if task.has_asked:
        _end_questions(actor, task)
    return task


def _end_questions(actor: Actor, task: Task) -> None:
    """Nobody needs an answer any more to what was asked for a task that is closed.

    A question that somebody is just writing to is left to the sweeper: an answer locks its question first and
    then the task that asks, so that waiting here could be for ever.
    """
    waiting = task.questions.filter(state__in=Task.WAITING).select_for_update(skip_locked=True, of=("self",))
    verb, why = "tasks.task_cancelled", "Whoever asked needs it no more."
    for question in waiting.order_by("pk"):
        close_task(actor=actor, task=question, state=Task.State.CANCELLED, verb=verb, reason=why)


@transaction.atomic
def close_if_waiting(*, actor: Actor, task_id: UUID | str, state: str, reason: str) -> None:
    """Close the task of something that was decided elsewhere; a task that is closed already stays as it is."""
    task = Task.objects.select_for_update().filter(pk=task_id).first()
    if task and task.state in Task.WAITING:
        close_task(actor=actor, task=task, state=state, verb=_CLOSING_VERBS[Task.State(state)], reason=reason)


_CLOSING_VERBS = {
    Task.State.DONE: "tasks.task_completed",
    Task.State.CANCELLED: "tasks.task_cancelled",
    Task.State.EXPIRED: "tasks.task_expired",
}


def _is_repeated(actor: Actor, task: Task, epoch: int | None, answer: Mapping[str, Any] | None) -> bool:
    same_hand = _is_of(actor, task) and epoch == task.epoch
    return same_hand and epoch is not None and (task.answer or {}) == dict(answer or {})


def _has_failed_so(actor: Actor, task: Task, epoch: int, failure: Mapping[str, Any]) -> bool:
    """Tell whether this very attempt has ended with this very failure, and nobody has taken the task since."""
    has_ended = task.state == Task.State.OPEN or (task.state == Task.State.FAILED and _is_of(actor, task))
    is_it = has_ended and epoch == task.epoch > 0 and task.failure == failure
    return is_it and selectors.may_do(user_of(actor), task)


def _is_of(actor: Actor, task: Task) -> bool:
    return str(task.claimed_by_id) == actor.id


def _checked(task: Task, answer: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the answer if it fits; what nobody described is held to the bounds of every other value."""
    if not task.answer_schema and not answer:
        return None
    errors = argument_errors(task.answer_schema, dict(answer or {}))
    if not errors:
        return dict(answer or {})
    first = errors[0]
    raise Refusal(
        "invalid_answer",
        f"The answer of {task.title!r} was refused at {first['pointer'] or '/'}: {first['message']}",
        detail={"errors": errors},
        kind=RefusalKind.INVALID,
        next_step="Correct the named fields and complete the task again; it is still yours.",
    )


def _failure(code: str, message: str, detail: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return why it failed as it is kept: the flow goes by the code, people read the message."""
    found: dict[str, Any] = {"code": code[:60], "message": plain_text(message)[:1000]}
    if detail:
        wrong = argument_errors({}, dict(detail))
        found["detail"] = {"left_out": wrong[0]["message"]} if wrong else dict(detail)
    return found
