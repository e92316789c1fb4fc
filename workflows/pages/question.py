"""One approval as a question to a person: what will happen, why you are asked, what the agent says about it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db.models import Q

from agents.models import User
from agents.policies import may_pause_agent
from workflows.actions.models import Action
from workflows.approvals.models import Approval, RejectCode, Vote
from workflows.approvals.selectors import others_who_may
from workflows.approvals.services import FOR_ANYBODY
from workflows.documents.models import Document
from workflows.documents.selectors import visible_to as visible_documents
from workflows.pages.asked import Asked, questions_of
from workflows.pages.confirming import Confirmed
from workflows.pages.hands import Hands, approve_words, hands_of, to_type
from workflows.pages.later import Later, later_of, when_words
from workflows.pages.lines import Line, history_of
from workflows.pages.matter import Matter, matter_of
from workflows.pages.risk import Risk, risk_of
from workflows.pages.row_words import decided_by
from workflows.pages.stages import StageLine, stage_lines
from workflows.pages.voters import Voter, voters_of, why_nobody
from workflows.pages.weighing import (
    Read,
    Similar,
    contradictions,
    may_look,
    reads_before,
    shown_reads,
    similar_to,
    with_names,
)
from workflows.pages.words import (
    Tag,
    state_tag,
    uuids_in,
)
from workflows.runs.models import Run, RunDocument, Step
from workflows.runs.selectors import visible_to as visible_runs
from workflows.tasks.models import Comment


@dataclass(frozen=True, slots=True)
class Question:
    """Everything the page of one approval shows."""

    approval: Approval
    matter: Matter
    state: Tag
    votes: list[Vote]
    decided_by: str
    is_under_way: bool  # approved, and not yet known what came of it
    groups: str
    history: list[Line]
    later: list[Later]
    until: str
    comments: list[Comment]
    asked: list[Asked]
    may_ask: bool
    may_change: bool
    others: list[User]  # whom this person could hand it to
    nobody_left: bool  # in a name of their own: a deputy may still
    handed: list[dict[str, Any]]
    may_vote: bool
    why_not: str
    voters: list[Voter]
    runs: list[Run]
    documents: list[Document]
    stages: list[StageLine]
    confirmed: Confirmed | None
    risk: Risk
    hands: Hands
    similar: Similar | None
    reads: list[Read]
    warnings: list[str]
    may_look: bool
    may_pause: bool
    typed: str
    approve: str
    codes: list[tuple[str, str]] = field(default_factory=lambda: list(RejectCode.choices))


def question_for(approval: Approval, user: User, confirmed: Confirmed | None = None) -> Question:
    """Return one approval as this person sees it; ``why_not`` says why they may not vote, in words.

    ``confirmed``: whether they have just shown again who they are, where that is asked.
    """
    votes = list(approval.votes.select_related("user", "on_behalf_of", "through"))
    runs = runs_of(approval, user)
    voters = voters_of(approval, user)
    why_not = "" if voters else why_nobody(approval, user, votes)
    waits = approval.state == Approval.State.PENDING
    others = others_who_may(user, approval) if waits else []
    matter = matter_of(approval)
    action, risk = matter.action, risk_of(matter.action, approval)
    reads = reads_before(action, user) if action else []
    matter = replace(matter, facts=with_names(matter.facts, reads))
    return Question(
        approval=approval,
        matter=matter,
        risk=risk,
        hands=hands_of(approval, user),
        similar=similar_to(action, approval, user) if action else None,
        reads=shown_reads(reads),
        warnings=contradictions(action, reads) if action else [],
        may_look=bool(voters and action and may_look(approval, action)),
        may_pause=bool(voters and action and not may_pause_agent(user.as_actor(), action.agent)),
        typed=to_type(action, risk),
        approve=approve_words(action, approval, votes),
        state=state_tag(approval.state, approval.get_state_display()),
        votes=votes,
        decided_by=decided_by(approval.state, votes),
        is_under_way=approval.state == Approval.State.APPROVED and bool(action and not action.is_final),
        groups=" and ".join(group.name for group in approval.approver_groups.all()),
        history=history_of("approvals.approval", approval.pk, user),
        comments=list(approval.task.comments.all()),
        asked=questions_of(approval.task),
        others=others if voters or user.has_perm(FOR_ANYBODY) else [],
        nobody_left=waits and not (voters or others),
        handed=[_handed(one) for one in approval.task.passed_on if one["how"] == "reassigned"],
        may_ask=bool(voters) and approval.requester_kind == User.Kind.AGENT,
        may_change=bool(voters) and approval.subject_kind == "actions.action",
        later=later_of(approval),
        until=when_words(approval, approval.expires_at, working=approval.end_in_working_time),
        may_vote=not why_not,
        why_not=why_not,
        voters=voters,
        runs=runs,
        documents=documents_of(runs, user),
        stages=stage_lines(approval, votes),
        confirmed=confirmed,
    )


def _handed(one: dict[str, Any]) -> dict[str, Any]:
    return {**one, "until_at": datetime.fromisoformat(one["until"]) if one.get("until") else None}


def documents_of(runs: list[Run], user: User) -> list[Document]:
    """Return the documents of runs that this person may read, in the order they came."""
    linked = RunDocument.objects.filter(run__in=runs).values("document")
    return list(visible_documents(user).filter(pk__in=linked).order_by("pk")) if runs else []


def runs_of(approval: Approval, user: User) -> list[Run]:
    """Return the run that a request is part of, if it is of one that this person may see."""
    if approval.subject_kind != "actions.action":
        return []
    action = Action.objects.filter(pk__in=uuids_in([approval.subject_id])).first()
    if action is None:
        return []
    part_of = Q(action=action)
    if action.task_id:
        part_of |= Q(task=action.task_id)
    found = list(Step.objects.filter(part_of).values_list("run", flat=True)[:2])
    return list(visible_runs(user, kept=True).filter(pk__in=found)[:1]) if found else []
