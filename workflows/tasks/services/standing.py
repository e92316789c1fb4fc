"""Whether an agent may work at all: asked at every claim, and again when it hands something in."""

from __future__ import annotations

from agents.decision import AgentFacts
from agents.models import Agent
from agents.selectors import agent_facts
from agents.services import stops
from agents.services.model_use import require_budget
from audit.vocabulary import Actor, ActorKind, Ref, RefusalKind
from workflows.tasks.models import Task
from workflows.tasks.services.records import refused


def agent_of(actor: Actor) -> Agent:
    """Return the agent behind an actor; refuse anybody else."""
    agent = Agent.objects.select_related("user", "department", "role").filter(user_id=actor.id).first()
    if agent is None:
        raise refused("agents_only", "Only an agent is offered work.", "Take a task of yours from the inbox.")
    return agent


def require_may_work(agent: Agent, task: Task | None = None) -> None:
    """Refuse an agent that is braked or stopped, or whose task belongs to a stopped workflow."""
    _require_not_stopped(agent_facts(agent), task)


def _require_not_stopped(facts: AgentFacts, task: Task | None) -> None:
    scopes = stops.agent_scopes(facts)
    if task and (workflow := task.references.get("workflow_id")):
        scopes.append(Ref("workflow", str(workflow)))
    stops.lock_and_check(scopes)


def require_may_begin(agent: Agent, task: Task | None = None) -> None:
    """Refuse new work to an agent that may not work, or whose budget of model use is spent."""
    facts = agent_facts(agent)
    _require_not_stopped(facts, task)
    require_budget(facts, str(task.references.get("run_id", "")) if task else "")


def require_not_finishing(agent: Agent) -> None:
    """Refuse new work to an agent that was told to finish what it has; what it has it may finish."""
    if agent.pause_at is not None:
        raise refused(
            "agent_finishing",
            f"No new work: a person lets {agent.name} finish what it has and pauses it then "
            f"({agent.pause_because}).",
            f"Finish or release what you have before {agent.pause_at:%H:%M:%S} UTC. Take nothing new.",
            kind=RefusalKind.CONFLICT,
        )


def require_standing(actor: Actor, task: Task) -> None:
    """Refuse what an agent hands in while it may not work; its claim stands or lapses, nothing is lost."""
    if actor.kind is ActorKind.AGENT:
        require_may_work(agent_of(actor), task)
