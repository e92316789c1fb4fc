"""Watched folders: each file is taken in once, by its content, and then put aside.

Keeping the document and starting the run are the same however often they are done, and moving the file comes
last: a crash anywhere in between leaves the file to the next look, which finds document and run and moves it.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import mimetypes
import os
import stat
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from django.conf import settings
from django.db import transaction

from agents.models import User
from agents.policies import require_reason
from agents.services.history import lock_row, stamp
from audit.services import record_event, record_refusal
from audit.vocabulary import Actor, ActorKind, Refusal, RefusalKind
from workflows.documents.services import store_document
from workflows.runs.services import start_run
from workflows.triggers.models import WatchedFolder

QUIET_SECONDS = 2.0  # a file that was written to this recently may not be whole yet
MOST_AT_ONCE = 100
MOST_NAME_BYTES = 230  # file systems take 255, and a number and an ending may be added
TAKEN, REFUSED = "taken", "refused"
# The file is as it should be, or not whole yet: it stays, and the next look takes it.
NOT_NOW = ("no_version", "workflow_disabled", "stopped", "document_cut_off")
FIELDS = ("name", "folder", "workflow", "input_member", "is_enabled")

logger = logging.getLogger(__name__)


class Seen(NamedTuple):
    """What tells a file from another that was put in its place."""

    device: int
    inode: int
    size: int
    changed: int


def save_folder(
    *, actor: Actor, values: Mapping[str, Any], reason: str, folder: WatchedFolder | None = None
) -> WatchedFolder:
    """Watch a folder, or change how. Needs ``triggers.change_watchedfolder``."""
    with transaction.atomic():
        _require_may(actor)
        require_reason(reason)
        folder = lock_row(WatchedFolder, folder.pk) if folder else WatchedFolder()
        for name in FIELDS:
            if name in values:
                setattr(folder, name, values[name])
        folder.full_clean(exclude=["created_at"])
        stamp(folder, actor=actor, reason=reason).save()
        record_event(
            actor=actor,
            verb="triggers.folder_saved",
            subject=folder.as_ref(),
            sentence=f"{actor.label} lets files in {folder.folder} start {folder.workflow}",
            reason=reason,
            code="on" if folder.is_enabled else "off",
        )
        with contextlib.suppress(OSError):  # it is made at the first look, too
            path_of(folder).mkdir(parents=True, exist_ok=True)
        return folder


def path_of(folder: WatchedFolder) -> Path:
    """Return where a watched folder is."""
    return Path(settings.INCOMING_DIR) / folder.folder


def take_in_all() -> int:
    """Look into every folder; return how many files were taken in. Two looks at once do no harm."""
    taken = 0
    for folder in WatchedFolder.objects.select_related("workflow").filter(is_enabled=True):
        try:
            taken += take_in(folder)
        except Exception:
            logger.exception("The folder %s could not be looked into.", folder.folder)
    return taken


def take_in(folder: WatchedFolder) -> int:
    """Take in what lies in one folder; return how many files that were."""
    where = path_of(folder)
    where.mkdir(parents=True, exist_ok=True)
    taken = 0
    for path in _whole_files(where):
        taken += _take(folder, path)
    return taken


def _take(folder: WatchedFolder, path: Path) -> int:
    actor = Actor.system(f"folder {folder.folder}")
    seen: Seen | None = None
    try:
        with _opened(path) as file:
            seen = _seen(os.fstat(file.fileno()))
            document = store_document(
                actor=actor,
                name=path.name,
                media_type=mimetypes.guess_type(path.name)[0] or "application/octet-stream",
                content=file,
                source="folder",
                size=seen.size,
            )
        start_run(
            actor=actor,
            workflow_code=folder.workflow.code,
            input={folder.input_member: str(document.pk)},
            key=document.sha256,
        )
    except FileNotFoundError:
        return 0  # another look was quicker
    except Refusal as refusal:
        return _refused(folder, path, seen, actor, refusal)
    return 1 if _put_aside(path, TAKEN, seen) else 0


def _refused(folder: WatchedFolder, path: Path, seen: Seen | None, actor: Actor, refusal: Refusal) -> int:
    """Put a file aside with the reason beside it; what is only not now stays where it is."""
    if refusal.code in NOT_NOW:
        return 0
    if _put_aside(path, REFUSED, seen, why=refusal.in_full()) and not refusal.recorded:
        record_refusal(actor=actor, verb="triggers.file_refused", subject=folder.as_ref(), refusal=refusal)
    return 0


def _whole_files(where: Path) -> Iterator[Path]:
    """Yield plain files nobody writes to any more, oldest first; no links, no hidden files, no folders."""
    now = time.time()
    found = []
    with os.scandir(where) as entries:
        for entry in entries:
            if entry.name.startswith(".") or not entry.is_file(follow_symlinks=False):
                continue
            changed = entry.stat(follow_symlinks=False).st_mtime
            if now - changed >= QUIET_SECONDS:
                found.append((changed, entry.path))
    for _, path in sorted(found)[:MOST_AT_ONCE]:
        yield Path(path)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """Open a plain file; what was put in its place meanwhile is neither followed nor waited for.

    A file with a second name may be anybody's: who drops it need not be able to read it, and the portal can.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if isinstance(error, FileNotFoundError) or error.errno == errno.ELOOP:
            raise FileNotFoundError(path) from error
        raise _no_file(
            "unreadable_file", "it could not be read", "Let the portal's account read it."
        ) from error
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise FileNotFoundError(path)
        if found.st_nlink > 1:
            raise _no_file(
                "linked_file", "it has a second name elsewhere", "Copy the file instead of linking it."
            )
        yield file


