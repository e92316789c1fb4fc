"""Install, fill and start the ERP. Every step is skipped when its result is already in the data folder."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import random
import secrets
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

HERE = Path(__file__).resolve().parent
LOCK_FILE = HERE / "requirements.lock"
SETUP_SCRIPT = HERE / "setup_company.py"
# What the ERP and the demo's invoices agree on: suppliers, their tax numbers and accounts, the orders.
FACTS = HERE.parent / "invoices" / "company_facts.json"
MODULES = ("party", "company", "bank", "product", "purchase", "account", "account_invoice", "account_payment")
# Counts up when setup_company.py has something to add to a company that an older release set up.
EDITION = 2
DATABASE = "northwind"
HOST = "127.0.0.1"
# SQLite has one writer at a time: posting an invoice takes the better part of a second, reads go on beside it.
THREADS = 4
START_SECONDS = 90

Say = Callable[[str], None]


class ErpError(Exception):
    """The ERP cannot be installed or started. The message says why and what to do."""


@dataclass(frozen=True)
class Layout:
    """Where the ERP keeps its things: all of it below one folder of the data folder."""

    data: Path
    cache: Path | None = None

    @property
    def root(self) -> Path:
        return self.data / "erp"

    @property
    def venv(self) -> Path:
        return self.root / "venv"

    @property
    def database(self) -> Path:
        return self.root / "db" / f"{DATABASE}.sqlite"

    @property
    def keys(self) -> Path:
        """REST keys by role, ids of the books and the address; mode 0600."""
        return self.root / "keys.json"

    @property
    def schema(self) -> Path:
        """The empty database with all modules: no secrets in it, so it may be shared between data folders."""
        return (self.cache or self.root / "cache") / f"modules-{fingerprint()}.sqlite"

    def program(self, name: str) -> str:
        """Return the path of a program in the ERP's own environment."""
        return str(self.venv / "bin" / name)


def fingerprint() -> str:
    """Return a short digest of what the cached schema depends on: the locked versions and the modules."""
    return hashlib.sha256(LOCK_FILE.read_bytes() + repr(MODULES).encode()).hexdigest()[:16]


def prepare(layout: Layout, *, say: Say) -> dict[str, Any]:
    """Make the ERP ready to start and return its keys; what a former start finished is kept as it is."""
    layout.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    with FileLock(str(layout.root / ".lock")):
        _install(layout, say)
        if not layout.database.exists() or not layout.keys.exists():
            _build_schema(layout, say)
            _fill(layout, say)
        elif read_keys(layout).get("edition", 1) < EDITION:
            _bring_up_to_date(layout, say)
    return read_keys(layout)


def serve(layout: Layout, *, port: int, say: Say) -> None:
    """Prepare, then become the ERP's server process (exec): signals reach it directly; it never returns."""
    prepare(layout, say=say)
    _require_free(port)
    keys = read_keys(layout)
    if keys["base_url"] != base_url(port):
        write_private(layout.keys, json.dumps({**keys, "base_url": base_url(port)}, indent=1))
    config = _write_config(layout.root, layout.database.parent)
    say(f"Tryton answers at {base_url(port)} (database {DATABASE})")
    sys.stdout.flush()
    command = _server_command(layout, port)
    os.execve(command[0], command, _environment(config))


def base_url(port: int) -> str:
    """Return the address of the ERP; the REST interface is at /<database>/rest/model/<model>."""
    return f"http://{HOST}:{port}"


def read_keys(layout: Layout) -> dict[str, Any]:
    """Return keys.json: base_url, database, company, currencies, accounts, parties, keys by role."""
    return json.loads(layout.keys.read_text())


