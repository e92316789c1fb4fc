"""Write events as CSV or JSON Lines, as many as there are; for whoever runs the portal."""

from __future__ import annotations

import argparse
import sys
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from audit import asking, reading
from audit.services import downloading
from audit.vocabulary import Actor


class Command(BaseCommand):
    help = "Write events as CSV or JSON Lines, newest first: all, or those that the filters name."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--format", choices=[*downloading.FORMATS], default="jsonl")
        parser.add_argument("--output", type=Path, help="The file to write; without it, standard output.")
        parser.add_argument("--most", type=int, default=sys.maxsize, help="At most so many; without it, all.")
        parser.add_argument("--since", type=_moment, help="From this moment on (ISO 8601).")
        parser.add_argument("--until", type=_moment, help="Before this moment (ISO 8601).")
        for name in (*asking.COLUMNS, "kind", "object", "q"):
            parser.add_argument(f"--{name}", default="", help="As on the page of the ledger.")

    def handle(self, *args: Any, **options: Any) -> None:
        form, output = options["format"], options["output"]
        names = (*asking.COLUMNS, "kind", "object", "q")
        narrowed = [(name, options[name]) for name in names if options[name]]
        narrowed += [(name, options[name].isoformat()) for name in ("since", "until") if options[name]]
        until = downloading.newest_id()
        downloading.record_download(actor=Actor.system("command line"), form=form, most=None, narrowed=narrowed)
        found = downloading.lines(
            form,
            user=None,
            question=asking.question(options),
            period=reading.in_period(options["since"], options["until"]),
            until=until,
            most=options["most"],
            with_payload=True,
        )
        try:
            with output.open("w", encoding="utf-8", newline="") if output else nullcontext(sys.stdout) as file:
                for text in found:
                    file.write(text)
        except OSError as error:
            raise CommandError(f"The file was not written: {error}. Choose another --output.") from error


def _moment(text: str) -> datetime:
    try:
        found = parse_datetime(text)
    except ValueError:
        found = None
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no moment. Write e.g. 2026-11-29T12:00:00Z.")
    return found if timezone.is_aware(found) else timezone.make_aware(found)
