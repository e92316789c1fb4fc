"""Ask the database whether everything that must hold, holds."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from workflows.actions.selectors import violations


class Command(BaseCommand):
    """Prints every violation; exits with 1 if there is one. Reads only, safe on a running system."""

    help = "Check the invariants I1 to I8 of actions, approvals and limits."

    def handle(self, *args: Any, **options: Any) -> None:
        """Check and report."""
        found = violations()
        for violation in found:
            self.stdout.write(
                f"{violation.invariant} {violation.id}: {violation.detail} ({violation.sentence})"
            )
        if found:
            raise CommandError(f"{len(found)} violations. Stop the agents concerned and find out why.")
        self.stdout.write("Every invariant holds.")
