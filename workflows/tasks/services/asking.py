"""Ask others for what one needs to go on: a question is a task, and its answer comes back to whoever asks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from agents.models import Agent
from audit.vocabulary import Actor, Ref, RefusalKind
from connectors.policies.schemas import hidden_characters, plain_text, schema_problems
from workflows.tasks import broadcast, registry, selectors
from workflows.tasks.models import Task
from workflows.tasks.services.claiming import release_task, wake_waiting
from workflows.tasks.services.closing import close_task
from workflows.tasks.services.handing import Recipient, Wanted, agents_at_work, held, recipient_of
from workflows.tasks.services.opening import open_task
from workflows.tasks.services.records import locked, record, refused, require_waiting

MOST_OPEN, MOST_OF_ONE = 5, 20
MOST_SCHEMA = 4_000  # characters
LONGEST_WAIT = 30 * 86_400  # seconds
BATCH = 100
KIND = "tasks.task"
ANSWER: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["answer"],
    "properties": {"answer": {"type": "string", "format": "free-text", "maxLength": 4000}},
}


@transaction.atomic
def ask_question(
    *,
    actor: Actor,
    task_id: UUID | str,
    epoch: int,
    question: str,
    to: Mapping[str, str],
    schema: Mapping[str, Any] | None = None,
    wait: bool = False,
    within_seconds: int = 86_400,
) -> Task:
    """Put a question to others for a task one holds; return the question, a task of its own.

    Whoever is asked sees the question and nothing of the run. ``schema`` is what the answer must fit (one text,
    if left out). With ``wait`` the asking task is given back and offered again with the answer. Unanswered
    ``within_seconds``, the question expires. Raises Refusal not_eligible, too_many_questions, cannot_ask,
    question_invalid, and those of a claim.
    """
    task = held(actor, task_id, epoch)
    _require_room(task)
    asked = recipient_of(task, to, Wanted(frozenset({actor.id})))
    if not task.has_asked:
        task.has_asked = True
        task.save(update_fields=["has_asked"])
    found = _open(actor, task, asked, _words(question), _sound(schema), within_seconds)
    sentence = f"{actor.label} asked {asked.label}: {task.title}"
    record(actor, "tasks.question_asked", task, sentence, question[:500])
    if wait:
        awaited = Ref(KIND, str(found.pk), f"an answer of {asked.label}")
        release_task(actor=actor, task_id=task.pk, epoch=epoch, reason="", wait_for=awaited)
    return found


@transaction.atomic
def ask_agent(
    *,
    actor: Actor,
    task_id: UUID | str,
    agent: Agent,
    question: str,
    about: Mapping[str, str],
    within_seconds: int = 86_400,
) -> Task:
    """Put a question to one agent about a task it does not have; the task waits on meanwhile.

    For higher sub-packages, which have asked whether the actor may. The agent is offered the question like work
    of its role, sees ``about`` beside it, and answers in words. Raises Refusal not_eligible, task_closed,
    too_many_questions, question_invalid.
    """
    task = locked(task_id)
    require_waiting(task)
    _require_room(task)
    if agent not in agents_at_work(agent.role):
        raise refused(
            "not_eligible",
            f"{agent.name} was not asked: it is paused, suspended or retired, and would not answer.",
            "Decide on what there is, or have it let go on.",
            kind=RefusalKind.CONFLICT,
        )
    if not task.has_asked:
        task.has_asked = True
        task.save(update_fields=["has_asked"])
    asked = Recipient(agent.name, role=agent.role, agent=agent)
    found = _open(actor, task, asked, _words(question), dict(ANSWER), within_seconds, about)
    sentence = f"{actor.label} asked {agent.name}: {task.title}"
    record(actor, "tasks.question_asked", task, sentence, question[:500])
    return found


def is_awaited(task: Task, question_id: str) -> bool:
    """Say whether a question of this task is still open; its answer cannot come before the task waits."""
    found = Task.objects.select_for_update(of=("self",)).filter(pk=question_id, asked_for=task).first()
    if found is None:
        raise refused(
            "not_found",
            f"The task cannot wait for {question_id}: that is no question of this task.",
            "Name a question that was asked for this task.",
            kind=RefusalKind.INVALID,
        )
    return found.state in Task.WAITING


def on_closed(actor: Actor, task: Task) -> None:
    """A question is closed: whoever asks hears of it."""
    if task.asked_for_id is not None:
        wake_waiting(task.as_ref())
        if asker := _asker(task):
            registry.tell_holder(task, asker, "answered", task.state)
        transaction.on_commit(partial(broadcast.tell_answered, task.asked_for_id))


def _asker(question: Task) -> str:
    """Return who waits for an answer: who has the task, or else who is not offered its own question."""
    has_it = question.asked_for.claimed_by_id if question.asked_for else None
    alone = question.not_offered_to[0] if len(question.not_offered_to) == 1 else ""
    return str(has_it) if has_it else alone


@transaction.atomic
def sweep_questions() -> int:
    """Close questions that are late or whose task is over; return how many. Run by the sweeper."""
    actor = Actor.system("sweeper")
    waiting = Task.objects.select_for_update(skip_locked=True, of=("self",)).filter(
        asked_for__isnull=False, state__in=Task.WAITING
    )
    goes = waiting.filter(asked_for__clock_stopped_at=None)
    late = list(goes.filter(due_at__lte=Now()).order_by("due_at")[:BATCH])
    for question in late:
        _close(actor, question, Task.State.EXPIRED, "tasks.task_expired", "Nobody answered in time.")
    left = list(waiting.exclude(asked_for__state__in=Task.WAITING).order_by("pk")[:BATCH])
    for question in left:
        _close(actor, question, Task.State.CANCELLED, "tasks.task_cancelled", "Whoever asked needs it no more.")
    return len(late) + len(left)


def _close(actor: Actor, question: Task, state: str, verb: str, reason: str) -> None:
    close_task(actor=actor, task=question, state=state, verb=verb, reason=reason)


def _require_room(task: Task) -> None:
    if task.asked_for_id:
        raise refused(
            "cannot_ask",
            "A question was not asked: what you have is a question itself.",
            "Answer what you know, or fail it.",
            kind=RefusalKind.CONFLICT,
        )
    asked = list(task.questions.values_list("state", flat=True))
    if sum(state in Task.WAITING for state in asked) >= MOST_OPEN or len(asked) >= MOST_OF_ONE:
        raise refused(
            "too_many_questions",
            f"A question was not asked: {MOST_OPEN} may be open at a time, {MOST_OF_ONE} be asked in all.",
            "Wait for the answers there are to come, or go on without.",
            kind=RefusalKind.CONFLICT,
        )


def _words(question: str) -> str:
    words = plain_text(question).strip()
    if not words:
        raise refused(
            "question_invalid", "A question was not asked: it says nothing.", kind=RefusalKind.INVALID
        )
    return words


def _sound(schema: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the schema of the answer; one of the asker's own is held to the rules of all schemas."""
    if not schema:
        return dict(ANSWER)
    problems = schema_problems(schema) + [
        f"{it['pointer']}: {it['message']}" for it in hidden_characters(schema)
    ]
    if len(json.dumps(schema)) > MOST_SCHEMA:
        problems.append(f"It is longer than {MOST_SCHEMA} characters.")
    if problems:
        raise refused(
            "question_invalid",
            f"A question was not asked: the schema of its answer cannot be used. {problems[0]}",
            "Mend the schema, or leave it out to be answered in words.",
            kind=RefusalKind.INVALID,
        )
    return dict(schema)


def _open(
    actor: Actor,
    task: Task,
    asked: Recipient,
    words: str,
    schema: Mapping[str, Any],
    within_seconds: int,
    about: Mapping[str, str] | None = None,
) -> Task:
    """Open the question. It is no step of the run, so that whoever answers sees neither run nor documents."""
    one = asked.agent.user if asked.agent else asked.person
    seconds = max(1, min(within_seconds, LONGEST_WAIT))
    return open_task(
        actor=actor,
        kind=Task.Kind.AGENT_WORK if asked.role else Task.Kind.QUESTION,
        title=f"A question of {actor.label}",
        subject=Ref(KIND, str(task.pk), f"Asked by {actor.label}"),
        groups=[asked.group] if asked.group else [],
        users=[one] if one else [],
        role=asked.role,
        work={"question": words, "asked_by": actor.label, **(about or {})},
        answer_schema=schema,
        due_at=selectors.database_now() + timedelta(seconds=seconds),
        priority=task.priority,
        references={name: value for name, value in task.references.items() if name != "step_id"},
        asked_for=task,
        not_offered_to=[actor.id],
    )
