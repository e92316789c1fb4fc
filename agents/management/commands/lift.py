"""Lift a stop from a console, with nothing but the database."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from agents.management.console import console, signed
from agents.models import Stop
from agents.services import stops
from audit.vocabulary import Ref


class Command(BaseCommand):
    """Lifts one stop, in the name of a person who may: starting again is never a machine's decision."""

    help = "Lift a stop, named by the id that `manage.py stops` shows. Needs only the database."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Ask which, who and why."""
        parser.add_argument("stop", type=UUID, help="The id of the stop.")
        parser.add_argument("--as", dest="username", required=True, help="The manager who lifts it.")
        parser.add_argument(
            "--stage",
            choices=[Stop.Stage.LOOK, Stop.Stage.HELD],
            help="Only so far back: agents may read (look), or a person approves every write (held).",
        )
        parser.add_argument("--reason", required=True, help="Why work may go on.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Lift it and say so."""
        with console(options["username"], Ref("agents.stop", str(options["stop"]))) as actor:
            stop = Stop.objects.filter(pk=options["stop"]).first()
            if stop is None:
                raise CommandError(f"Nothing was changed: there is no stop {options['stop']}.")
            reason = signed(options["reason"], options["username"])
            if options["stage"]:
                stop = stops.set_stage(actor=actor, stop=stop, stage=options["stage"], reason=reason)
                self.stdout.write(f"{stop.scope_label}: {stop.get_stage_display().lower()}.")
                return
            stop = stops.lift_stop(actor=actor, stop=stop, reason=reason)
        self.stdout.write(
            f"Lifted: {stop.scope_label}. Nothing resumes by itself, what waited is decided again."
        )
