"""What leaves the house arrives: checkpoints at sinks, events at streams, whatever the other side does."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import threading
import time
from datetime import datetime

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from audit import envelope, registry
from audit.formats.told import members
from audit.models import Checkpoint, Cosignature, Event, Leaf, Outlet
from audit.services import exporter, outlets, streams
from audit.services.outside import Outside
from audit.services.sealing import Forked, Sealer, SignedBefore
from audit.services.sinks import checkpoint_message
from audit.standalone import witness
from audit.standalone.verify_ledger import Note, leaf_hash
from tests.audit.conftest import role
from tests.audit.outside.conftest import SIGNER, eventually, outlet
from tests.audit.outside.servers import Authority, Collector, Raw, TimeStamps, Web
from tests.audit.outside.test_formats import parse_5424


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Try again soon, and notice soon."""
    monkeypatch.setattr(exporter, "RETRY_SECONDS", (0.05, 0.2))
    monkeypatch.setattr(exporter, "SHORTEST_WAIT_SECONDS", 0.05)
    monkeypatch.setattr(exporter, "STANDBY_WAIT_SECONDS", 0.1)


@pytest.fixture
def authority(tmp_path):
    made = tmp_path / "authority"
    made.mkdir()
    return Authority(made)


def events_of(server):
    return [event for _, _, body in list(server.requests) for event in json.loads(body)]


def indexes_of(server):
    return [event["metadata"]["sequence"] for event in events_of(server)]


def reached(name, goal):
    def there():
        found = outlet(name)
        return found if found and found.reached == goal else None

    return eventually(there, why=lambda: outlet(name) and outlet(name).last_error)


def test_each_event_is_sent_once_in_order_with_its_index_and_leaf_hash(sealed, record, number, export):
    sealed(3, reason="Why not", payload={"amount": "12.50"})
    with Web() as server:
        name = f"ocsf+{server.url}/in"
        export(streams=[f"{name}?payload=1"])
        reached(name, 3)
        record()
        number()  # numbered and not sealed: it waits
        time.sleep(0.3)
        assert indexes_of(server) == [0, 1, 2]
    leaves = {leaf.index: leaf for leaf in Leaf.objects.all()}
    for event in events_of(server):
        said, leaf = event["unmapped"], leaves[event["unmapped"]["index"]]
        assert said["leaf_hash"] == bytes(leaf.leaf_hash).hex()
        assert said["words_commitment"] == bytes(leaf.words_commitment).hex()
        assert (said["reason"], said["payload"]) == ("Why not", {"amount": "12.50"})


def test_a_receiver_can_work_out_the_leaf_hash_from_a_line(sealed, export, tmp_path):
    sealed(1, agent_id="7", decision="deny", code="over_limit", operation="erp.post", correlation_id="c1")
    sealed(1, payload={"a": 1.5}, risk={"tier": "high"}, delegated_id="9", reason="Ü")
    export(streams=[f"jsonl+file:{tmp_path}/ledger.log"])
    reached(f"jsonl+file:{tmp_path}/ledger.log", 2)
    [file] = tmp_path.glob("ledger-*.log")
    for said in map(json.loads, file.read_text().splitlines()):
        row = {name: said.get(name, "") for name in envelope.COLUMNS}
        row |= {"risk": said.get("risk", {}), "occurred_at": datetime.fromisoformat(said["at"])}
        words, data = (bytes.fromhex(said.get(f"{part}_commitment", "")) for part in ("words", "data"))
        assert leaf_hash(envelope.envelope_text(row, words, data or None).encode()).hex() == said["leaf_hash"]


def test_words_are_sent_and_a_payload_only_where_it_was_asked_for(sealed, export):
    sealed(1, payload={"secret": "of the payload"})
    with Web() as server:
        export(streams=[f"jsonl+{server.url}/in"])
        reached(f"jsonl+{server.url}/in", 1)
    line = server.requests[0][2].decode()
    assert "A thing was done." in line
    assert "of the payload" not in line


