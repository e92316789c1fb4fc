"""Build from a console what an auditor asks for a period."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from agents.management.console import console
from audit.services import evidence
from audit.services.evidence.building import DOCUMENTS, LIMIT
from audit.vocabulary import Ref


def _day(said: str) -> date:
    try:
        return date.fromisoformat(said)
    except ValueError as error:
        raise CommandError(f"No pack was built: {said[:40]!r} is no day. Write it as 2026-03-31.") from error


class Command(BaseCommand):
    """Builds an evidence pack. It stands where it is wanted whole, or not at all."""

    help = (
        "Build an evidence pack for a period: agents, authority, access, approvals, interventions, drills,"
        " rules, incidents, numbers and the verification of the ledger, as HTML, PDF, JSON and tables."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Ask for the period and the place."""
        parser.add_argument("--from", dest="first", required=True, metavar="DAY", help="First day: 2026-01-01.")
        parser.add_argument("--to", dest="last", required=True, metavar="DAY", help="Last day, included.")
        parser.add_argument(
            "--out",
            required=True,
            metavar="PATH",
            help="A folder that is not there yet, or a file ending in .zip.",
        )
        parser.add_argument(
            "--department",
            action="append",
            default=[],
            metavar="CODE",
            help="Only this department and all below it; may be given several times.",
        )
        parser.add_argument("--mapping", metavar="FILE", help="Another file of rows (docs/evidence-pack.md).")
        parser.add_argument(
            "--rows",
            type=int,
            default=LIMIT,
            help="Most rows of one table in the documents; the files have all.",
        )
        parser.add_argument(
            "--as",
            dest="username",
            default="",
            help="The person of the portal who builds it. Without it the account of this machine is recorded.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Build it and say what it is."""
        first, last = _day(options["first"]), _day(options["last"])
        with console(
            options["username"], Ref("audit.evidencepack", "", f"Evidence {first} to {last}")
        ) as actor:
            built = evidence.build_pack(
                actor=actor,
                wanted=evidence.wanted(first, last, options["department"]),
                out=Path(options["out"]),
                mapping=Path(options["mapping"]) if options["mapping"] else None,
                limit=options["rows"],
            )
        self.stdout.write(
            f"Built {built.path}: {sum(built.counts.values()):,} rows in {len(built.counts)} tables."
        )
        for name in DOCUMENTS:
            self.stdout.write(f"{built.digests[name]}  {name}")
