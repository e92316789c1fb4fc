"""Say in words how the sealing of the ledger stands; exit with 1 if somebody has to look at it."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError

from audit import seals


class Command(BaseCommand):
    """Reads only. What it prints is what the page of the seals shows."""

    help = "Print how far the ledger is sealed, its keys and outlets; exit with 1 if something is wrong."

    def handle(self, *args: Any, **options: Any) -> None:
        """Print it."""
        try:
            found = seals.standing()
            lines = seals.in_words(found)
        except OperationalError as error:
            raise CommandError(f"The database does not answer, so nothing is known: {error}") from error
        for line in lines:
            self.stdout.write(line)
        if found.is_red:
            sys.exit(1)