def test_what_was_erased_before_it_was_sent_is_told_as_erased(sealed, record, monkeypatch):
    sealed(1, payload={"a": 1})
    monkeypatch.setitem(registry._verbs, "audit.content_erased", "Content was erased.")
    with connection.cursor() as cursor:
        for part in ("words", "data"):
            told_by = record(verb="audit.content_erased", payload={"part": part, "indexes": [[0, 0]]})
            event = Event.objects.order_by("id").first()
            cursor.execute("SELECT audit_erase(%s, %s, %s)", [told_by.id, [event.id], part])
    [told] = streams.told_events(0, 1, limit=5, with_payload=True)
    said = members(told)
    assert (said["words_erased"], said["payload_erased"]) == (True, True)
    assert said["leaf_hash"] == bytes(Leaf.objects.get().leaf_hash).hex()
    assert "sentence" not in said


def test_unsealed_events_are_sent_where_it_was_asked_for_and_without_a_hash(record, number, export):
    record()
    number()
    with Web() as server:
        export(streams=[f"ocsf+{server.url}/in?unsealed=1"])
        reached(f"ocsf+{server.url}/in", 1)
    [event] = events_of(server)
    assert "leaf_hash" not in event["unmapped"]


def test_events_that_nobody_seals_are_an_alarm(record, number, export, monkeypatch):
    monkeypatch.setattr(exporter, "UNSEALED_SECONDS", 0.1)
    record()
    number()
    with Web() as server:
        export(streams=[f"ocsf+{server.url}/in"])
        found = eventually(lambda: (one := outlet(f"ocsf+{server.url}/in")) and one.failing_since and one)
        assert "wait to be sealed" in found.last_error
        assert server.requests == []


def test_a_stream_can_begin_now(sealed, export):
    sealed(3)
    with Web() as server:
        name = f"ocsf+{server.url}/in"
        export(streams=[f"{name}?from=now"])
        reached(name, 3)
        sealed(2)
        reached(name, 5)
    assert indexes_of(server) == [3, 4]


def test_down_for_an_hour_nothing_is_lost_and_it_is_said_at_once(sealed, export):
    """R-A8: the hour is what it missed, not how long the test takes."""
    down = threading.Event()
    down.set()
    with Web(lambda body: (503, "text/plain", b"") if down.is_set() else (200, "text/plain", b"")) as server:
        name = f"ocsf+{server.url}/in"
        export(streams=[name])
        sealed(2)
        found = eventually(lambda: (one := outlet(name)) and one.failing_since and one)
        assert found.last_error == "It was not taken: it answered 503"
        first = found.failing_since
        sealed(5)
        server.requests.clear()
        eventually(lambda: server.requests)
        assert outlet(name).failing_since == first
        assert outlet(name).reached == 0
        server.requests.clear()
        down.clear()
        found = reached(name, 7)
        assert (found.failing_since, found.last_error) == (None, "")
        assert found.last_ok_at
        taken = sorted(set(indexes_of(server)))
        assert taken == [0, 1, 2, 3, 4, 5, 6]


def test_a_new_process_goes_on_where_the_last_one_was(sealed, export):
    sealed(3)
    with Web() as server:
        name = f"ocsf+{server.url}/in"
        export(streams=[name])
        reached(name, 3)
        export.stop()
        sealed(2)
        export(streams=[name])
        reached(name, 5)
    assert indexes_of(server) == [0, 1, 2, 3, 4]


def test_a_place_that_hangs_delays_no_other(sealed, export, tmp_path):
    released = threading.Event()
    (tmp_path / "kept").mkdir()
    with Raw(lambda connection: released.wait(30)) as hangs, Web() as server:
        stuck, well = f"ocsf+http://127.0.0.1:{hangs.port}/in", f"ocsf+{server.url}/in"
        export(streams=[stuck, well], sinks=[f"syslog+tcp://127.0.0.1:{hangs.port}", f"folder:{tmp_path}/kept"])
        sealed(3)
        reached(well, 3)
        reached(f"folder:{tmp_path}/kept", 3)
        assert outlet(stuck).reached == 0
        released.set()


