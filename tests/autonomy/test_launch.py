"""The servers and processes of `make up`, started for real in a folder of their own."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from autonomy.launch import children, comebacks, failure, installation, options, place, programs
from autonomy.launch.comebacks import Comebacks
from autonomy.launch.keys import Keys, ensure_ledger_key
from autonomy.launch.postgres import UNSAFE_AND_FAST, Postgres
from autonomy.launch.valkey import Valkey

ROOT = Path(__file__).resolve().parents[2]
# A stand-in for the portal's processes: it lives until it is told to end.
SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.fixture
def where(tmp_path: Path) -> Iterator[place.Place]:
    found = place.open_place(tmp_path / "data")
    yield found
    place.erase(found)


def gone(pid: int, seconds: float = 20) -> bool:
    """Whether a process ends within so many seconds; one that waits for its parent to notice has ended."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        deadline = time.monotonic() + seconds
        while process.status() != psutil.STATUS_ZOMBIE:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
    return True


def test_a_second_start_finds_what_the_first_one_stored(where: place.Place) -> None:
    for turn in (1, 2):
        server = Postgres(where, settings=UNSAFE_AND_FAST)
        server.start()
        with server.connect() as connection:
            if turn == 1:
                connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
            assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
            assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        server.stop()
        assert server.process is not None
        assert server.process.returncode == 0


def test_a_killed_server_comes_back_with_its_data(where: place.Place) -> None:
    server = Postgres(where)
    server.start()
    with server.connect() as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    assert server.process is not None
    server.process.kill()
    server.process.wait()
    again = Postgres(where)
    again.start()
    try:
        with again.connect() as connection:
            assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
    finally:
        again.stop()


def test_a_lock_file_under_a_reused_id_does_not_stop_a_start(where: place.Place) -> None:
    server = Postgres(where, settings=UNSAFE_AND_FAST)
    server.start()
    server.stop()
    (server.data / "postmaster.pid").write_text(f"{os.getppid()}\n{server.data}\n")
    server.start()
    server.stop()


def test_the_servers_files_and_sockets_are_private(where: place.Place) -> None:
    server = Postgres(where, settings=UNSAFE_AND_FAST)
    server.start()
    try:
        for folder in (where.data, where.services.resolve(), server.data, server.socket):
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700, folder
        assert len(os.fsencode(server.socket / ".s.PGSQL.5432.lock")) <= 107
    finally:
        server.stop()


def test_a_deep_folder_gets_a_short_socket(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["a-rather-long-folder-name"] * 4)
    found = place.Place(deep, deep, place.service_user())
    deep.mkdir(parents=True)
    folder = place.socket_folder(found)
    assert len(os.fsencode(folder)) <= place.LONGEST_SOCKET_FOLDER
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.rmdir()


def test_valkey_wants_its_password_and_keeps_it_off_the_command_line(where: place.Place) -> None:
    server = Valkey(where)
    server.start()
    try:
        with socket.create_connection(("127.0.0.1", server.port)) as wire:
            wire.sendall(b"PING\r\n")
            assert wire.recv(100).startswith(b"-NOAUTH")
        assert server.process is not None
        assert server.password not in " ".join(psutil.Process(server.process.pid).cmdline())
    finally:
        server.stop()


def test_what_a_long_step_says_is_told_while_it_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "erp.log"
    log.write_text("erp: of the last start\n")
    start = log.stat().st_size
    says = "import time; print('erp: installing', flush=True); time.sleep(600)"
    process = children.spawn([sys.executable, "-c", says], log=log)
    told = children.lines_until_the_end(process, log, start)
    assert next(told) == "erp: installing"
    assert process.poll() is None
    children.stop(process)
    assert list(told) == []


@pytest.mark.full
@pytest.mark.skipif(
    sys.platform != "linux", reason="Only the Linux kernel tells a child that its parent is gone."
)
def test_nothing_outlives_a_start_that_is_killed_outright(tmp_path: Path) -> None:
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from autonomy.launch import place, programs, children\n"
        "from autonomy.launch.postgres import Postgres, UNSAFE_AND_FAST\n"
        f"where = place.open_place(Path({str(tmp_path / 'data')!r}))\n"
        "server = Postgres(where, settings=UNSAFE_AND_FAST); server.start()\n"
        "register = children.Register(where.run / 'processes.json')\n"
        "manager = programs.Manager(where.logs, {'postgresql': server.process}, register)\n"
        f"manager.add(programs.Program('sleeper', {SLEEPER!r}), dict(__import__('os').environ))\n"
        "def told():\n"
        "    while len(manager.pids()) < 2: time.sleep(0.02)\n"
        "    print(*manager.pids().values(), flush=True)\n"
        "manager.run(told)\n"
    )
    start = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert start.stdout is not None
    pids = [int(pid) for pid in start.stdout.readline().split()]
    assert len(pids) == 2
    start.send_signal(signal.SIGKILL)
    start.wait()
    assert all(gone(pid) for pid in pids)
    place.erase(place.open_place(tmp_path / "data"))


