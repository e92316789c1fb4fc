"""What had left the portal when somebody pressed stop."""

from __future__ import annotations

from django.db.models import Q

from agents.decision.facts import Effect
from agents.models import Stop
from agents.selectors import agents_in_scope
from workflows.actions.choices import State
from workflows.actions.models import Action

Kind = Stop.ScopeKind


def calls_under_way(stop: Stop) -> int:
    """Return how many actions that a stop hits are out in a system: none began after the stop committed."""
    return Action.objects.filter(hit_by(stop), state=State.DISPATCHED).count()


def hit_by(stop: Stop) -> Q:
    """Return which actions a stop keeps from being done: where agents may read again, not readings; where
    people approve every write again, none."""
    if stop.stage == Stop.Stage.HELD:
        return Q(pk__in=[])
    if stop.stage == Stop.Stage.LOOK:
        return _in_scope(stop) & ~Q(operation__effect=Effect.READ)
    return _in_scope(stop)


def _in_scope(stop: Stop) -> Q:
    if stop.scope_kind == Kind.EVERYTHING:
        return ~Q(pk__in=[])  # an empty Q would be lost beside others
    if stop.scope_kind == Kind.SYSTEM:
        return Q(operation__system_id=stop.scope_id)
    if stop.scope_kind == Kind.OPERATION:
        return Q(operation_code=stop.scope_id)
    if stop.scope_kind == Kind.WORKFLOW:
        return Q(references__workflow_id=stop.scope_id)
    return Q(agent__in=agents_in_scope(stop.scope_kind, stop.scope_id))
