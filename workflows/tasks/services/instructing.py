"""Say something to an agent as an operator: it reads it with its work, and says that it did."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from agents import policies
from agents.models import Agent, User
from agents.services.history import lock_row
from audit.services import record_event
from audit.vocabulary import Actor, Ref, Refusal, RefusalKind
from connectors.policies.schemas import hidden_characters, plain_text
from workflows.tasks import registry
from workflows.tasks.models import Instruction, Task
from workflows.tasks.services.records import refused

MOST_UNREAD = 20
MOST_CHARACTERS = 4000
ADD = "tasks.add_instruction"


def may_instruct(actor: Actor, agent: Agent) -> Refusal | None:
    """Managers and operators may; so may whoever answers for the agent."""
    doing = f"instruct {agent.name}"
    if refusal := policies.may_act_as_person(actor, doing):
        return refusal
    answers = {str(agent.sponsor_id), str(agent.deputy_id or "")}
    return None if actor.id in answers else policies.may(actor, ADD, doing)


@transaction.atomic
def instruct_agent(
    *, actor: Actor, agent: Agent, text: str, reason: str, task_id: UUID | str | None = None
) -> Instruction:
    """Say something to an agent, about a task it has or in general; it binds no more than words do.

    No rule, limit or grant changes by it. Raises Refusal agent_retired, instruction_invalid,
    too_many_instructions, task_not_its.
    """
    agent = lock_row(Agent, agent.pk)
    policies.require(may_instruct(actor, agent))
    policies.require_reason(reason)
    if agent.lifecycle == Agent.Lifecycle.RETIRED:
        raise refused("agent_retired", f"{agent.name} has been retired: it reads nothing any more.")
    words = _words(text)
    task = _task_of(agent, task_id) if task_id else None
    _require_room(agent)
    author = User.objects.get(pk=actor.id)
    said = Instruction.objects.create(agent=agent, task=task, text=words, author=author, reason=reason)
    about = f" about {task.title}" if task else ""
    _record(actor, "tasks.agent_instructed", said, f"{actor.label} instructed {agent.name}{about}.", reason)
    registry.tell_instructed(said)
    return said


@transaction.atomic
def read_instruction(*, actor: Actor, instruction_id: UUID | str) -> Instruction:
    """Note that the agent it is for has read it. Saying so again is no error. Raises Refusal not_found."""
    said = (
        Instruction.objects.select_for_update(of=("self",))
        .select_related("agent", "task")
        .filter(pk=instruction_id, agent__user__id=UUID(actor.id))
        .first()
    )
    if said is None:
        raise refused("not_found", "There is no such instruction for you.", kind=RefusalKind.NOT_FOUND)
    if said.read_at is None:
        said.read_at = Now()
        said.save(update_fields=["read_at"])
        said.refresh_from_db(fields=["read_at"])
        sentence = f"{actor.label} read an instruction."
        _record(actor, "tasks.instruction_read", said, sentence, "", before={"read": False})
    return said


def _words(text: str) -> str:
    words = plain_text(text).strip()
    if not words or len(words) > MOST_CHARACTERS or hidden_characters(text):
        raise refused(
            "instruction_invalid",
            f"Nothing was said: write up to {MOST_CHARACTERS} characters, none of them hidden.",
            kind=RefusalKind.INVALID,
        )
    return words


def _task_of(agent: Agent, task_id: UUID | str) -> Task:
    task = Task.objects.filter(pk=task_id, claimed_by=agent.user_id, state=Task.State.CLAIMED).first()
    if task is None:
        raise refused(
            "task_not_its",
            f"Nothing was said: {agent.name} does not have that task any more.",
            "Look at what it has now, or say it in general.",
            kind=RefusalKind.CONFLICT,
        )
    return task


def _require_room(agent: Agent) -> None:
    if Instruction.objects.filter(agent=agent, read_at=None)[:MOST_UNREAD].count() >= MOST_UNREAD:
        raise refused(
            "too_many_instructions",
            f"Nothing was said: {agent.name} has {MOST_UNREAD} instructions that it has not read.",
            "Wait until it reads, or pause it.",
            kind=RefusalKind.CONFLICT,
        )


def _record(
    actor: Actor,
    verb: str,
    said: Instruction,
    sentence: str,
    reason: str,
    before: dict[str, bool] | None = None,
) -> None:
    refs = {**said.agent.event_refs(), **(said.task.event_refs() if said.task else {})}
    record_event(
        actor=actor,
        verb=verb,
        subject=Ref("tasks.instruction", str(said.pk), f"Instruction to {said.agent.name}"),
        sentence=sentence,
        reason=reason,
        payload={
            "text": said.text,
            "task": str(said.task_id or ""),
            "before": before or {"said": False},
            "after": {"read": said.read_at is not None},
        },
        **{**refs, "agent_id": str(said.agent_id)},
    )
