"""Who may use an operation. Widening needs a second person; taking away is instant and waits for nobody."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Permission
from django.db import transaction
from django.db.models.functions import Now

from agents.decision.authority import Authority
from agents.decision.facts import GrantFacts
from agents.models import Agent, ChangeRequest, Role
from agents.policies import may, require, require_reason
from agents.selectors.difference import authority_over, with_grants
from agents.services import changes, stops
from agents.services.history import stamp
from audit.services import record_event
from audit.vocabulary import Actor, Ref, Refusal, RefusalKind
from connectors.models import (
    Authorization,
    Operation,
    OperationGroupObjectPermission,
    OperationUserObjectPermission,
)
from connectors.models.operations import USE_OPERATION

CHANGE_KIND = "connectors.grant"
Grant = OperationUserObjectPermission | OperationGroupObjectPermission


def grant_operation(
    *,
    actor: Actor,
    operation: Operation,
    reason: str,
    agent: Agent | None = None,
    role: Role | None = None,
    waits: bool = False,
) -> Grant | ChangeRequest:
    """Let an agent, or every agent of a role, use an operation.

    A draft agent gets it at once, unless ``waits``: its activation is what a second person looks at. Everything
    else becomes a ChangeRequest ``connectors.grant`` that another person applies. The portal itself
    (Actor.system) sets up directly. Returns the grant or the request. Raises Refusal ``already_granted``.
    """
    with transaction.atomic():
        holder = _holder(agent, role)
        operation = Operation.objects.select_for_update(of=("self",)).get(pk=operation.pk)
        require(may(actor, "connectors.grant_operation", f"grant {operation.code}"))
        require_reason(reason)
        if _existing(operation, holder).exists():
            raise Refusal(
                "already_granted", f"{holder} may already use {operation.code}.", kind=RefusalKind.CONFLICT
            )
        if not waits and _at_once(actor, holder):
            return _grant(actor, operation, holder, reason)
        return changes.propose_change(
            actor=actor,
            kind=CHANGE_KIND,
            target=_target(operation, holder),
            payload=_payload(operation, holder),
            summary=f"{holder} may use {operation.code} ({operation.name}) at {operation.system.name}.",
            reason=reason,
            target_version=_version(operation),
            present=authority_over(*_concerned(holder)),
        )


def _concerned(holder: Agent | Role) -> list[Agent]:
    """Return whom a grant can let do anything: nobody but its holder, or who has the role."""
    if isinstance(holder, Agent):
        return [holder]
    return list(Agent.objects.filter(role=holder).exclude(lifecycle=Agent.Lifecycle.RETIRED))


def propose_grant(actor: Actor, code: str, holder: Agent | Role, reason: str) -> ChangeRequest:
    """Ask a second person for a grant, whoever it is for; raises Refusal ``operation_unknown``."""
    operation = Operation.objects.filter(code=code).first()
    if operation is None:
        raise Refusal(
            "operation_unknown",
            f"Nothing was proposed: there is no operation {code[:200]}.",
            kind=RefusalKind.NOT_FOUND,
            next_step="Publish it first.",
        )
    to = {"agent": holder} if isinstance(holder, Agent) else {"role": holder}
    found = grant_operation(actor=actor, operation=operation, reason=reason, waits=True, **to)
    if not isinstance(found, ChangeRequest):
        raise TypeError("A grant that waits is a change request.")
    return found


def waiting_grant(code: str, holder: Agent | Role) -> ChangeRequest | None:
    """Return the proposal of just this grant that waits for a second person already."""
    operation = Operation.objects.filter(code=code).first()
    if operation is None:
        return None
    target = _target(operation, holder)
    return ChangeRequest.objects.filter(
        kind=CHANGE_KIND, target_id=target.id, state=ChangeRequest.State.PENDING
    ).first()


def revoke_grant(
    *, actor: Actor, operation: Operation, reason: str, agent: Agent | None = None, role: Role | None = None
) -> int:
    """Take a grant away at once; no call under it begins after this commits. Returns how many were taken.

    Raises Refusal ``not_granted``.
    """
    with transaction.atomic():
        holder = _holder(agent, role)
        stops.lock_scope(_scope(holder))
        require(may(actor, "connectors.grant_operation", f"revoke {operation.code}"))
        require_reason(reason)
        if not _existing(operation, holder).exists():
            raise Refusal(
                "not_granted", f"{holder} has no grant on {operation.code}.", kind=RefusalKind.CONFLICT
            )
        return take_grants(actor, operation, holder, reason)


def take_grants(actor: Actor, operation: Operation, holder: Agent | Role, reason: str) -> int:
    """Take away what a holder has on an operation; for services that have asked and hold the holder's lock."""
    grants = list(_existing(operation, holder))
    for grant in grants:
        stamp(grant, actor=actor, reason=reason).delete()
    _use_up_authorizations(operation, holder)
    said = f"{holder} may no longer use {operation.code} from now on."
    _record(actor, "connectors.operation_revoked", operation, holder, said, reason)
    return len(grants)


