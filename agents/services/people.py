"""The accounts of people: who may sign in, and which groups carry their rights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib.auth.models import Group
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.db.models.functions import Now

from agents import policies
from agents.models import User
from agents.services import credentials, sponsors
from agents.services.history import lock_row, stamp
from audit.services import record_event, record_refusal
from audit.vocabulary import Actor, Ref, Refusal, RefusalKind

COMMAND_LINE = Actor.system("command line")
FIELDS = ("username", "first_name", "last_name", "email", "department", "is_active")


def create_person(
    *,
    actor: Actor,
    username: str,
    password: str | None,
    reason: str,
    groups: Iterable[Group] = (),
    **fields: Any,
) -> User:
    """Make an account for a person, with the rights of ``groups``; without a password it cannot sign in yet."""
    policies.require(policies.may(actor, "agents.add_user", "make an account"))
    policies.require_reason(reason)
    with transaction.atomic():
        person = User(username=username, kind=User.Kind.PERSON, is_staff=True, **fields)
        person.set_password(password)
        person.full_clean(exclude=["password"])
        stamp(person, actor=actor, reason=reason).save()
        names = _set_groups(person, groups)
        _record(actor, person, f"{actor.label} made an account for {person} ({names or 'no group'}).", reason)
        return person


def update_person(
    *,
    actor: Actor,
    person: User,
    changes: Mapping[str, Any],
    reason: str,
    groups: Iterable[Group] | None = None,
) -> User:
    """Change a person's account and, when ``groups`` is given, their rights; nobody changes their own.

    Closing the account of a sponsor lets their agents only read, in the same transaction; opening it gives
    nothing back.
    """
    with transaction.atomic():
        if "is_active" in changes:
            sponsors.hold_agents_of(person)
        person = lock_row(User, person.pk)
        policies.require(policies.may_change_person(actor, person))
        policies.require_reason(reason)
        changed = [field for field in FIELDS if field in changes and getattr(person, field) != changes[field]]
        for field in changed:
            setattr(person, field, changes[field])
        person.full_clean(exclude=["password"])
        stamp(person, actor=actor, reason=reason).save(update_fields=changed or ["username"])
        if groups is not None and {group.pk for group in groups} != set(
            person.groups.values_list("pk", flat=True)
        ):
            _require_not_self(actor, person)
            changed.append(f"groups ({_set_groups(person, groups) or 'none'})")
        words = ", ".join(changed) or "nothing"
        _record(actor, person, f"{actor.label} changed the account of {person}: {words}.", reason)
        if "is_active" in changed:
            sponsors.drop_agents_of(actor=actor, person=person, reason=reason)
        return person


def note_new_password(*, actor: Actor, person: User) -> None:
    """Record that somebody set a person's password (in the transaction that did)."""
    sentence = f"{actor.label} set a new password for {person}."
    _record(actor, person, sentence, "A new password was asked for on the account's page.")


def note_made_on_command_line(*, person: User) -> None:
    """Record that an account was made outside of any page (in the transaction that did)."""
    rights = "with every right" if person.is_superuser else "without a right"
    sentence = f"An account for {person} was made on the command line, {rights}."
    _record(COMMAND_LINE, person, sentence, "Whoever runs the portal made it there.")


@transaction.atomic
def note_signed_in(*, person: User, session: SessionBase, address: str) -> None:
    """Record that somebody signed in, with the session that makes it so and the time of it."""
    record_event(
        actor=person.as_actor(),
        verb="agents.signed_in",
        subject=person.as_ref(),
        sentence=f"{person} signed in at {address or 'an unknown address'}.",
        code="password",
    )
    User.objects.filter(pk=person.pk).update(last_login=Now())
    session.save()


def note_signed_out(*, person: User) -> None:
    """Record that somebody signed out (in the transaction that ends the session)."""
    record_event(
        actor=person.as_actor(),
        verb="agents.signed_out",
        subject=person.as_ref(),
        sentence=f"{person} signed out.",
    )


def note_own_password(*, person: User) -> None:
    """Record that somebody changed their own password (in the transaction that did)."""
    sentence = f"{person} changed their own password."
    _record(person.as_actor(), person, sentence, "Asked for on the page for it.")


def require_sign_in_try(*, username: str, address: str) -> None:
    """Raise Refusal (LIMITED) after ten failures of one name from one address in a minute.

    A password, unlike an agent's secret, can be guessed; and who guesses an approver's is the second person.
    """
    if credentials.is_exhausted(_sign_in_key(username, address)):
        raise Refusal(
            "too_many_failures",
            "Too many failed attempts under this name. Wait a minute and try again.",
            detail={"retry_after": 60},
            kind=RefusalKind.LIMITED,
        )


def note_sign_in_refused(*, username: str, address: str) -> None:
    """Count and record a failed sign-in. A name that nobody has is not recorded: it may be a password."""
    person = User.objects.filter(username=username).first() if "\x00" not in username else None
    known = credentials.within_limit(_sign_in_key(username, address))
    if known and (person is not None or credentials.within_limit(f"sign-in of nobody {address}")):
        record_refusal(
            actor=Actor.system("sign-in page"),
            verb="agents.sign_in_refused",
            subject=person.as_ref() if person else Ref("agents.user", "", "a name nobody has"),
            refusal=Refusal(
                "wrong_credentials",
                f"Somebody at {address or 'an unknown address'} failed to sign in as "
                f"{person or 'a name nobody has'}.",
                kind=RefusalKind.UNAUTHENTICATED,
            ),
        )


def note_step_up_refused(*, person: User, method: str, address: str) -> None:
    """Count and record that somebody signed in could not show who they are; it counts as a failed sign-in."""
    if credentials.within_limit(_sign_in_key(person.username, address)):
        record_refusal(
            actor=person.as_actor(),
            verb="agents.step_up_refused",
            subject=person.as_ref(),
            refusal=Refusal(
                "step_up_failed",
                f"Whoever is signed in as {person} at {address or 'an unknown address'} "
                f"did not give their {method}.",
            ),
        )


def _sign_in_key(username: str, address: str) -> str:
    return f"sign-in {username.casefold()} {address}"


def _set_groups(person: User, groups: Iterable[Group]) -> str:
    found = list(groups)
    person.groups.set(found)
    return ", ".join(sorted(group.name for group in found))


def _require_not_self(actor: Actor, person: User) -> None:
    if str(actor.id) == str(person.pk):
        raise Refusal(
            "own_rights",
            "Your own groups were not changed: nobody gives rights to themselves.",
            next_step="Ask another administrator.",
        )


def _record(actor: Actor, person: User, sentence: str, reason: str) -> None:
    record_event(
        actor=actor,
        verb="agents.person_changed",
        subject=person.as_ref(),
        sentence=sentence,
        reason=reason,
    )
