"""The stages of an approval: fixed when it is asked, and gone through one after the other."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib.auth.models import Group

from agents.decision.stages import stages_in_words
from audit.services import record_event
from audit.vocabulary import Actor
from workflows.approvals import selectors
from workflows.approvals.models import Approval, Stage, Vote
from workflows.approvals.policies import Cast, Standing, standing
from workflows.approvals.services.timing import Times, begin_times
from workflows.tasks.selectors import database_now
from workflows.tasks.services import redirect_task

AskedAt = tuple[list[Group], int]  # of one stage: its groups, and how many of them


def fix_stages(approval: Approval, asked: Sequence[AskedAt], times: Times) -> None:
    """Write down the stages of a new approval; the first has begun."""
    for number, (groups, quorum) in enumerate(asked, 1):
        begun = database_now() if number == 1 else None
        wall, working = times.refused_after(number)
        stage = Stage.objects.create(
            approval=approval,
            number=number,
            quorum=quorum,
            begun_at=begun,
            refuse_seconds=wall,
            refuse_working_seconds=working,
        )
        stage.groups.set(groups)


def words_of(asked: Sequence[AskedAt]) -> str:
    """Return who decides: ``first two people of Finance, then one person of Legal``."""
    return stages_in_words((quorum, names_of(groups)) for groups, quorum in asked)


def names_of(groups: Sequence[Group]) -> str:
    """Return groups whose members decide together."""
    return " and ".join(group.name for group in groups)


def standing_of(approval: Approval) -> Standing:
    """Return where a locked approval stands after the votes it has."""
    quorums = [stage.quorum for stage in approval.stages.order_by("number")]
    votes = approval.votes.order_by("id").values_list(
        "stage", "verdict", "user_id", "on_behalf_of_id", "through_id"
    )
    return standing(
        quorums,
        [
            Cast(stage, verdict == Vote.Verdict.APPROVE, tuple(str(one) for one in people if one))
            for stage, verdict, *people in votes
        ],
    )


def end_stage(approval: Approval) -> Stage:
    """Note that as many as the stage that is on needs have approved."""
    over = approval.stages.get(number=approval.stage)
    over.agreed_at = database_now()
    over.save(update_fields=["agreed_at"])
    return over


def begin_next(actor: Actor, approval: Approval) -> None:
    """Ask the people of the next stage of a locked approval. Its times count from now: of a clock that stands,
    from since when it does."""
    now = approval.clock_stopped_at or database_now()
    over = end_stage(approval)
    approval.stage += 1
    following = approval.stages.get(number=approval.stage)
    begin_times(approval, following, now)
    following.begun_at = over.agreed_at
    following.save(update_fields=["begun_at"])
    groups = list(following.groups.order_by("name"))
    approval.approver_groups.set(groups)
    sentence = f"{names_of(selectors.groups_of(over))} agreed, {names_of(groups)} must decide now"
    record_event(
        actor=actor,
        verb="approvals.stage_begun",
        subject=approval.as_ref(),
        sentence=f"{sentence}: {approval.subject_label}"[:500],
        payload={"stage": approval.stage, "groups": [group.name for group in groups]},
        **approval.event_refs(),
    )
    redirect_task(actor=actor, task_id=approval.task_id, to=groups, reason=f"{sentence}.")