def test_what_never_comes_back_is_an_alarm_too(sealed, export, monkeypatch):
    monkeypatch.setattr(exporter, "STUCK_SECONDS", 0.2)
    released = threading.Event()
    with Raw(lambda connection: released.wait(30)) as hangs:
        name = f"ocsf+http://127.0.0.1:{hangs.port}/in"
        export(streams=[name])
        sealed()
        found = eventually(lambda: (one := outlet(name)) and one.failing_since and one)
        assert "not come back" in found.last_error
        released.set()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_breaks_a_thread_is_an_alarm_too(sealed, export, monkeypatch):
    class Panic(BaseException):
        """As a library in another language may raise."""

    def panic(*_):
        raise Panic

    monkeypatch.setattr(streams.Stream, "_send", panic)
    name = "ocsf+https://siem.example/in"
    export(streams=[name])
    sealed()
    found = eventually(lambda: (one := outlet(name)) and one.failing_since and one)
    assert "thread ended" in found.last_error


def test_a_receiver_that_takes_less_at_once_gets_less(sealed, export):
    with Web(lambda body: (413 if len(json.loads(body)) > 2 else 200, "text/plain", b"")) as server:
        name = f"ocsf+{server.url}/in"
        export(streams=[name])
        sealed(9)
        reached(name, 9)
        taken = [json.loads(body) for _, _, body in server.requests]
    assert [e["metadata"]["sequence"] for batch in taken if len(batch) <= 2 for e in batch] == list(range(9))


def test_open_telemetry_goes_to_its_path_and_what_it_rejects_is_not_lost(sealed, export, monkeypatch):
    answers = [b'{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"full"}}', b"{}", b""]
    monkeypatch.setenv("OTLP_KEY", "hush")
    with Web(lambda body: (200, "application/json", answers.pop(0))) as server:
        name = f"otlp+{server.url}"
        export(streams=[f"{name}?header=X-Api-Key:OTLP_KEY"])
        sealed()
        reached(name, 1)
    assert [path for path, _, _ in server.requests] == ["/v1/logs", "/v1/logs"]
    assert server.requests[0][1]["X-Api-Key"] == "hush"


def test_syslog_over_tls_gets_each_event_as_a_message_of_every_format(sealed, export, authority):
    kinds = ("cef", "rfc5424", "jsonl", "ocsf")
    files = authority.make("collector")
    with contextlib.ExitStack() as stack:
        taken = {kind: stack.enter_context(Collector(tls=files)) for kind in kinds}
        names = [f"{kind}+syslog+tls://127.0.0.1:{found.port}" for kind, found in taken.items()]
        export(streams=names, authorities=str(authority.root))
        sealed(2, sentence='A "thing"] was done.\n<13>1 forged')
        for name in names:
            reached(name, 2)
    found = {kind: parse_5424(collector.messages[0]) for kind, collector in taken.items()}
    assert {kind: len(collector.messages) for kind, collector in taken.items()} == dict.fromkeys(kinds, 2)
    for head, _, _ in found.values():
        assert (head[0], head[3:]) == ("110", ("autonomy-os", "-", "tests.thing_done"))
    said = found["rfc5424"][1]["event@32473"]
    assert (said["index"], said["leaf_hash"]) == ("0", bytes(Leaf.objects.get(index=0).leaf_hash).hex())
    assert found["cef"][2].startswith("CEF:0|Autonomy OS|Ledger|1|tests.thing_done|")
    assert json.loads(found["jsonl"][2])["index"] == json.loads(found["ocsf"][2])["metadata"]["sequence"] == 0


def test_a_datagram_is_whole_however_long_the_words(sealed, export):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(20)
        export(streams=[f"ocsf+syslog+udp://127.0.0.1:{listening.getsockname()[1]}"])
        sealed(1, reason="ü" * 500_000)
        text = parse_5424(listening.recv(65536).decode())[2]
    assert json.loads(text)["status_detail"].endswith("… [cut: 500000 characters]")


def test_a_database_that_was_restored_meanwhile_is_an_alarm(sealed, export, tmp_path):
    name = f"folder:{tmp_path}"
    sealed(2)
    exporter = export(sinks=[name])
    reached(name, 2)
    exporter._most_sealed = 7
    found = eventually(lambda: (one := outlet(name)) and one.failing_since and one)
    assert "had 7 sealed events while this process ran, and has 2 now" in found.last_error


