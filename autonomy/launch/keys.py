"""The keys made at the first start: portal.env, with the servers' addresses, and the key of the ledger."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

from dotenv import dotenv_values

from audit.notes import KeyFile, Signer, UnusableKey
from autonomy.launch.failure import LaunchFailure
from autonomy.launch.postgres import write_private

HEADER = """\
# Made at the first start. It holds every key of this installation: keep it private, and keep a copy of
# CONNECTOR_KEKS away from this machine, or the stored passwords of connected systems are lost with it.
# Lines below the mark are written anew at each start; set them in the environment, or here above the mark.
"""
MARK = "# --- servers started by `make up`, with a password for this run ---\n"


class Keys:
    """The keys and settings of one data folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        text = path.read_text() if path.exists() else ""
        self._kept = _parse(text.partition(MARK)[0])

    def ensure(self) -> bool:
        """Make what is missing and return whether anything was; keys that exist are never replaced."""
        made = {
            "SECRET_KEY": secrets.token_urlsafe(50),
            "CONNECTOR_KEKS": base64.b64encode(secrets.token_bytes(32)).decode(),
        }
        missing = {name: value for name, value in made.items() if not self.given(name)}
        self._kept.update(missing)
        return bool(missing)

    def given(self, name: str) -> str:
        """Return a value the operator gave, in the environment or above the mark; else an empty text."""
        return os.environ.get(name) or self._kept.get(name, "")

    def write(self, addresses: Mapping[str, str]) -> None:
        """Write the file with these addresses below the mark."""
        kept = "".join(f"{name}={_quoted(value)}\n" for name, value in self._kept.items())
        below = "".join(f"{name}={_quoted(value)}\n" for name, value in addresses.items())
        write_private(self.path, HEADER + kept + MARK + below)

    def values(self) -> dict[str, str]:
        """Return everything above the mark."""
        return dict(self._kept)


def ensure_ledger_key(path: Path) -> str:
    """Make the key that signs the ledger and return its verifier key; nothing if there is one, or ever was.

    It is named ``LEDGER_NAME``, else by chance, so that no two installations sign under one name. Raise
    LaunchFailure for a name that cannot be. One that was lost is not replaced: the sequencer says what to do.
    """
    file = KeyFile(path)
    if path.exists() or file.last.exists():
        return ""
    # Nobody can own a name below .invalid, so that it is never somebody else's.
    name = os.environ.get("LEDGER_NAME") or f"autonomy.invalid/{secrets.token_hex(4)}"
    try:
        signer = Signer.fresh(name)
    except UnusableKey as error:
        raise LaunchFailure(str(error), "Correct LEDGER_NAME, or leave it out, and start again.") from error
    write_private(path, signer.line() + "\n")
    return str(signer.verifier)


def _parse(text: str) -> dict[str, str]:
    return {name: value for name, value in dotenv_values(stream=StringIO(text)).items() if value is not None}


def _quoted(value: str) -> str:
    return f"'{value}'" if any(char in value for char in ' #$"\\') else value