def test_what_a_crash_left_behind_is_ended_by_the_next_start(tmp_path: Path) -> None:
    left = subprocess.Popen(SLEEPER)
    register = children.Register(tmp_path / "processes.json")
    register.write({"portal": left.pid})
    assert register.end_left_overs() == ["portal"]
    assert left.wait(5) is not None
    assert register.end_left_overs() == []


def test_a_process_that_only_has_the_same_id_is_left_alone(tmp_path: Path) -> None:
    other = subprocess.Popen(SLEEPER)
    path = tmp_path / "processes.json"
    path.write_text(f'[{{"name": "portal", "pid": {other.pid}, "started": 1.0}}]')
    assert children.Register(path).end_left_overs() == []
    assert other.poll() is None
    other.kill()
    other.wait()


def test_one_dead_process_ends_all_of_them_and_is_named(where: place.Place) -> None:
    manager = programs.Manager(where.logs, {}, children.Register(where.run / "processes.json"))
    environ = dict(os.environ)
    manager.add(programs.Program("sleeper", SLEEPER), environ)
    manager.add(
        programs.Program("broken", [sys.executable, "-c", "import time; time.sleep(.5); exit('no luck')"]),
        environ,
    )
    with installation.asked_to_stop():
        manager.run(lambda: None)
    assert manager.dead == "broken"
    assert "no luck" in failure.tail(manager.log_of("broken"))
    assert all(gone(pid, 1) for pid in manager.pids().values())


def test_what_is_killed_at_work_comes_back_and_what_never_worked_ends_everything() -> None:
    known = Comebacks()
    assert known.pause_after("worker", lived=60, now=100) == 0.5
    assert known.pause_after("worker", lived=0.1, now=101) == 1.0
    assert [known.pause_after("worker", lived=9, now=110 + n) for n in range(4)] == [2.0, 4.0, 8.0, None]
    assert known.pause_after("worker", lived=600, now=900) == 0.5
    assert known.pause_after("portal", lived=0.1, now=100) is None


def test_a_killed_process_and_a_killed_server_are_started_again(
    where: place.Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comebacks, "LEAST_LIFE_SECONDS", 0.0)
    server = Valkey(where)
    server.start()
    first = server.process
    assert first is not None
    port = server.port

    def revived() -> subprocess.Popen[bytes]:
        server.start()
        assert server.process is not None
        return server.process

    manager = programs.Manager(
        where.logs, {"valkey": first}, children.Register(where.run / "p.json"), revive={"valkey": revived}
    )
    manager.add(programs.Program("sleeper", SLEEPER), dict(os.environ))
    seen: list[dict[str, int]] = []

    def kill_both() -> None:
        while len(manager.pids()) < 2:
            time.sleep(0.02)
        seen.append(manager.pids())
        for pid in seen[0].values():
            os.kill(pid, signal.SIGKILL)
        while len(manager.pids()) < 2 or set(manager.pids().values()) & set(seen[0].values()):
            time.sleep(0.02)
        seen.append(manager.pids())
        os.kill(os.getpid(), signal.SIGTERM)

    with installation.asked_to_stop():
        manager.run(kill_both)
    server.stop()
    assert (manager.dead, server.port) == ("", port)
    assert not set(seen[0].values()) & set(seen[1].values())
    assert all(gone(pid) for pid in seen[1].values())


def test_a_busy_port_names_who_has_it_and_how_to_choose_another() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(failure.LaunchFailure) as refused:
            installation.require_free_port("127.0.0.1", port, "AUTONOMY_PORT", "The portal")
    assert f"process {os.getpid()}" in refused.value.message
    suggested = re.search(r"AUTONOMY_PORT=(\d+) make up", refused.value.cure)
    assert suggested
    with socket.socket() as free:
        free.bind(("127.0.0.1", int(suggested[1])))


def test_a_setting_that_cannot_be_is_told_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTONOMY_PORT", "abc")
    with pytest.raises(failure.LaunchFailure) as refused:
        options.read_options()
    assert "AUTONOMY_PORT" in refused.value.message
    assert ".." not in refused.value.message