def answers(keys: dict[str, Any], *, timeout: float = 2.0) -> bool:
    """Return whether the ERP answers a signed-in read; a page of text would prove only an open port."""
    request = urllib.request.Request(
        f"{keys['base_url']}/{keys['database']}/rest/model/company.company",
        headers={"Authorization": f"Bearer {keys['keys']['inspector']}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=timeout) as reply:
            return reply.status == 200
    except OSError:
        return False


def _install(layout: Layout, say: Say) -> None:
    marker = layout.venv / ".installed"
    wanted = hashlib.sha256(LOCK_FILE.read_bytes()).hexdigest()
    if marker.exists() and marker.read_text() == wanted:
        return
    started = time.monotonic()
    say("Installing Tryton 8.2 into an environment of its own (once; a minute or less)")
    shutil.rmtree(layout.venv, ignore_errors=True)
    own_pip = importlib.util.find_spec("pip") is not None
    # Our pip installs into the other environment where we have one: bootstrapping a second pip costs seconds.
    _run([sys.executable, "-m", "venv", *(["--without-pip"] if own_pip else []), str(layout.venv)], "create it")
    pip = [sys.executable, "-m", "pip", "--python", layout.program("python")]
    _run(
        [
            *(pip if own_pip else [layout.program("python"), "-m", "pip"]),
            *("install", "--quiet", "--no-input", "--no-deps", "--no-compile", "--require-hashes"),
            *("--disable-pip-version-check", "-r", str(LOCK_FILE)),
        ],
        "install the locked packages; check the network and the package index, then start again",
    )
    marker.write_text(wanted)
    say(f"Installed in {time.monotonic() - started:.0f} s")


def _build_schema(layout: Layout, say: Say) -> None:
    layout.schema.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with FileLock(str(layout.schema) + ".lock"):
        if layout.schema.exists():
            return
        started = time.monotonic()
        say("Creating the ERP's tables (once; about 45 s of one core, a minute or two on a busy machine)")
        with _workshop(layout) as shop:
            work = shop / f"{DATABASE}.sqlite"
            work.touch(mode=0o600)
            _admin(
                layout,
                shop,
                secrets.token_urlsafe(24),
                ["-u", "ir", "res", *MODULES, "--activate-dependencies"],
            )
            _copy_database(work, layout.schema)
        say(f"Tables ready in {time.monotonic() - started:.0f} s")


def _fill(layout: Layout, say: Say) -> None:
    started = time.monotonic()
    say("Setting up Northwind Pumps GmbH: accounts, suppliers, orders, keys (once; about 20 s)")
    # Keys of other books open nothing in these.
    layout.keys.unlink(missing_ok=True)
    # The tables hold no usable sign-in: the administrator gets a password of this data folder only.
    _set_up(layout, layout.schema, secrets.token_urlsafe(24), ["--password", "--administrator"])
    say(f"Company ready in {time.monotonic() - started:.0f} s")


def _bring_up_to_date(layout: Layout, say: Say) -> None:
    """Add to the books of an older release what they lack; all that is in them stays, and so do the keys."""
    known = read_keys(layout)
    if answers(known):
        raise ErpError(
            f"The ERP at {known['base_url']} is of an older release and running. Stop it, start again."
        )
    started = time.monotonic()
    say("Bringing the books of an older release up to date (once)")
    wanted = ["-u", *MODULES, "--activate-dependencies", "--administrator"]
    _set_up(layout, layout.database, known["admin_password"], wanted)
    say(f"Up to date in {time.monotonic() - started:.0f} s")


def _set_up(layout: Layout, source: Path, password: str, preparation: Sequence[str]) -> None:
    """Make the books from a copy of ``source``: prepared by trytond-admin, then filled over its own RPC."""
    with _workshop(layout) as shop:
        work = shop / f"{DATABASE}.sqlite"
        _copy_database(source, work)
        _admin(layout, shop, password, preparation)
        port = free_port()
        with _running(layout, shop, port):
            ids = _run(
                [
                    layout.program("python"),
                    "-W",
                    "ignore",
                    str(SETUP_SCRIPT),
                    f"{base_url(port)}/{DATABASE}/rpc/",
                    str(FACTS),
                ],
                "set up the company",
                stdin=password + "\n",
            )
        facts = {
            "base_url": base_url(port),
            "database": DATABASE,
            **json.loads(ids),
            "admin_password": password,
            "edition": EDITION,
        }
        layout.database.parent.mkdir(mode=0o700, exist_ok=True)
        _copy_database(work, layout.database)
        # Last of all: a start that was interrupted before this line begins again.
        write_private(layout.keys, json.dumps(facts, indent=1))


@contextmanager
def _workshop(layout: Layout) -> Iterator[Path]:
    """Yield an empty folder beside the real one; what an interrupted start left in it is thrown away."""
    shop = layout.root / "new"
    shutil.rmtree(shop, ignore_errors=True)
    shop.mkdir(mode=0o700)
    try:
        yield shop
    finally:
        shutil.rmtree(shop, ignore_errors=True)


@contextmanager
def _running(layout: Layout, folder: Path, port: int) -> Iterator[None]:
    config = _write_config(folder, folder)
    log = layout.root / "setup.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            _server_command(layout, port), env=_environment(config), stdout=output, stderr=subprocess.STDOUT
        )
    try:
        _await_port(process, port, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _server_command(layout: Layout, port: int) -> list[str]:
    serve = layout.program("waitress-serve")
    return [
        serve,
        f"--listen={HOST}:{port}",
        f"--threads={THREADS}",
        "--no-expose-tracebacks",
        "trytond.application:app",
    ]


def _environment(config: Path) -> dict[str, str]:
    """Return an environment without the portal's secrets: another program has no business with them."""
    kept = {
        name: os.environ[name]
        for name in ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")
        if name in os.environ
    }
    return {**kept, "TRYTOND_CONFIG": str(config), "TRYTOND_DATABASE_NAMES": DATABASE}


def _write_config(folder: Path, databases: Path) -> Path:
    config = folder / "trytond.conf"
    write_private(
        config,
        f"[database]\nuri = sqlite://\npath = {databases}\n\n[session]\nauthentications = password\n",
    )
    return config


def _admin(layout: Layout, folder: Path, password: str, arguments: Sequence[str]) -> None:
    config = _write_config(folder, folder)
    word = folder / "password"
    write_private(word, password)
    _run(
        [
            layout.program("trytond-admin"),
            "-c",
            str(config),
            "-d",
            DATABASE,
            *arguments,
            "--email",
            "erp@northwind.example",
        ],
        "prepare its database",
        env={**_environment(config), "TRYTONPASSFILE": str(word)},
    )


def _run(command: Sequence[str], what: str, *, stdin: str = "", env: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, input=stdin, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        tail = "\n".join((done.stderr or done.stdout).strip().splitlines()[-8:])
        raise ErpError(f"The ERP could not be prepared. The step was: {what}.\n{tail}")
    return done.stdout


def _copy_database(source: Path, target: Path) -> None:
    """Copy through SQLite: a plain copy would miss what is still in the write-ahead log."""
    new = target.with_suffix(".part")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(new)) as copy:
        old.backup(copy)
    new.replace(target)


def write_private(path: Path, text: str) -> None:
    """Write a file that only this user can read, whole or not at all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    part.replace(path)


def free_port() -> int:
    """Return a free TCP port on the loopback address, below those the kernel lends to outgoing connections."""
    for port in random.sample(range(20_000, 32_000), 200):
        with socket.socket() as probe, suppress(OSError):
            probe.bind((HOST, port))
            return port
    raise ErpError("No port between 20000 and 32000 is free. Stop a program that listens on one of them.")


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise ErpError(
                f"The ERP cannot start: {HOST}:{port} is taken ({error.strerror}). "
                "Stop the program that listens there, or set ERP_PORT to another port."
            ) from error


def _await_port(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ErpError(
                f"The ERP stopped while it was starting (exit code {process.returncode}). Read {log}."
            )
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) == 0:
                return
        time.sleep(0.1)
    raise ErpError(
        f"The ERP did not answer within {START_SECONDS} s. Look for a machine that is short of CPU or disk."
    )