def _use_up_authorizations(operation: Operation, holder: Agent | Role) -> None:
    """A call that was decided and not yet begun would otherwise leave in spite of it."""
    agents = [holder] if isinstance(holder, Agent) else Agent.objects.filter(role=holder)
    Authorization.objects.filter(
        operation=operation,
        agent_id__in=[str(agent.pk) for agent in agents],
        consumed_at=None,
        expires_at__gt=Now(),
    ).update(consumed_at=Now())


def apply_grant(actor: Actor, change_request: ChangeRequest) -> None:
    """Give what a ChangeRequest asked for; agents.services.changes, which calls this, asks for two people."""
    payload: dict[str, Any] = change_request.payload
    operation = Operation.objects.select_for_update(of=("self",)).get(pk=payload["operation_id"])
    model: type[Agent] | type[Role] = Agent if payload["holder_kind"] == "agent" else Role
    holder = model.objects.get(pk=payload["holder_id"])
    if not _existing(operation, holder).exists():
        _grant(actor, operation, holder, change_request.reason)


def current_version(change_request: ChangeRequest) -> str:
    """Return the revision a grant would be given on now, so that a grant on another one is refused as stale."""
    return _version(Operation.objects.get(pk=change_request.payload["operation_id"]))


def foresee_grant(change_request: ChangeRequest, now: Authority) -> Authority:
    """Return what authority will be with the grant: read by a second person before they agree."""
    payload: dict[str, Any] = change_request.payload
    if payload["holder_kind"] == "agent":
        holder = "user", str(Agent.objects.get(pk=payload["holder_id"]).user_id)
    else:
        holder = "group", str(Role.objects.get(pk=payload["holder_id"]).group_id)
    grant = GrantFacts("", payload["operation"], *holder)
    return with_grants(now, [grant])


def _version(operation: Operation) -> str:
    return operation.current_revision.schema_hash if operation.current_revision else ""


def _holder(agent: Agent | None, role: Role | None) -> Agent | Role:
    if (agent is None) == (role is None):
        raise TypeError("Name an agent or a role, one of them.")
    return agent or role  # type: ignore[return-value]


def _at_once(actor: Actor, holder: Agent | Role) -> bool:
    if actor.kind == "system":
        return True
    return isinstance(holder, Agent) and holder.lifecycle == Agent.Lifecycle.DRAFT


def _existing(operation: Operation, holder: Agent | Role) -> Any:
    wanted = {"content_object": operation, "permission__codename": USE_OPERATION}
    if isinstance(holder, Agent):
        return OperationUserObjectPermission.objects.filter(user_id=holder.user_id, **wanted)
    return OperationGroupObjectPermission.objects.filter(group_id=holder.group_id, **wanted)


def _grant(actor: Actor, operation: Operation, holder: Agent | Role, reason: str) -> Grant:
    permission = Permission.objects.get(content_type__app_label="connectors", codename=USE_OPERATION)
    grant: Grant
    if isinstance(holder, Agent):
        grant = OperationUserObjectPermission(user_id=holder.user_id)
    else:
        grant = OperationGroupObjectPermission(group_id=holder.group_id)
    grant.content_object, grant.permission = operation, permission
    grant.full_clean()
    stamp(grant, actor=actor, reason=reason).save()
    said = f"{holder} may use {operation.code} from now on."
    _record(actor, "connectors.operation_granted", operation, holder, said, reason)
    return grant


def _record(
    actor: Actor, verb: str, operation: Operation, holder: Agent | Role, sentence: str, reason: str
) -> None:
    record_event(
        actor=actor,
        verb=verb,
        subject=operation.as_ref(),
        sentence=sentence,
        agent_id=str(holder.pk) if isinstance(holder, Agent) else "",
        system_id=str(operation.system_id),
        reason=reason,
        payload=_payload(operation, holder),
    )


def _payload(operation: Operation, holder: Agent | Role) -> dict[str, str]:
    kind = "agent" if isinstance(holder, Agent) else "role"
    return {
        "operation_id": str(operation.pk),
        "operation": operation.code,
        "holder_kind": kind,
        "holder_id": str(holder.pk),
        "holder": str(holder),
    }


def _scope(holder: Agent | Role) -> Ref:
    return Ref("agent" if isinstance(holder, Agent) else "role", str(holder.pk), str(holder))


def _target(operation: Operation, holder: Agent | Role) -> Ref:
    # Both keys in one: two grants on one operation may wait at the same time, the same grant twice may not.
    return Ref("connectors.grant", operation.pk.hex + holder.pk.hex, f"{holder} and {operation.code}")
