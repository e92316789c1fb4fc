"""Number the ledger: run one of these; a second one stands by."""

from __future__ import annotations

import signal
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from audit.services.sequencer import LONGEST_WAIT_SECONDS, Sequencer


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
        sequencer = Sequencer(batch=options["batch"], longest_wait=options["longest_wait"])
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: sequencer.stop())
        sequencer.run()
