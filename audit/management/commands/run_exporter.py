"""Send checkpoints and events out of the house: run one of these; a second one stands by."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from audit.egress import addresses
from audit.egress.failures import NotTaken
from audit.egress.stamping import read_roots
from audit.egress.web import tls_context
from audit.services.exporter import Exporter, Place
from audit.services.sinks import Sink
from audit.services.streams import Stream


def places_of_settings() -> list[Place]:
    """Return the sinks and streams of the settings. Raise BadAddress or NotTaken for what cannot be used."""
    authorities = settings.LEDGER_CA_FILE
    tls_context(authorities)
    sinks = addresses.read(settings.LEDGER_SINKS, addresses.sink)
    for one in sinks:
        if one.kind == addresses.FOLDER and Path(one.path).is_relative_to(settings.DATA_DIR):
            # Any other folder may be a store that is not mounted: what is written instead of it is lost.
            Path(one.path).mkdir(parents=True, exist_ok=True)
        if roots := one.options.get("roots"):
            read_roots(roots)
    streams = addresses.read(settings.LEDGER_STREAMS, addresses.stream)
    return [*(Sink(one, authorities) for one in sinks), *(Stream(one, authorities) for one in streams)]


class Command(BaseCommand):
    help = "Send checkpoints to LEDGER_SINKS and events to LEDGER_STREAMS. Several may run: one works."

    def handle(self, *args: Any, **options: Any) -> None:
        if os.environ.pop("LEDGER_KEY_FILE", ""):
            self.stderr.write(
                "LEDGER_KEY_FILE is set here and was put aside: what talks to the network needs no signing key."
                " Set it for run_sequencer only, and run the exporter as a user who cannot read that file."
            )
        try:
            exporter = Exporter(places_of_settings())
        except (addresses.BadAddress, NotTaken, OSError) as error:
            raise CommandError(f"The exporter cannot start. {error}") from error
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: exporter.stop())
        exporter.run()
