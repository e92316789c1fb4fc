"""What a row of the inbox says below its title: why it waits, or what became of it and by whom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from agents.models import User
from workflows.actions.models import Action
from workflows.approvals.models import Approval, Vote
from workflows.pages.words import facts_of, without_verdict
from workflows.tasks.models import Task

LONGEST_QUOTE = 160
# Such work says by its own word what it is.
OWN_WORDS = {"appeals.appeal": "Appeal: what was denied stays denied"}
_VERDICTS = {Approval.State.APPROVED: Vote.Verdict.APPROVE, Approval.State.REJECTED: Vote.Verdict.REJECT}
# What was approved is decided anew before it is done, and may come to nothing all the same.
NOT_DONE = (Action.State.DENIED, Action.State.SUPERSEDED, Action.State.STOPPED)


def decided_by(state: str, votes: Iterable[Vote]) -> str:
    """Return whose votes brought an approval to its end, by name; '' where no vote did."""
    verdict = _VERDICTS.get(Approval.State(state))
    return " and ".join(vote.whose for vote in votes if vote.verdict == verdict)


def not_done(approval: Approval, action: Action | None) -> str:
    """Say why what was approved is not done all the same; '' where it is, or may be yet."""
    if approval.state != Approval.State.APPROVED or action is None or action.state not in NOT_DONE:
        return ""
    return f"But it is not done: {without_verdict(action.sentence)}"


def decision_words(approval: Approval) -> str:
    """Return what was decided, by whom and why."""
    who = decided_by(approval.state, approval.votes.all())
    if not who:
        decided = str(approval.get_state_display())
    elif approval.state == Approval.State.APPROVED:
        decided = f"Approved by {who}"
    else:
        decided = f"Rejected by {who}"
    return f"{decided}: “{approval.reason}”" if approval.reason else decided


def waiting_words(approval: Approval, shelf: str, whom: str) -> str:
    """Return why an approval waits, for whom in whose place, and whether somebody was reminded."""
    why = without_verdict(approval.sentence)
    if whom:
        why = f"In place of {whom}. {why}"
    if approval.clock_stopped_at:
        return f"{why} Its clock stands still."
    if shelf == "others" and len(approval.stages.all()) > 1:
        return (
            f"{why} Waits for {' and '.join(sorted(group.name for group in approval.approver_groups.all()))}."
        )
    return f"{why} Reminded." if approval.reminded_at else why


def task_words(task: Task, user: User, is_decided: bool) -> Iterator[str]:
    """Return what kind of work it is and who has it, or what became of it."""
    yield OWN_WORDS.get(task.subject_kind, task.get_kind_display())
    if task.reminded_at and not is_decided:
        yield "reminded"
    if is_decided:
        yield f"{task.get_state_display().lower()}{f' by {task.claimed_by}' if task.claimed_by else ''}"
    elif task.claimed_by_id == user.pk:
        yield "you have it"
    elif task.claimed_by:
        is_here = task.claimed_by.is_active
        yield f"{task.claimed_by} has it" if is_here else f"{task.claimed_by} had it and has left"


def quote_of(given: Mapping[str, Any]) -> str:
    """Return what says most of what work was given with, its longest text, in the words of whoever wrote it."""
    texts = [fact.value for fact in facts_of(given) if " " in fact.value] if given else []
    longest = max(texts, key=len, default="")
    return longest if len(longest) <= LONGEST_QUOTE else f"{longest[:LONGEST_QUOTE].rstrip()} …"