def test_a_full_disk_says_so(tmp_path: Path) -> None:
    problem = failure.from_os_error(OSError(errno.ENOSPC, "No space left on device"), tmp_path)
    assert "full" in problem.message
    assert "AUTONOMY_DATA_DIR" in problem.cure


def test_keys_are_private_and_never_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SECRET_KEY", "CONNECTOR_KEKS", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "portal.env"
    keys = Keys(path)
    assert keys.ensure()
    keys.write({"DATABASE_URL": "postgres://app:one@%2Ftmp%2Fx:5432/autonomy"})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = Keys(path)
    assert not again.ensure()
    assert again.values() == keys.values()
    # The address of our own server is of one run; it is not taken for one that the operator gave.
    assert again.given("DATABASE_URL") == ""


def test_an_address_the_operator_wrote_into_the_file_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    path = tmp_path / "portal.env"
    path.write_text("DATABASE_URL='postgres://app:a$b#c@db.example/autonomy'\n")
    keys = Keys(path)
    keys.ensure()
    keys.write({"REDIS_URL": "redis://:x@127.0.0.1:1/0"})
    assert Keys(path).given("DATABASE_URL") == "postgres://app:a$b#c@db.example/autonomy"


def run_up(data: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith(("DATABASE_", "REDIS_"))
    }
    environ |= {"AUTONOMY_DATA_DIR": str(data), "DEMO_COMPANY": "0", **changes}
    return subprocess.run(
        [sys.executable, "-m", "autonomy.launch", "up"],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_start_that_cannot_have_its_port_leaves_nothing_running(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run_up(tmp_path / "data", AUTONOMY_PORT=str(taken.getsockname()[1]))
    assert done.returncode == 1
    assert "What to do:" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert not (tmp_path / "data" / "run" / "processes.json").exists()
    place.erase(place.open_place(tmp_path / "data"))


def test_two_starts_on_one_data_folder_do_not_meet(where: place.Place) -> None:
    with installation.FileLock(where.run / "start.lock"):
        (where.run / "start.pid").write_text("4711")
        done = run_up(where.data)
    assert done.returncode == 1
    assert "process 4711" in done.stderr
    assert "make stop" in done.stderr


def test_too_little_room_is_refused_before_anything_is_started(where: place.Place) -> None:
    done = run_up(where.data, AUTONOMY_LEAST_FREE_MB="999999999")
    assert done.returncode == 1
    assert "is full" in done.stderr


def test_a_wrong_database_address_is_told_with_its_cure_and_without_its_password(where: place.Place) -> None:
    done = run_up(where.data, DATABASE_URL="postgres://app:hush@127.0.0.1:1/none", AUTONOMY_PORT="0")
    assert done.returncode == 1
    done = run_up(where.data, DATABASE_URL="postgres://app:hush@127.0.0.1:1/none")
    assert done.returncode == 1
    assert "DATABASE_URL" in done.stderr
    assert "hush" not in done.stderr + done.stdout


def test_the_key_of_the_ledger_is_private_named_and_never_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LEDGER_NAME", raising=False)
    path = tmp_path / "ledger.key"
    made = ensure_ledger_key(path)
    assert made.startswith("autonomy.invalid/")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text()
    assert ensure_ledger_key(path) == ""
    assert path.read_text() == text
    # One that was lost is no reason to sign with another: what was signed before says that there was one.
    path.rename(tmp_path / "ledger.key.last")
    assert ensure_ledger_key(path) == ""
    assert not path.exists()
    monkeypatch.setenv("LEDGER_NAME", "example.com/ledger")
    assert ensure_ledger_key(tmp_path / "other.key").startswith("example.com/ledger+")
    monkeypatch.setenv("LEDGER_NAME", "not a name")
    with pytest.raises(failure.LaunchFailure, match="cannot be the name of a ledger"):
        ensure_ledger_key(tmp_path / "third.key")


def test_only_the_sequencer_is_told_of_the_key_of_the_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEDGER_KEY_FILE", str(tmp_path / "given.key"))
    monkeypatch.setenv("AUTONOMY_DATA_DIR", str(tmp_path))
    given = options.read_options()
    told = {one.name for one in programs.portal_programs(given, tmp_path) if one.env.get("LEDGER_KEY_FILE")}
    assert told == {"sequencer"}
    assert "LEDGER_KEY_FILE" not in installation._environ()
    assert options.Options(data=tmp_path).ledger_key == tmp_path / "ledger.key"
    monkeypatch.setenv("SEQUENCER", "0")
    names = [one.name for one in programs.portal_programs(options.read_options(), tmp_path)]
    assert names == ["portal", "worker", "beat", "exporter"]
