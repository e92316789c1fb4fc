"""Store documents and open them. The bytes are on disk before any row names them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from django.conf import settings
from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery, UUIDField
from django.db.models.functions import Cast, Coalesce, Greatest, Now

from agents.models import User
from audit import retention
from audit.retention import Columns, DataClass, Reach
from audit.services import record_event, record_refusal
from audit.vocabulary import Actor, ActorKind, Refusal, RefusalKind
from workflows.documents import registry
from workflows.documents.models import Delivery, Document, Erased
from workflows.documents.policies import plain_media_type, plain_name
from workflows.documents.selectors import folder, path_of
from workflows.tasks.models import Task

CHUNK = 256 * 1024
LEFT_OVER_SECONDS = 3600
# ``kept_since`` is annotated: when somebody brought it last.
COLUMNS = Columns(
    at="kept_since",
    times=("created_at", "kept_since"),
    department="uploaded_by__department_id",
    about={
        "documents.document": ("pk",),
        "agents.user": ("uploaded_by_id", "deliveries__user_id"),
        "agents.department": ("uploaded_by__department_id",),
    },
)


class Readable(Protocol):
    """What bytes are read from, a piece at a time."""

    def read(self, size: int, /) -> bytes: ...


def store_document(
    *, actor: Actor, name: str, media_type: str, content: Readable, source: str, size: int | None = None
) -> Document:
    """Keep the bytes of ``content``; the same bytes twice are the same document, which is then not ``is_new``.

    ``size`` is how many bytes were announced, if that is known. Raises Refusal ``document_too_large`` past
    DOCUMENT_MOST_BYTES, ``document_empty``, and ``document_cut_off`` when fewer bytes came than announced.
    """
    _drop_left_overs()
    with _written(content, size) as (temporary, sha256, length):
        _place(temporary, path_of(sha256))
    document = Document(
        sha256=sha256,
        media_type=plain_media_type(media_type),
        size=length,
        name=plain_name(name),
        source=source[:40],
        uploaded_by=_user(actor),
    )
    return _kept(actor, document)


def open_document(*, actor: Actor, document: Document, run_id: str = "") -> BinaryIO:
    """Open the verified bytes of a document for somebody who may see it; that an agent read it is recorded.

    Raises Refusal ``document_damaged``, which is recorded too. Must not run inside a transaction.
    """
    try:
        file = open_verified(document)
    except Refusal as refusal:
        record_refusal(
            actor=actor, verb="documents.document_damaged", subject=document.as_ref(), refusal=refusal
        )
        raise
    if actor.kind is ActorKind.AGENT:
        _record_reading(actor, document, run_id)
    return file


def open_verified(document: Document) -> BinaryIO:
    """Return the bytes of a document, to be closed by the caller; raise Refusal when they were altered.

    The whole file is hashed before its first byte is given out (about 50 ms for 25 MB): an answer that has
    begun can only break off, and would have handed over what nobody brought.
    """
    if erased := Erased.objects.filter(document=document, brought_again_at__isnull=True).first():
        raise Refusal(
            "document_erased",
            f"This document was erased on {erased.at:%Y-%m-%d} under: {erased.rule}.",
            kind=RefusalKind.NOT_FOUND,
            next_step="Upload the file again if you have it and it is needed.",
        )
    try:
        file = path_of(document.sha256).open("rb")
    except OSError as error:
        raise _damaged(document, "its bytes are not there") from error
    try:
        intact = hashlib.file_digest(file, "sha256").hexdigest() == document.sha256
        file.seek(0)
    except OSError as error:
        file.close()
        raise _damaged(document, "its bytes cannot be read") from error
    if not intact:
        file.close()
        raise _damaged(document, "its bytes are not those that were brought")
    return file


@transaction.atomic
def _record_reading(actor: Actor, document: Document, run_id: str) -> None:
    record_event(
        actor=actor,
        verb="documents.document_read",
        subject=document.as_ref(),
        sentence=f"{actor.label} read the document {document.name}",
        agent_id=_agent_id(actor),
        run_id=run_id,
    )


def too_large(size: int | None = None) -> Refusal:
    """Return the refusal of a document above the limit."""
    most = settings.DOCUMENT_MOST_BYTES
    return Refusal(
        "document_too_large",
        f"The document was refused: it is larger than {most:,} bytes, the most this company takes.",
        detail={"most_bytes": most, **({"bytes": size} if size else {})},
        kind=RefusalKind.TOO_LARGE,
        next_step="Send a smaller file, or ask an operator to raise DOCUMENT_MOST_BYTES.",
    )


@transaction.atomic
def _kept(actor: Actor, document: Document) -> Document:
    """Add the row unless these bytes have one, and who brought them; twins meet at the unique digest."""
    Document.objects.bulk_create([document], ignore_conflicts=True)
    found = Document.objects.get(sha256=document.sha256)
    found.is_new = found.pk == document.pk
    _bring_again(found)
    if _is_delivered(found, document) or found.is_new:
        again = "" if found.is_new else ", which was known already"
        record_event(
            actor=actor,
            verb="documents.document_stored",
            subject=found.as_ref(),
            sentence=f"{actor.label} brought the document {document.name}{again}",
            agent_id=_agent_id(actor),
            payload={"sha256": found.sha256, "size": found.size, "media_type": document.media_type},
        )
    return found


def _is_delivered(found: Document, brought: Document) -> bool:
    """Note who brought it, once for each; say whether that is news."""
    if brought.uploaded_by is None:
        return False
    delivery = Delivery(document=found, user=brought.uploaded_by, name=brought.name, source=brought.source)
    Delivery.objects.bulk_create([delivery], ignore_conflicts=True)
    return Delivery.objects.filter(pk=delivery.pk).exists()


@contextmanager
def _written(content: Readable, announced: int | None) -> Iterator[tuple[Path, str, int]]:
    """Write the content to a temporary file, hashing as it comes; yield its path, SHA-256 and size."""
    place = folder() / "incoming"
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    digest, length = hashlib.sha256(), 0
    descriptor, path = tempfile.mkstemp(dir=place)
    try:
        with os.fdopen(descriptor, "wb") as file:
            while piece := content.read(CHUNK):
                length += len(piece)
                if length > settings.DOCUMENT_MOST_BYTES:
                    raise too_large()
                digest.update(piece)
                file.write(piece)
            _require_whole(length, announced)
            file.flush()
            os.fsync(file.fileno())
        yield Path(path), digest.hexdigest(), length
    finally:
        Path(path).unlink(missing_ok=True)


def _require_whole(length: int, announced: int | None) -> None:
    if announced is not None and length != announced:
        raise Refusal(
            "document_cut_off",
            f"The document was refused: {length:,} of {announced:,} bytes arrived.",
            kind=RefusalKind.INVALID,
            next_step="Send the whole file again; the same bytes are kept once.",
        )
    if not length:
        raise Refusal(
            "document_empty",
            "The document was refused: it has no bytes.",
            kind=RefusalKind.INVALID,
            next_step="Send the bytes of the file as the body, with Content-Length.",
        )


def _place(temporary: Path, target: Path) -> None:
    """Give the bytes their name for good; replacing those that lie there mends a damaged file."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary.chmod(0o400)
    temporary.replace(target)
    for changed in (target.parent, target.parent.parent):
        descriptor = os.open(changed, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _drop_left_overs() -> None:
    """Drop what a process that was killed while it wrote has left behind."""
    before = time.time() - LEFT_OVER_SECONDS
    for path in (folder() / "incoming").glob("*"):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < before:
                path.unlink()


def _damaged(document: Document, why: str) -> Refusal:
    return Refusal(
        "document_damaged",
        f"The document {document.name} was not given out: {why}.",
        kind=RefusalKind.CONFLICT,
        next_step="Upload the file again, which mends it, or ask an operator to restore it from a backup.",
    )


def _user(actor: Actor) -> User | None:
    return None if actor.kind is ActorKind.SYSTEM else User.objects.get(pk=actor.id)


def _agent_id(actor: Actor) -> str:
    if actor.kind is not ActorKind.AGENT:
        return ""
    return str(User.objects.select_related("agent").get(pk=actor.id).agent.pk)


# -- retention ----------------------------------------------------------------------------------------------


def register_classes() -> None:
    """Say what is kept of documents."""
    words = "Bytes of documents"
    retention.register(
        DataClass("documents", words, find_to_erase, erase, COLUMNS.at, after_commit=remove_erased_bytes)
    )


def find_to_erase(reach: Reach) -> QuerySet[Any]:
    """Return the documents within reach whose bytes are there and which no open work needs."""
    waiting = Task.objects.filter(closed_at__isnull=True, subject_kind="documents.document")
    kept = Document.objects.exclude(erased__isnull=False, erased__brought_again_at__isnull=True)
    kept = kept.exclude(registry.in_use()).exclude(pk__in=waiting.annotate(of=_as_key()).values("of"))
    last = Delivery.objects.filter(document=OuterRef("pk")).order_by("-at").values("at")[:1]
    since = Greatest(
        "created_at",
        Coalesce(Subquery(last), "created_at"),
        Coalesce("erased__brought_again_at", "created_at"),
    )
    return COLUMNS.narrowed(kept.annotate(kept_since=since), reach)


def erase(keys: Sequence[Any], event: Any) -> None:
    """Note that the bytes of documents are erased; they leave the disk after the commit."""
    rows = [Erased(document_id=key, rule=event.subject_label) for key in keys]
    Erased.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["document"],
        update_fields=["at", "rule", "brought_again_at"],
    )


def remove_erased_bytes() -> None:
    """Remove the bytes of what is noted as erased, also those that a process which was killed left behind."""
    for key in Erased.objects.filter(brought_again_at__isnull=True).values_list("document_id", flat=True):
        with transaction.atomic():
            # Whoever brings the same bytes again waits here, and then finds that they are gone.
            erased = Erased.objects.select_for_update().select_related("document").get(document_id=key)
            if erased.brought_again_at is None:
                path_of(erased.document.sha256).unlink(missing_ok=True)


def _bring_again(document: Document) -> None:
    """The bytes of an erased document came again: it can be read again, and its time begins anew."""
    erased = Erased.objects.select_for_update().filter(document=document, brought_again_at__isnull=True).first()
    if erased is None:
        return
    if not path_of(document.sha256).exists():
        raise Refusal(
            "document_just_erased",
            "The document was refused: the same bytes were being erased at this moment.",
            kind=RefusalKind.CONFLICT,
            next_step="Upload the file again.",
        )
    Erased.objects.filter(pk=erased.pk).update(brought_again_at=Now())


def _as_key() -> Any:
    return Cast("subject_id", UUIDField())
