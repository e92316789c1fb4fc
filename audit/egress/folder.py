"""A folder of checkpoints, one file each, never overwritten: on a disk, or a mount that locks objects."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

from audit.egress.failures import NotTaken

_NAME = re.compile(r"^\d{20}\.checkpoint$")


class Folder:
    """The folder of one sink."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._newest = -1
        # Whether this file system has no links: then a file is written at its place at once.
        self._is_direct = False

    def put(self, size: int, note: str) -> None:
        """Keep a checkpoint, on the disk when this returns. Raise NotTaken if another ledger is there.

        A folder that is not there is not made: it may be a store that is not mounted.
        """
        content = note.encode()
        try:
            if self._newest < 0:
                self._newest = newest_size(self._path)
                _tidy(self._path)
            if size < self._newest:
                raise NotTaken(
                    f"It holds a checkpoint of {self._newest} events, and the ledger has {size} now:"
                    " the database was restored to an older state."
                )
            self._write(self._path / f"{size:020d}.checkpoint", content)
        except OSError as error:
            raise NotTaken(
                f"The folder cannot be written: {error.strerror or type(error).__name__}."
            ) from error
        self._newest = size

    def _write(self, target: Path, content: bytes) -> None:
        try:
            self._link(target, content)
        except FileExistsError as error:
            if target.read_bytes() != content:
                raise NotTaken(
                    f"It holds another checkpoint as {target.name}: the ledger was altered or restored, or a"
                    " second one writes there."
                ) from error
            return
        with contextlib.suppress(OSError):  # not every mounted store lets a folder be opened
            _sync(self._path)

    def _link(self, target: Path, content: bytes) -> None:
        if self._is_direct:
            _create(target, content)
            return
        made = target.with_name(f".{target.name}.{os.getpid()}")
        with contextlib.suppress(FileNotFoundError):
            made.unlink()
        _create(made, content)
        try:
            os.link(made, target)
        except FileExistsError:
            raise
        except OSError:
            self._is_direct = True
            _create(target, content)
        finally:
            with contextlib.suppress(OSError):
                made.unlink()


def newest_size(path: Path) -> int:
    """Return the size of the newest checkpoint in a folder, -1 if there is none. Raise OSError."""
    with os.scandir(path) as entries:
        return max((int(entry.name[:20]) for entry in entries if _NAME.match(entry.name)), default=-1)


def _tidy(folder: Path) -> None:
    """Remove what a killed process had not finished, where the store lets anything be removed."""
    for left in folder.glob(".*.checkpoint.*"):
        with contextlib.suppress(OSError):
            left.unlink()


def _create(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
