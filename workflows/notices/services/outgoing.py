"""How everything that leaves is tried: claimed, sent outside of any transaction, written down, tried again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from agents import policies
from agents.services.history import lock_row
from audit.services import record_event
from audit.vocabulary import Actor, Refusal, RefusalKind
from workflows.notices import dispatch
from workflows.notices.choices import State
from workflows.notices.models import Outgoing
from workflows.notices.policies import one_line, wait_before
from workflows.tasks.selectors import database_now

# Longer than one attempt can take: whoever died over it is followed by another after that.
CLAIM = timedelta(minutes=3)
SENDER = Actor.system("notices")
T = TypeVar("T", bound=Outgoing)


def due(model: type[T], now: datetime) -> list[UUID]:
    """Return the keys of what is to be tried now, the oldest first."""
    waiting = model._default_manager.filter(state=State.WAITING, next_at__lte=now)
    return list(waiting.order_by("pk").values_list("pk", flat=True))


@transaction.atomic
def claim(model: type[T], key: UUID) -> T | None:
    """Take what is due for one attempt, so that nobody else tries it at the same time; None: nothing to do."""
    free = model._default_manager.select_for_update(of=("self",), skip_locked=True)
    found: T | None = free.filter(pk=key, state=State.WAITING, next_at__lte=Now()).first()
    if found is None:
        return None
    if wait_before(found.attempts) is None:
        failed(found, found.problem or "Whoever tried it last did not come back.")
        return None
    found.attempts += 1
    found.next_at = database_now() + CLAIM
    found.save(update_fields=["attempts", "next_at"])
    return found


@transaction.atomic
def arrived(outgoing: Outgoing) -> None:
    """Write down that it was taken. It may have come before: then the receiver knows it by its id."""
    _end(outgoing, State.SENT, "")


@transaction.atomic
def dropped(outgoing: Outgoing, why: str) -> None:
    """Write down that it need not be sent any more."""
    _end(outgoing, State.DROPPED, why)


@transaction.atomic
def failed(outgoing: Outgoing, problem: str, *, for_good: bool = False) -> None:
    """Write down why an attempt failed and when the next one is; after the last it is given up, on record."""
    wait = None if for_good else wait_before(outgoing.attempts)
    if wait is None:
        _end(outgoing, State.GIVEN_UP, problem)
        sentence = f"Nobody could be told after {outgoing.attempts} attempts: {outgoing}. {outgoing.problem}"
        record_event(
            actor=SENDER,
            verb="notices.given_up",
            subject=outgoing.as_ref(),
            sentence=sentence[:500],
            code=outgoing._meta.model_name or "",
        )
        return
    outgoing.problem = one_line(problem, 300)
    outgoing.next_at = database_now() + wait
    outgoing.save(update_fields=["problem", "next_at"])


def try_again(*, actor: Actor, outgoing: Outgoing, reason: str) -> Outgoing:
    """Try what was given up once more, from the start of its schedule. Raises Refusal ``not_given_up``."""
    name = outgoing._meta.model_name
    with transaction.atomic():
        policies.require(policies.may(actor, f"notices.change_{name}", f"try a {name} again"))
        policies.require_reason(reason)
        held = lock_row(type(outgoing), outgoing.pk)
        if held.state != State.GIVEN_UP:
            raise Refusal(
                "not_given_up",
                f"Nothing was tried again: this {name} is {held.get_state_display().lower()}.",
                kind=RefusalKind.CONFLICT,
                next_step="Only what was given up is tried again by hand.",
            )
        held.state, held.attempts, held.ended_at, held.next_at = State.WAITING, 0, None, database_now()
        held.save(update_fields=["state", "attempts", "ended_at", "next_at"])
        sentence = f"{actor.label} has it tried again: {held}"
        record_event(
            actor=actor,
            verb="notices.tried_again",
            subject=held.as_ref(),
            sentence=sentence[:500],
            reason=reason,
        )
        transaction.on_commit(dispatch.hint_tell)
    return held


def _end(outgoing: Outgoing, state: State, problem: str) -> None:
    outgoing.state, outgoing.problem, outgoing.ended_at = state, one_line(problem, 300), database_now()
    outgoing.save(update_fields=["state", "problem", "ended_at"])
