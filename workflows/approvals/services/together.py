"""Vote on several approvals that are alike, with one reason: each is a vote of its own, on what was shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agents.policies import may_act_as_person, require, require_reason, user_of
from agents.vocabulary import StepUp
from audit.vocabulary import Actor, Ref, Refusal, RefusalKind
from workflows.approvals import selectors
from workflows.approvals.models import Approval
from workflows.approvals.services.deciding import cast_vote

MOST_TOGETHER = 50
SEVERAL = Ref("approvals.approval", "", "Several requests that are alike")


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several: its approval, and the digest of what was shown of it."""

    approval_id: str
    digest: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one of several votes: the approval as it stands, or why it was refused."""

    approval_id: str
    approval: Approval | None = None
    refusal: Refusal | None = None


def cast_together(
    *, actor: Actor, choices: Sequence[Choice], verdict: str, reason: str, step_up: StepUp | None = None
) -> list[Outcome]:
    """Vote on each by itself, in its own transaction, and say what became of each. A refusal of one stops none.
    ``step_up`` as for a single vote: those that ask for it are refused without.

    Only one's own votes, and only on what is alike and small (``policies.batching``). Raises Refusal for all of
    them: people_only, reason_missing, too_many, not_alike.
    """
    require(may_act_as_person(actor, "vote"))
    require_reason(reason)
    keys = [choice.approval_id for choice in choices]
    if not 0 < len(keys) <= MOST_TOGETHER or len(set(keys)) < len(keys):
        message = f"Nothing was voted on: choose 1 to {MOST_TOGETHER} requests, each once."
        raise Refusal("too_many", message, kind=RefusalKind.INVALID)
    person = user_of(actor)
    found = {str(one.pk): one for one in selectors.visible_to(person).filter(pk__in=keys)} if person else {}
    shapes = {str(key): shape for key, shape in selectors.shapes_of(list(found.values())).items()}
    if len(set(shapes.values())) > 1:
        raise Refusal(
            "not_alike",
            "Nothing was voted on: these are not alike. What goes together is the same operation, held by the "
            "same rules.",
            kind=RefusalKind.CONFLICT,
            next_step="Choose those of one list, or decide each by itself.",
        )
    return [
        _one(actor, choice, choice.approval_id in found, choice.approval_id in shapes, verdict, reason, step_up)
        for choice in choices
    ]


def _one(
    actor: Actor,
    choice: Choice,
    is_seen: bool,
    is_small: bool,
    verdict: str,
    reason: str,
    step_up: StepUp | None,
) -> Outcome:
    try:
        if not is_seen:
            message = f"There is no approval {choice.approval_id} for you."
            raise Refusal("not_found", message, kind=RefusalKind.NOT_FOUND)
        if not is_small:
            raise Refusal(
                "decided_alone",
                "It was left out: what is of high risk, destroys, or moves money on the word of several people "
                "is decided by itself.",
                kind=RefusalKind.CONFLICT,
                next_step="Open it and decide it.",
            )
        voted = cast_vote(
            actor=actor,
            approval_id=choice.approval_id,
            verdict=verdict,
            reason=reason,
            digest=choice.digest,
            step_up=step_up,
        )
    except Refusal as refusal:
        return Outcome(choice.approval_id, refusal=refusal)
    return Outcome(choice.approval_id, approval=voted)
