"""A ledger in memory, exported whole or in part, and everything that somebody may do to an export.

``round_of(seed)`` does one of them and returns what the verifier said; ``python -m tests.tampering 1000`` does
many and prints one line of JSON with ``tamperings`` and ``found``.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from audit import bundles, envelope, notes
from audit.merkle import Growth
from audit.standalone import verify_ledger as outside
from tests.benchmarks.ledger_bundle import ORIGIN, Company, Entry

EVENTS = 600
EVERY = 37
ROTATED = 200  # the index of the event that adds the second key
# What was erased, and the index of the event that tells of it.
ERASED = (("words", 420, [[20, 29], [33, 33]]), ("data", 520, [[20, 25], [140, 160]]))
OLD, NEW, MALLORY = (
    notes.Signer(ORIGIN, bytes([number]) * 32) for number in (1, 2, 3)
)  # fixed, so that a seed says all


@dataclass
class Export:
    """An export as its files have it, ready to be changed."""

    events: list[dict[str, Any]]
    checkpoints: list[dict[str, Any]]
    nodes: list[dict[str, Any]]
    keys: list[dict[str, Any]]
    newest: str

    @property
    def size(self) -> int:
        """Return the size of the tree."""
        return outside.Checkpoint.parse(self.newest).size

    def files(self) -> dict[str, bytes]:
        """Return its files, with a manifest that fits them."""
        files = {
            "events.jsonl": _lines(self.events),
            "checkpoints.jsonl": _lines(self.checkpoints),
            "nodes.jsonl": _lines(self.nodes),
            "keys.json": _line({"keys": self.keys}),
        }
        manifest = {
            "format": outside.FORMAT,
            "version": outside.FORMAT_VERSION,
            "origin": ORIGIN,
            "tree_size": self.size,
            "checkpoint": self.newest,
            "scope": {"kind": "everything"},
            "closed": True,
            "complete": not self.nodes,
            "made_at": "2026-05-04T07:00:00.000000Z",
            "made_by": "the tests",
            "counts": {name: len(getattr(self, name)) for name in ("events", "checkpoints", "nodes")},
            "files": {
                name: {"sha256": sha256(raw).hexdigest(), "bytes": len(raw)} for name, raw in files.items()
            },
        }
        return {**files, "manifest.json": _line(manifest)}


@dataclass(frozen=True)
class Tampered:
    """What became of an export, and where. ``index``: the first event that is not as it was, if any is not."""

    what: str
    files: dict[str, bytes]
    index: int | None = None
    names_it: bool = False  # the verdict has to name the index itself, not only a range that it is in


@dataclass(frozen=True)
class Verdict:
    """What the verifier said."""

    tampered: Tampered
    is_found: bool
    is_located: bool
    report: dict[str, Any] | None


@cache
def entries() -> tuple[Entry, ...]:
    """Return the events of the ledger: actions, a second key, and content that was erased."""
    company = Company(seed=7)
    told = company.events()
    found = [next(told) for _ in range(EVENTS)]
    about = {"subject_kind": "audit.signingkey", "actor_kind": "system"}
    key = outside.key_digest(str(NEW.verifier))
    found[ROTATED] = company.entry("audit.key_added", {"vkey": str(NEW.verifier)}, subject_id=key, **about)
    for part, at, ranges in ERASED:
        data = {"indexes": ranges, "part": part}
        found[at] = company.entry(
            "audit.content_erased", data, subject_kind="agents.department", actor_kind="person"
        )
        for first, last in ranges:
            for one in found[first : last + 1]:
                one.words_erased |= part == "words"
                one.data_erased |= part == "data"
    return tuple(found)


@cache
def _sealed() -> tuple[dict[int, str], Callable[[int, int], bytes]]:
    """Return the signed checkpoint of each size, and the hash of every whole subtree by start and level."""
    growth, signed = Growth(), {}
    for index, entry in enumerate(entries()):
        growth.add([entry.sealed.leaf_hash])
        signers = [OLD] if index < ROTATED + 50 else [OLD, NEW] if index < ROTATED + 150 else [NEW]
        if (index + 1) % EVERY == 0 or index + 1 == EVENTS:
            signed[index + 1] = notes.signed_checkpoint(signers, index + 1, growth.root())
    leaves = [entry.sealed.leaf_hash for entry in entries()]

    def subtree(start: int, level: int) -> bytes:
        frontier = outside.Frontier()
        for leaf in leaves[start : start + (1 << level)]:
            frontier.push(leaf)
        return frontier.root()

    return signed, subtree


@cache
def _export(size: int, is_whole: bool) -> Export:
    signed, subtree = _sealed()
    sizes = [one for one in sorted(signed) if one <= size]
    chosen = [at for at in range(size) if is_whole or _is_chosen(at)]
    nodes = [
        json.loads(bundles.node_line(*one, subtree(*one))) for one in bundles.left_out(chosen, size, sizes)
    ]
    return Export(
        events=[json.loads(entries()[at].line(at)) for at in chosen],
        checkpoints=[{"size": one, "note": signed[one], "cosignatures": []} for one in sizes],
        nodes=nodes,
        keys=[{"vkey": str(one.verifier), "first_size": EVERY} for one in (OLD, NEW)],
        newest=signed[sizes[-1]],
    )


def _is_chosen(index: int) -> bool:
    row = entries()[index].row
    return row["verb"].startswith("audit.") or int(str(row["action_id"])[:2], 16) % 5 == 0


def export(size: int = EVENTS, *, is_whole: bool = True) -> Export:
    """Return an export of the first events, of its own to change. A size without a checkpoint is refused."""
    if size not in _sealed()[0]:
        raise ValueError(f"There is no checkpoint of {size}.")
    return deepcopy(_export(size, is_whole))


def anchor(size: int) -> outside.Anchor:
    """Return the checkpoint of a size as it was kept elsewhere."""
    return outside.Anchor(f"kept-{size}", outside.Checkpoint.parse(_sealed()[0][size]))


# --- what somebody may do ---


def flip(luck: random.Random, one: Export) -> Tampered:
    """A bit is another, anywhere in events, hashes, subtrees and notes."""
    files = one.files()
    name = luck.choice([name for name in ("events.jsonl", "nodes.jsonl", "checkpoints.jsonl") if files[name]])
    raw = bytearray(files[name])
    at = luck.randrange(len(raw))
    raw[at] ^= 1 << luck.randrange(8)
    line = bytes(files[name][:at]).count(b"\n")
    index = one.events[line]["index"] if name == "events.jsonl" else None
    return Tampered(f"flip {name}", {**files, name: bytes(raw)}, index)


def swap(luck: random.Random, one: Export) -> Tampered:
    """Two events take each other's place, as lines or with their numbers changed."""
    first, second = sorted(luck.sample(range(len(one.events)), 2))
    index = one.events[first]["index"]
    one.events[first], one.events[second] = one.events[second], one.events[first]
    if renumbered := luck.random() < 0.5:
        one.events[first]["index"], one.events[second]["index"] = index, one.events[first]["index"]
    return Tampered("swap", one.files(), index, names_it=not renumbered)


