"""Leave for one effect. Only the action services mint it (an import contract holds that)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.db.models.functions import Now

from audit.selectors import database_now
from audit.services import insert_rows
from audit.vocabulary import Refusal, RefusalKind
from connectors.models import Authorization, Operation, OperationRevision
from connectors.policies.digests import canonical_digest


@dataclass(frozen=True, slots=True)
class Leave:
    """What an authorization is for: exactly these arguments (``canonical_digest``) of one revision number.

    ``agent_id`` is the Agent's id (or its User's); it picks the account at the system.
    """

    action_id: str
    operation: Operation
    revision: int
    arguments_digest: str
    agent_id: str = ""


def mint_authorization(
    *,
    action_id: str,
    operation: Operation,
    revision: int,
    arguments_digest: str,
    ttl: timedelta,
    agent_id: str = "",
) -> Authorization:
    """Write the pass for these exact arguments (``canonical_digest``) of one revision number, for ``ttl``.

    For the rest see ``mint_authorizations``.
    """
    return mint_authorizations([Leave(action_id, operation, revision, arguments_digest, agent_id)], ttl=ttl)[0]


def mint_authorizations(
    leaves: Sequence[Leave], *, ttl: timedelta, now: datetime | None = None
) -> list[Authorization]:
    """Write a pass for each, for ``ttl`` by the database's clock; must run in the transaction that decides.

    ``now``: what that clock has just said.
    """
    revisions = _revisions(leaves)
    until = (now or database_now()) + ttl
    minted = [
        Authorization(
            action_id=leave.action_id,
            agent_id=leave.agent_id,
            operation=leave.operation,
            revision=revisions[leave.operation.pk, leave.revision],
            arguments_digest=leave.arguments_digest,
            expires_at=until,
        )
        for leave in leaves
    ]
    insert_rows(minted)
    return minted


def _revisions(leaves: Sequence[Leave]) -> dict[tuple[Any, int], OperationRevision]:
    """Return the revisions they are for, by operation and number; one that was read with its operation is."""
    found, numbers = {}, Q(pk__in=[])
    for operation, number in {(leave.operation, leave.revision) for leave in leaves}:
        current = operation._state.fields_cache.get("current_revision")
        if current is not None and current.number == number:
            found[operation.pk, number] = current
        else:
            numbers |= Q(operation=operation.pk, number=number)
    missing = OperationRevision.objects.filter(numbers) if len(numbers) > 1 else ()
    return {**found, **{(one.operation_id, one.number): one for one in missing}}


def claim_authorization(authorization_id: str, arguments: dict[str, object]) -> Authorization:
    """Use the pass up, in the caller's transaction; a race has one winner because the UPDATE decides.

    Raises Refusal ``authorization_unknown``, ``authorization_used``, ``authorization_expired`` or
    ``arguments_changed``.
    """
    usable = Authorization.objects.filter(pk=authorization_id, consumed_at=None, expires_at__gt=Now())
    claimed = usable.update(consumed_at=Now())
    authorization = (
        Authorization.objects.select_related(
            "operation__system", "operation__current_revision", "revision__operation"
        )
        .filter(pk=authorization_id)
        .first()
    )
    if authorization is None:
        raise _refused("authorization_unknown", "there is no such authorization")
    if not claimed:
        raise _unusable(authorization)
    found = canonical_digest(authorization.operation.code, authorization.revision.number, arguments)
    if found != authorization.arguments_digest:
        raise _refused("arguments_changed", "the arguments are not the ones that were authorized")
    return authorization


def _unusable(authorization: Authorization) -> Refusal:
    if authorization.consumed_at:
        return _refused("authorization_used", "its authorization was used already")
    return _refused("authorization_expired", "its authorization has expired")


def _refused(code: str, why: str) -> Refusal:
    return Refusal(
        code,
        f"The call was not made: {why}. An authorization holds once, for a short time, for exact arguments.",
        kind=RefusalKind.CONFLICT,
        next_step="Ask for the action again.",
    )
