"""Leave for one effect. Only the action services mint it (an import contract holds that)."""

from __future__ import annotations

from datetime import timedelta

from django.db.models.functions import Now

from audit.vocabulary import Refusal, RefusalKind
from connectors.models import Authorization, Operation, OperationRevision
from connectors.policies.digests import canonical_digest


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

    ``agent_id`` is the Agent's id (or its User's); it picks the account at the system. The expiry is in the
    database's clock. Must run in the transaction that decides.
    """
    found = OperationRevision.objects.get(operation=operation, number=revision)
    authorization = Authorization(
        action_id=action_id,
        agent_id=agent_id,
        operation=operation,
        revision=found,
        arguments_digest=arguments_digest,
        expires_at=Now() + ttl,
    )
    authorization.save(force_insert=True)
    authorization.refresh_from_db(fields=["expires_at"])
    return authorization


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