def delete(luck: random.Random, one: Export) -> Tampered:
    """An event is gone; perhaps those after it have moved up."""
    at = luck.randrange(len(one.events))
    index = one.events.pop(at)["index"]
    if moved := luck.random() < 0.5:
        for later in one.events[at:]:
            later["index"] -= 1
    return Tampered("delete", one.files(), index, names_it=not moved)


def insert(luck: random.Random, one: Export) -> Tampered:
    """An event is there that never was; perhaps those after it have moved on."""
    at = luck.randrange(len(one.events))
    index = one.events[at]["index"]
    entry = Company(luck.randrange(2**32)).entry("agents.agent_activated", {"by": "mallory"})
    one.events.insert(at, json.loads(entry.line(index)))
    for later in one.events[at + 1 :] if luck.random() < 0.5 else ():
        later["index"] += 1
    return Tampered("insert", one.files(), index)


def truncate(luck: random.Random, one: Export) -> Tampered:
    """The last events are gone, of the export as it is."""
    left = luck.randrange(len(one.events))
    index = one.events[left]["index"]
    del one.events[left:]
    return Tampered("truncate", one.files(), index, names_it=True)


def restore(luck: random.Random, one: Export) -> Tampered:
    """All is from an older day, and holds by itself."""
    size = luck.choice([size for size in _sealed()[0] if ROTATED + 150 < size < EVENTS])
    older = export(size, is_whole=not one.nodes)
    erased = [at for _, at, _ in ERASED if at >= size]
    for event in older.events if erased else ():
        whole = entries()[event["index"]]
        whole_line = json.loads(
            bundles.event_line(
                event["index"], event["leaf_hash"], whole.sealed, whole.row["words_salt"], whole.data_salt
            )
        )
        event.update(whole_line)
    return Tampered("restore", older.files(), size, names_it=True)


def rebuild(luck: random.Random, one: Export) -> Tampered:
    """An event is another, every hash fits it, and all is signed anew with a key of one's own."""
    one = export()
    index = luck.randrange(EVENTS)
    _forge(one.events[index], luck)
    growth, kept = Growth(), luck.random() < 0.5
    for event in one.events:
        growth.add([bytes.fromhex(event["leaf_hash"])])
        for checkpoint in one.checkpoints:
            if checkpoint["size"] == growth.size and not (kept and growth.size <= index):
                checkpoint["note"] = notes.signed_checkpoint([MALLORY], growth.size, growth.root())
    one.newest = one.checkpoints[-1]["note"]
    one.keys.append({"vkey": str(MALLORY.verifier), "first_size": EVERY})
    return Tampered("rebuild", one.files(), index)


