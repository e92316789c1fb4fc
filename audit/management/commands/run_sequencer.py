"""Number and seal the ledger: run one of these; a second one stands by."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from audit.notes import KeyFile
from audit.services.outside import Outside
from audit.services.sealing import Sealer, SignedBefore
from audit.services.sequencer import LONGEST_WAIT_SECONDS, Sequencer


def sealer_of_settings() -> Sealer | None:
    """Return the sealer with the key that ``LEDGER_KEY_FILE`` names, None where none is named.

    Its fork guard looks at what ``LEDGER_SINKS`` names, on the side, so that numbering does not wait for it.
    """
    named = os.environ.get("LEDGER_KEY_FILE")
    if not named:
        return None
    file = KeyFile(Path(named))
    outside = Outside.named(settings.LEDGER_SINKS, patient=False, authorities=settings.LEDGER_CA_FILE)
    return Sealer(file.signers, SignedBefore(file.last, outside=outside))


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
