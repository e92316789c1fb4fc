"""Ask the database whether everything that must hold, holds."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError, connection, transaction

from audit.selectors import Violation, violations

LONGEST_QUERY_SECONDS = 60


class Command(BaseCommand):
    """Prints every violation; exits with 1 if there is one. Reads only, safe on a running system."""

    help = "Check every registered invariant: of actions, approvals, limits, tasks, runs and the ledger."

    def add_arguments(self, parser: CommandParser) -> None:
        """Let a large installation give its questions more time."""
        parser.add_argument(
            "--longest",
            type=int,
            default=LONGEST_QUERY_SECONDS,
            help="Seconds after which the database gives up one question.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Check and report."""
        try:
            found = _asked(options["longest"])
        except OperationalError as error:
            raise CommandError(
                f"The invariants could not be asked: {str(error).strip()}. Nothing is known to be broken."
                " If it took too long, ask on a replica, or with --longest 600."
            ) from error
        for violation in found:
            self.stdout.write(
                f"{violation.invariant} {violation.id}: {violation.detail} ({violation.sentence})"
            )
        if found:
            raise CommandError(f"{len(found)} violations. Stop the agents concerned and find out why.")
        self.stdout.write("Every invariant holds.")


def _asked(longest: int) -> list[Violation]:
    """Ask in a transaction that can write nothing and, by itself, ends what takes too long."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{longest}s"])
        cursor.execute("SET TRANSACTION READ ONLY")
        return violations()
