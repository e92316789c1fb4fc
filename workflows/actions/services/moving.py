"""Moving an action from one state to the next: the only code that writes ``state``."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction

from agents.models import Agent
from audit.lookups import attach
from audit.services import Fact, insert_rows, record_events, update_rows
from audit.vocabulary import Actor, Ref, Refusal, RefusalKind
from connectors.models import Operation, OperationRevision
from workflows.actions import broadcast, registry
from workflows.actions.choices import FINAL, TRANSITIONS, Outcome, State
from workflows.actions.models import Action, Lease
from workflows.actions.policies import next_step_of, seen_of, source_labels
from workflows.tasks.selectors import database_now
from workflows.tasks.services import wake_waiting

_ABOUT = ("agent__user", "agent__department", "operation__system", "revision", "approval")


@dataclass(frozen=True, slots=True)
class Move:
    """One transition of one locked action. ``fields`` are further columns that change with it."""

    actor: Actor
    action: Action
    to: State
    code: str
    sentence: str
    next_step: str = ""
    reason: str = ""
    decision: str = ""
    payload: Mapping[str, Any] | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)

    def columns(self) -> frozenset[str]:
        """Return which columns change beside the state, so that those of one kind are written together."""
        return frozenset(self.fields) | ({"finished_at"} if self.to in FINAL else frozenset())

    def fact(self) -> Fact:
        """Return the event of it."""
        effect, agreement = seen_of(self.to, self.fields.get("outcome", ""))
        return fact_of(
            actor=self.actor,
            action=self.action,
            verb=f"actions.action_{self.to}",
            sentence=f"{self.action.label}: {self.sentence}",
            code=self.code,
            reason=self.reason,
            decision=self.decision,
            payload=self.payload,
            effect=effect,
            agreement=agreement,
            remedy="incident_opened" if agreement == Outcome.DIFFERS and self.to == State.CONFIRMED else "",
        )


def lock(action_id: UUID | str) -> Action:
    """Lock an action and return it fresh. Order everywhere: approval, action, stop scopes, measures."""
    action = Action.objects.select_for_update(of=("self",)).select_related(*_ABOUT).filter(pk=action_id).first()
    if action is None:
        raise Refusal("not_found", f"There is no action {action_id} for you.", kind=RefusalKind.NOT_FOUND)
    return action


def lock_all(action_ids: Collection[UUID | str]) -> list[Action]:
    """Lock these actions, in the order of their keys, and return them fresh; what is not there is left out.

    What they are about is read once for all of them.
    """
    found = Action.objects.select_for_update().filter(pk__any_of=action_ids).order_by("pk")
    actions = list(found.defer("explanation", "evidence"))
    attach(actions, "agent", Agent.objects.select_related("user", "department"))
    attach(actions, "operation", Operation.objects.select_related("system"))
    attach(actions, "revision", OperationRevision.objects.all())
    return actions


def move(
    *,
    actor: Actor,
    action: Action,
    to: State,
    code: str,
    sentence: str,
    next_step: str = "",
    reason: str = "",
    decision: str = "",
    payload: Mapping[str, Any] | None = None,
    **fields: Any,
) -> Action:
    """Take one transition of the table, with its event, in the caller's transaction; any other is a bug."""
    move_together([Move(actor, action, to, code, sentence, next_step, reason, decision, payload, fields)])
    return action


def move_together(moves: Sequence[Move]) -> None:
    """Take several transitions like ``move``, each with its event, with few statements for all of them."""
    for one in moves:
        if one.to not in TRANSITIONS[State(one.action.state)]:
            raise RuntimeError(f"action {one.action.pk}: {one.action.state} -> {one.to} is not a transition")
    ended = [one.action for one in moves if one.to in FINAL]
    people = [one.action for one in moves if _by_people(one)]
    now = database_now() if ended else None
    for one in moves:
        _change(one, now)
    # What was just asked for is written with what was decided, in one go; its id was told to nobody yet.
    born = [one for one in moves if one.action._state.adding]
    known = [one for one in moves if not one.action._state.adding]
    insert_rows([one.action for one in born])
    for columns in {one.columns(): None for one in known}:
        alike = [one.action for one in known if one.columns() == columns]
        update_rows(alike, ["state", "code", "sentence", "next_step", *sorted(columns)])
    record_events([one.fact() for one in moves])
    if ended:
        Lease.objects.filter(action__pk__any_of=[action.pk for action in ended]).delete()
        wake_waiting(*(Ref("actions.action", str(action.pk)) for action in ended))
        registry.tell_ended(ended)
    if people:
        registry.tell_waiting_or_approved(people)
    if known:
        changed = [(one.action.pk, one.to.value) for one in known]
        transaction.on_commit(partial(broadcast.tell_all_changed, changed))


def _by_people(one: Move) -> bool:
    """Tell whether people are asked now, or have just let it go."""
    return one.to == State.HELD or (one.to == State.AUTHORIZED and one.action.state == State.HELD)


def _change(one: Move, now: datetime | None) -> None:
    action = one.action
    action.state, action.code = one.to, one.code
    action.sentence = one.sentence[:500]
    action.next_step = (one.next_step or next_step_of(one.to, one.code))[:500]
    for name, value in one.fields.items():
        setattr(action, name, value)
    if one.to in FINAL:
        action.finished_at = now


def note(
    *,
    actor: Actor,
    action: Action,
    verb: str,
    sentence: str,
    code: str = "",
    reason: str = "",
    decision: str = "",
    payload: Mapping[str, Any] | None = None,
) -> None:
    """Record one fact about an action, with every reference it can be found by."""
    record_events([
        fact_of(
            actor=actor, action=action, verb=verb, sentence=sentence, code=code, reason=reason,
            decision=decision, payload=payload,
        )
    ])  # fmt: skip


def fact_of(*, actor: Actor, action: Action, verb: str, sentence: str, decision: str = "", **told: Any) -> Fact:
    """Return one fact about an action, with every reference to find it by; a decision says at what risk."""
    about: dict[str, Any] = {**told, **references(action)}
    if decision:
        about["decision"], about["risk"] = decision, risk_of(action)
    return Fact(actor=actor, verb=verb, subject=action.as_ref(), sentence=sentence[:500], **about)


def risk_of(action: Action) -> dict[str, str]:
    """Return what is known of the risk of an action as it is decided on: codes only, of agent and operation."""
    agent, operation = action.agent, action.operation
    risk = {
        "tier": agent.risk_tier,
        "autonomy": agent.autonomy,
        "lifecycle": agent.lifecycle,
        "brake": agent.brake,
        "probation": "yes" if agent.on_probation else "no",
    }
    if operation is not None:
        risk["effect"] = operation.effect
    if action.provenance:
        risk["sources"] = source_labels(action.provenance)
    return risk


def references(action: Action) -> dict[str, Any]:
    """Return the ids by which the ledger finds everything about an action."""
    return {
        "agent_id": str(action.agent_id),
        "action_id": str(action.pk),
        "system_id": str(action.operation.system_id) if action.operation else "",
        "department_id": str(action.agent.department_id),
        "correlation_id": action.correlation_id,
        "run_id": str(action.references.get("run_id", "")),
        "operation": action.operation_code,
        "delegated_id": str(action.on_behalf_of_id or ""),
    }
