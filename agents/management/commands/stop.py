"""Stop work from a console, with nothing but the database."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from agents.management.console import console, containment_lines, signed
from agents.models import Stop
from agents.selectors import containment_of
from agents.services import stops
from agents.services.containment import contain
from audit.vocabulary import Ref

LOOK_SECONDS = 0.5


class Command(BaseCommand):
    """Raises a stop. When it returns, nothing in the scope is dispatched any more."""

    help = (
        "Stop everything, or one department, role, agent, system, operation or workflow by its code or id. "
        "Needs only the database. `manage.py stops` shows what is stopped, `manage.py lift` lifts it."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Ask what, why and who."""
        parser.add_argument("scope", choices=Stop.ScopeKind.values, help="What kind of thing is stopped.")
        parser.add_argument("id", nargs="?", default="", help="Which one: its code or id. None for everything.")
        parser.add_argument("--reason", required=True, help="Why; people and agents read it.")
        parser.add_argument(
            "--as",
            dest="username",
            default="",
            help="The person of the portal who stops. Without it the account of this machine is recorded.",
        )
        parser.add_argument(
            "--exercise",
            action="store_true",
            help="Mark it as a drill. It stops like any other; evidence shows it apart.",
        )
        parser.add_argument(
            "--wait",
            type=float,
            default=10,
            metavar="SECONDS",
            help="How long to wait until every process has confirmed it (it holds at once, whoever confirms).",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Stop it and say so."""
        subject = Ref("agents.stop", "", f"{options['scope']} {options['id']}".strip()[:120])
        with console(options["username"], subject) as actor:
            stop = stops.raise_stop(
                actor=actor,
                scope_kind=options["scope"],
                scope_id=options["id"],
                reason=signed(options["reason"], options["username"]),
                is_exercise=options["exercise"],
            )
            self.stdout.write(f"Stopped: {stop.scope_label}. Nothing in it is dispatched any more.")
            self._await_confirmation(stop, options["wait"])
            self.stdout.write("\n".join(containment_lines(stop)))
        self.stdout.write(f"The way back: manage.py lift {stop.pk} --as MANAGER --reason WHY")

    def _await_confirmation(self, stop: Stop, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            contain(stop.pk)
            if not containment_of(stop).open_parts:
                return
            time.sleep(LOOK_SECONDS)
