"""One start, step by step: servers, roles, tables, pages, demo company, processes; and the end of all of it."""

from __future__ import annotations

import contextlib
import http.client
import os
import secrets
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn
from urllib.parse import urlsplit

import psutil
import psycopg
import redis
from filelock import FileLock, Timeout
from tenacity import RetryError, retry, retry_if_result, stop_after_delay, wait_fixed

from autonomy.launch import children, failure, place, programs, roles
from autonomy.launch.console import Console
from autonomy.launch.failure import LaunchFailure
from autonomy.launch.keys import Keys, ensure_ledger_key
from autonomy.launch.options import KEY_FILE, ROOT, Options
from autonomy.launch.postgres import Postgres, write_private
from autonomy.launch.valkey import Valkey

DATABASE = "autonomy"
READY_SECONDS = 90
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Stopped(BaseException):
    """Somebody asked the start-up program to stop before everything ran."""


@dataclass
class Installation:
    """A start in progress. Use ``with installation.started():``; leaving it stops everything."""

    options: Options
    console: Console
    env: dict[str, str] = field(default_factory=dict)
    servers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    revive: dict[str, Callable[[], subprocess.Popen[bytes]]] = field(default_factory=dict)
    sign_ins: str = ""
    _told: int = 0  # where in the ERP's log this start begins, in bytes
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @contextlib.contextmanager
    def started(self) -> Iterator[programs.Manager]:
        """Do every step up to the processes and yield their manager, ready to run."""
        with asked_to_stop(), self._stack:
            try:
                yield self._prepare()
            except psycopg.OperationalError as error:
                raise LaunchFailure(
                    f"The database refuses: {error}".strip(),
                    f"Look into {self.place.logs}, and at DATABASE_URL.",
                ) from error
            except OSError as error:
                raise failure.from_os_error(error, self.options.data) from error
            finally:
                # A second Ctrl-C must not leave half of it running.
                ignore_signals()

    def _prepare(self) -> programs.Manager:
        self.place = place.open_place(self.options.data)
        self._lock()
        self.register = children.Register(self.place.run / "processes.json")
        if left := self.register.end_left_overs():
            self.console.say(f"  Ended what a former start had left behind: {', '.join(left)}.")
        self._stack.callback(self.register.path.unlink, missing_ok=True)
        self._require_room()
        require_free_port(self.options.host, self.options.port, "AUTONOMY_PORT", "The portal")
        keys = Keys(self.options.data / "portal.env")
        # The ERP is the longest step of a first start: it goes on beside everything else.
        erp = self._begin_erp() if self.options.demo_company else None
        self._start_servers(keys)
        pages = self._begin(
            "pages", programs.manage("collectstatic", "--no-input", "--verbosity", "0"), self.env
        )
        self._migrate()
        with self.console.step("Pages, styles and scripts"):
            self._finish(pages, "pages", "Collecting the static files")
        if erp is not None:
            with self.console.step("Demo company's ERP (Tryton)"):
                self._tell(erp, self.place.logs / "erp.log")
                self._finish(erp, "erp", "Preparing the ERP", "Without a demo company: DEMO_COMPANY=0 make up")
            self._seed()
        else:
            self._manage(["install_portal"], self.env, "Making the portal a system of its own")
        return self._manager()

    def _lock(self) -> None:
        path = self.place.run / "start.lock"
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            holder = (
                (self.place.run / "start.pid").read_text() if (self.place.run / "start.pid").exists() else "?"
            )
            raise LaunchFailure(
                f"The data folder {self.options.data} is in use by another start (process {holder}).",
                "Stop that one with Ctrl-C (or `make stop`), or start a second portal with its own "
                "AUTONOMY_DATA_DIR, AUTONOMY_PORT and ERP_PORT.",
            ) from error
        self._stack.callback(lock.release)
        (self.place.run / "start.pid").write_text(str(os.getpid()))
        self._stack.callback((self.place.run / "start.pid").unlink, missing_ok=True)

    def _require_room(self) -> None:
        for folder in {self.options.data, self.place.services}:
            if shutil.disk_usage(folder).free < self.options.least_free_bytes:
                raise failure.disk_full(folder)

    # -- servers

    def _start_servers(self, keys: Keys) -> None:
        fresh = keys.ensure()
        addresses: dict[str, str] = {}
        # The file stands before the first server: a start that ends halfway keeps its keys.
        keys.write(addresses)
        if keys.given("DATABASE_URL"):
            self._check_database(keys)
        else:
            addresses |= self._start_postgres()
        if keys.given("REDIS_URL"):
            self._check_redis(keys.given("REDIS_URL"))
        else:
            addresses |= self._start_valkey()
        keys.write(addresses)
        self.env = {**_environ(), **keys.values(), **addresses, **_overrides(keys), **self._settings()}
        if fresh:
            self.console.say(
                f"  New keys are in {keys.path} (mode 0600). Keep a copy of CONNECTOR_KEKS elsewhere."
            )
        if self.options.given_ledger_key is None and (made := ensure_ledger_key(self.options.ledger_key)):
            self.console.say(
                f"  The key that signs the ledger is {self.options.ledger_key} (0600). Keep a copy elsewhere;\n"
                f"  its public half is for who verifies: {made}"
            )

    def _settings(self) -> dict[str, str]:
        return {
            "AUTONOMY_DATA_DIR": str(self.options.data),
            "DJANGO_SETTINGS_MODULE": "autonomy.settings",
            "AUTONOMY_URL": self.options.address,
            "PUBLIC_URL": os.environ.get("PUBLIC_URL", self.options.address),
            "DEMO_COMPANY": "1" if self.options.demo_company else "0",
            "ERP_PORT": str(self.options.erp_port),
            "PYTHONUNBUFFERED": "1",
        }

    def _start_postgres(self) -> dict[str, str]:
        with self.console.step("PostgreSQL 18, our own") as step:
            server = Postgres(self.place)
            self._stack.callback(server.stop)
            server.start()
            self._remember("postgresql", server)
            passwords = {role: secrets.token_hex(16) for role in roles.ROLE_NAMES}
            with server.connect() as connection:
                for role, name in roles.ROLE_NAMES.items():
                    roles.ensure_role(connection, name, passwords[role])
                if roles.ensure_database(connection, DATABASE, roles.ROLE_NAMES):
                    step.note = "new database, three roles"
        names = {"app": "DATABASE_URL", "owner": "DATABASE_OWNER_URL", "sequencer": "DATABASE_SEQUENCER_URL"}
        return {
            variable: server.url(roles.ROLE_NAMES[role], passwords[role], DATABASE)
            for role, variable in names.items()
        }

    def _start_valkey(self) -> dict[str, str]:
        with self.console.step("Valkey 9, our own"):
            server = Valkey(self.place)
            self._stack.callback(server.stop)
            server.start()
            self._remember("valkey", server)
        return {"REDIS_URL": server.url()}

    def _remember(self, name: str, server: Postgres | Valkey) -> None:
        def revived() -> subprocess.Popen[bytes]:
            server.start()
            return running(server)

        self.servers[name], self.revive[name] = running(server), revived
        self.register.write({known: server.pid for known, server in self.servers.items()})

    def _check_database(self, keys: Keys) -> None:
        with self.console.step("PostgreSQL at DATABASE_URL") as step:
            for name in ("DATABASE_URL", "DATABASE_OWNER_URL", "DATABASE_SEQUENCER_URL"):
                if url := keys.given(name):
                    version = _server_version(name, url)
                    step.note = f"version {version // 10000}"

    def _check_redis(self, url: str) -> None:
        with self.console.step("Redis protocol server at REDIS_URL"):
            try:
                with closing(redis.Redis.from_url(url, socket_timeout=5)) as client:
                    client.ping()
            except (redis.RedisError, ValueError) as error:
                raise LaunchFailure(
                    f"The server at REDIS_URL ({_without_password(url)}) does not answer: {error}.",
                    "Correct REDIS_URL, or leave it out: then a server of our own is started.",
                ) from error

    # -- what is on them

    def _migrate(self) -> None:
        with self.console.step("Database tables"):
            # As the owner of the tables; every other process works as a role that cannot change a ledger row.
            env = {**self.env, "DATABASE_ROLE": "owner"}
            self._manage(["migrate", "--no-input", "--verbosity", "1"], env, "Creating the tables")

    def _manage(self, arguments: list[str], env: Mapping[str, str], what: str) -> str:
        return programs.run_manage(arguments, env, self.place.logs / "setup.log", what)

    def _begin(self, name: str, command: list[str], env: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Start a step that goes on beside the others."""
        process = children.spawn(command, log=self.place.logs / f"{name}.log", cwd=ROOT, env=env)
        self._stack.callback(children.stop, process)
        return process

    def _finish(self, process: subprocess.Popen[bytes], name: str, what: str, cure: str = "") -> None:
        """Wait for a step that was begun; raise LaunchFailure with the end of its log."""
        if process.wait():
            log = self.place.logs / f"{name}.log"
            raise LaunchFailure(
                f"{what} failed.\n{failure.tail(log)}".rstrip(), f"The whole log is in {log}. {cure}".rstrip()
            )

    def _begin_erp(self) -> subprocess.Popen[bytes]:
        require_free_port("127.0.0.1", self.options.erp_port, "ERP_PORT", "The ERP of the demo company")
        log = self.place.logs / "erp.log"
        before = log.stat().st_size if log.exists() else 0
        process = self._begin("erp", programs.erp_command("install", self.options), _environ())
        self._told = min(before, log.stat().st_size)  # a long log was put aside
        return process

    def _tell(self, process: subprocess.Popen[bytes], log: Path) -> None:
        """Print what a step that takes its time says of itself: nobody wonders whether it hangs."""
        for line in children.lines_until_the_end(process, log, self._told):
            if line.startswith("erp: "):
                self.console.detail(line.removeprefix("erp: "))

    def _seed(self) -> None:
        with self.console.step("Demo company: people, agents, grants, policies"):
            output = self._manage(["seed_demo"], self.env, "Filling the demo company")
        # It prints only the sign-ins that are new; the passwords of the first start are shown every time.
        kept = self.options.data / "sign-ins.txt"
        self.sign_ins = (kept.read_text() if kept.exists() else "") + output
        write_private(kept, self.sign_ins)

    # -- processes

    def _manager(self) -> programs.Manager:
        manager = programs.Manager(
            self.place.logs, self.servers, self.register, revive=self.revive, say=self.console.say
        )
        for program in programs.portal_programs(self.options, self.place.run):
            manager.add(program, self.env)
        if self.options.demo_company:
            manager.add(programs.erp_program(self.options), self.env)
        if self.options.demo_company and self.options.at_work:
            manager.add(programs.at_work_program(), self.env)
        return manager

    def wait_until_ready(self, manager: programs.Manager) -> None:
        """Return when the portal serves its sign-in page; raise LaunchFailure if it takes too long."""
        probe = retry(
            retry=retry_if_result(lambda ready: not ready and not manager.ending),
            wait=wait_fixed(0.1),
            stop=stop_after_delay(READY_SECONDS),
        )(lambda: _answers(_loopback(self.options.host), self.options.port))
        try:
            probe()
        except RetryError as error:
            log = manager.log_of("portal")
            raise LaunchFailure(
                f"The portal did not answer within {READY_SECONDS} s.\n{failure.tail(log)}".rstrip(),
                f"The whole log is in {log}.",
            ) from error


def _environ() -> dict[str, str]:
    """Return the environment without what only the sequencer is told."""
    return {name: value for name, value in os.environ.items() if name != KEY_FILE}


def running(server: Postgres | Valkey) -> subprocess.Popen[bytes]:
    """Return the process of a server that was started."""
    assert server.process is not None  # noqa: S101
    return server.process


@contextlib.contextmanager
def asked_to_stop() -> Iterator[None]:
    """Turn SIGTERM, SIGHUP and Ctrl-C into Stopped, so that what runs already is stopped in order."""

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        ignore_signals()
        raise Stopped

    before: dict[signal.Signals, Any] = {number: signal.signal(number, stop) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ignore_signals() -> None:
    """Let nothing interrupt what follows: it only stops what runs, and each stop has a time limit."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def require_free_port(host: str, port: int, variable: str, what: str) -> None:
    """Raise LaunchFailure naming who listens, if a port is taken."""
    try:
        _bind(host, port)
    except PermissionError as error:
        raise LaunchFailure(
            f"{what} may not use port {port}: ports below 1024 are for root.",
            f"Choose another: {variable}=8000",
        ) from error
    except OSError as error:
        raise LaunchFailure(
            f"{what} cannot use port {port} on {host}: {_who_listens(port) or error.strerror}.",
            f"Stop that program, or choose another port: {variable}={_next_free_port(host, port)} make up",
        ) from error


def _bind(host: str, port: int) -> None:
    """Take a port for a moment, as a server would; raises OSError when that is not possible."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))


def _next_free_port(host: str, port: int) -> int:
    """Return a port to suggest: the next one that nobody listens on now."""
    for other in range(port + 1, min(port + 50, 65536)):
        with contextlib.suppress(OSError):
            _bind(host, other)
            return other
    return port + 1


def _who_listens(port: int) -> str:
    try:
        found = [c for c in psutil.net_connections("inet") if c.status == psutil.CONN_LISTEN and c.pid]
        pids = [c.pid for c in found if tuple(c.laddr)[1:] == (port,)]
        return f"{psutil.Process(pids[0]).name()} (process {pids[0]}) listens there" if pids else ""
    except (psutil.Error, OSError):
        return ""


def _server_version(name: str, url: str) -> int:
    try:
        with psycopg.connect(url, connect_timeout=10) as connection:
            version = connection.info.server_version
    except psycopg.Error as error:
        raise LaunchFailure(
            f"The database at {name} ({_without_password(url)}) cannot be used: {str(error).strip()}.",
            f"Correct {name}, or leave DATABASE_URL out: then a server of our own is started.",
        ) from error
    if version < 150000:
        raise LaunchFailure(
            f"The database at {name} is PostgreSQL {version // 10000}.", "PostgreSQL 15 or later is needed."
        )
    return version


def _overrides(keys: Keys) -> dict[str, str]:
    """Return the addresses the operator gave: they win over everything."""
    names = ("DATABASE_URL", "DATABASE_OWNER_URL", "DATABASE_SEQUENCER_URL", "REDIS_URL")
    return {name: keys.given(name) for name in names if keys.given(name)}


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _loopback(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104


def _answers(host: str, port: int) -> bool:
    """Return whether the sign-in page is served; a redirect or a refused host name is an answer, too."""
    with closing(http.client.HTTPConnection(host, port, timeout=10)) as connection:
        try:
            connection.request("GET", "/admin/login/")
            return connection.getresponse().status < HTTPStatus.INTERNAL_SERVER_ERROR
        except (OSError, http.client.HTTPException):
            return False