def test_a_file_gets_lines(sealed, export, tmp_path):
    name = f"jsonl+file:{tmp_path}/ledger.log"
    export(streams=[name])
    sealed(3)
    reached(name, 3)
    [file] = tmp_path.glob("ledger-*.log")
    assert [json.loads(line)["index"] for line in file.read_text().splitlines()] == [0, 1, 2]


# -- checkpoints


def test_a_folder_and_a_collector_get_the_newest_checkpoint(sealed, export, tmp_path):
    (tmp_path / "kept").mkdir()
    with Collector() as collector:
        wire = f"syslog+tcp://127.0.0.1:{collector.port}?every=1"
        sealed(2)
        sealed(3)
        export(sinks=[f"folder:{tmp_path}/kept?every=1", wire])
        reached(f"folder:{tmp_path}/kept", 5)
        reached(wire.partition("?")[0], 5)
        message = collector.messages[0]
    [file] = (tmp_path / "kept").iterdir()
    assert (file.name, file.read_text()) == (
        "00000000000000000005.checkpoint",
        Checkpoint.objects.get(pk=5).note,
    )
    _, elements, text = parse_5424(message)
    assert elements["checkpoint@32473"]["size"] == "5"
    assert text == "The ledger example.com/ledger has 5 sealed events."
    assert (
        elements["checkpoint@32473"]["note"]
        == parse_5424(checkpoint_message(file.read_text()))[1]["checkpoint@32473"]["note"]
    )


def test_a_restored_database_is_noticed_by_the_folder(sealed, export, tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "00000000000000000009.checkpoint").write_text("of before\n")
    name = f"folder:{tmp_path}/kept"
    sealed(2)
    export(sinks=[name])
    found = eventually(lambda: (one := outlet(name)) and one.failing_since and one)
    assert "restored to an older state" in found.last_error


def test_the_sequencer_does_not_sign_for_a_ledger_that_a_folder_knows_better(
    live_db, sealed, record, number, seal, settings, tmp_path
):
    settings.LEDGER_SINKS = [f"folder:{tmp_path}", f"folder:{tmp_path}/none", "syslog+udp://127.0.0.1"]
    sealed(3)
    note = Checkpoint.objects.get().note.replace("\n3\n", "\n9\n")
    (tmp_path / "00000000000000000009.checkpoint").write_text(note)
    memory = SignedBefore(tmp_path / "new machine.last", outside=Outside.named(settings.LEDGER_SINKS))
    record()
    number()
    with pytest.raises(Forked, match="9 were signed for before"):
        seal(Sealer(lambda: [SIGNER], memory))


def test_a_witness_signs_and_its_signature_is_kept(sealed, export, tmp_path):
    key = witness.Key.open(tmp_path / "witness.key", "example.org/witness")
    made = witness.Witness(key, [SIGNER.verifier], tmp_path)
    with witness.Server(("127.0.0.1", 0), made, prefix="/w") as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        name = f"witness+http://127.0.0.1:{server.server_address[1]}/w"
        export(sinks=[f"{name}?every=1#{key.verifier}"])
        sealed(2)
        reached(name, 2)
        sealed(5)
        reached(name, 7)
        server.shutdown()
    for row in Cosignature.objects.all():
        assert (row.kind, row.source) == ("witness", name)
        signed = Note.parse(row.checkpoint.note + bytes(row.content).decode())
        assert signed.signed_by([key.verifier, SIGNER.verifier]) == [key.verifier, SIGNER.verifier]
    assert sorted(Cosignature.objects.values_list("checkpoint_id", flat=True)) == [2, 7]


def test_a_time_stamp_is_kept_and_not_asked_for_again_soon(sealed, export, authority):
    with Web(TimeStamps(authority).answer) as server:
        name = f"rfc3161+{server.url}/tsr"
        export(sinks=[f"{name}?roots={authority.root}"])
        sealed(2)
        reached(name, 2)
        sealed(2)
        time.sleep(0.3)
        assert len(server.requests) == 1
    row = Cosignature.objects.get()
    assert (row.kind, row.source, row.checkpoint_id) == ("timestamp", name, 2)
    assert bytes(row.content)[:1] == b"\x30"


# -- the process


