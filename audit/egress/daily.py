"""A file of lines, another one each day: ``ledger.log`` becomes ``ledger-2026-11-29.log``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from audit.egress.failures import NotTaken


def append(path: str, lines: Sequence[str], today: date) -> None:
    """Append lines to the file of a day (UTC), on the disk when this returns. Raise NotTaken."""
    named = Path(path)
    target = named.with_name(f"{named.stem}-{today:%Y-%m-%d}{named.suffix}")
    content = "".join(f"{line}\n" for line in lines).encode()
    try:
        with os.fdopen(os.open(target, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o640), "r+b") as file:
            if file.seek(0, os.SEEK_END) and _is_cut_off(file.fileno(), file.tell()):
                content = b"\n" + content
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise NotTaken(f"The file cannot be written: {error.strerror or type(error).__name__}.") from error


def _is_cut_off(descriptor: int, size: int) -> bool:
    """Say whether a crash or a full disk left half a line."""
    return os.pread(descriptor, 1, size - 1) != b"\n"
