"""Export the ledger, or a part of it, for the offline verifier."""

from __future__ import annotations

import getpass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit.services.exporting import Scope, export_ledger
from audit.standalone.verify_ledger import Unusable, read_anchors
from audit.vocabulary import Actor, ActorKind, Refusal


def _moment(text: str) -> datetime:
    """Return a day or a time in UTC."""
    if len(text) == len("2026-01-31"):
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


class Command(BaseCommand):
    """Writes one zip, in constant memory; nothing half written is left behind."""

    help = "Export sealed events, with their proofs, up to the newest checkpoint: docs/ledger-format.md."

    def add_arguments(self, parser: CommandParser) -> None:
        """Ask of what."""
        parser.add_argument("--out", type=Path, required=True, help="The zip to write; it must not be there.")
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--all", action="store_true", help="Every sealed event.")
        what.add_argument("--agent", metavar="ID", help="What concerns one agent.")
        what.add_argument("--run", metavar="ID", help="What concerns one run of a workflow.")
        what.add_argument("--object", metavar="KIND:ID", help="What concerns one object: agents.agent:<id>.")
        parser.add_argument("--from", dest="since", type=_moment, help="From this day or time on, in UTC.")
        parser.add_argument("--to", dest="until", type=_moment, help="Before this day or time, in UTC.")
        parser.add_argument("--visible-to", metavar="USER", help="Only what this user may see, by name.")
        words = "A checkpoint that an auditor has: a part can then be compared with it."
        parser.add_argument("--anchor", action="append", default=[], type=Path, metavar="FILE", help=words)

    def handle(self, *args: Any, **options: Any) -> None:
        """Export and say what is in it."""
        name = getpass.getuser()
        try:
            exported = export_ledger(
                actor=Actor(ActorKind.SYSTEM, "export_ledger", f"{name} at the command line"),
                scope=_scope(options),
                path=options["out"],
                viewer=_viewer(options["visible_to"]),
                proven_sizes=[one.checkpoint.size for one in read_anchors(options["anchor"])],
            )
        except Refusal as refusal:
            raise CommandError(refusal.in_full()) from refusal
        except (Unusable, OSError) as error:
            raise CommandError(f"Nothing was exported: {error}") from error
        self.stdout.write(
            f"{exported.path}: {exported.events} events of {exported.tree_size}. Give it away with"
            " audit/standalone/verify_ledger.py; the auditor has the verifier key from you by another way."
        )


def _scope(options: dict[str, Any]) -> Scope:
    has_period = options["since"] or options["until"]
    named = [name for name in ("all", "agent", "run", "object") if options[name]]
    if len(named) + bool(has_period) != 1:
        ways = "--all, --from/--to, --agent, --run or --object"
        raise CommandError(f"Nothing was exported: say of what, with one of {ways}.")
    if has_period:
        return Scope("period", since=options["since"], until=options["until"])
    if options["all"]:
        return Scope("everything")
    if options["object"]:
        kind, found, key = options["object"].partition(":")
        if not found:
            raise CommandError("Nothing was exported: an object is named kind:id, such as agents.agent:<id>.")
        return Scope("object", id=key, object_kind=kind)
    return Scope(named[0], id=options[named[0]])


def _viewer(name: str | None) -> Any:
    if name is None:
        return None
    users: Any = get_user_model()
    found = users.objects.filter(**{users.USERNAME_FIELD: name}).first()
    if found is None:
        raise CommandError(f"Nothing was exported: there is no user {name!r}.")
    return found
