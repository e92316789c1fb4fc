"""What can go wrong at start-up, always told with its cure."""

from __future__ import annotations

import errno
from pathlib import Path


class LaunchFailure(Exception):
    """Start-up cannot go on: ``message`` says what and why, ``cure`` what to do now."""

    def __init__(self, message: str, cure: str) -> None:
        super().__init__(message)
        self.message = message
        self.cure = cure


def disk_full(where: Path) -> LaunchFailure:
    """Return the failure for a disk without room."""
    return LaunchFailure(
        f"The disk that holds {where} is full.",
        "Free some space there, or put the data folder on another disk with AUTONOMY_DATA_DIR=/path.",
    )


def from_os_error(error: OSError, where: Path) -> LaunchFailure:
    """Translate an error of the operating system; where: the folder that was being written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return disk_full(where)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return LaunchFailure(
            f"{error.filename or where} cannot be written: {error.strerror}.",
            "Start as the user that owns it, or choose another folder with AUTONOMY_DATA_DIR=/path.",
        )
    return LaunchFailure(
        f"The operating system refused: {error}.", "Look at the message above and start again."
    )


def tail(path: Path, lines: int = 12) -> str:
    """Return the last lines of a log file, indented, or an empty text."""
    try:
        with path.open("rb") as log:
            log.seek(0, 2)
            log.seek(max(0, log.tell() - 8192))
            text = log.read().decode(errors="replace")
    except OSError:
        return ""
    return "".join(f"    {line}\n" for line in text.splitlines()[-lines:])
