"""Number and seal the ledger: run one of these; a second one stands by."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from audit.egress import addresses
from audit.egress.addresses import FOLDER
from audit.egress.folder import newest_note
from audit.notes import read_signers
from audit.services.sealing import Sealer, SignedBefore
from audit.services.sequencer import LONGEST_WAIT_SECONDS, Sequencer


def sealer_of_settings() -> Sealer | None:
    """Return the sealer with the key that ``LEDGER_KEY_FILE`` names, None where none is named."""
    named = os.environ.get("LEDGER_KEY_FILE")
    if not named:
        return None
    path = Path(named)
    memory = SignedBefore(path.with_name(path.name + ".last"), notes_in_folders)
    return Sealer(lambda: read_signers(path), memory)


def notes_in_folders() -> list[str]:
    """Return the newest checkpoint of each folder that checkpoints are sent to: a restore is noticed by it."""
    folders = [one.path for one in addresses.read(settings.LEDGER_SINKS, addresses.sink) if one.kind == FOLDER]
    return [note for folder in folders if (note := newest_note(folder)) is not None]


class Command(BaseCommand):
    help = (
        "Give committed events their position in the ledger. Several may run: one works, the others stand by."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--batch", type=int, default=1000, help="Most events numbered in one transaction.")
        parser.add_argument(
            "--longest-wait",
            type=float,
            default=LONGEST_WAIT_SECONDS,
            help="Most seconds between two looks at an idle ledger.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        sealer = sealer_of_settings()
        if sealer is None:
            self.stderr.write("LEDGER_KEY_FILE is not set: events are numbered and not sealed.")
        sequencer = Sequencer(batch=options["batch"], longest_wait=options["longest_wait"], sealer=sealer)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: sequencer.stop())
        sequencer.run()