def words(luck: random.Random, one: Export) -> Tampered:
    """Somebody is said to have said something else."""
    event = luck.choice([event for event in one.events if event["words"]])
    event["words"]["text"] = event["words"]["text"].replace("{", '{"actor":"Somebody else",', 1)
    return Tampered("words", one.files(), event["index"], names_it=True)


def payload(luck: random.Random, one: Export) -> Tampered:
    """What was decided by is another; perhaps with a commitment and a hash that fit."""
    event = luck.choice([event for event in one.events if event["data"]])
    if fits := luck.random() < 0.5:
        _forge(event, luck)
    else:
        event["data"]["text"] = '{"amount":"1.00"}'
    return Tampered("payload", one.files(), event["index"], names_it=not fits)


def claim_erasure(luck: random.Random, one: Export) -> Tampered:
    """Content is gone that nothing erased; perhaps an event that tells of an erasure tells of more."""
    part = luck.choice(["words", "data"])
    event = luck.choice(
        [event for event in one.events if event[part] and '"verb":"audit.' not in event["envelope"]]
    )
    event[part] = None
    index = event["index"]
    if luck.random() < 0.5:
        (told,) = [at for at in one.events if at["data"] and f'"part":"{part}"' in at["data"]["text"]]
        told["data"]["text"] = told["data"]["text"].replace('"indexes":[', f'"indexes":[[{index},{index}],')
        index = told["index"]
    return Tampered("claim erasure", one.files(), index, names_it=True)


def subtree(luck: random.Random, one: Export) -> Tampered:
    """The hash of what was left out is another, or is itself left out."""
    one = export(is_whole=False)
    at = luck.randrange(len(one.nodes))
    index = one.nodes[at]["start"]
    if luck.random() < 0.5:
        del one.nodes[at]
    else:
        one.nodes[at]["hash"] = luck.randbytes(32).hex()
    return Tampered("subtree", one.files(), index)


KINDS = (
    flip,
    flip,
    flip,
    swap,
    delete,
    insert,
    truncate,
    restore,
    rebuild,
    words,
    payload,
    claim_erasure,
    subtree,
)


def _forge(event: dict[str, Any], luck: random.Random) -> None:
    salt, text = luck.randbytes(32), '{"amount":"1.00"}'
    told = json.loads(event["envelope"]) | {"data": envelope.commitment(salt, text).hex()}
    event["envelope"] = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    event["leaf_hash"] = outside.leaf_hash(event["envelope"].encode()).hex()
    event["data"] = {"salt": salt.hex(), "text": text}


# --- and what the verifier says of it ---


def round_of(seed: int) -> Verdict:
    """Tamper once, by chance from this seed, and verify. The auditor has the first key and two checkpoints."""
    luck = random.Random(seed)
    one = export(is_whole=luck.random() < 0.7)
    tampered = KINDS[seed % len(KINDS)](luck, one)
    return judge(tampered, [anchor(EVERY * 5), anchor(EVENTS)])


def judge(tampered: Tampered, anchors: Sequence[outside.Anchor]) -> Verdict:
    """Verify what became of an export."""
    try:
        report = verify(tampered.files, anchors)
    except outside.Unusable:
        return Verdict(tampered, True, tampered.index is None, None)
    return Verdict(tampered, not report["ok"], _is_located(tampered, report), report)


def _is_located(tampered: Tampered, report: dict[str, Any]) -> bool:
    if tampered.index is None:
        return True
    if report["first_bad_index"] is None:
        return False
    if tampered.names_it:
        return report["first_bad_index"] == tampered.index
    first, last = report["first_bad_range"]
    # A line that was added stands before the one whose number it took.
    return first <= tampered.index <= last + (tampered.what in ("insert", "flip events.jsonl"))


def verify(
    files: dict[str, bytes],
    anchors: Sequence[outside.Anchor] = (),
    keys: Iterable[outside.VerifierKey] = (OLD.verifier,),
) -> dict[str, Any]:
    """Verify these files as a folder."""
    with tempfile.TemporaryDirectory() as folder:
        for name, raw in files.items():
            Path(folder, name).write_bytes(raw)
        return outside.verify_bundle(outside.Bundle(Path(folder)), list(keys), anchors)


def _line(found: Any) -> bytes:
    return json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _lines(found: Iterable[Any]) -> bytes:
    return b"".join(map(_line, found))


def main() -> None:
    """Tamper so often, and say how often it was found, and found where it was done."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    verdicts = [round_of(seed) for seed in range(count)]
    missed = [seed for seed, one in enumerate(verdicts) if not (one.is_found and one.is_located)]
    figures = {
        "tamperings": count,
        "found": sum(one.is_found for one in verdicts),
        "located": sum(one.is_located for one in verdicts),
        "by_kind": dict(sorted(Counter(one.tampered.what for one in verdicts).items())),
        "missed_seeds": missed[:20],
    }
    sys.stdout.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
