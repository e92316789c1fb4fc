"""What others have of the ledger's checkpoints: folders that they are copied to, witnesses that sign them too.

``LEDGER_SINKS`` names them, with commas between: ``folder:/path`` and ``witness+https://host/prefix``. What
does not answer in time is no reason to doubt the ledger; what has more of it than the database is.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

import httpx

from audit.standalone.verify_ledger import Checkpoint, NotANote

logger = logging.getLogger(__name__)

FOLDER, WITNESS = "folder:", "witness+"
ANSWER_SECONDS = 5.0
LONGEST_LOOK_SECONDS = 10.0
# A folder on this machine answers within this; one on a network, and a witness, are looked at on the side.
MOMENT_SECONDS = 0.02


class StillLooking(RuntimeError):
    """Others have not answered yet, and the time for it is not over: ask again in a moment."""


@dataclass
class Found:
    """What others have under one name: whole checkpoints, and sizes that a witness has signed."""

    notes: list[str] = field(default_factory=list)
    sizes: list[tuple[str, int]] = field(default_factory=list)


class Outside:
    """Looks at folders and witnesses. With ``patient`` it waits for them, else it looks on the side."""

    def __init__(
        self, folders: Sequence[Path] = (), witnesses: Sequence[str] = (), *, patient: bool = True
    ) -> None:
        self._folders = folders
        self._witnesses = witnesses
        self._patient = patient
        self._looking: tuple[threading.Thread, Found, float] | None = None

    @classmethod
    def named(cls, sinks: str, *, patient: bool = True) -> Outside:
        """Read ``LEDGER_SINKS``; what is neither a folder nor a witness tells nothing and is left out."""
        given = [one.strip() for one in sinks.split(",") if one.strip()]
        # What follows the place, after ? and #, is for who sends there.
        places = [one.partition("#")[0].partition("?")[0] for one in given]
        folders = [Path(unquote(one.removeprefix(FOLDER))) for one in places if one.startswith(FOLDER)]
        witnesses = [one.removeprefix(WITNESS) for one in places if one.startswith(WITNESS)]
        return cls(folders, witnesses, patient=patient)

    def look(self, origin: str, newest: str) -> Found:
        """Return what others have under this name. ``newest``: the newest checkpoint at hand, or nothing.

        Raise StillLooking while it goes on beside, unless this is patient.
        """
        if not self._folders and not self._witnesses:
            return Found()
        if self._looking is None:
            found = Found()
            thread = threading.Thread(target=self._look, args=(origin, newest, found), daemon=True)
            thread.start()
            self._looking = thread, found, time.monotonic() + LONGEST_LOOK_SECONDS
        thread, found, until = self._looking
        thread.join(LONGEST_LOOK_SECONDS if self._patient else MOMENT_SECONDS)
        if thread.is_alive() and not self._patient and time.monotonic() < until:
            raise StillLooking
        self._looking = None
        return found

    def forget(self) -> None:
        """Look anew the next time."""
        self._looking = None

    def _look(self, origin: str, newest: str, found: Found) -> None:
        for folder in self._folders:
            found.notes += [note] if (note := newest_in(folder, origin)) else []
        for witness in self._witnesses if newest else ():
            if (size := size_at(witness, newest)) is not None:
                found.sizes.append((witness, size))


def newest_in(folder: Path, origin: str) -> str:
    """Return the newest checkpoint of this name in a folder, nothing if there is none to read."""
    for path in _newest_first(folder):
        try:
            note = path.read_text(encoding="utf-8")
            if Checkpoint.parse(note).origin == origin:
                return note
        except (OSError, UnicodeDecodeError, NotANote) as error:
            logger.warning("The checkpoint %s cannot be read: %s", path, error)
    return ""


def _newest_first(folder: Path) -> Iterator[Path]:
    try:
        yield from sorted(folder.glob("*.checkpoint"), reverse=True)
    except OSError as error:
        logger.warning("The folder of checkpoints %s cannot be read: %s", folder, error)


def size_at(witness: str, note: str) -> int | None:
    """Return up to which size a witness has signed, None if it does not say.

    It is asked with an old size of nothing (C2SP tlog-witness): one that knows more answers 409 and its size.
    """
    try:
        answer = httpx.post(
            witness.rstrip("/") + "/add-checkpoint",
            content=f"old 0\n\n{note}".encode(),
            timeout=ANSWER_SECONDS,
            follow_redirects=False,
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        logger.warning("The witness %s did not answer: %s", witness, error)
        return None
    said = answer.text[:40].strip()
    return int(said) if answer.status_code == 409 and said.isascii() and said.isdigit() else None