def _no_file(code: str, why: str, cure: str) -> Refusal:
    return Refusal(
        code, f"The file was refused: {why}.", kind=RefusalKind.INVALID, next_step=f"{cure} Then drop it again."
    )


def _seen(found: os.stat_result) -> Seen:
    return Seen(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _put_aside(path: Path, where: str, seen: Seen | None, why: str = "") -> bool:
    """Move a file into a folder beside it, if it is still the one that was read; say whether it was moved.

    Whoever drops files may make links there too, so that nothing below is found by its path: the folder is
    opened once and no link is followed to it or in it.
    """
    try:
        with _folder(path.parent) as here, _folder(path.parent, where, within=here) as there:
            target = _unused(there, path.name)
            os.rename(path.name, target, src_dir_fd=here, dst_dir_fd=there)
            moved = os.stat(target, dir_fd=there, follow_symlinks=False)
            if seen is not None and _seen(moved) != seen:
                os.rename(target, _unused(here, path.name), src_dir_fd=there, dst_dir_fd=here)
                return False
            if why:
                _write_beside(there, target, why)
    except FileNotFoundError:
        return False  # another look was quicker
    except OSError:
        logger.exception("A file in %s was read, and could not be put aside.", path.parent.name)
        return False
    return True


@contextlib.contextmanager
def _folder(path: Path, name: str = "", within: int | None = None) -> Iterator[int]:
    flags = os.O_RDONLY | os.O_DIRECTORY
    if within is None:
        descriptor = os.open(path, flags)
    else:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, dir_fd=within)
        descriptor = os.open(name, flags | os.O_NOFOLLOW, dir_fd=within)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _unused(folder: int, name: str) -> str:
    """Return a name that is free in an open folder, short enough for a number and for the reason beside it."""
    stem, ending = Path(name).stem, Path(name).suffix
    while len(os.fsencode(stem + ending)) > MOST_NAME_BYTES:
        stem, ending = (stem[:-1], ending) if len(stem) > 1 else (stem, ending[:-1])
    number, free = 1, stem + ending
    while _exists(folder, free):
        number += 1
        free = f"{stem}-{number}{ending}"
    return free


def _exists(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _write_beside(folder: int, name: str, why: str) -> None:
    """Say why; what lies there already under that name is not ours to change."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(f"{name}.why.txt", flags, 0o644, dir_fd=folder)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f"{why}\n")


def _require_may(actor: Actor) -> None:
    if actor.kind is ActorKind.SYSTEM:
        return
    user = User.objects.filter(pk=actor.id, is_active=True).first() if actor.kind is ActorKind.PERSON else None
    if user is None or not user.has_perm("triggers.change_watchedfolder"):
        raise Refusal(
            "not_permitted",
            f"{actor.label} may not change what starts workflows.",
            next_step="Ask a manager for the right to change watched folders.",
        )
