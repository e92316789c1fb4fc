"""Several effects at once, in systems that answer in this process: one transaction before, one after.

Each is a call like any other, under an authorization of its own; for what ``execution`` does more for a single
one (accounts, a breaker that may try), it is left to that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Q

from agents.models import Agent
from agents.services import stops
from audit.lookups import attach, by_key
from audit.vocabulary import Actor, Ref, Refusal, RefusalKind
from connectors.choices import Outcome, Purpose
from connectors.exceptions import NotSent
from connectors.models import (
    Account,
    Authorization,
    Call,
    Operation,
    OperationRevision,
    System,
    SystemHealth,
)
from connectors.policies.digests import canonical_digest, reference_of
from connectors.services.calls import Attempt, begin_calls, finish_calls, new_call, reach, tell_breaker
from connectors.services.execution import keep_unresolved, perform, require_callable, result_of
from connectors.vocabulary import CallResult, Credential

_USE_UP = """
UPDATE connectors_authorization SET consumed_at = statement_timestamp()
 WHERE id = ANY(%s) AND consumed_at IS NULL AND expires_at > statement_timestamp()
RETURNING id
"""


@dataclass(frozen=True, slots=True)
class Permit:
    """An authorization to be used now, and by whom for what."""

    agent: Agent
    authorization_id: str
    arguments: Mapping[str, Any]
    correlation_id: str = ""

    @property
    def actor(self) -> Actor:
        """Return who makes the call."""
        return self.agent.user.as_actor()


@dataclass(slots=True)
class Effect:
    """One of several calls: written and committed by ``begin_effects``, made by ``perform``."""

    permit: Permit
    call: Call
    attempt: Attempt = field(default_factory=lambda: Attempt(Outcome.UNKNOWN))

    def perform(self) -> CallResult:
        """Make the call, outside any transaction, and say what is known about it."""
        assert self.call.revision is not None  # noqa: S101
        self.attempt = reach(
            self.call,
            perform,
            Credential,
            mapping=self.call.revision.mapping,
            arguments=self.permit.arguments,
            agent=self.permit.actor,
        )
        keep_unresolved(self.call, self.attempt)
        return result_of(self.call, self.attempt)

    def leave_out(self, refusal: Refusal) -> CallResult:
        """Make no call any more; nothing was done."""
        self.attempt = Attempt(Outcome.FAILED, error=NotSent(refusal.code, refusal.message))
        keep_unresolved(self.call, self.attempt)
        return result_of(self.call, self.attempt)


def begin_effects(*, permits: Sequence[Permit], stop_scopes: Sequence[Ref]) -> list[Effect]:
    """Use the authorizations up and write the calls, in the caller's transaction; they leave after its commit.

    What ``execute`` checks is checked here, for all of them or for none. Raises Refusal, with nothing used up:
    its codes, and ``not_together`` for what can only be done singly.
    """
    stops.lock_and_check(stop_scopes)
    found = _authorizations(permits)
    for system in {one.operation.system for one in found}:
        _require_plain(system)
    calls = [_call(permit, authorization) for permit, authorization in zip(permits, found, strict=True)]
    _use_up(found)
    begin_calls([(call, permit.actor) for call, permit in zip(calls, permits, strict=True)])
    return [Effect(permit, call) for permit, call in zip(permits, calls, strict=True)]


def finish_effects(effects: Sequence[Effect]) -> None:
    """Record how they ended, in the caller's transaction."""
    finish_calls([(effect.call, effect.attempt, effect.permit.actor) for effect in effects])


def tell_breakers(effects: Sequence[Effect]) -> None:
    """Let the breakers know, once that is recorded."""
    by_system: dict[UUID, list[Effect]] = {}
    for effect in effects:
        by_system.setdefault(effect.call.system_id, []).append(effect)
    for some in by_system.values():
        tell_breaker(some[0].call.system, [effect.attempt for effect in some])


def _authorizations(permits: Sequence[Permit]) -> list[Authorization]:
    """Return the authorizations in the order of the permits, each checked against these very arguments."""
    known = by_key(Authorization.objects.all(), [permit.authorization_id for permit in permits])
    attach(known.values(), "operation", Operation.objects.select_related("system", "current_revision"))
    attach(known.values(), "revision", OperationRevision.objects.all())
    found = []
    for permit in permits:
        authorization = known.get(UUID(permit.authorization_id))
        if authorization is None or authorization.agent_id != str(permit.agent.pk):
            raise _not_together("one of the authorizations is not there")
        require_callable(authorization)
        digest = canonical_digest(
            authorization.operation.code, authorization.revision.number, dict(permit.arguments)
        )
        if digest != authorization.arguments_digest:
            raise _not_together("the arguments are not the ones that were authorized")
        found.append(authorization)
    return found


def _require_plain(system: System) -> None:
    """An account would have to be presented, and a breaker decides for each call: both are for ``execute``."""
    is_held_back = SystemHealth.objects.filter(~Q(opened_at=None), system=system).exists()
    if is_held_back or Account.objects.filter(system=system).exists():
        raise _not_together(f"{system.name} has accounts, or calls to it are held back")


def _call(permit: Permit, authorization: Authorization) -> Call:
    return new_call(
        actor=permit.actor,
        purpose=Purpose.EXECUTE,
        system=authorization.operation.system,
        operation=authorization.operation,
        revision=authorization.revision,
        correlation_id=permit.correlation_id,
        authorization=authorization,
        action_id=authorization.action_id,
        agent_id=str(permit.agent.pk),
        reference=reference_of(authorization.action_id),
    )


def _use_up(authorizations: Sequence[Authorization]) -> None:
    """A race for one of them has one winner, because the UPDATE decides."""
    with connection.cursor() as cursor:
        cursor.execute(_USE_UP, [[one.pk for one in authorizations]])
        used = len(cursor.fetchall())
    if used != len(authorizations):
        raise _not_together("one of the authorizations was used, or has expired")


def _not_together(why: str) -> Refusal:
    return Refusal("not_together", f"The calls were not begun together: {why}.", kind=RefusalKind.CONFLICT)
