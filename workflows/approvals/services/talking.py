"""Say something about an approval, and ask its agent back. Neither decides anything; it waits on meanwhile."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from agents.models import Agent, User
from agents.policies import may_act_as_person, require, user_of
from audit.vocabulary import Actor, Refusal, RefusalKind
from connectors.policies.schemas import plain_text
from workflows.approvals import registry, selectors
from workflows.approvals.models import Approval
from workflows.approvals.services.deciding import lock
from workflows.tasks.models import Comment, Task
from workflows.tasks.services import ask_agent, note_comment

MOST_CHARACTERS = 4000
LONGEST_SECONDS = 7 * 86_400


@transaction.atomic
def comment_on(*, actor: Actor, approval_id: UUID | str, text: str) -> Comment:
    """Keep what a person says about an approval they may see, also once it is decided. Never edited.

    Raises Refusal people_only, not_found, comment_invalid.
    """
    _, approval = _seen(actor, approval_id)
    words = plain_text(text).strip()
    if not 0 < len(words) <= MOST_CHARACTERS:
        raise Refusal(
            "comment_invalid",
            f"Nothing was kept: say something, in at most {MOST_CHARACTERS} characters.",
            kind=RefusalKind.INVALID,
        )
    return note_comment(actor=actor, task=approval.task, text=words)


@transaction.atomic
def ask_back(*, actor: Actor, approval_id: UUID | str, question: str, within_seconds: int = 86_400) -> Task:
    """Ask the agent whose action is held; whoever could vote on it may. The approval waits on, its clock too.

    The question expires with the approval at the latest. Raises Refusal people_only, not_found,
    approval_closed, not_an_approver, nobody_to_ask, not_eligible, too_many_questions, question_invalid.
    """
    person, approval = _seen(actor, approval_id)
    agent = _asked(person, approval)
    left = int((approval.expires_at - (approval.clock_stopped_at or selectors.database_now())).total_seconds())
    return ask_agent(
        actor=actor,
        task_id=approval.task_id,
        agent=agent,
        question=question[:MOST_CHARACTERS],
        about={"about": approval.subject_label, "action": approval.subject_id},
        within_seconds=max(1, min(within_seconds, left, LONGEST_SECONDS)),
    )


def _seen(actor: Actor, approval_id: UUID | str) -> tuple[User, Approval]:
    require(may_act_as_person(actor, "say something about an approval"))
    person = user_of(actor)
    if person is None:
        raise Refusal("people_only", "Only people say something about an approval.")
    if not selectors.visible_to(person).filter(pk=approval_id).exists():
        raise Refusal("not_found", f"There is no approval {approval_id} for you.", kind=RefusalKind.NOT_FOUND)
    return person, lock(approval_id)


def _asked(person: User, approval: Approval) -> Agent:
    """Return the agent to ask; refuse where there is none, nothing is left to decide, or it is not theirs."""
    about = f"Nobody was asked about {approval.subject_label!r}:"
    if approval.state != Approval.State.PENDING:
        message = f"{about} it is already {approval.state}."
        raise Refusal("approval_closed", message, kind=RefusalKind.CONFLICT)
    if not selectors.seats_open_to(person, approval):
        raise Refusal(
            "not_an_approver",
            f"{about} only who can still vote on it asks its agent.",
            next_step="Say it in a comment; whoever decides reads it.",
        )
    agent = registry.subject_of(approval.subject_kind).agent_of(approval)
    if agent is None:
        raise Refusal(
            "nobody_to_ask",
            f"{about} no agent asks for it.",
            kind=RefusalKind.CONFLICT,
            next_step="Say it in a comment, or ask whoever proposed it.",
        )
    return agent
