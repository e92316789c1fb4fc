"""Building a pack: read everything at one moment, write it beside its place, put it there whole, and say so."""

from __future__ import annotations

import hashlib
import importlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection, transaction

from audit import evidence
from audit.evidence import Scope
from audit.evidence.mapping import DEFAULT, read_mapping
from audit.models import Event
from audit.selectors import database_now
from audit.services.evidence import contents as written
from audit.services.evidence.contents import Contents
from audit.services.evidence.page import html_of
from audit.services.recording import record_event
from audit.vocabulary import Actor, Ref, Refusal, RefusalKind

BUILT = "audit.evidence_built"
LIMIT = 100  # rows of one table in the documents
MOST_ROWS = 5_000
LONGEST_DAYS = 3_660
LOCK_ROOM, LOCK_BUILDING = 1_396_786_770, 1
DOCUMENTS = ("evidence.json", "evidence.html", "evidence.pdf", "mapping.json", "manifest.json")
# The same for every pack, so that the same contents are the same file.
_ZIPPED_AT = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody asks for: from one day to another of the company's clock, both included."""

    first: date
    last: date
    scope: Scope
    departments: tuple[str, ...]
    is_now: datetime


@dataclass(frozen=True, slots=True)
class Built:
    """A pack that stands where it was wanted. ``digests``: SHA-256 of its documents, by name."""

    path: Path
    counts: dict[str, int]
    digests: dict[str, str]


def wanted(first: date, last: date, departments: Sequence[str] = ()) -> Wanted:
    """Return the period between two days, both included, of some departments or of the company.

    Raise Refusal for days in the wrong order, in the future or too far apart, and for an unknown department.
    """
    now = database_now()
    zone = ZoneInfo(settings.TIME_ZONE)
    today = now.astimezone(zone).date()
    problem = ""
    if last < first:
        problem = f"{last} is before {first}. Give the first day first."
    elif last > today:
        problem = f"{last} is not over: today is {today}. End it today or before."
    elif (last - first).days > LONGEST_DAYS:
        problem = f"it would be longer than {LONGEST_DAYS:,} days. Ask for a shorter one."
    elif first.year < 2000:
        problem = f"{first} is before there was anything to record."
    if problem:
        raise Refusal("period_unusable", f"No pack was built: {problem}", kind=RefusalKind.INVALID)
    since = datetime.combine(first, time.min, zone)
    until = datetime.combine(last + timedelta(days=1), time.min, zone)
    ids, agents = evidence.resolve_departments(departments)
    return Wanted(first, last, Scope(since, until, ids, agents), tuple(departments), now)


def build_pack(
    *,
    actor: Actor,
    wanted: Wanted,
    out: Path,
    mapping: Path | None = None,
    limit: int = LIMIT,
    most_entries: int | None = None,
) -> Built:
    """Build a pack at ``out``: one file if that ends in .zip, else a folder. It is there whole or not at all.

    ``limit``: rows of one table in the documents. ``most_entries`` refuses a period with more ledger entries.
    Raises Refusal ``out_unusable``, ``mapping_unusable``, ``too_much`` or ``already_building``.
    """
    out = _usable(out)
    if not 1 <= limit <= MOST_ROWS:
        raise Refusal(
            "limit_unusable", f"No pack was built: show 1 to {MOST_ROWS:,} rows of a table, not {limit}."
        )
    read = read_mapping(mapping or DEFAULT, _known())
    with tempfile.TemporaryDirectory(prefix=".evidence-", dir=out.parent) as temporary:
        folder = Path(temporary) / "pack"
        folder.mkdir(mode=0o700)
        with _one_moment():
            _require_alone()
            _require_not_too_much(wanted.scope, most_entries)
            contents = Contents(
                company=evidence.company(),
                first=wanted.first,
                last=wanted.last,
                time_zone=settings.TIME_ZONE,
                scope=wanted.scope,
                departments=wanted.departments,
                built_at=wanted.is_now,
                built_by=actor.label,
                limit=limit,
                sections=written.read_sections(folder, wanted.scope, limit),
                mapping=read,
            )
        _write_documents(folder, contents)
        digests = {name: _sha256(folder / name) for name in DOCUMENTS}
        counts = {code: filled.count for code, filled in contents.filled.items()}
        whole = _zipped(folder, Path(temporary) / "pack.zip") if out.suffix == ".zip" else folder
        _publish(actor, contents, whole, out, counts, digests)
    return Built(out, counts, digests)


