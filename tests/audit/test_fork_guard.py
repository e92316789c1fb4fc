"""Nothing is signed that contradicts what others have; and two sealers, or killed ones, sign one tree."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.db import connection

from audit import notes, seals
from audit.models import Checkpoint as CheckpointRow
from audit.models import Leaf, Outlet
from audit.services.outside import Outside, StillLooking, newest_in
from audit.services.sealing import Forked, Sealer, SignedBefore
from audit.services.sealing_turns import Sealing
from audit.standalone.verify_ledger import COSIGNATURE, VerifierKey
from tests.audit.conftest import role
from tests.audit.seal_checks import check_seals
from tests.audit.test_sequencing import Processes, eventually

SIGNER = notes.Signer.fresh("example.com/ledger")
WITNESS_KEY = VerifierKey("example.org/witness", COSIGNATURE, bytes(32))


@pytest.fixture
def key(tmp_path):
    file = notes.KeyFile(tmp_path / "ledger.key")
    file.prepare([SIGNER])
    file.put_in_place()
    return file


def sealer_with(key, *sinks):
    return Sealer(key.signers, SignedBefore(key.last, outside=Outside.named(sinks)))


@pytest.fixture
def witness():
    """A witness that says how much it has signed, and keeps what it was asked."""

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self):
            server.gate.wait(20)
            server.asked.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(server.status)
            self.end_headers()
            self.wfile.write(server.says)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.asked, server.status, server.says = [], 409, b"0\n"
    server.gate = threading.Event()
    server.gate.set()
    server.address = f"witness+http://127.0.0.1:{server.server_port}/sum?every=5#{WITNESS_KEY}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def test_what_a_folder_has_beyond_the_database_stops_sealing(live_db, record, number, seal, key, tmp_path):
    folder = tmp_path / "copies"
    sealer = sealer_with(key, f"folder:{folder}", "syslog+udp://log.example")
    record()
    number()
    assert seal(sealer) == 1
    folder.mkdir()
    own = CheckpointRow.objects.get().note
    (folder / f"{1:020d}.checkpoint").write_text(own)
    other = notes.Signer.fresh("other.example/ledger")
    (folder / f"{9:020d}.checkpoint").write_text(notes.signed_checkpoint([other], 9, b"\2" * 32))
    (folder / f"{8:020d}.checkpoint").write_text("cut of")
    assert newest_in(folder, SIGNER.name) == own
    record()
    number()
    key.last.unlink()
    sealer.forget()
    assert seal(sealer) == 1
    (folder / f"{7:020d}.checkpoint").write_text(notes.signed_checkpoint([SIGNER], 7, b"\1" * 32))
    record()
    number()
    sealer.forget()
    with pytest.raises(Forked, match="restored to an older state"):
        seal(sealer)
    (folder / f"{7:020d}.checkpoint").write_text("")
    (folder / f"{2:020d}.checkpoint").write_text(notes.signed_checkpoint([SIGNER], 2, b"\1" * 32))
    with pytest.raises(Forked, match="not those that were signed for"):
        seal(sealer)
    assert Leaf.objects.count() == 2


def test_a_witness_that_signed_more_stops_sealing_and_a_silent_one_does_not(
    live_db, record, number, seal, key, witness
):
    sealer = sealer_with(key, witness.address)
    record()
    number()
    assert seal(sealer) == 1
    assert witness.asked == []  # there was nothing yet that it could be asked about
    for status, says in ((409, b"1\n"), (409, b"?"), (200, b""), (500, b"9")):
        witness.status, witness.says = status, says
        record()
        number()
        sealer.forget()
        assert seal(sealer) == 1
    assert witness.asked[-1].startswith("old 0\n\nexample.com/ledger\n4\n")
    witness.status, witness.says = 409, b"6\n"
    record()
    number()
    sealer.forget()
    with pytest.raises(Forked, match=r"the witness http://127.0.0.1:[0-9]+/sum signed 6"):
        seal(sealer)
    deaf = sealer_with(key, f"witness+http://127.0.0.1:1/#{WITNESS_KEY}")
    assert seal(deaf) == 1


def test_numbering_does_not_wait_for_a_witness(witness):
    outside = Outside.named([witness.address], patient=False)
    text = notes.signed_checkpoint([SIGNER], 1, b"\1" * 32)
    found = None
    for _ in range(200):
        try:
            found = outside.look(SIGNER.name, text)
            break
        except StillLooking:
            threading.Event().wait(0.02)
    assert found is not None
    assert found.sizes == [(f"http://127.0.0.1:{witness.server_port}/sum", 0)]


def test_a_slow_witness_keeps_sealing_waiting_and_nothing_else(live_db, record, number, seal, key, witness):
    record()
    number()
    seal(sealer_with(key))
    record()
    number()
    outside = Outside.named([witness.address], patient=False)
    sealing = Sealing(Sealer(key.signers, SignedBefore(key.last, outside=outside)))
    witness.gate.clear()
    with role(live_db, "sequencer"):
        sealing.begin()
        sealing.take_turn()
        assert seals.standing().size == 1
        assert not seals.standing().is_red
        witness.gate.set()
        eventually(lambda: sealing.take_turn() or seals.standing().size == 2)


def test_what_stops_sealing_is_written_down_once_and_goes_on_by_itself(live_db, record, number, key, caplog):
    now = [100.0]
    sealing = Sealing(sealer_with(key), clock=lambda: now[0])
    record()
    number()
    key.path.rename(key.upcoming)
    with role(live_db, "sequencer"):
        sealing.begin()
        sealing.take_turn()
        sealing.take_turn()
    assert caplog.text.count("NOT SEALED ANY MORE") == 1
    found = seals.standing()
    assert found.is_red
    assert found.problems[0].title == "The ledger is not sealed"
    assert "cannot be read" in found.problems[0].detail
    key.put_in_place()
    now[0] += 20
    with role(live_db, "sequencer"):
        sealing.take_turn()
    assert not seals.standing().is_red
    assert Leaf.objects.count() == 1
    assert Outlet.objects.get().failing_since is None


def test_a_full_disk_stops_sealing_until_there_is_room(live_db, record, number, key, monkeypatch):
    now = [100.0]
    sealing = Sealing(sealer_with(key), clock=lambda: now[0])

    def full(path, text):
        raise OSError(28, "No space left on device")

    with role(live_db, "sequencer"):
        sealing.begin()
        for _ in range(2):
            with role(live_db, "app"):
                record()
            number()
            with monkeypatch.context() as disk:
                disk.setattr(notes, "write_private", full)
                sealing.expect()
                sealing.take_turn()
            now[0] += 20
            # What was committed before it could not be kept stands; nothing is added to it.
            assert Leaf.objects.count() == 1
        sealing.take_turn()
    assert Leaf.objects.count() == 2
    assert key.last.read_text() == CheckpointRow.objects.order_by("-tree_size").first().note


def test_an_installation_without_a_key_says_so(live_db, record, number):
    with role(live_db, "sequencer"):
        Sealing(None).begin()
    assert "No signing key" in seals.standing().problems[0].detail


def test_two_sealers_that_take_turns_sign_one_tree(live_db, record, number, key, tmp_path):
    for _ in range(60):
        record()
    number()

    def work(sealer):
        try:
            while sealer.seal(3):
                pass
        finally:
            connection.close()

    with role(live_db, "sequencer"), ThreadPoolExecutor(2) as pool:
        sealers = [Sealer(key.signers, SignedBefore(tmp_path / f"last{n}")) for n in range(2)]
        for done in [pool.submit(work, sealer) for sealer in sealers]:
            done.result()
    assert check_seals(SIGNER.verifier) == 60


@pytest.fixture
def sequencers(live_db):
    processes = Processes(live_db)
    yield processes
    processes.close()


def kill_sealers(live_db, record, sequencers, key, kills, burst):
    """Kill sealers at work, two of which run at any time, and check what they left."""
    environ = {"LEDGER_KEY_FILE": str(key.path)}
    active = [sequencers.start(**environ), sequencers.start(**environ)]
    expected = 0
    for turn in range(kills):
        for _ in range(burst):
            record()
        expected += burst
        size = seals.standing().size
        eventually(lambda size=size: seals.standing().size > size, seconds=90)
        sequencers.kill(active.pop(0))
        active.append(sequencers.start(**environ)) if turn + 1 < kills else None
    eventually(lambda: seals.standing().size == expected, seconds=120)
    assert check_seals(SIGNER.verifier) == expected
    assert not seals.standing().is_red


def test_a_killed_sealer_leaves_a_whole_tree_and_the_other_goes_on(live_db, record, sequencers, key):
    kill_sealers(live_db, record, sequencers, key, kills=1, burst=300)


@pytest.mark.full
def test_many_killed_sealers_leave_a_whole_tree(live_db, record, sequencers, key):
    kill_sealers(live_db, record, sequencers, key, kills=8, burst=120)
