from __future__ import annotations

import threading
import time
from urllib.parse import unquote, urlsplit

import pytest
from django.db import connection

from audit import notes
from audit.egress import addresses
from audit.models import Outlet
from audit.services.exporter import Exporter, Worker
from audit.services.sealing import Sealer, SignedBefore
from audit.services.sinks import Sink
from audit.services.streams import Stream

SIGNER = notes.Signer.fresh("example.com/ledger")


@pytest.fixture
def sealer(tmp_path):
    return Sealer(lambda: [SIGNER], SignedBefore(tmp_path / "ledger.key.last"))


@pytest.fixture
def sealed(live_db, record, number, seal, sealer):
    """Record so many events, number and seal them."""

    def sealed(count=1, **more):
        for _ in range(count):
            record(**more)
        number()
        seal(sealer)

    return sealed


@pytest.fixture
def export(live_db, monkeypatch):
    """Run an exporter to these sinks and streams in threads, as the sequencer's role, until the test ends."""
    running = []
    url = urlsplit(live_db.url("sequencer"))

    def as_sequencer(run):
        def run_so(*given):
            # This thread's own connection; the test's is the application's.
            connection.settings_dict = {
                **connection.settings_dict, "USER": unquote(url.username), "PASSWORD": unquote(url.password),
            }  # fmt: skip
            run(*given)

        return run_so

    monkeypatch.setattr(Worker, "run", as_sequencer(Worker.run))

    def export(*, sinks=(), streams=(), authorities=""):
        places = [Sink(one, authorities) for one in addresses.read(sinks, addresses.sink)]
        places += [Stream(one, authorities) for one in addresses.read(streams, addresses.stream)]
        exporter = Exporter(places, longest_wait=0.1)
        thread = threading.Thread(target=as_sequencer(exporter.run), daemon=True)
        running.append((exporter, thread))
        thread.start()
        return exporter

    def stop():
        while running:
            exporter, thread = running.pop()
            exporter.stop()
            thread.join(20)

    export.stop = stop
    yield export
    stop()


def outlet(name):
    connection.close_if_unusable_or_obsolete()
    return Outlet.objects.filter(name=name).first()


def eventually(what, seconds=20, why=lambda: ""):
    """Wait until something is so; fail with what it was."""
    until = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < until, f"it never was. {why()}"
        time.sleep(0.02)
    return found
