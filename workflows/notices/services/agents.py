"""What the programs of agents are told at their own address: that something waits for them, or has changed.

A message names what it is about, where that stands and why, by a code; the agent reads the rest with its token.
It is written in the transaction in which it happens, like everything that is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from django.db import transaction

from agents.models import Agent, Stop
from agents.selectors import agents_in_scope
from workflows.actions.models import Action
from workflows.notices import dispatch, selectors
from workflows.notices.models import Channel, Post
from workflows.notices.policies import agent_message, outcome_of
from workflows.tasks.models import Instruction, Task
from workflows.tasks.selectors import database_now, offered_to

# Which changes of an agent its own program hears of, and as what.
OF_AGENT = {
    "agents.agent_activated": "activated",
    "agents.agent_finishing": "finishing",
    "agents.agent_paused": "paused",
    "agents.agent_suspended": "suspended",
    "agents.brake_lifted": "resumed",
    "agents.agent_retired": "retired",
    "agents.autonomy_set": "autonomy_set",
}


def note_actions(actions: Sequence[Action]) -> None:
    """Note what the agents' own programs are told of actions that are held, let go by people, or have ended.

    It says what the agent reads over the API: state, code, sentence and the next legal move, never a result.
    """
    channels = {it.agent_id: it for it in selectors.channels_of_agents({one.agent_id for one in actions})}
    for action in actions:
        if channel := channels.get(action.agent_id):
            _of_action(channel, action)


def note_offered(task: Task) -> None:
    """Note that a task, or a question, is offered: to each agent that could take it and has a program."""
    kind = "question.asked" if task.asked_for_id else "task.offered"
    for channel in selectors.channels_of_role(task.role_id) if task.role_id else ():
        # Just what it would find by asking; whether it may work is asked later.
        if channel.agent and Task.objects.filter(offered_to(channel.agent), pk=task.pk).exists():
            _tell(channel, kind, _of_task(task, ""), f"/api/v1/tasks/{task.pk}")


def note_holder(task: Task, user_id: str, what: str, code: str) -> None:
    """Note that what an agent has was paused, resumed, taken back or closed, or what it asked was answered."""
    agent_ids = Agent.objects.filter(user__id=UUID(user_id)).values_list("pk", flat=True)
    for channel in selectors.channels_of_agents(agent_ids):
        if what == "appeal_answered":
            action = str(task.references.get("action_id", ""))
            told = {"appeal": task.subject_id, "action": action, "state": code, "code": "appeal_answered"}
            _tell(channel, "appeal.answered", told, f"/api/v1/actions/{action}/appeal")
            continue
        about, kind, told = task.pk, f"task.{what}", _of_task(task, code)
        if what == "answered":
            about, kind = task.asked_for_id or task.pk, "question.answered"
            told = {**told, "task": str(about), "question": str(task.pk)}
        _tell(channel, kind, told, f"/api/v1/tasks/{about}")


def note_instruction(said: Instruction) -> None:
    """Note that an operator said something to an agent; the words are read with its token."""
    for channel in selectors.channels_of_agents([said.agent_id]):
        told = {"instruction": str(said.pk), "state": "unread", "code": "instructed"}
        _tell(channel, "agent.instructed", told, "/api/v1/me/instructions")


def note_agent(agent: Agent, verb: str) -> None:
    """Note that an agent was paused, suspended, let go on, activated, retired, or works more or less freely."""
    if what := OF_AGENT.get(verb):
        for channel in selectors.channels_of_agents([agent.pk]):
            state = agent.autonomy if what == "autonomy_set" else _standing(agent)
            state = "finishing" if what == "finishing" else state
            told = {"agent": str(agent.pk), "state": state, "code": verb.partition(".")[2]}
            _tell(channel, f"agent.{what}", told, "/api/v1/me")


def note_stop(stop: Stop) -> None:
    """Note to the agents in the scope of a stop that it was raised, moved a stage, or lifted."""
    if not Channel.objects.filter(agent__isnull=False).exists():
        return
    agents = agents_in_scope(stop.scope_kind, stop.scope_id).values_list("pk", flat=True)
    kind, state = ("agent.released", "lifted") if stop.lifted_at else ("agent.stopped", str(stop.stage))
    for channel in selectors.channels_of_agents(agents):
        _tell(channel, kind, {"stop": str(stop.pk), "state": state, "code": "stopped"}, "/api/v1/stops")


def _standing(agent: Agent) -> str:
    return agent.lifecycle if agent.brake == Agent.Brake.NONE else agent.brake


def _of_task(task: Task, code: str) -> dict[str, str]:
    run = str(task.references.get("run_id", ""))
    return {"task": str(task.pk), "state": str(task.state), "code": code, **({"run": run} if run else {})}


def _of_action(channel: Channel, action: Action) -> None:
    post = Post(channel=channel)
    told = {"action": str(action.pk), "operation": action.operation_code, "state": str(action.state)}
    if follows := action.replaced_by:
        told["replaced_by"] = str(follows.pk)
    post.body = outcome_of(
        message_id=str(post.pk),
        at=database_now().isoformat(),
        label=action.label,
        link=selectors.address_of(f"/api/v1/actions/{action.pk}"),
        data={**told, "code": action.code, "sentence": action.sentence, "next_step": action.next_step},
    )
    _send(post)


def _tell(channel: Channel, kind: str, told: Mapping[str, str], path: str) -> None:
    post = Post(channel=channel)
    post.body = agent_message(
        message_id=str(post.pk),
        at=database_now().isoformat(),
        kind=kind,
        link=selectors.address_of(path),
        data=told,
    )
    _send(post)


def _send(post: Post) -> None:
    post.save(force_insert=True)
    transaction.on_commit(dispatch.hint_tell)
