"""A portal that is thrown away: its own servers with the settings of ``make up``, and its processes.

Nothing here is faster than at a customer's: fsync and synchronous_commit are on, Valkey appends to its file.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from audit.notes import Signer
from autonomy.launch import children, place, programs, roles
from autonomy.launch.installation import asked_to_stop
from autonomy.launch.keys import Keys, ensure_ledger_key
from autonomy.launch.options import ROOT, Options
from autonomy.launch.postgres import Postgres, write_private
from autonomy.launch.valkey import Valkey, free_port

DATABASE, BASELINE = "autonomy", "baseline"
GIVEN = ["DATABASE_URL", "DATABASE_OWNER_URL", "DATABASE_SEQUENCER_URL", "DATABASE_ROLE", "REDIS_URL"]
GIVEN += ["SECRET_KEY", "CONNECTOR_KEKS", "PUBLIC_URL", "ALLOWED_HOSTS", "HTTPS_ONLY"]


class House:
    """Servers and processes of one measurement."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack, *, demo_company: bool = False) -> None:
        self.place = place.open_place(folder)
        self.options = Options(data=folder, port=free_port(), demo_company=demo_company, at_work=False)
        self.postgres, self.valkey = Postgres(self.place), Valkey(self.place)
        stack.callback(place.erase, self.place)
        for server in (self.postgres, self.valkey):
            server.start()
            stack.callback(server.stop)
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        stack.callback(self.stop)
        self.env = self._make()
        self.env["LEDGER_KEY_FILE"] = str(self._signing_key())
        names = programs.portal_programs(self.options, self.place.run)
        self.programs = {program.name: program for program in names}

    def _signing_key(self) -> Path:
        path = self.options.data / "bench.key"
        write_private(path, Signer.fresh("bench.example/ledger").line() + "\n")
        return path

    def _make(self) -> dict[str, str]:
        keys = Keys(self.options.data / "portal.env")
        keys.ensure()
        ensure_ledger_key(self.options.ledger_key)
        passwords = {role: secrets.token_hex(16) for role in roles.ROLE_NAMES}
        with self.postgres.connect() as connection:
            for role, name in roles.ROLE_NAMES.items():
                roles.ensure_role(connection, name, passwords[role])
            roles.ensure_database(connection, DATABASE, roles.ROLE_NAMES)
            connection.execute(f"CREATE DATABASE {BASELINE}")
        url = {
            role: self.postgres.url(name, passwords[role], DATABASE) for role, name in roles.ROLE_NAMES.items()
        }
        env = {
            **os.environ,
            **keys.values(),
            "DATABASE_URL": url["app"],
            "DATABASE_OWNER_URL": url["owner"],
            "DATABASE_SEQUENCER_URL": url["sequencer"],
            "REDIS_URL": self.valkey.url(),
            "AUTONOMY_DATA_DIR": str(self.options.data),
            "DJANGO_SETTINGS_MODULE": "autonomy.settings",
            "AUTONOMY_URL": self.options.address,
            "PUBLIC_URL": self.options.address,
            "DEMO_COMPANY": str(int(self.options.demo_company)),
            "PYTHONUNBUFFERED": "1",
        }
        for arguments, role in (
            (["migrate", "--no-input", "--verbosity", "0"], "owner"),
            (["install_portal"], "app"),
        ):
            programs.run_manage(
                arguments, {**env, "DATABASE_ROLE": role}, self.place.logs / "setup.log", arguments[0]
            )
        return env

    def start(self, *names: str) -> None:
        """Start processes of the portal by name, each as ``make up`` does."""
        for name in names:
            program = self.programs[name]
            self.spawn(name, program.command, {**self.env, **program.env})

    def spawn(self, name: str, command: list[str], env: dict[str, str]) -> None:
        """Start a process that ends with this measurement."""
        self.running[name] = children.spawn(command, log=self.place.logs / f"{name}.log", cwd=ROOT, env=env)

    def stop(self, *names: str) -> None:
        """Stop processes by name; none named: all of them."""
        for name in names or list(self.running):
            if process := self.running.pop(name, None):
                children.stop(process, patience=15)

    def log(self, name: str) -> str:
        """Return the end of the log of a process."""
        path = self.place.logs / f"{name}.log"
        return path.read_text(errors="replace")[-4000:] if path.exists() else ""

    def baseline_url(self) -> str:
        """Return the address of the baseline's own database in the same PostgreSQL, as SQLAlchemy reads it."""
        password = quote(self.postgres.superuser_url().split(":")[2].partition("@")[0])
        return f"postgresql+psycopg://postgres:{password}@/{BASELINE}?host={self.postgres.socket}&port=5432"


@contextlib.contextmanager
def open_house(*, demo_company: bool = False) -> Iterator[House]:
    """Make a house and set Django up in this process on it; everything is removed in the end."""
    for name in GIVEN:
        os.environ.pop(name, None)
    with asked_to_stop(), contextlib.ExitStack() as stack:
        house = House(Path(tempfile.mkdtemp(prefix="aos-bench-")), stack, demo_company=demo_company)
        os.environ.update(house.env)
        import django

        django.setup()
        yield house
