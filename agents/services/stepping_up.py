"""A person who is signed in shows again who they are, before they let through what asks for that.

It counts in the session it was done in, for ``STEP_UP_SECONDS``. Signing out and a new password end it. How it
is shown is a small registry of methods (``registry.register_step_up``): the password today.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, authenticate
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.utils.crypto import constant_time_compare

from agents import registry
from agents.models import User
from agents.policies import may_act_as_person, require
from agents.services import people
from agents.vocabulary import StepUp
from audit.selectors import database_now
from audit.services import record_event
from audit.vocabulary import Refusal, RefusalKind

KEY = "step_up"
PASSWORD = "password"  # noqa: S105 - the name of a method
LONGEST = 4096


def lasting() -> timedelta:
    """Return how long it counts."""
    return timedelta(seconds=settings.STEP_UP_SECONDS)


def register_methods() -> None:
    """Say how people can show again who they are."""
    registry.register_step_up(PASSWORD, registry.StepUpMethod("password", by_password))


def confirm_person(
    *, user: User, session: SessionBase, method: str, given: Mapping[str, str], address: str
) -> StepUp:
    """Check what somebody gives to show who they are, and keep it in their session; both ways it is on record.

    Guessing is slowed down together with guessing at the sign-in. Raises Refusal: people_only,
    step_up_method_unknown, too_many_failures, step_up_failed.
    """
    require(may_act_as_person(user.as_actor(), "confirm who they are"))
    found = registry.step_up_methods().get(method)
    if found is None:
        raise Refusal(
            "step_up_method_unknown",
            f"Nothing was confirmed: {method[:40]!r} is no way to confirm who you are.",
            kind=RefusalKind.INVALID,
            next_step=f"Use one of these: {', '.join(sorted(registry.step_up_methods()))}.",
        )
    people.require_sign_in_try(username=user.username, address=address)
    if not found.shows(user, given):
        people.note_step_up_refused(person=user, method=found.label, address=address)
        raise Refusal(
            "step_up_failed",
            f"Nothing was confirmed: this is not your {found.label}.",
            next_step="Try again; after ten failures in a minute you have to wait.",
        )
    return _keep(user, session, StepUp(str(user.pk), method, database_now()), found.label)


def step_up_of(user: User, session: SessionBase | None) -> StepUp | None:
    """Return what somebody has shown in this session; None where it was another's, or before a new password."""
    kept = session.get(KEY) if session is not None else None
    if session is None or not isinstance(kept, Mapping):
        return None
    seal = f"{session.session_key} {user.get_session_auth_hash()}"
    if not constant_time_compare(str(kept.get("seal", "")), seal):
        return None
    return StepUp(str(kept["user"]), str(kept["method"]), datetime.fromisoformat(str(kept["at"])))


def is_fresh(proof: StepUp | None, user: User) -> bool:
    """Say whether it still counts, for a page that tells so; the service that needs it asks again."""
    return proof is not None and proof.holds(user_id=str(user.pk), now=database_now(), within=lasting())


def by_password(user: User, given: Mapping[str, str]) -> bool:
    """Say whether somebody's password was given; it takes as long as at the sign-in, whatever was given."""
    password = given.get("password", "")
    if not 0 < len(password) <= LONGEST or "\x00" in password:
        password = ""
    found = authenticate(username=user.username, password=password)
    return found is not None and found.pk == user.pk


@transaction.atomic
def _keep(user: User, session: SessionBase, proof: StepUp, label: str) -> StepUp:
    record_event(
        actor=user.as_actor(),
        verb="agents.step_up_done",
        subject=user.as_ref(),
        sentence=f"{user} confirmed who they are, with their {label}.",
        code=proof.method,
    )
    if not session.session_key:
        session.save()
    # The check may have stored the same password under newer settings of its hash; the session stays signed in.
    seal = User.objects.get(pk=user.pk).get_session_auth_hash()
    session[HASH_SESSION_KEY] = seal
    session[KEY] = {
        "user": proof.user_id,
        "method": proof.method,
        "at": proof.at.isoformat(),
        "seal": f"{session.session_key} {seal}",
    }
    return proof
