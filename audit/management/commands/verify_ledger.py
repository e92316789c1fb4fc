"""Verify the ledger in the database: every event, every checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit.services.verifying import verify_database
from audit.standalone.verify_ledger import Unusable, in_words, parse_keys, read_anchors
from audit.vocabulary import Refusal


class Command(BaseCommand):
    """Exits with 0 if everything holds, 1 if not, 2 if nothing could be verified. Reads only."""

    help = "Make every sealed event's hash anew from its row, and compare hashes, tiles and signed checkpoints."

    def add_arguments(self, parser: CommandParser) -> None:
        """Ask for what the verifier cannot know by itself."""
        words = "A verifier key you trust, or a file with it. Without one the keys of the database are taken."
        parser.add_argument("--key", action="append", default=[], metavar="VKEY", help=words)
        words = "A checkpoint kept elsewhere, which the ledger has to begin with."
        parser.add_argument("--anchor", action="append", default=[], type=Path, metavar="FILE", help=words)
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--full", action="store_true", help="Everything; so it is without it, too.")
        words = "Compare hashes, tiles and checkpoints only. Quick, and blind to changed events."
        how.add_argument("--seals-only", action="store_true", help=words)
        parser.add_argument("--json", metavar="FILE", help="Write the report there; - is the screen.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Verify and report."""
        try:
            report = verify_database(
                keys=parse_keys(options["key"]),
                anchors=read_anchors(options["anchor"]),
                seals_only=options["seals_only"],
            )
            text = json.dumps(report, indent=2, ensure_ascii=False)
            if options["json"] not in (None, "-"):
                Path(options["json"]).write_text(text + "\n", encoding="utf-8")
        except Refusal as refusal:
            raise CommandError(refusal.in_full(), returncode=2) from refusal
        except (Unusable, OSError) as error:
            raise CommandError(f"Nothing was verified. {error}", returncode=2) from error
        self.stdout.write(text if options["json"] == "-" else "\n".join(in_words(report)))
        if not report["ok"]:
            raise CommandError("Something in the ledger does not hold. Keep this report and the database.")
