"""How much goes on at once or begins in a time. Tightening is instant, loosening waits for a second person.

Who makes a throttle, or switches one on, takes the lock of its scope alone, as a stop does: what is being
begun at that moment has shared it before it read the throttles. Order everywhere: lock of the scope, row.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import rfc8785
from django.db import connection, transaction

from agents import policies, registry
from agents.models import ChangeRequest, Throttle
from agents.services import changes
from agents.services.history import lock_row, stamp
from agents.services.stops import lock_scope
from audit.selectors import database_now
from audit.services import record_event
from audit.vocabulary import Actor, Ref, Refusal, RefusalKind

LOOSEN = "agents.throttle.loosen"
FIELDS = ("name", "most_at_once", "most", "per_seconds", "is_enabled")
NUMBERS = FIELDS[1:]
# Asked whenever work begins, mostly of no rows: building the same with the ORM takes longer than asking it.
_LOCK = """
SELECT id FROM agents_throttle
 WHERE is_enabled AND (scope_kind, scope_id) IN (SELECT * FROM unnest(%s::text[], %s::text[]))
 ORDER BY id FOR NO KEY UPDATE
"""


@dataclass(frozen=True, slots=True)
class ThrottleChange:
    """What became of a proposed change: applied at once, or waiting as ``change_request``."""

    throttle: Throttle
    change_request: ChangeRequest | None = None


def lock_throttles(scopes: Iterable[Ref]) -> list[Throttle]:
    """Return the throttles in force for these scopes, each locked until the transaction ends, in one order.

    Whoever counts after this sees all that began before, so that two never take the last place. Share the locks
    of the stop scopes first (``stops.lock_and_check``). RuntimeError outside a transaction.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("A throttle is locked until the transaction ends, so there must be one.")
    wanted = list(scopes)
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [[scope.kind for scope in wanted], [scope.id for scope in wanted]])
        keys = [row[0] for row in cursor.fetchall()]
    return list(Throttle.objects.filter(pk__in=keys).order_by("pk")) if keys else []


def add_throttle(
    *, actor: Actor, name: str, scope_kind: str, scope_id: str, content: Mapping[str, Any], reason: str
) -> Throttle:
    """Let less begin from now on. ``scope_id``: id or code; ``content``: any of FIELDS but the name.

    What was begun before goes on. Raises Refusal permission_missing, reason_missing, scope_unknown or
    field_unknown; ValidationError for a value.
    """
    with transaction.atomic():
        policies.require(policies.may_publish_rule(actor))
        policies.require_reason(reason)
        scope = _find_scope(scope_kind, scope_id)
        lock_scope(scope)
        throttle = Throttle(
            name=name,
            scope_kind=scope.kind,
            scope_id=scope.id,
            scope_label=scope.label[:200],
            in_force_since=database_now(),
            **_known(content, NUMBERS),
        )
        throttle.full_clean()
        stamp(throttle, actor=actor, reason=reason).save()
        said = f"{actor.label} added the throttle {name}: {throttle.words}"
        _record(actor, "agents.throttle_added", throttle, said, reason)
        return throttle


def propose_throttle_change(
    *, actor: Actor, throttle: Throttle, changes: Mapping[str, Any], reason: str
) -> ThrottleChange:
    """Change a throttle at once when that only tightens, else open a ChangeRequest for a second person."""
    with transaction.atomic():
        lock_scope(Ref(throttle.scope_kind, throttle.scope_id))
        throttle = lock_row(Throttle, throttle.pk)
        policies.require(policies.may_publish_rule(actor))
        policies.require_reason(reason)
        wanted = _with(throttle, _known(changes, FIELDS))
        wanted.full_clean()
        changed = {name: getattr(wanted, name) for name in FIELDS if _differs(throttle, wanted, name)}
        if not changed:
            return ThrottleChange(throttle)
        if not is_looser(throttle, wanted):
            return ThrottleChange(_write(actor, throttle, changed, reason))
        return ThrottleChange(throttle, _propose(actor, throttle, changed, reason))


def is_looser(old: Throttle, new: Throttle) -> bool:
    """Say whether ``new`` may let begin what ``old`` lets wait; when unsure it does."""
    if not old.is_enabled:
        return False
    return not new.is_enabled or _more(old.most_at_once, new.most_at_once) or _is_faster(_rate(old), _rate(new))


def register_change_kinds() -> None:
    """Tell the registry how a loosened throttle is applied, and what makes its proposal stale."""
    registry.register_change_kind(LOOSEN, _apply, _present)


