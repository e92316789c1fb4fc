"""Words about one step that several pages share: who has it, and what went in or came out, in brief."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audit.services.evidence.cells import length_words
from workflows.actions.policies import redacted
from workflows.actions.selectors import hidden_in_action
from workflows.documents.models import Document
from workflows.pages.words import Fact
from workflows.runs.models import Step
from workflows.tasks.models import Task

IN_BRIEF = 3
BRIEF_CHARACTERS = 120


def full_name(step: Step) -> str:
    """Return what people call a step: its name, and of an item of a list which."""
    return f"{step.name} ({step.index + 1})" if step.frame_id else step.name


def took_words(step: Step) -> str:
    """Return how long a step that has ended took, from when it began; '' while it is open."""
    if step.finished_at is None:
        return ""
    return length_words((step.finished_at - (step.started_at or step.created_at)).total_seconds())


def shown_input(step: Step) -> Mapping[str, Any]:
    """Return what a step began with; what a rule hides in its action is hidden here, too."""
    found: Mapping[str, Any] = step.input
    return redacted(found, hidden_in_action(step.action)) if step.action is not None else found


def who_has(step: Step, *, is_held: bool = False, is_in_line: bool = False) -> str:
    """Return who did a step or has it now, or to whom it is offered.

    Of a task that was given back for an action: whether people decide on that, or it waits for its turn.
    """
    task = step.task
    if task is not None and task.waits_for:
        if is_in_line:
            return "what the agent asked for waits for its turn"
        return "people decide on what the agent asked for" if is_held else "waits for what the agent asked for"
    if task is not None and task.claimed_by is not None:
        return name_of(task)
    if step.agent is not None:
        return step.agent.name
    if task is not None and task.state == Task.State.OPEN:
        asked = [group.name for group in task.candidate_groups.all()]
        asked += [str(person) for person in task.candidate_users.all()]
        return f"offered to {task.role.name}" if task.role else f"offered to {' and '.join(asked) or 'nobody'}"
    return "the workflow" if step.kind in ("branch", "end") else ""


def name_of(task: Task) -> str:
    """Return what people call whoever has or had a task."""
    agent = getattr(task.claimed_by, "agent", None)
    return agent.name if agent else str(task.claimed_by)


def in_brief(facts: list[Fact]) -> str:
    """Return the first few facts as one line, for the summary that opens all of them."""
    words = ", ".join(f"{fact.name} {fact.value}" for fact in facts[:IN_BRIEF])
    more = f" and {len(facts) - IN_BRIEF} more" if len(facts) > IN_BRIEF else ""
    return (words if len(words) <= BRIEF_CHARACTERS else words[:BRIEF_CHARACTERS] + "…") + more


def names_of(documents: list[Document]) -> dict[str, str]:
    """Return the names of documents by their ids as text."""
    return {str(document.pk): document.name for document in documents}


def named(content: Mapping[str, Any], documents: Mapping[str, str]) -> dict[str, Any]:
    """Return content with names where it refers to documents: an id tells people nothing."""
    found: dict[str, Any] = _named(content, documents)
    return found


def _named(value: Any, documents: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _named(inner, documents) for key, inner in value.items()}
    if isinstance(value, list):
        return [_named(inner, documents) for inner in value]
    return documents.get(value, value) if isinstance(value, str) else value
