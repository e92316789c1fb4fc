"""Moving an action from one state to the next: the only code that writes ``state``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction

from audit.services import record_event
from audit.vocabulary import Actor, Ref, Refusal, RefusalKind
from workflows.actions import broadcast, registry
from workflows.actions.choices import FINAL, TRANSITIONS, State
from workflows.actions.models import Action, Lease
from workflows.tasks.selectors import database_now
from workflows.tasks.services import wake_waiting


def lock(action_id: UUID | str) -> Action:
    """Lock an action and return it fresh. Order everywhere: approval, action, stop scopes, measures."""
    action = (
        Action.objects.select_for_update(of=("self",))
        .select_related("agent__user", "agent__department", "operation__system", "revision", "approval")
        .filter(pk=action_id)
        .first()
    )
    if action is None:
        raise Refusal("not_found", f"There is no action {action_id} for you.", kind=RefusalKind.NOT_FOUND)
    return action


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
    """Take one transition of the table, with its event, in the caller's transaction; any other is a bug.

    ``fields`` are further columns that change with it.
    """
    if to not in TRANSITIONS[State(action.state)]:
        raise RuntimeError(f"action {action.pk}: {action.state} -> {to} is not a transition")
    changes = {"state": to, "code": code, "sentence": sentence[:500], "next_step": next_step[:500], **fields}
    if to in FINAL:
        changes["finished_at"] = database_now()
        Lease.objects.filter(pk=action.pk).delete()
    for name, value in changes.items():
        setattr(action, name, value)
    action.save(update_fields=list(changes))
    note(
        actor=actor,
        action=action,
        verb=f"actions.action_{to}",
        sentence=f"{action.label}: {sentence}",
        code=code,
        reason=reason,
        decision=decision,
        payload=payload,
    )
    if to in FINAL:
        wake_waiting(Ref("actions.action", str(action.pk)))
        registry.tell_ended(action)
    transaction.on_commit(partial(broadcast.tell_changed, action.pk, to.value))
    return action


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
    record_event(
        actor=actor,
        verb=verb,
        subject=action.as_ref(),
        sentence=sentence[:500],
        decision=decision,
        code=code,
        reason=reason,
        payload=payload,
        **references(action),
    )


def references(action: Action) -> dict[str, str]:
    """Return the ids by which the ledger finds everything about an action."""
    return {
        "agent_id": str(action.agent_id),
        "action_id": str(action.pk),
        "system_id": str(action.operation.system_id) if action.operation else "",
        "department_id": str(action.agent.department_id),
        "correlation_id": action.correlation_id,
        "run_id": str(action.references.get("run_id", "")),
    }
