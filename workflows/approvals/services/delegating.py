"""Say who decides for somebody who is away, and end it. For oneself at once; for another, two people agree."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from django.db import connection, transaction

from agents import policies, registry
from agents.models import ChangeRequest, User
from agents.services import changes
from audit.services import record_event
from audit.vocabulary import Actor, Refusal, RefusalKind
from workflows.approvals import selectors
from workflows.approvals.models import Delegation
from workflows.approvals.policies import Absence, why_not_away

GIVE = "approvals.delegation.give"
FOR_OTHERS = "approvals.delegate_for_others"
# Who is away and for whom is one graph: who changes it waits for whoever else does.
_LOCK = "SELECT pg_advisory_xact_lock(hashtext('approvals.delegations'))"


@transaction.atomic
def give_delegation(
    *, actor: Actor, delegate: User, first_day: date, last_day: date, reason: str
) -> Delegation:
    """Let somebody else decide in one's place on these days of the company's clock, both included.

    Raises Refusal: people_only, not_a_person, reason_missing, delegate_is_oneself, days_wrong, already_away,
    delegation_cycle.
    """
    giver = _person(actor)
    policies.require_reason(reason)
    wish = Absence(str(giver.pk), str(delegate.pk), first_day, last_day)
    return _give(actor, wish, reason, given_by=giver)


@transaction.atomic
def propose_delegation(
    *, actor: Actor, giver: User, delegate: User, first_day: date, last_day: date, reason: str
) -> ChangeRequest:
    """Ask that somebody decides for another who cannot say so, e.g. is ill; a second person has to agree.

    It gives the delegate rights nobody gave them: so neither who asks for it nor the delegate may agree.
    """
    policies.require(policies.may(actor, FOR_OTHERS, "say who decides for somebody else"))
    policies.require_reason(reason)
    if actor.id == str(delegate.pk):
        raise _refused("own_rights", "nobody makes themselves decide for somebody else.", "Choose another.")
    wish = Absence(str(giver.pk), str(delegate.pk), first_day, last_day)
    _require_possible(wish)
    return changes.propose_change(
        actor=actor,
        kind=GIVE,
        target=giver.as_ref(),
        payload={
            "giver": wish.giver,
            "delegate": wish.delegate,
            "first_day": first_day.isoformat(),
            "last_day": last_day.isoformat(),
        },
        summary=f"Lets {delegate} decide for {giver} from {first_day} to {last_day}",
        reason=reason,
    )


@transaction.atomic
def withdraw_delegation(*, actor: Actor, delegation_id: UUID | str, reason: str) -> Delegation:
    """End it at once: who is away, who stands in, or whoever may say so for others does."""
    person = _person(actor)
    delegation = Delegation.objects.select_for_update(of=("self",)).filter(pk=delegation_id).first()
    if delegation is None or not selectors.visible_delegations(person).filter(pk=delegation_id).exists():
        message = f"There is no delegation {delegation_id} for you."
        raise Refusal("not_found", message, kind=RefusalKind.NOT_FOUND)
    if person.pk not in (delegation.giver_id, delegation.delegate_id):
        policies.require(policies.may(actor, FOR_OTHERS, "end who decides for somebody else"))
    policies.require_reason(reason)
    if delegation.withdrawn_at is not None:
        raise _refused("delegation_over", "it was ended before.", "", RefusalKind.CONFLICT)
    delegation.withdrawn_at, delegation.withdrawn_by = selectors.database_now(), person
    delegation.withdraw_reason = reason.strip()[:1000]
    delegation.save(update_fields=["withdrawn_at", "withdrawn_by", "withdraw_reason"])
    sentence = f"{actor.label} ended that {delegation.delegate} decides for {delegation.giver}"
    _record(actor, "approvals.delegation_withdrawn", delegation, sentence, reason)
    return delegation


def register_change_kinds() -> None:
    """Tell the registry how a delegation is given for somebody who cannot say so."""
    registry.register_change_kind(GIVE, _apply)


def _apply(actor: Actor, change: ChangeRequest) -> None:
    """Give it as it was proposed, if it still can be. Whoever gains by it does not agree to it."""
    given = change.payload
    if actor.id == given["delegate"]:
        raise _refused("four_eyes", "whoever decides for somebody else does not agree to it.", "Ask another.")
    wish = Absence(
        given["giver"],
        given["delegate"],
        date.fromisoformat(given["first_day"]),
        date.fromisoformat(given["last_day"]),
    )
    _give(change.proposer.as_actor(), wish, change.reason, given_by=change.proposer)


def _give(actor: Actor, wish: Absence, reason: str, *, given_by: User) -> Delegation:
    giver, delegate = _require_possible(wish)
    delegation = Delegation(
        giver=giver,
        delegate=delegate,
        first_day=wish.first_day,
        last_day=wish.last_day,
        reason=reason.strip()[:1000],
        given_by=given_by,
    )
    delegation.full_clean(exclude=["created_at"])
    delegation.save(force_insert=True)
    sentence = f"{delegate} decides for {giver} from {wish.first_day} to {wish.last_day}"
    _record(actor, "approvals.delegation_given", delegation, sentence, reason)
    return delegation


def _require_possible(wish: Absence) -> tuple[User, User]:
    """Refuse what cannot be; return both people. Asked under the lock of the whole graph."""
    with connection.cursor() as cursor:
        cursor.execute(_LOCK)
    policies.require(why_not_away(wish, selectors.absences(), today=selectors.company_day()))
    found = {str(one.pk): one for one in User.objects.filter(pk__in=[wish.giver, wish.delegate])}
    for key in (wish.giver, wish.delegate):
        if key not in found or not found[key].is_active or found[key].is_agent:
            who = str(found[key]) if key in found else "one of them"
            raise _refused("not_a_person", f"{who} is no person with an active account.", "Choose another.")
    return found[wish.giver], found[wish.delegate]


def _person(actor: Actor) -> User:
    policies.require(policies.may_act_as_person(actor, "hand on what you decide"))
    person = policies.user_of(actor)
    if person is None:
        raise Refusal("people_only", "Nothing was changed: only a person can hand on what they decide.")
    return person


def _refused(code: str, why: str, next_step: str, kind: RefusalKind = RefusalKind.FORBIDDEN) -> Refusal:
    return Refusal(code, f"Nothing was changed: {why}", kind=kind, next_step=next_step)


def _record(actor: Actor, verb: str, delegation: Delegation, sentence: str, reason: str) -> None:
    record_event(
        actor=actor,
        verb=verb,
        subject=delegation.as_ref(),
        sentence=sentence,
        reason=reason,
        payload={
            "giver": str(delegation.giver_id),
            "delegate": str(delegation.delegate_id),
            "first_day": delegation.first_day.isoformat(),
            "last_day": delegation.last_day.isoformat(),
            "given_by": str(delegation.given_by_id),
        },
    )