def _usable(out: Path) -> Path:
    out = out.absolute()
    if out.exists():
        raise Refusal(
            "out_unusable",
            f"No pack was built: {out} is already there. Give another name.",
            kind=RefusalKind.CONFLICT,
        )
    if not out.parent.is_dir() or not os.access(out.parent, os.W_OK):
        raise Refusal(
            "out_unusable",
            f"No pack was built: nothing can be written to {out.parent}. Make that folder, or give another.",
            kind=RefusalKind.INVALID,
        )
    return out


def _known() -> list[str]:
    found = evidence.registered()
    return [*found, *(table.code for tables in found.values() for table in tables)]


@contextmanager
def _one_moment() -> Iterator[None]:
    """Let everything be read as it stood at one moment; inside another transaction, as that one sees it."""
    within = connection.in_atomic_block
    with transaction.atomic():
        if not within:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def _require_alone() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [LOCK_ROOM, LOCK_BUILDING])
        if not cursor.fetchone()[0]:
            raise Refusal(
                "already_building",
                "No pack was built: another one is being built just now.",
                kind=RefusalKind.LIMITED,
                next_step="Try again in some minutes.",
            )


def _require_not_too_much(scope: Scope, most: int | None) -> None:
    if most is None:
        return
    found = Event.objects.filter(scope.within("occurred_at")).order_by().values("pk")[: most + 1].count()
    if found > most:
        raise Refusal(
            "too_much",
            f"No pack was built: the period has more than {most:,} entries of the ledger, too many for a page.",
            kind=RefusalKind.TOO_LARGE,
            next_step="Choose a shorter period, or have an administrator run manage.py evidence_pack.",
        )


def _write_documents(folder: Path, contents: Contents) -> None:
    judged = written.judged(contents)
    written.write_json(folder / "evidence.json", written.as_data(contents))
    written.write_json(folder / "mapping.json", judged)
    (folder / "evidence.html").write_text(html_of(contents, judged), encoding="utf-8", errors="replace")
    # Loading what makes a PDF takes memory that no other process is to pay for.
    importlib.import_module("audit.services.evidence.pdf").write_pdf(folder / "evidence.pdf", contents, judged)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    written.write_json(
        folder / "manifest.json",
        {
            "format": written.FORMAT,
            "files": [
                {
                    "name": path.relative_to(folder).as_posix(),
                    "bytes": path.stat().st_size,
                    "sha256": _sha256(path),
                }
                for path in files
            ],
        },
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _zipped(folder: Path, target: Path) -> Path:
    with ZipFile(target, "w", ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                entry = ZipInfo(path.relative_to(folder).as_posix(), _ZIPPED_AT)
                entry.compress_type, entry.external_attr = ZIP_DEFLATED, 0o600 << 16
                with path.open("rb") as content, archive.open(entry, "w") as into:
                    shutil.copyfileobj(content, into)
    target.chmod(0o600)
    return target


def _publish(
    actor: Actor, contents: Contents, whole: Path, out: Path, counts: dict[str, int], digests: dict[str, str]
) -> None:
    """Put the pack in its place in the transaction of the event that tells of it."""
    _keep(whole)
    is_there = False
    try:
        with transaction.atomic():
            record_event(
                actor=actor,
                verb=BUILT,
                subject=Ref("audit.evidencepack", digests["manifest.json"], contents.title),
                sentence=f"{actor.label} built an evidence pack for {contents.first} to {contents.last}.",
                payload={
                    "first": contents.first.isoformat(),
                    "last": contents.last.isoformat(),
                    "departments": list(contents.departments),
                    "mapping": contents.mapping.name,
                    "rows": counts,
                    "sha256": digests,
                },
            )
            whole.rename(out)
            is_there = True
    except BaseException:
        if is_there:  # and its event is not: nobody would know of it
            out.rename(whole)
        raise


def _keep(whole: Path) -> None:
    """Have everything on the disk before it gets its name."""
    for path in [whole, *whole.rglob("*")]:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
