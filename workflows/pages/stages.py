"""In which order people decide, as a short list: who has agreed, whose turn it is, who is next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agents.decision.speech import people
from workflows.approvals.models import Approval, Stage, Vote
from workflows.approvals.selectors import stages_of
from workflows.pages.words import Tag

DONE, NOW, LATER = Tag("Done", "check_circle", "good"), Tag("Now", "pending", "wait"), Tag("Later", "schedule")
ENDED, UNREACHED = Tag("Ended here", "cancel", "bad"), Tag("Not reached", "block")


@dataclass(frozen=True, slots=True)
class StageLine:
    """One stage as a person reads it. ``waits_for``: whom it waits for, while it does."""

    who: str
    tag: Tag
    votes: list[Vote]
    waits_for: str = ""


def stage_lines(approval: Approval, votes: Sequence[Vote]) -> list[StageLine]:
    """Return the stages of an approval in order; nothing where there is only one."""
    stages = stages_of(approval)
    if len(stages) < 2:
        return []
    turn = next((names_of(stage) for stage in stages if stage.number == approval.stage), "")
    return [
        StageLine(
            who=f"{people(stage.quorum)} of {names_of(stage)}",
            tag=(tag := _tag(approval, stage)),
            votes=[vote for vote in votes if vote.stage == stage.number],
            waits_for=turn if tag is LATER else "",
        )
        for stage in stages
    ]


def names_of(stage: Stage) -> str:
    """Return whose members decide at a stage together."""
    return " and ".join(sorted(group.name for group in stage.groups.all()))


def _tag(approval: Approval, stage: Stage) -> Tag:
    if stage.agreed_at is not None:
        return DONE
    if approval.state == Approval.State.PENDING:
        return NOW if stage.number == approval.stage else LATER
    return ENDED if stage.number == approval.stage else UNREACHED
