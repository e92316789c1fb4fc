"""What was asked for a task, and what was answered."""

from __future__ import annotations

from dataclasses import dataclass

from workflows.pages.words import Fact, Tag, facts_of, state_tag
from workflows.tasks.models import Task


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that was asked for a task. What was answered is text that nobody has checked."""

    question: str
    whom: str
    tag: Tag
    answer: list[Fact]
    why_none: str


def questions_of(found: Task) -> list[Asked]:
    """Return the questions that were asked for a task, in their order."""
    asked = found.questions.select_related("role", "claimed_by").order_by("pk")
    return [_asked(one) for one in asked.prefetch_related("candidate_groups", "candidate_users")]


def _asked(one: Task) -> Asked:
    people = [str(user) for user in one.candidate_users.all()]
    groups = [group.name for group in one.candidate_groups.all()]
    whom = people or ([f"agents of {one.role.name}"] if one.role else groups)
    return Asked(
        question=str(one.input.get("question", "")),
        whom=" and ".join(whom),
        tag=state_tag(one.state, one.get_state_display()),
        answer=facts_of(one.answer or {}, one.answer_schema),
        why_none=str(one.failure.get("message", "")) if one.answer is None else "",
    )
