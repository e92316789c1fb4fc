"""Writing a bundle for the offline verifier: docs/ledger-format.md. What is in it, the services decide."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

from audit.envelope import Sealed
from audit.standalone.verify_ledger import FORMAT, FORMAT_VERSION, Checkpoint, perfect

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
BUFFERED = 2**18

Put = Callable[[str], None]


@dataclass(frozen=True)
class Subject:
    """What a bundle is of, in the words of the manifest. ``is_closed``: with all events of its actions."""

    scope: Mapping[str, Any]
    is_closed: bool
    made_at: str
    made_by: str


class BundleWriter:
    """A zip that is written file by file; the manifest, which counts and hashes the others, comes last."""

    def __init__(self, target: Path | IO[bytes]) -> None:
        # Level 1 takes a fifth of the time of the usual level, and events shrink to a quarter all the same.
        self._zip = zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
        self._files: dict[str, dict[str, Any]] = {}
        self._lines: dict[str, int] = {}

    @contextmanager
    def file(self, name: str) -> Iterator[Put]:
        """Write a file of the bundle line by line."""
        with self._zip.open(name, "w", force_zip64=True) as handle:
            lines = _Lines(handle)
            yield lines.put
            lines.flush()
        self._files[name] = {"sha256": lines.digest.hexdigest(), "bytes": lines.bytes}
        self._lines[name] = lines.count

    def add(self, name: str, lines: Iterable[str]) -> None:
        """Write a whole file of the bundle."""
        with self.file(name) as put:
            for line in lines:
                put(line)

    def close(self) -> None:
        """Close the zip, finished or not."""
        self._zip.close()

    def finish(self, checkpoint: str, subject: Subject) -> int:
        """Write the manifest and close the zip; return how many events are in it."""
        known = Checkpoint.parse(checkpoint)
        counts = {part: self._lines[f"{part}.jsonl"] for part in ("events", "checkpoints", "nodes")}
        manifest = {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "origin": known.origin,
            "tree_size": known.size,
            "checkpoint": checkpoint,
            "scope": dict(subject.scope),
            "closed": subject.is_closed,
            "complete": counts["events"] == known.size,
            "made_at": subject.made_at,
            "made_by": subject.made_by,
            "counts": counts,
            "files": self._files,
        }
        self._zip.writestr("manifest.json", json.dumps(manifest, ensure_ascii=False, indent=2) + "\n")
        self.close()
        return counts["events"]


class _Lines:
    """Lines on their way into a file, in larger pieces."""

    def __init__(self, handle: IO[bytes]) -> None:
        self._handle, self._waiting, self._size = handle, list[str](), 0
        self.digest, self.bytes, self.count = hashlib.sha256(), 0, 0

    def put(self, line: str) -> None:
        self._waiting.append(line)
        self._size += len(line)
        self.count += 1
        if self._size > BUFFERED:
            self.flush()

    def flush(self) -> None:
        raw = "".join(f"{line}\n" for line in self._waiting).encode()
        self._waiting.clear()
        self._size = 0
        self.digest.update(raw)
        self.bytes += len(raw)
        self._handle.write(raw)


def event_line(
    index: int, leaf_hash: str, sealed: Sealed, words_salt: bytes | None, data_salt: bytes | None
) -> str:
    """Return the line of an event; without a salt its words or its data are erased or never were."""
    words = None if not words_salt else {"salt": words_salt.hex(), "text": sealed.words}
    data = None if not data_salt or sealed.data is None else {"salt": data_salt.hex(), "text": sealed.data}
    line = {"index": index, "envelope": sealed.envelope, "leaf_hash": leaf_hash, "words": words, "data": data}
    return _encode(line)


def checkpoint_line(size: int, note: str, cosignatures: Sequence[Mapping[str, str]]) -> str:
    """Return the line of a checkpoint, with what others said of it."""
    return _encode({"size": size, "note": note, "cosignatures": list(cosignatures)})


def keys_line(keys: Iterable[tuple[str, int]]) -> str:
    """Return keys.json: verifier keys and the size of the first tree each signed."""
    return _encode({"keys": [{"vkey": vkey, "first_size": size} for vkey, size in keys]})


def node_line(start: int, level: int, found: bytes) -> str:
    """Return the line of a subtree none of whose events is in the bundle."""
    return _encode({"start": start, "end": start + (1 << level), "hash": found.hex()})


def left_out(indexes: Sequence[int], size: int, cuts: Iterable[int] = ()) -> Iterator[tuple[int, int]]:
    """Yield what of a tree none of these ascending leaves is in: where each whole subtree begins, its level.

    cuts: sizes at which a subtree ends, so that whoever reads from left to right knows the root there.
    """
    marks = sorted({cut for cut in cuts if 0 < cut < size})
    at_mark = 0
    for before, after in pairwise([-1, *indexes, size]):
        start = before + 1
        while at_mark < len(marks) and marks[at_mark] < after:
            if marks[at_mark] > start:
                yield from perfect(start, marks[at_mark])
                start = marks[at_mark]
            at_mark += 1
        yield from perfect(start, after)
