"""Watched folders: each file is taken in once, by its content, and then put aside.

Keeping the document and starting the run are the same however often they are done, and moving the file comes
last: a crash anywhere in between leaves the file to the next look, which finds document and run and moves it.
"""

from __future__ import annotations

import contextlib
import logging
import mimetypes
import os
import stat
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from django.conf import settings
from django.db import transaction

from agents.models import User
from agents.policies import require_reason
from agents.services.history import lock_row, stamp
from audit.services import record_event, record_refusal, refusals_recorded
from audit.vocabulary import Actor, ActorKind, Ref, Refusal
from workflows.documents.services import store_document
from workflows.runs.services import start_run
from workflows.triggers.models import WatchedFolder

QUIET_SECONDS = 2.0  # a file that was written to this recently may not be whole yet
MOST_AT_ONCE = 100
TAKEN, REFUSED = "taken", "refused"
FIELDS = ("name", "folder", "workflow", "input_member", "is_enabled")

logger = logging.getLogger(__name__)


def save_folder(
    *, actor: Actor, values: Mapping[str, Any], reason: str, folder: WatchedFolder | None = None
) -> WatchedFolder:
    """Watch a folder, or change how. Needs ``triggers.change_watchedfolder``."""
    subject = folder.as_ref() if folder else Ref("triggers.watchedfolder", "", "A new watched folder")
    with refusals_recorded(actor=actor, subject=subject), transaction.atomic():
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
    try:
        with _opened(path) as file:
            document = store_document(
                actor=actor,
                name=path.name,
                media_type=mimetypes.guess_type(path.name)[0] or "application/octet-stream",
                content=file,
                source="folder",
                size=os.fstat(file.fileno()).st_size,
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
        return _refused(folder, path, actor, refusal)
    _put_aside(path, TAKEN)
    return 1


def _refused(folder: WatchedFolder, path: Path, actor: Actor, refusal: Refusal) -> int:
    """Put a file aside with the reason beside it; what is only not now stays where it is."""
    if refusal.code in ("no_version", "workflow_disabled", "stopped"):
        return 0
    if not refusal.recorded:
        record_refusal(actor=actor, verb="triggers.file_refused", subject=folder.as_ref(), refusal=refusal)
    aside = _put_aside(path, REFUSED)
    if aside:
        aside.with_name(f"{aside.name}.why.txt").write_text(f"{refusal.in_full()}\n", encoding="utf-8")
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
    """Open a plain file; a link put in its place meanwhile is not followed."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise FileNotFoundError(path)
        yield file


def _put_aside(path: Path, where: str) -> Path | None:
    folder = path.parent / where
    folder.mkdir(exist_ok=True)
    target = folder / path.name
    number = 1
    while target.exists():
        number += 1
        target = folder / f"{path.stem}-{number}{path.suffix}"
    try:
        path.rename(target)
    except FileNotFoundError:
        return None
    return target


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
