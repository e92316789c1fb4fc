"""Which agent a step is for: chosen for an operation, preferred for a task; with the reason, for the step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agents.models import Agent
from workflows.runs import engine
from workflows.runs.models import Step
from workflows.runs.policies import Choice, Sticky
from workflows.runs.services.picture import Picture


def choose_agent(
    step: Step, node: engine.Node, arguments: Mapping[str, Any], picture: Picture
) -> tuple[Agent | None, Choice]:
    """Choose who asks for the operation of a node; no agent: the choice says why nobody can."""
    return picture.roster.choose_for_operation(
        **_wanted(step, node, picture), operation=node.facts["operation"], arguments=arguments
    )


def keep_for(step: Step, node: engine.Node, picture: Picture) -> tuple[Agent | None, dict[str, Any]]:
    """Return the agent that a task is kept for, if the node names a step and its agent may work; and why."""
    if "same_agent_as" not in node.facts:
        return None, {}
    agent, choice = picture.roster.look_at(**_wanted(step, node, picture))
    if not choice.kept:
        return None, {"chosen_because": choice.unstuck[:500]}
    return agent, {**routed(choice, node), "chosen_because": f"Kept for {choice.because}"[:500]}


def routed(choice: Choice, node: engine.Node) -> dict[str, Any]:
    """Return a choice as a step keeps it."""
    return {
        "chosen_because": choice.because[:500],
        "routing": choice.as_json(node.facts.get("needs", ())),
    }


def _wanted(step: Step, node: engine.Node, picture: Picture) -> dict[str, Any]:
    return {
        "role": node.facts["role"],
        "department": node.facts.get("department", ""),
        "workflow_id": str(step.run.workflow_id),
        "needs": node.facts.get("needs", ()),
        "sticky": _sticky(step, node, picture),
    }


def _sticky(step: Step, node: engine.Node, picture: Picture) -> Sticky | None:
    named = node.facts.get("same_agent_as")
    if named is None:
        return None
    done = picture.view(str(step.pk)).steps.get(named)
    return Sticky(picture.definition.nodes[named].name, str(done.facts.get("agent", "")) if done else "")
