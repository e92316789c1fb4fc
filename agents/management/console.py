"""Commands for the worst day: they need the database and nothing else of the portal."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management.base import CommandError
from django.db import Error as DatabaseError

from agents.models import Stop, User
from agents.selectors import containment_of
from audit.services import refusals_recorded
from audit.vocabulary import Actor, ActorKind, Ref, Refusal


@contextmanager
def console(username: str, subject: Ref) -> Iterator[Actor]:
    """Give a command its actor: a person of the portal, or without a name whoever the machine let in.

    A refusal is recorded and said in one sentence, and so is a database that does not answer (CommandError).
    """
    try:
        actor = _person(username) if username else Actor(ActorKind.SYSTEM, "console", account())
        with refusals_recorded(actor=actor, subject=subject):
            yield actor
    except Refusal as refusal:
        raise CommandError(refusal.in_full()) from refusal
    except DatabaseError as error:
        words = (str(error).strip().splitlines() or ["it gave no reason"])[0]
        raise CommandError(f"Nothing is known to have changed, the database said: {words}") from error


def signed(reason: str, username: str) -> str:
    """Return the reason, and with it that a console acted in a person's name: nobody signed in there."""
    return f"{reason} [{account()}]" if username and reason.strip() else reason


def containment_lines(stop: Stop) -> list[str]:
    """Return what is proved about a stop, one line for each place."""
    found = containment_of(stop)
    asked = f"{found.requested_at:%Y-%m-%d %H:%M:%S} UTC"
    if found.confirmed_at and found.is_proved:
        head = f"requested {asked}, confirmed {found.confirmed_at:%Y-%m-%d %H:%M:%S} UTC"
    else:
        head = f"requested {asked}, NOT confirmed yet"
    lines = [head, *(f"  {part.label}: {part.sentence}" for part in found.parts)]
    if found.agents:
        met = sum(1 for agent in found.agents if agent.refused_at)
        lines.append(
            f"  Tokens of {len(found.agents)} agents are refused: {met} have met it, "
            f"{len(found.agents) - met} have not called since"
        )
    return lines


def account() -> str:
    """Return the account of the machine, e.g. ``console (root at portal-1)``."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a number without a name, as in many containers
        name = "an account without a name"
    return f"console ({name} at {socket.gethostname()})"[:200]


def _person(username: str) -> Actor:
    user = User.objects.filter(username=username.replace("\x00", "")).first()
    if user is None or user.is_agent or not user.is_active:
        raise CommandError(f"Nothing was changed: no person who may sign in is called {username!r}.")
    return user.as_actor()
