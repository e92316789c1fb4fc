"""People answer an appeal. Whatever they say, the denied action stays denied."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction

from agents import policies
from audit.services import record_event
from audit.vocabulary import Actor, Refusal, RefusalKind
from workflows.actions.broadcast import tell_changed
from workflows.actions.services.moving import references
from workflows.appeals import selectors
from workflows.appeals.choices import ANSWERS, Against, State
from workflows.appeals.models import Appeal
from workflows.appeals.services.proposing import ripen
from workflows.tasks.models import Task
from workflows.tasks.registry import tell_holder
from workflows.tasks.selectors import database_now
from workflows.tasks.services import claim_task, complete_task

_WORDS = {
    State.UPHELD: "says that the rule is right",
    State.ASK_AGAIN: "says that the agent may ask again",
    State.CHANGE_RULE: "says that the rule is to be changed",
}


@transaction.atomic
def answer_appeal(*, actor: Actor, appeal_id: UUID | str, decision: str, reason: str) -> Appeal:
    """Answer by means of its task: only those it is offered to, only once, and with a reason.

    Raises Refusal ``not_found``, ``answer_unknown``, ``reason_missing``, ``task_not_yours``, ``task_taken``,
    ``appeal_answered``, ``permission_missing``.
    """
    policies.require(policies.may_act_as_person(actor, "answer an appeal"))
    appeal = Appeal.objects.select_related("task").filter(pk=appeal_id).first()
    if appeal is None or appeal.task is None:
        raise Refusal("not_found", f"There is no appeal {appeal_id} for you.", kind=RefusalKind.NOT_FOUND)
    if decision not in ANSWERS:
        raise Refusal(
            "answer_unknown",
            f"Nothing was answered: {decision[:40]!r} is no answer.",
            kind=RefusalKind.INVALID,
            next_step=f"Say one of {', '.join(ANSWERS)}.",
        )
    policies.require_reason(reason)
    if not appeal.is_open:
        raise _answered(appeal)
    task = claim_task(actor=actor, task_id=appeal.task.pk)
    answer = {"decision": str(decision), "reason": reason.strip()}
    complete_task(actor=actor, task_id=task.pk, epoch=task.epoch, answer=answer, reason=reason.strip()[:500])
    appeal.refresh_from_db()
    return appeal


def on_task_closed(actor: Actor, task: Task) -> None:
    """Keep what was answered, in the transaction that closes the task of an appeal, and wake its agent."""
    appeal = (
        Appeal.objects.select_for_update(of=("self",))
        .select_related("action__agent__user", "action__agent__sponsor", "action__operation", "agent")
        .filter(pk=task.subject_id)
        .first()
    )
    if appeal is None or not appeal.is_open:
        return
    told = task.answer or {}
    is_answered = task.state == Task.State.DONE and told.get("decision") in ANSWERS
    if is_answered:
        _require_answerer(actor, appeal)
        appeal.answered_by = policies.user_of(actor)
    appeal.state = State(told["decision"]) if is_answered else State.LAPSED
    appeal.answer = str(told.get("reason", "") if is_answered else task.close_reason)[:2000]
    appeal.answered_at = database_now()
    appeal.save(update_fields=["state", "answer", "answered_by", "answered_at"])
    words = _WORDS.get(State(appeal.state), "closed it without an answer")
    about: dict[str, Any] = references(appeal.action)
    record_event(
        actor=actor,
        verb="appeals.appeal_answered" if is_answered else "appeals.appeal_lapsed",
        subject=appeal.as_ref(),
        sentence=f"{actor.label} {words}: {appeal.action.label}",
        reason=appeal.answer,
        code=appeal.state,
        **about,
    )
    ripen(appeal)
    tell_holder(task, str(appeal.agent.user_id), "appeal_answered", appeal.state)
    transaction.on_commit(partial(tell_changed, appeal.action_id, appeal.state))


def _require_answerer(actor: Actor, appeal: Appeal) -> None:
    """Whoever answers about rules may publish them; about a missing grant also who answers for the agent."""
    kinds = {one["kind"] for one in appeal.grounds}
    if not kinds & {Against.RULE, Against.LIMIT}:
        agent = appeal.action.agent
        if actor.id in (str(agent.sponsor_id), str(agent.deputy_id)):
            return
        policies.require(policies.may_publish_rule(actor))
        return
    if Against.LIMIT in kinds:
        policies.require(policies.may_publish_rule(actor))
    for one in appeal.grounds:
        rule = selectors.rule_of(one["id"]) if one["kind"] == Against.RULE else None
        if rule is not None:
            policies.require(policies.may_publish_rule(actor, rule.policy))


def _answered(appeal: Appeal) -> Refusal:
    who = f" by {appeal.answered_by}" if appeal.answered_by else ""
    return Refusal(
        "appeal_answered",
        f"Nothing was answered: it was answered before{who}: {appeal.get_state_display().lower()}.",
        kind=RefusalKind.CONFLICT,
        next_step="Nothing is left to do for it.",
    )