def test_of_two_exporters_one_works_and_the_other_takes_over(sealed, export):
    with Web() as server:
        name = f"ocsf+{server.url}/in"
        first = export(streams=[name])
        sealed()
        reached(name, 1)
        second = export(streams=[name])
        time.sleep(0.3)
        assert not second._is_active
        first.stop()
        eventually(lambda: second._is_active)
        sealed()
        reached(name, 2)
    assert indexes_of(server) == [0, 1]


def test_a_database_that_is_away_is_waited_for(sealed, export, live_db):
    with Web() as server:
        name = f"ocsf+{server.url}/in"
        export(streams=[name])
        sealed()
        reached(name, 1)
        with live_db.connect("sequencer") as own:
            own.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()"
            )
        connection.close()
        sealed()
        found = reached(name, 2)
        assert found.failing_since is None


def test_what_is_not_configured_any_more_alarms_nobody(live_db):
    with role(live_db, "sequencer"):
        outlets.begin("ocsf+https://old.example/", "ocsf", 7)
        outlets.failed("ocsf+https://old.example/", "It was not taken.")
        outlets.retire(["folder:/kept"])
        old = Outlet.objects.get()
        assert (old.failing_since, old.last_error) == (None, "Not configured any more.")
        assert outlets.begin("ocsf+https://old.example/", "ocsf") == 7
        assert Outlet.objects.get().last_error == ""


def test_it_does_not_start_with_what_it_cannot_use(settings, tmp_path, monkeypatch, capsys):
    settings.LEDGER_SINKS, settings.LEDGER_STREAMS = [], ["cef+https://x/?header=X-Key:NOT_SET_HERE"]
    with pytest.raises(CommandError, match=r"The exporter cannot start\. cef.*NOT_SET_HERE"):
        call_command("run_exporter", skip_checks=True)
    monkeypatch.setenv("LEDGER_KEY_FILE", "/a/key")
    settings.LEDGER_STREAMS, settings.LEDGER_CA_FILE = [], str(tmp_path / "none.pem")
    with pytest.raises(CommandError, match=r"none\.pem cannot be read"):
        call_command("run_exporter", skip_checks=True)
    assert "LEDGER_KEY_FILE is set here and was put aside" in capsys.readouterr().err


@pytest.mark.full
def test_the_process_as_it_is_started_sends_to_the_default_folder_and_has_no_key(processes, live_db, sealed):
    program = processes.programs["exporter"]
    assert program.env == {"DATABASE_ROLE": "sequencer", "LEDGER_KEY_FILE": ""}
    processes.environ["AUTONOMY_DATA_DIR"] = str(processes.logs)
    sealed(2)
    processes.start("exporter")
    file = processes.logs / "checkpoints" / "00000000000000000002.checkpoint"
    eventually(file.exists, seconds=60)
    assert processes.running["exporter"].poll() is None
    processes.running["exporter"].terminate()
    assert processes.running["exporter"].wait(30) == 0


@pytest.mark.full
def test_killed_again_and_again_nothing_is_lost_and_the_order_is_kept(processes, sealed, tmp_path):
    dice = random.Random(7)
    taken, lock = [], threading.Lock()

    def answer(body):
        with lock:
            if dice.random() < 0.3:
                return 503, "text/plain", b""
            taken.extend(event["metadata"]["sequence"] for event in json.loads(body))
        # It has them; whether the exporter ever hears of it is another matter.
        return (200 if dice.random() < 0.8 else 500), "text/plain", b""

    (tmp_path / "kept").mkdir()
    with Web(answer) as server:
        name = f"ocsf+{server.url}/in"
        processes.environ.update(LEDGER_STREAMS=name, LEDGER_SINKS=f"folder:{tmp_path}/kept?every=1")
        for _ in range(8):
            processes.start("exporter")
            for _ in range(dice.randrange(2, 8)):
                sealed(dice.randrange(1, 30))
                time.sleep(dice.random())
            processes.kill("exporter")
        processes.start("exporter")
        total = Leaf.objects.count()
        reached(name, total)
        reached(f"folder:{tmp_path}/kept", total)
    assert list(dict.fromkeys(taken)) == list(range(total))
    notes = {int(file.name[:20]): file.read_text() for file in (tmp_path / "kept").iterdir()}
    assert notes == dict(Checkpoint.objects.filter(pk__in=notes).values_list("pk", "note"))
