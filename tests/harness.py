"""Real PostgreSQL and Valkey for the tests, a migrated template database, and copies of it.

The servers start once per run out of the wheels and keep their folder (var/test) for the next run. Set
TEST_DATABASE_SERVER (a superuser's address) and TEST_REDIS_URL to use servers that are there already.
"""

from __future__ import annotations

import atexit
import base64
import contextlib
import hashlib
import hmac
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from filelock import FileLock, Timeout
from psycopg import sql

from autonomy.launch import place, roles
from autonomy.launch.postgres import UNSAFE_AND_FAST, Postgres
from autonomy.launch.valkey import Valkey

ROOT = Path(__file__).resolve().parent.parent
ROLES = {"owner": "aos_test_owner", "app": "aos_test_app", "sequencer": "aos_test_sequencer"}
TEMPLATE_LOCK = 0x616F73
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
ROOMS = ("audit", "agents", "connectors", "workflows")
IMPORT = re.compile(rf"^\s*from ((?:{'|'.join(ROOMS)})[\w.]*) import ([\w, ]+)", re.MULTILINE)
ROOM_FOR_COPIES = 8 * 2**30  # bytes; a run makes about two hundred copies of 14 MB
UNNAMED = "aos_no_database_yet"


def environment(database: str = UNNAMED) -> dict[str, str]:
    """Return the environment of the product on one test database, for this process or one it starts."""
    return {
        "SECRET_KEY": "only-for-tests-" + "0" * 40,
        "CONNECTOR_KEKS": base64.b64encode(b"only for tests, 32 bytes long!!!").decode(),
        "DATABASE_URL": url("app", database),
        "DATABASE_OWNER_URL": url("owner", database),
        "DATABASE_SEQUENCER_URL": url("sequencer", database),
        "DATABASE_ROLE": "app",
        "REDIS_URL": redis_url(),
        "AUTONOMY_DATA_DIR": str(data_folder()),
        "DEMO_COMPANY": "1",
        "DEBUG": "0",
        "HTTPS_ONLY": "0",
        "PUBLIC_URL": "http://127.0.0.1:8000",
        "ALLOWED_HOSTS": "127.0.0.1,localhost,[::1],testserver",
        "LOG_LEVEL": "WARNING",
    }


def url(role: str, database: str) -> str:
    """Return the address of a test database for one role; before the servers run, a placeholder."""
    server = os.environ.get("TEST_DATABASE_SERVER", "postgres://nobody@127.0.0.1:1/none")
    host = urlsplit(server).netloc.rpartition("@")[2]
    return f"postgres://{ROLES[role]}:{password(role)}@{host}/{quote(database, safe='')}"


def password(role: str) -> str:
    """Derive a role's password from the server's address: known to every worker, stored nowhere."""
    server = os.environ.get("TEST_DATABASE_SERVER", "")
    return hmac.new(server.encode(), role.encode(), "sha256").hexdigest()[:32]


def redis_url() -> str:
    """Return this worker's own numbered database (gw0 has 1, gw1 has 2 ...)."""
    server = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:1")
    return urlunsplit(urlsplit(server)._replace(path=f"/{int(WORKER.removeprefix('gw')) + 1}"))


def data_folder() -> Path:
    """Return a data folder that holds no portal.env; every worker has its own."""
    folder = Path(os.environ.get("TEST_DATA_DIR", ROOT / "var" / "test")) / "data" / WORKER
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def start_servers_once() -> None:
    """Start what the environment does not name, export the addresses, and stop it when this process ends."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        return
    stack = contextlib.ExitStack()
    atexit.register(stack.close)
    if not (os.environ.get("TEST_DATABASE_SERVER") and os.environ.get("TEST_REDIS_URL")):
        _start_embedded(stack)
    _make_roles()
    # While the workers read the tests; whoever needs it waits for it, and says what went wrong.
    threading.Thread(target=_template_ahead, daemon=True).start()


def _start_embedded(stack: contextlib.ExitStack) -> None:
    where = _own_place(stack)
    if not os.environ.get("TEST_DATABASE_SERVER"):
        # One hash round: every test process signs in anew.
        postgres = Postgres(where, settings={**UNSAFE_AND_FAST, "scram_iterations": "1"})
        postgres.start()
        stack.callback(postgres.stop)
        os.environ["TEST_DATABASE_SERVER"] = postgres.superuser_url()
        stack.callback(_drop_left_overs)
    if not os.environ.get("TEST_REDIS_URL"):
        valkey = Valkey(where, settings={"appendonly": "no"})
        valkey.start()
        stack.callback(valkey.stop)
        os.environ["TEST_REDIS_URL"] = valkey.url()
    _drop_left_overs()


def _own_place(stack: contextlib.ExitStack) -> place.Place:
    """Return var/test, or a folder for this run alone if another run is using it."""
    folder = ROOT / "var" / "test"
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "run.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        folder = Path(tempfile.mkdtemp(prefix="aos-test-"))
        os.environ["TEST_DATA_DIR"] = str(folder)
        where = place.open_place(folder / "servers")
        stack.callback(place.erase, where)
        return where
    stack.callback(lock.release)
    return place.open_place(folder / "servers")


def superuser(database: str = "") -> psycopg.Connection[Any]:
    """Connect as the server's superuser, one statement a transaction."""
    parts = urlsplit(os.environ["TEST_DATABASE_SERVER"])
    if database:
        parts = parts._replace(path=f"/{database}")
    return psycopg.connect(urlunsplit(parts), autocommit=True)


