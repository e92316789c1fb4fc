"""What others have of the ledger's checkpoints: folders that they are copied to, witnesses that sign them too.

``LEDGER_SINKS`` names them. What does not answer in time is no reason to doubt the ledger; what has more of it
than the database is.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

from audit.egress import addresses, cosigning, web
from audit.egress.failures import NotTaken
from audit.standalone.verify_ledger import Checkpoint, NotANote

logger = logging.getLogger(__name__)

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
        self,
        folders: Sequence[Path] = (),
        witnesses: Sequence[str] = (),
        *,
        patient: bool = True,
        authorities: str = "",
    ) -> None:
        self._folders = folders
        self._witnesses = witnesses
        self._patient = patient
        self._authorities = authorities
        self._looking: tuple[threading.Thread, Found, float] | None = None

    @classmethod
    def named(cls, sinks: Sequence[str], *, patient: bool = True, authorities: str = "") -> Outside:
        """Read ``LEDGER_SINKS``; what is neither a folder nor a witness tells nothing. Raise BadAddress."""
        given = addresses.read(sinks, addresses.sink)
        folders = [Path(one.path) for one in given if one.kind == addresses.FOLDER]
        witnesses = [one.url for one in given if one.kind == addresses.WITNESS]
        return cls(folders, witnesses, patient=patient, authorities=authorities)

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
            if (size := size_at(witness, newest, self._authorities)) is not None:
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


def size_at(witness: str, note: str, authorities: str = "") -> int | None:
    """Return up to which size a witness has signed, None if it does not say.

    It is asked with an old size of nothing (C2SP tlog-witness): one that knows more answers 409 and its size.
    """
    try:
        reply = web.post(
            witness.rstrip("/") + "/add-checkpoint",
            cosigning.request(0, [], note),
            "text/plain; charset=utf-8",
            seconds=ANSWER_SECONDS,
            authorities=authorities,
        )
    except NotTaken as error:
        logger.warning("The witness %s did not answer: %s", witness, error)
        return None
    said = reply.body.decode("ascii", "replace").strip()
    return int(said) if reply.status == HTTPStatus.CONFLICT and said.isdigit() and len(said) < 19 else None
