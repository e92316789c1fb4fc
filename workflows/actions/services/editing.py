"""A person who could vote on a held action changes its arguments: another action takes its place.

Nothing but arguments changes: agent, operation, task and run stay. It is decided anew as if the agent had asked
so, and always waits for somebody else than whoever changed it, even where no rule would ask: who writes what is
done does not approve it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import transaction

from agents.decision import Decision, Verdict
from agents.decision.facts import Stage
from agents.selectors import PresentAuthority, authority_now
from agents.services import stops
from audit.services import record_refusal
from audit.vocabulary import Actor, Refusal, RefusalKind
from connectors.policies.digests import canonical_digest
from connectors.policies.schemas import argument_errors
from workflows.actions import registry
from workflows.actions.choices import State
from workflows.actions.models import Action
from workflows.actions.policies import (
    MOST_EDITS,
    Difference,
    differences_in_words,
    hidden_in,
    patched,
)
from workflows.actions.selectors import changed, hidden_in_action
from workflows.actions.services.asking import Ask, fill, operation_named
from workflows.actions.services.deciding import carry_out
from workflows.actions.services.executing import scopes_of
from workflows.actions.services.judging import Judgement, judge
from workflows.actions.services.moving import lock, move, note
from workflows.approvals import services as approvals
from workflows.approvals.models import Approval
from workflows.tasks.services import follow_another

KIND = "actions.action"


def edit_action(
    *,
    actor: Actor,
    approval_id: UUID | str,
    digest: str,
    changes: Mapping[str, Any],
    reason: str,
    on_behalf_of: UUID | str = "",
) -> Action:
    """Change arguments of a held action by a JSON merge patch (RFC 7396) and return what takes its place, held.

    ``digest`` is that of the approval as it was shown, ``on_behalf_of`` who is away and has handed it on.
    Raises Refusal, and changes nothing: those of a vote (people_only, approval_closed, approval_expired,
    four_eyes, already_voted, not_an_approver, not_a_delegate, digest_changed, reason_missing), not_editable,
    not_held, edited_too_often, hidden_field, nothing_changed, invalid_arguments, those of a stop, and
    that of the decision when the changed one would be denied.
    """
    try:
        with transaction.atomic():
            return _edit(actor, approval_id, str(on_behalf_of), digest, changes, reason)
    except Refusal as refusal:
        _record_refused(actor, approval_id, refusal)
        raise


def _edit(
    actor: Actor, approval_id: UUID | str, whom: str, digest: str, changes: Mapping[str, Any], reason: str
) -> Action:
    _let_followers_wait(approval_id)
    approval = approvals.lock(approval_id)
    people = _require_voter(actor, approval, whom, reason, digest)
    old = _held(approval)
    stops.lock_and_check(scopes_of(old))
    arguments, authority = _changed(old, changes), authority_now()
    judgement = _hiding(_judged(old, arguments, authority), hidden_in_action(old))
    new = Action(
        agent=old.agent,
        replaces=old,
        edited_by_id=actor.id,
        edit_reason=reason.strip()[:1000],
        edit_people=sorted({*old.edit_people, *people}),
    )
    fill(new, _ask(old, arguments), judgement, old.task, operation_named(old.operation_code, authority))
    new.save(force_insert=True)
    found = changed(old, new, judgement.decision.obligations.redact)
    _end(actor, old, new, found, reason)
    carry_out(actor=actor, action=new, judgement=_for_somebody_else(judgement, approval, actor, found))
    if new.state != State.HELD:
        raise _refused(new.code, new.sentence, new.next_step)
    _note(actor, old, new, found, reason)
    return new


def _let_followers_wait(approval_id: UUID | str) -> None:
    """What waits for the action is locked before it, as whoever ends that does."""
    subject = Approval.objects.filter(pk=approval_id, subject_kind=KIND).values_list("subject_id", flat=True)
    for action in Action.objects.filter(pk__in=list(subject)):
        registry.before_replacing(action)


def _require_voter(actor: Actor, approval: Approval, whom: str, reason: str, digest: str) -> tuple[str, ...]:
    """Return the ids of everybody in whose place it is changed; refuse who could not vote on what was shown."""
    try:
        return approvals.require_vote_allowed(actor, approval, whom, reason, digest).people
    except Refusal as refusal:
        raise Refusal(
            refusal.code,
            f"Nothing was changed, because only who may vote on it may change it. {refusal.message}",
            detail=refusal.detail,
            kind=refusal.kind,
            next_step=refusal.next_step,
        ) from refusal


def _held(approval: Approval) -> Action:
    if approval.subject_kind != KIND:
        raise _refused("not_editable", "only what an agent asks to do can be changed.", "Approve or reject it.")
    action = lock(approval.subject_id)
    if action.state != State.HELD or action.approval_id != approval.pk:
        why = f"{action.label} is {action.get_state_display().lower()}."
        raise _refused("not_held", why, "Nothing is left to change.", RefusalKind.CONFLICT)
    if len(_chain(action)) >= MOST_EDITS:
        raise _refused(
            "edited_too_often",
            f"it was changed {MOST_EDITS} times already.",
            "Reject it and say what is wrong; the agent may ask anew.",
            RefusalKind.CONFLICT,
        )
    return action


def _chain(action: Action) -> list[Action]:
    """Return what an action replaces, the nearest first."""
    found: list[Action] = []
    while action.replaces is not None and len(found) <= MOST_EDITS:
        action = action.replaces
        found.append(action)
    return found


def _changed(old: Action, changes: Mapping[str, Any]) -> dict[str, Any]:
    if reached := hidden_in(changes, hidden_in_action(old)):
        why = f"{reached.removeprefix('args.')} is hidden by a rule, and what nobody sees nobody changes."
        raise _refused("hidden_field", why, "Leave it out, or reject the request.")
    arguments = patched(old.arguments, changes)
    code, number = old.operation_code, old.revision_number
    if canonical_digest(code, number, arguments) == canonical_digest(code, number, old.arguments):
        raise _refused(
            "nothing_changed", "every value is as it was.", "Approve it as it is, or change a value."
        )
    return arguments


def _judged(old: Action, arguments: Mapping[str, Any], authority: PresentAuthority) -> Judgement:
    """Decide as if the agent had asked so; what would be denied is no change."""
    judgement = judge(
        agent=old.agent,
        operation_code=old.operation_code,
        arguments=arguments,
        on_behalf_of=str(old.on_behalf_of_id or ""),
        provenance=old.provenance,
        workflow_id=str(old.references.get("workflow_id", "")),
        run_id=str(old.references.get("run_id", "")),
        authority=authority,
    )
    operation = judgement.request.operation
    wrong = argument_errors(operation.input_schema or {}, arguments) if operation else []
    if wrong:
        where = wrong[0]["pointer"] or "/"
        raise Refusal(
            "invalid_arguments",
            f"Nothing was changed: the arguments do not fit at {where}: {wrong[0]['message']}",
            detail={"errors": wrong},
            kind=RefusalKind.INVALID,
            next_step="Correct the named values and try again.",
        )
    decision = judgement.decision
    if decision.verdict is Verdict.DENY:
        raise _refused(decision.code, f"so changed it is not allowed. {decision.sentence}", decision.next_step)
    return judgement


def _hiding(judgement: Judgement, paths: list[str]) -> Judgement:
    """Hide as well what was hidden before: nobody reads it by changing what the rule goes by."""
    decision = judgement.decision
    redact = tuple(sorted({*decision.obligations.redact, *paths}))
    duties = dataclasses.replace(decision.obligations, redact=redact)
    return dataclasses.replace(judgement, decision=dataclasses.replace(decision, obligations=duties))


def _for_somebody_else(
    judgement: Judgement, approval: Approval, actor: Actor, found: tuple[Difference, ...]
) -> Judgement:
    """Let it wait for people whatever the rules say; where they ask nobody, those who were asked are asked."""
    decision = judgement.decision
    said = f"{actor.label} changed {differences_in_words(found)}, and another person decides on it"
    if decision.verdict is Verdict.HOLD:
        sentence = f"{decision.sentence} Also: {said}."
        return dataclasses.replace(judgement, decision=dataclasses.replace(decision, sentence=sentence[:500]))
    groups = tuple(approval.approver_groups.order_by("name").values_list("name", flat=True))
    duties = dataclasses.replace(
        decision.obligations, approver_groups=groups, stages=(Stage(1, groups, decision.obligations.quorum),)
    )
    held: Decision = dataclasses.replace(
        decision,
        verdict=Verdict.HOLD,
        code="edited_by_person",
        sentence=f"Held: {said}."[:500],
        next_step="Wait for a person to decide.",
        obligations=duties,
    )
    return dataclasses.replace(judgement, decision=held)


def _ask(old: Action, arguments: Mapping[str, Any]) -> Ask:
    return Ask(
        operation=old.operation_code,
        arguments=arguments,
        reason=old.reason,
        evidence=tuple(old.evidence),
        confidence=old.confidence,
        on_behalf_of=str(old.on_behalf_of_id or ""),
        provenance=old.provenance,
        correlation_id=old.correlation_id,
        references=old.references,
    )


def _end(actor: Actor, old: Action, new: Action, found: tuple[Difference, ...], reason: str) -> None:
    """End the old one; who waits for it waits for the new one from now on."""
    words = differences_in_words(found)
    registry.tell_replaced(old, new)
    follow_another(
        actor=actor,
        before=old.as_ref(),
        after=new.as_ref(),
        sentence=f"replaced by a person: {actor.label} changed {words}",
        reason=reason,
    )
    approvals.withdraw(
        actor=actor, approval_id=str(old.approval_id), reason=reason, state=Approval.State.SUPERSEDED
    )
    move(
        actor=actor,
        action=old,
        to=State.SUPERSEDED,
        code="replaced_by_person",
        sentence=f"replaced by a person: {actor.label} changed {words}. They say: {reason.strip()}",
        next_step=f"Follow action {new.pk}, which takes its place. Do not ask again for the same.",
        reason=reason,
    )


def _note(actor: Actor, old: Action, new: Action, found: tuple[Difference, ...], reason: str) -> None:
    note(
        actor=actor,
        action=new,
        verb="actions.arguments_edited",
        sentence=f"{actor.label} changed {differences_in_words(found)}: {new.label}",
        code="replaced_by_person",
        reason=reason,
        payload={
            "replaces": str(old.pk),
            "changes": [dataclasses.asdict(one) for one in found],
            "people": new.edit_people,
        },
    )


def _refused(code: str, why: str, next_step: str, kind: RefusalKind = RefusalKind.FORBIDDEN) -> Refusal:
    return Refusal(code, f"Nothing was changed: {why}", kind=kind, next_step=next_step)


def _record_refused(actor: Actor, approval_id: UUID | str, refusal: Refusal) -> None:
    approval = Approval.objects.filter(pk=approval_id).first()
    if approval:
        record_refusal(
            actor=actor,
            verb="actions.edit_refused",
            subject=approval.as_ref(),
            refusal=refusal,
            **approval.event_refs(),
        )