def _make_roles() -> None:
    with superuser() as connection:
        for role, name in ROLES.items():
            roles.ensure_role(connection, name, password(role))


def _drop_left_overs() -> None:
    with superuser() as connection:
        for (name,) in _databases(connection, "aos_copy_%"):
            _drop(connection, name)


def _databases(connection: psycopg.Connection[Any], pattern: str) -> list[tuple[str]]:
    return connection.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", [pattern]).fetchall()


def _drop(connection: psycopg.Connection[Any], name: str) -> None:
    connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _disconnect(connection: psycopg.Connection[Any], name: str) -> None:
    """End every session of a database: a thread that lives on must not go on reading what is past."""
    connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])


def template() -> str:
    """Return the name of a migrated database, made once a month for this state of the migrations.

    They make the ledger's tables for the months that come next, and so depend on the day they are applied.
    """
    name = f"aos_template_{_migrations_digest()}_{time.strftime('%Y%m', time.gmtime())}"
    with superuser() as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [TEMPLATE_LOCK])
        if not _databases(connection, name):
            _build_template(connection, name)
    return name


def _template_ahead() -> None:
    with contextlib.suppress(Exception):
        template()


def _build_template(connection: psycopg.Connection[Any], name: str) -> None:
    building = name.replace("aos_template", "aos_building")
    _drop(connection, building)
    roles.ensure_database(connection, building, ROLES)
    done = subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
        cwd=ROOT,
        env={
            **os.environ,
            **environment(building),
            "DATABASE_ROLE": "owner",
            "DJANGO_SETTINGS_MODULE": "autonomy.settings",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"The migrations fail on an empty database:\n{done.stderr[-4000:]}")
    for (old,) in _databases(connection, "aos_template_%"):
        with contextlib.suppress(psycopg.errors.ObjectInUse):
            connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(old)))
    connection.execute(
        sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(building), sql.Identifier(name))
    )


def _migrations_digest() -> str:
    """Hash every migration, what of ours it imports, what rooms register, and the locked versions of others."""
    migrations = [file for room in ROOMS for file in (ROOT / room).glob("**/migrations/*.py")]
    migrations += (ROOT / "autonomy").glob("**/migrations/*.py")
    files = {*migrations, ROOT / "requirements.lock", ROOT / "autonomy" / "settings.py"}
    files |= {file for room in ROOMS for file in (ROOT / room).glob("**/apps.py")}  # rights of the groups
    for migration in migrations:
        files |= set(_imported_modules(migration))
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]


def _imported_modules(migration: Path) -> Iterator[Path]:
    for module, names in IMPORT.findall(migration.read_text()):
        for candidate in [module, *(f"{module}.{name.strip()}" for name in names.split(","))]:
            path = ROOT / Path(*candidate.split("."))
            if path.with_suffix(".py").exists():
                yield path.with_suffix(".py")


@contextlib.contextmanager
def copy_of(template_name: str) -> Iterator[str]:
    """Yield the name of a fresh copy of a database; it is dropped when the run ends.

    Dropping it at once would be tidier, but a file system like ext4 shuns what was deleted in the last minutes:
    to make a thousand files then takes a second of CPU instead of a tenth. A small disk is tidied at once.
    """
    name = f"aos_copy_{WORKER}_{secrets.token_hex(4)}"
    with superuser() as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {} STRATEGY FILE_COPY").format(
                sql.Identifier(name), sql.Identifier(template_name), sql.Identifier(ROLES["owner"])
            )
        )
        roles.restrict_database(connection, name, ROLES)
    try:
        yield name
    finally:
        with superuser() as connection:
            if shutil.disk_usage(ROOT).free < ROOM_FOR_COPIES:
                _drop(connection, name)
            else:
                _disconnect(connection, name)
