"""What would be too much at once waits for its turn: it stays authorized, does not expire, goes on by itself.

A place is no row of its own: an action has one while it is ``dispatched``. So whatever ends it gives the place
back, and that is also the end of its lease when whoever did it died (``reconciling``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from agents.models import Throttle
from agents.selectors import throttles_of
from agents.services.throttles import lock_throttles
from audit.vocabulary import Actor, Ref
from workflows.actions import broadcast, dispatch
from workflows.actions.choices import State
from workflows.actions.models import Action
from workflows.actions.selectors.turns import Room, counted_in, line_of, room_of
from workflows.actions.services.deciding import mint
from workflows.actions.services.moving import note
from workflows.tasks.selectors import database_now

WAITS = "waits_for_turn"
MOST_HINTS = 100
PORTAL = Actor.system("portal")


def take_turns(actions: Sequence[Action]) -> list[Action]:
    """Return which of these locked, authorized actions are to be begun now; the others wait from now on.

    Call it last, in the transaction that moves them to ``dispatched`` and after the locks of their stop scopes
    are shared: a throttle stays locked until it ends, so that two never take the last place. Without any
    throttle that is one statement. Who has waited gets a new authorization, and goes before who comes now.
    """
    scopes = {(scope.kind, scope.id) for action in actions for scope in counted_in(action)}
    throttles = lock_throttles(Ref(kind, key) for kind, key in sorted(scopes))
    if not throttles and not any(action.waits_for_id for action in actions):
        return list(actions)
    lines = [_Line(throttle) for throttle in throttles]
    begins = {action.pk for action in sorted(actions, key=_in_order) if _takes_turn(action, lines)}
    return [action for action in actions if action.pk in begins]


def pass_on(actions: Sequence[Action]) -> None:
    """Give the places of actions that have ended, or are in doubt, to who waits for them, after the commit."""
    scopes = {
        (scope.kind, scope.id)
        for action in actions
        if action.took_turn or action.waits_for_id is not None
        for scope in counted_in(action)
    }
    if scopes:
        found = [Ref(kind, key) for kind, key in sorted(scopes)]
        transaction.on_commit(partial(_give_turns_in, found), robust=True)


def give_turns(*, throttle_id: UUID | str) -> int:
    """Hint at who waits for a throttle, the longest first, as many as there is room for; return how many.

    Where a rate leaves no room, it asks to be called again when it does, if the sweeper would come later.
    """
    throttle = Throttle.objects.filter(pk=throttle_id).first()
    return _give_turns(throttle) if throttle else 0


def give_all_turns() -> int:
    """Do that for every throttle that somebody waits for: rates, switched off ones, and whatever was lost."""
    waiting = Action.objects.filter(state=State.AUTHORIZED, waits_for__isnull=False)
    waited_for = waiting.order_by().values_list("waits_for", flat=True).distinct()
    given = [give_turns(throttle_id=key) for key in list(waited_for) if key]
    return sum(given)


def _give_turns(throttle: Throttle) -> int:
    room = room_of(throttle)
    most = max(0, min(room.places, MOST_HINTS))
    line = list(line_of(throttle).values_list("pk", flat=True)[: most + 1])
    for action_id in line[:most]:
        dispatch.hint_run(action_id)
    if len(line) > most and room.seconds is not None and room.seconds < settings.SWEEP_SECONDS:
        dispatch.hint_turns(throttle.pk, room.seconds)
    return len(line[:most])


class _Line:
    """A locked throttle in this transaction: what it leaves, and how many have waited before who comes now."""

    def __init__(self, throttle: Throttle) -> None:
        self.room: Room = room_of(throttle)
        self.throttle = throttle
        self.waiting = line_of(throttle).count()

    def counts(self, action: Action) -> bool:
        return Ref(self.throttle.scope_kind, self.throttle.scope_id) in counted_in(action)

    def has_place_for(self, action: Action) -> bool:
        """Who comes now takes no place that somebody waits for; among those who wait, whoever is first."""
        return self.room.places > (0 if action.waits_for_id else self.waiting)

    def take(self, action: Action) -> None:
        self.room.places -= 1
        if action.waits_for_id == self.throttle.pk:
            self.waiting -= 1


def _in_order(action: Action) -> tuple[bool, Any, UUID]:
    return action.waits_since is None, action.waits_since, action.pk


def _takes_turn(action: Action, lines: Sequence[_Line]) -> bool:
    counting = [line for line in lines if line.counts(action)]
    full = next((line for line in counting if not line.has_place_for(action)), None)
    if full is not None:
        _put_off(action, full)
        return False
    for line in counting:
        line.take(action)
    _let_begin(action, is_counted=bool(counting))
    return True


def _let_begin(action: Action, *, is_counted: bool) -> None:
    fresh: dict[str, Any] = {"took_turn": is_counted, "waits_for": None}
    if action.waits_for_id is not None:
        fresh |= {**mint(action), "attempt": action.attempt}
    _save(action, fresh)


def _put_off(action: Action, line: _Line) -> None:
    """Leave it until there is a place. It is said once, however often it is tried and whatever it waits for."""
    if action.waits_for_id == line.throttle.pk:
        return
    sentence = f"waits for its turn: {line.throttle.name}, {line.throttle.words}; {_how_long(line)}"[:500]
    _save(
        action,
        {
            "code": WAITS,
            "sentence": sentence,
            "next_step": "Wait for the outcome: it goes on by itself.",
            "waits_for": line.throttle,
            "waits_since": (since := action.waits_since) or database_now(),
        },
    )
    line.waiting += 1
    if since is None:
        label = f"{action.label}: {sentence}"
        note(actor=PORTAL, action=action, verb="actions.action_put_off", sentence=label, code=WAITS)
    # A place given back in a transaction that committed meanwhile did not see it wait.
    transaction.on_commit(partial(give_turns, throttle_id=line.throttle.pk), robust=True)
    transaction.on_commit(partial(broadcast.tell_changed, action.pk, str(action.state)), robust=True)


def _how_long(line: _Line) -> str:
    before = f"{line.waiting} wait before it" if line.waiting else "it is the next"
    if line.room.seconds is None:
        return before
    return f"{before}, the next begins in about {_duration(math.ceil(line.room.seconds))}"


def _duration(seconds: int) -> str:
    return f"{seconds} s" if seconds < 120 else f"{math.ceil(seconds / 60)} min"


def _save(action: Action, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(action, name, value)
    action.save(update_fields=list(values))


def _give_turns_in(scopes: Sequence[Ref]) -> None:
    for throttle in throttles_of(scopes):
        _give_turns(throttle)
