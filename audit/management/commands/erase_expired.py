"""Erase what the rules of retention let go now, or say what that would be."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from audit.services import erasing


class Command(BaseCommand):
    """``manage.py erase_expired [--dry-run]``."""

    help = "Erase what the rules of retention let go; with --dry-run only say how much of what."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Erase nothing; say what would be erased.")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["dry_run"]:
            self.stdout.write(f"Erased {erasing.erase_expired():,} entries.")
            return
        found = [one for one in erasing.expired() if one.count]
        for one in found:
            self.stdout.write(f"{one.words} ({one.rule})")
        self.stdout.write(f"Would erase {sum(one.count for one in found):,} entries. Nothing was erased.")