def _more(old: int | None, new: int | None) -> bool:
    return old is not None and (new is None or new > old)


def _rate(throttle: Throttle) -> tuple[int, int] | None:
    if throttle.most is None or throttle.per_seconds is None:
        return None
    return throttle.most, throttle.per_seconds


def _is_faster(old: tuple[int, int] | None, new: tuple[int, int] | None) -> bool:
    """Not more in not less time is never faster. All else may be, in some stretch of time."""
    return old is not None and (new is None or new[0] > old[0] or new[1] < old[1])


def _propose(actor: Actor, throttle: Throttle, changed: Mapping[str, Any], reason: str) -> ChangeRequest:
    return changes.propose_change(
        actor=actor,
        kind=LOOSEN,
        target=throttle.as_ref(),
        payload=changed,
        summary=f"Change {_difference(throttle, changed)}",
        reason=reason,
        target_version=_state(throttle),
    )


def _apply(actor: Actor, change_request: ChangeRequest) -> None:
    throttle = lock_row(Throttle, change_request.target_id)
    _write(actor, throttle, _known(change_request.payload, FIELDS), change_request.reason)
    registry.tell_throttle_loosened(throttle)


def _present(change_request: ChangeRequest) -> str:
    return _state(lock_row(Throttle, change_request.target_id))


def _write(actor: Actor, throttle: Throttle, values: Mapping[str, Any], reason: str) -> Throttle:
    said = f"{actor.label} changed {_difference(throttle, values)}"
    for name, value in values.items():
        setattr(throttle, name, value)
    fields = [*values]
    if set(NUMBERS) & set(values):
        # Under the lock: whoever counted by the old numbers has committed.
        throttle.in_force_since = database_now()
        fields.append("in_force_since")
    throttle.full_clean()
    stamp(throttle, actor=actor, reason=reason).save(update_fields=fields)
    _record(actor, "agents.throttle_changed", throttle, said, reason)
    return throttle


def _find_scope(kind: str, name: str) -> Ref:
    known = kind in Throttle.ScopeKind.values and bool(name)
    target = registry.find_stop_target(kind, name) if known else None
    if target is None:
        raise Refusal(
            "scope_unknown",
            f"Nothing was changed: there is no {kind[:40]} {name[:120]}".rstrip() + " that could be throttled.",
            kind=RefusalKind.INVALID,
            next_step="Choose a system, an operation or an agent from the list.",
        )
    return Ref(kind, target.id, target.label)


def _known(given: Mapping[str, Any], allowed: Iterable[str]) -> dict[str, Any]:
    if unknown := sorted(set(given) - set(allowed)):
        raise Refusal("field_unknown", f"{', '.join(unknown)} cannot be set.", kind=RefusalKind.INVALID)
    return dict(given)


def _with(throttle: Throttle, values: Mapping[str, Any]) -> Throttle:
    wanted = copy.copy(throttle)
    for name, value in values.items():
        setattr(wanted, name, value)
    return wanted


def _differs(old: Throttle, new: Throttle, name: str) -> bool:
    return bool(getattr(old, name) != getattr(new, name))


def _difference(throttle: Throttle, values: Mapping[str, Any]) -> str:
    """Return a change in words: ``the throttle Calls of the ERP: at most at once 5 becomes 10.``"""
    words = [
        f"{LABELS[name]} {_words(getattr(throttle, name))} becomes {_words(value)}"
        for name, value in values.items()
        if getattr(throttle, name) != value
    ]
    return f"the throttle {throttle.name}: {'; '.join(words) or 'nothing'}."


LABELS = {
    "name": "name",
    "most_at_once": "at most at once",
    "most": "at most",
    "per_seconds": "in so many seconds",
    "is_enabled": "in force",
}


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "as many as come" if value is None else str(value)


def _state(throttle: Throttle) -> str:
    content: Any = {name: getattr(throttle, name) for name in FIELDS}
    return hashlib.sha256(rfc8785.dumps(content)).hexdigest()


def _record(actor: Actor, verb: str, throttle: Throttle, sentence: str, reason: str) -> None:
    content = {"scope": [throttle.scope_kind, throttle.scope_id]}
    content |= {name: getattr(throttle, name) for name in FIELDS}
    column = {"agent": "agent_id", "system": "system_id"}.get(throttle.scope_kind)
    refs: dict[str, Any] = {column: throttle.scope_id} if column else {}
    record_event(
        actor=actor,
        verb=verb,
        subject=throttle.as_ref(),
        sentence=sentence[:500],
        reason=reason,
        payload=content,
        **refs,
    )
