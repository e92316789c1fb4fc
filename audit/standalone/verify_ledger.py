#!/usr/bin/env python3
"""Verify an export of the ledger without trusting whoever made it.

One file: copy it to any machine with Python 3.11 and the package ``cryptography``. The first half is what RFC
6962 and the C2SP documents say (signed-note, tlog-checkpoint, tlog-cosignature), and the portal uses it too;
the second reads a bundle (docs/ledger-format.md) and says what of it holds:

    python verify_ledger.py BUNDLE --key VKEY [--key VKEY] [--anchor CHECKPOINT_FILE] [--json REPORT]

Exit code 0: everything holds. 1: something does not. 2: the bundle or the way it was called cannot be used.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import gc
import hashlib
import hmac
import json
import re
import stat
import sys
import zipfile
import zlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ImportError:
    if __name__ != "__main__":
        raise
    sys.stderr.write("Nothing was verified: the Python package cryptography is missing. Install it.\n")
    sys.exit(2)

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()
# Kinds of signature, the first byte of what is signed with (C2SP signed-note).
ED25519, COSIGNATURE = 1, 4
# What a line of a checkpoint begins with that names a key which signs it, while keys are changed.
KEY_LINE = "key "
# No tree has more leaves than a number of so many digits says.
MOST_DIGITS = 19


# --- the tree (RFC 6962, section 2.1; RFC 9162, sections 2.1.3.2 and 2.1.4.2) ---


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of one entry."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_from_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes | None:
    """Return the root that a proof of inclusion leads to; None if it cannot be one of this index and size."""
    if not 0 <= index < size:
        return None
    at, last, root = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return None
        if at & 1 or at == last:
            root = node_hash(sibling, root)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            root = node_hash(root, sibling)
        at, last = at >> 1, last >> 1
    return root if last == 0 else None


def is_included(leaf: bytes, index: int, size: int, root: bytes, proof: Sequence[bytes]) -> bool:
    """Say whether the leaf is at this index of the tree of this size and root."""
    return root_from_inclusion(leaf, index, size, proof) == root


def is_consistent(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Say whether the tree of size ``new`` begins with the whole tree of size ``old``."""
    if not 0 <= old <= new:
        return False
    if old == new:
        return not proof and old_root == new_root
    if old == 0:
        return not proof and old_root == EMPTY_ROOT
    path = list(proof)
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    return bool(path) and _roots_from_consistency(old, new, path) == (old_root, new_root)


def _roots_from_consistency(old: int, new: int, path: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    first = second = path[0]
    for sibling in path[1:]:
        if last == 0:
            return None
        if at & 1 or at == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        at, last = at >> 1, last >> 1
    return (first, second) if last == 0 else None


# --- signed notes and checkpoints (C2SP) ---


class NotANote(ValueError):
    """A text is not a signed note, a checkpoint or a verifier key; the message says why."""


def key_id(name: str, kind: int, public: bytes) -> bytes:
    """Return the four bytes by which a note names a key."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:4]


@dataclass(frozen=True)
class VerifierKey:
    """The public half of a key: ``name+hash+base64(kind || key)``, as signed-note writes it."""

    name: str
    kind: int
    public: bytes

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Raise NotANote for what is not a verifier key of a kind known here."""
        _require_text(text)
        parts = text.strip().split("+", 2)
        if len(parts) != 3:
            raise NotANote(f"{text[:80]!r} is not a verifier key: name+hash+key was expected.")
        name, hashed, encoded = parts
        raw = _decoded(encoded)
        if not name or len(raw) != HASH_BYTES + 1 or raw[0] not in (ED25519, COSIGNATURE):
            raise NotANote(f"The verifier key {name[:80]!r} is not an Ed25519 key.")
        key = cls(name, raw[0], raw[1:])
        if key.id.hex() != hashed:
            raise NotANote(f"The verifier key {name[:80]!r} does not have the hash {hashed[:20]!r}.")
        return key

    @property
    def id(self) -> bytes:
        """Return the four bytes by which a note names it."""
        return key_id(self.name, self.kind, self.public)

    def __str__(self) -> str:
        encoded = base64.b64encode(bytes([self.kind]) + self.public).decode()
        return f"{self.name}+{self.id.hex()}+{encoded}"

    def verifies(self, text: str, signature: bytes) -> bool:
        """Say whether this key made a signature (without the four bytes) of the text of a note."""
        message = text.encode()
        if self.kind == COSIGNATURE:
            if len(signature) != 72:
                return False
            message = b"cosignature/v1\ntime %d\n" % int.from_bytes(signature[:8], "big") + message
            signature = signature[8:]
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True)
class Signature:
    """One line under a note: who signed, by name and four bytes, and what."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True)
class Note:
    """A text, ending in a line break, and the signatures under it."""

    text: str
    signatures: tuple[Signature, ...]

    @classmethod
    def parse(cls, note: str) -> Note:
        """Raise NotANote for what is not a signed note."""
        _require_text(note)
        text, found, lines = note.rpartition("\n\n")
        if not found or not lines.endswith("\n") or not text:
            raise NotANote("This is not a signed note: no signatures after an empty line.")
        return cls(text + "\n", tuple(_signature(line) for line in lines[:-1].split("\n")))

    def signed_by(self, keys: Iterable[VerifierKey]) -> list[VerifierKey]:
        """Return those of the keys that signed it."""
        return [
            key
            for key in keys
            if any(
                one.name == key.name and one.key_id == key.id and key.verifies(self.text, one.signature)
                for one in self.signatures
            )
        ]


@dataclass(frozen=True)
class Checkpoint:
    """What a log says of its tree: its origin, size and root. ``note`` is the signed note it stood in.

    ``cosigned``: what witnesses signed of it, where that is kept apart from the note.
    """

    origin: str
    size: int
    root: bytes
    note: Note = field(compare=False)
    cosigned: tuple[Signature, ...] = field(default=(), compare=False)

    @classmethod
    def parse(cls, note: str) -> Checkpoint:
        """Raise NotANote for what is not a checkpoint. Nothing is said of its signatures."""
        signed = Note.parse(note)
        lines = signed.text.split("\n")
        if len(lines) < 4 or not lines[0] or not lines[1].isascii() or not lines[1].isdigit():
            raise NotANote("This is not a checkpoint: origin, size and root were expected, a line each.")
        root = _decoded(lines[2])
        is_long = len(lines[1]) > MOST_DIGITS
        if len(root) != HASH_BYTES or is_long or str(int(lines[1])) != lines[1]:
            raise NotANote("This is not a checkpoint: its size or root is malformed.")
        return cls(lines[0], int(lines[1]), root, signed)

    def names(self, key: VerifierKey) -> bool:
        """Say whether its text names a key: then whoever signed the text vouches for the key."""
        return KEY_LINE + key_digest(str(key)) in self.note.text.split("\n")[3:]

    def with_cosignatures(self, lines: Iterable[str]) -> Checkpoint:
        """Return it with the signature lines of witnesses. Raise NotANote for what is none."""
        found = tuple(_signature(line.removesuffix("\n")) for line in lines)
        return Checkpoint(self.origin, self.size, self.root, self.note, found)

    def cosigned_by(self, witnesses: Iterable[VerifierKey]) -> list[VerifierKey]:
        """Return those of the witnesses that signed it, under the note or apart from it."""
        return Note(self.note.text, (*self.note.signatures, *self.cosigned)).signed_by(witnesses)


def checkpoint_text(origin: str, size: int, root: bytes, keys: Iterable[VerifierKey] = ()) -> str:
    """Return the text of a checkpoint, before anybody signs it.

    keys: where several sign it, all of them. Anybody can put one more signature under a text, and nobody a line
    into it: who trusts one of its signers comes to trust the others by their lines.
    """
    named = "".join(f"{KEY_LINE}{key_digest(str(key))}\n" for key in keys)
    return f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n{named}"


def signature_line(name: str, key_id: bytes, signature: bytes) -> str:
    """Return one line under a note, with its line break."""
    return f"— {name} {base64.b64encode(key_id + signature).decode()}\n"


def _signature(line: str) -> Signature:
    mark, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    raw = _decoded(encoded)
    if mark != "—" or not name or len(raw) < 5:
        raise NotANote(f"This is not a signature line of a note: {line[:80]!r}.")
    return Signature(name, raw[:4], raw[4:])


def _require_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise NotANote("This is no text: it has half a character.") from error


def _decoded(encoded: str) -> bytes:
    try:
        raw = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NotANote(f"{encoded[:80]!r} is not base64.") from error
    if base64.b64encode(raw).decode() != encoded:
        raise NotANote(f"{encoded[:80]!r} is not base64 as it is written: another text has the same meaning.")
    return raw


# --- what is said of a bundle ---

REPORT_FORMAT = "ledger-report/1"
MOST_LISTED = 200


class Unusable(Exception):
    """There is nothing here to verify, or not in this way; the message says what to do instead."""


@dataclass(frozen=True)
class Finding:
    """Something to say of a bundle. ``index``: the event; with ``last``, it is one of these, both included."""

    code: str
    sentence: str
    index: int | None = None
    last: int | None = None
    is_wrong: bool = True
    # It may follow from another: where events are missing, so may be what they would have explained.
    is_secondary: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return it as the report has it."""
        last = self.index if self.last is None else self.last
        return {
            "code": self.code,
            "wrong": self.is_wrong,
            "index": self.index,
            "last": last,
            "sentence": self.sentence,
        }


class Findings:
    """What was found: all of it counted, the first of each kind listed."""

    def __init__(self) -> None:
        self.listed: list[Finding] = []
        self.counts: Counter[str] = Counter()
        self.is_wrong = False
        self._exact: dict[bool, Finding] = {}
        self._range: Finding | None = None

    def add(
        self, code: str, sentence: str, index: int | None = None, last: int | None = None, **more: bool
    ) -> None:
        """Note that something does not hold (or, with is_wrong=False, what the reader should know)."""
        one = Finding(code, sentence, index, last, **more)
        self.counts[code] += 1
        if self.counts[code] <= MOST_LISTED // 10 and len(self.listed) < MOST_LISTED:
            self.listed.append(one)
        if not one.is_wrong:
            return
        self.is_wrong = True
        if one.index is None:
            return
        if one.last is None or one.last == one.index:
            known = self._exact.get(one.is_secondary)
            if known is None or one.index < (known.index or 0):
                self._exact[one.is_secondary] = one
        elif self._range is None or one.index < (self._range.index or 0):
            self._range = one

    def first_bad(self) -> tuple[int, int, int] | None:
        """Return the lowest index known to be bad, and between which two the first bad one is, both included.

        Where only a signed root differs, it is one of the events since the last root that was right; a line
        that is missing or out of order among them is known to be bad, and one before it may be, too.
        """
        exact, span = self._exact.get(False), self._range
        if span is not None:
            first, last = span.index or 0, span.last or 0
            if exact is None or (exact.index or 0) > last:
                return first, first, last
            return exact.index or 0, min(first, exact.index or 0), exact.index or 0
        exact = exact or self._exact.get(True)
        return None if exact is None else (exact.index or 0, exact.index or 0, exact.index or 0)


# --- the tree, from left to right ---


def perfect(start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the fewest whole subtrees that leaves [start, end) are made of: where each begins, its level."""
    while start < end:
        level = (end - start).bit_length() - 1
        if start:
            level = min(level, (start & -start).bit_length() - 1)
        yield start, level
        start += 1 << level


class Frontier:
    """A tree read from left to right, leaf by leaf or whole subtrees at a time; it can say its root anytime."""

    def __init__(self, size: int = 0, whole: Sequence[bytes] = ()) -> None:
        self.size = size
        self._whole = list(whole)  # the whole subtrees that are done, largest first: one per bit of the size

    def push(self, found: bytes, level: int = 0) -> None:
        """Append a subtree of 2^level leaves; the size has to be a multiple of that."""
        at, whole = self.size >> level, self._whole
        while at & 1:
            found = hashlib.sha256(b"\x01" + whole.pop() + found).digest()
            at >>= 1
        whole.append(found)
        self.size += 1 << level

    def root(self) -> bytes:
        """Return the root of the tree so far (RFC 6962)."""
        if not self._whole:
            return EMPTY_ROOT
        found = self._whole[-1]
        for left in reversed(self._whole[:-1]):
            found = node_hash(left, found)
        return found

    def copy(self) -> Frontier:
        """Return one that goes on from here by itself."""
        return Frontier(self.size, self._whole)


# --- the keys ---

KEY_ADDED, KEY_RETIRED, CONTENT_ERASED = "audit.key_added", "audit.key_retired", "audit.content_erased"


def key_digest(vkey: str) -> str:
    """Return what an event of the ledger names a key by: SHA-256 of its verifier key, in hexadecimal."""
    return hashlib.sha256(vkey.encode()).hexdigest()


class Keyring:
    """Which keys may sign: those the auditor gave, and those that one of them vouched for, by an event
    under its signature that tells of the new key and a checkpoint that names it and that both signed.

    A key is retired by an event only while another one signs, too: who may write events and has no key can
    neither add one nor end all trust.
    """

    def __init__(
        self, pinned: Iterable[VerifierKey], named: Iterable[VerifierKey] = (), why: str = "given"
    ) -> None:
        self.why: dict[VerifierKey, str] = dict.fromkeys(pinned, why)
        self._named = [key for key in dict.fromkeys(named) if key not in self.why]
        self._added: dict[str, int] = {}
        self._retired: dict[str, int] = {}
        self._at_work: set[VerifierKey] = set()  # those that signed a checkpoint so far
        self.witnessed: dict[VerifierKey, int] = {}

    @property
    def witnesses(self) -> list[VerifierKey]:
        """Return the pinned keys that vouch for having seen a checkpoint, rather than for the ledger."""
        return [key for key in self.why if key.kind == COSIGNATURE]

    def tell(self, index: int, verb: str, digest: str) -> bool:
        """Note an event about a key; say whether it is heeded."""
        if verb == KEY_ADDED:
            self._added.setdefault(digest, index)
            return True
        over = {digest, *self._retired}
        if all(key_digest(str(key)) in over for key in self._at_work):
            return False
        self._retired.setdefault(digest, index)
        return True

    def accept(self, checkpoint: Checkpoint) -> bool:
        """Say whether a key that may sign a tree of this size signed it."""
        for key in checkpoint.cosigned_by(self.witnesses):
            self.witnessed[key] = max(checkpoint.size, self.witnessed.get(key, 0))
        signed = checkpoint.note.signed_by(self._able(checkpoint.size))
        self._at_work.update(signed)
        return bool(signed)

    def adopt(self, checkpoint: Checkpoint) -> list[str]:
        """Trust the keys that signed an accepted checkpoint, too, and that an event under it adds; say why."""
        joined: list[str] = []
        for key in [key for key in self._named if key not in self.why]:
            added, size = self._added.get(key_digest(str(key)), checkpoint.size), checkpoint.size
            is_named = added < size and key.kind == ED25519 and checkpoint.names(key)
            if is_named and checkpoint.note.signed_by([key]):
                self.why[key] = (
                    f"event {added} adds it, and a trusted key signed that it signs the tree of {size}"
                )
                self._at_work.add(key)
                joined.append(self.why[key])
        return joined

    def _able(self, size: int) -> list[VerifierKey]:
        return [key for key in self.why if key.kind == ED25519 and not self._is_retired(key, size)]

    def signed_any(self, note: Note) -> bool:
        """Say whether a trusted key signed it, retired or not."""
        return bool(note.signed_by(self.why))

    def _is_retired(self, key: VerifierKey, size: int) -> bool:
        return bool(self._retired) and self._retired.get(key_digest(str(key)), size) < size

    def as_json(self) -> list[dict[str, Any]]:
        """Return what the report says of keys."""
        unknown = [key for key in self._named if key not in self.why]
        return [
            *({"vkey": str(key), "trusted": True, "why": why} for key, why in self.why.items()),
            *(
                {"vkey": str(key), "trusted": False, "why": "nobody you trust vouches for it"}
                for key in unknown
            ),
        ]


# --- what actions may do, by the events they leave ---

ENDED = frozenset(
    {"denied", "rejected", "expired", "withdrawn", "superseded", "stopped", "confirmed", "failed"}
)
FOLLOWING: dict[str, frozenset[str]] = {
    "requested": frozenset({"denied", "held", "authorized"}),
    "held": frozenset({"authorized", "denied", "rejected", "expired", "withdrawn", "superseded"}),
    "authorized": frozenset({"dispatched", "denied", "stopped", "expired", "withdrawn"}),
    "dispatched": frozenset({"confirmed", "failed", "in_doubt"}),
    "in_doubt": frozenset({"confirmed", "failed"}),
}
EFFECTS = frozenset({"dispatched", "in_doubt", "confirmed", "failed"})
STATES = frozenset(FOLLOWING) | ENDED
ACTION = "actions.action_"


class _Action:
    __slots__ = ("first", "is_allowed", "is_approved", "state")

    def __init__(self, first: int) -> None:
        self.state, self.is_allowed, self.is_approved, self.first = "requested", False, False, first


class Actions:
    """Follows every action through its events: no effect without an allow, no hold passed without approval."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._known: dict[str, _Action] = {}

    def see(self, index: int, envelope: dict[str, Any]) -> None:
        """Take one event, in the order of the ledger."""
        name, verb = envelope.get("action"), envelope.get("verb", "")
        if not name:
            return
        action = self._known.get(name)
        if action is None:
            action = self._known[name] = _Action(index)
        if verb.startswith(ACTION):
            self._step(index, name, action, verb[len(ACTION) :], envelope.get("decision", ""))
        elif verb == "approvals.approval_approved":
            action.is_approved = True
        elif verb == "connectors.call_begun" or envelope.get("effect") == "confirmed":
            self._require_allowed(index, name, action)

    def _step(self, index: int, name: str, action: _Action, to: str, decision: str) -> None:
        if to == "held_again":
            action.is_approved = False
        elif to == "repeated" and action.state not in ("dispatched", "in_doubt"):
            self._wrong("effect_without_allow", index, name, "was done once more without having been begun")
        if to not in STATES or to == "requested":
            return
        before, action.state = action.state, to
        if to == "authorized":
            self._authorize(index, name, action, before, decision)
        elif to in EFFECTS:
            self._require_allowed(index, name, action)
        else:
            action.is_allowed = action.is_approved = False
        if to not in FOLLOWING.get(before, ()):
            self._wrong("not_a_transition", index, name, f"went from {before} to {to}")

    def _authorize(self, index: int, name: str, action: _Action, before: str, decision: str) -> None:
        if decision != "allow":
            self._wrong("allow_without_decision", index, name, "was let go without a decision that allows it")
        elif before == "held" and not action.is_approved:
            self._wrong("allow_without_approval", index, name, "waited for people and went without approval")
        action.is_allowed = True

    def _require_allowed(self, index: int, name: str, action: _Action) -> None:
        if not action.is_allowed:
            words = "had an effect that nothing before it allows, or that was refused meanwhile"
            self._wrong("effect_without_allow", index, name, words)

    def _wrong(self, code: str, index: int, name: str, words: str) -> None:
        self._findings.add(code, f"Event {index}: the action {name[:80]} {words}.", index, is_secondary=True)

    def as_json(self) -> dict[str, Any]:
        """Return how many there are, and which are not over: that is no fault, they may be at work."""
        states = Counter(action.state for action in self._known.values())
        being_done = [
            {"action": name, "state": action.state, "first_event": action.first}
            for name, action in self._known.items()
            if action.state in ("dispatched", "in_doubt")
        ]
        return {
            "seen": len(self._known),
            "by_state": dict(sorted(states.items())),
            "open": len(being_done),
            "open_first": being_done[:20],
        }


# --- erased content ---


class Erasures:
    """Content that is not there, and the events that say that it was erased."""

    def __init__(self) -> None:
        self.missing: dict[str, list[int]] = {"words": [], "data": []}
        self._told: dict[str, list[tuple[int, int]]] = {"words": [], "data": []}

    def tell(self, index: int, data: str) -> bool:
        """Note an event that tells of an erasure; say whether it can be read."""
        try:
            told = json.loads(data)
            ranges, part = told["indexes"], told["part"]
            self._told[part] += [(int(first), min(int(last), index - 1)) for first, last in ranges]
        except (ValueError, KeyError, TypeError, RecursionError):
            return False
        return True

    def unexplained(self, part: str) -> Iterator[int]:
        """Yield, ascending, the events of which a part is missing although no event says why."""
        spans: list[tuple[int, int]] = []
        for first, last in sorted(self._told[part]):
            if spans and first <= spans[-1][1] + 1:
                spans[-1] = spans[-1][0], max(last, spans[-1][1])
            else:
                spans.append((first, last))
        starts = [first for first, _ in spans]
        for index in self.missing[part]:
            at = bisect_right(starts, index) - 1
            if at < 0 or index > spans[at][1]:
                yield index


# --- the check itself: of events, subtrees and checkpoints, each in order ---

_parsed = json.JSONDecoder().decode
IS_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch
Content = tuple[str, str]  # salt in hexadecimal, canonical text


@dataclass(frozen=True)
class Anchor:
    """A checkpoint that the auditor has from elsewhere."""

    source: str
    checkpoint: Checkpoint


class Check:
    """Reads the ledger once, from left to right, and remembers little of it.

    nodes: the subtrees of which no event is listed: start, level, hash. checkpoints: ascending by size.
    """

    def __init__(
        self,
        *,
        origin: str,
        size: int,
        checkpoints: Iterable[Checkpoint],
        keys: Keyring,
        nodes: Iterable[tuple[int, int, bytes]] = (),
        anchors: Sequence[Anchor] = (),
        follows_actions: bool = True,
    ) -> None:
        self.findings = Findings()
        self.origin, self.size, self.keys = origin, size, keys
        self.root: bytes = b""
        self.newest: Note | None = None  # of the largest tree that holds
        self.events = self.nodes = self.checkpoints = 0
        self.actions = Actions(self.findings)
        self.erasures = Erasures()
        self._follows = follows_actions
        self._anchors = anchors
        self._anchored: dict[int, bytes] = {}
        self._anchor_sizes = {anchor.checkpoint.size for anchor in anchors}
        self._ids: set[str] = set()
        self._nodes = iter(nodes)
        self._checkpoints: Iterator[Checkpoint] = iter(checkpoints)
        self._checkpoint: Checkpoint | None = None
        self._listed = Frontier()  # of the hashes as they are listed
        self._computed: Frontier | None = None  # of what the events hash to, once that differs
        self._good = 0  # the size of the largest tree that a trusted key signed and whose root is right
        self._is_broken = False
        self._highest = -1
        self._node: tuple[int, int, bytes] | None = next(self._nodes, None)
        self._next_checkpoint()
        self._at_boundary()

    # What is read, in the order of the ledger.

    def event(
        self, index: int, envelope: str, listed: str, words: Content | None, data: Content | None
    ) -> None:
        """Take one event: its text as it was hashed, the hash that is listed for it, its content or None."""
        if (index != self._listed.size or index >= self.size) and not self._reach(index):
            return
        computed = hashlib.sha256(b"\x00" + envelope.encode()).digest()
        if computed.hex() == listed:
            self._push(computed)
        else:
            self._differs(index, listed, computed)
        self.events += 1
        self._content(index, envelope, words, data)
        if self._is_boundary():
            self._at_boundary()

    def unreadable(self, index: int | None, why: str) -> None:
        """Note a line that is no event."""
        self.findings.add("malformed", why, index)

    def finish(self) -> None:
        """Everything was read: say what is missing, and what the auditor's own checkpoints say."""
        if self._listed.size < self.size:
            self._advance(self.size)
        while self._checkpoint is not None:
            self._unproven(self._checkpoint, "is larger than what is here")
        if self._node is not None:
            self.findings.add("malformed", "There are hashes of subtrees beyond the end of the tree.")
        if self._good < self.size:
            self._not_signed()
        self._finish_content()
        for anchor in self._anchors:
            self._compare(anchor)
        for key in self.keys.witnesses:
            if key not in self.keys.witnessed:
                self.findings.add(
                    "witness_missing", f"The witness {key.name[:80]} has signed no checkpoint in here."
                )

    # The tree.

    def _push(self, found: bytes, level: int = 0, computed: bytes | None = None) -> None:
        self._listed.push(found, level)
        if self._computed is not None:
            self._computed.push(found if computed is None else computed, level)

    def _differs(self, index: int, listed: str, computed: bytes) -> None:
        try:
            found = strict_hex(listed)
        except ValueError:
            found = bytes(HASH_BYTES)
        if self._computed is None:
            self._computed = self._listed.copy()
        self.findings.add(
            "event_differs", f"The text of event {index} does not have the hash listed for it.", index
        )
        self._push(found, computed=computed)

    def _reach(self, index: int) -> bool:
        """Go on to an event over subtrees, and over what is missing; say whether it can be reached."""
        if self._listed.size <= index < self.size:
            self._advance(index)
        if index == self._listed.size < self.size:
            return True
        at = self._listed.size
        words = f"Event {index} is listed where event {at} of {self.size} was expected."
        self.findings.add("out_of_order", words, at)
        return False

    def _advance(self, index: int) -> None:
        while self._listed.size < index:
            at, node = self._listed.size, self._node
            if node is None or node[0] > at:
                self._missing(at, index if node is None else min(index, node[0]))
            else:
                if node[0] == at:
                    self._push(node[2], node[1])
                    self.nodes += 1
                else:
                    self.findings.add("overlap", f"The subtree at {node[0]} covers what was there already.")
                self._node = next(self._nodes, None)
            self._at_boundary()

    def _missing(self, first: int, end: int) -> None:
        self.findings.add("missing", f"Event {first} is missing, and everything up to {end - 1}.", first)
        for _, level in perfect(first, end):
            self._push(bytes(HASH_BYTES), level)

    # Checkpoints.

    def _is_boundary(self) -> bool:
        size = self._listed.size
        return (self._checkpoint is not None and self._checkpoint.size <= size) or size in self._anchor_sizes

    def _at_boundary(self) -> None:
        size = self._listed.size
        if size in self._anchor_sizes:
            self._anchored[size] = self._listed.root()
        while self._checkpoint is not None and self._checkpoint.size <= size:
            if self._checkpoint.size < size:
                self._unproven(self._checkpoint, "ends inside of a subtree whose hash is given")
            else:
                self._judge(self._checkpoint)
                self._next_checkpoint()

    def _next_checkpoint(self) -> None:
        self._checkpoint = next(self._checkpoints, None)
        if self._checkpoint is None:
            return
        self.checkpoints += 1
        if self._checkpoint.size <= self._highest:
            self.findings.add(
                "checkpoint_order", f"The checkpoint of {self._checkpoint.size} is not in ascending order."
            )
        self._highest = max(self._highest, self._checkpoint.size)

    def _unproven(self, checkpoint: Checkpoint, why: str) -> None:
        self.findings.add("checkpoint_not_proven", f"The checkpoint of {checkpoint.size} {why}.")
        self._next_checkpoint()

    def _judge(self, checkpoint: Checkpoint) -> None:
        size = checkpoint.size
        if checkpoint.origin != self.origin:
            self.findings.add(
                "origin", f"The checkpoint of {size} is of another ledger: {checkpoint.origin[:80]!r}."
            )
            return
        if not self.keys.accept(checkpoint):
            known = self.keys.signed_any(checkpoint.note)
            why = "by a key that was retired before" if known else "by no key that you trust"
            self.findings.add("signature", f"The checkpoint of {size} is signed {why}.")
            return
        root = self._listed.root()
        if root != checkpoint.root:
            root = self._root_differs(checkpoint, root)
        if root == checkpoint.root:
            self._good, self.root, self._is_broken = size, root, False
            self.newest = checkpoint.note
            for why in self.keys.adopt(checkpoint):
                self.findings.add(
                    "key_joined", f"A key that you did not give is trusted: {why}.", is_wrong=False
                )

    def _root_differs(self, checkpoint: Checkpoint, root: bytes) -> bytes:
        """Say where, as near as can be known; where only listed hashes are wrong, go on with the right ones."""
        size = checkpoint.size
        if self._computed is not None and (root := self._computed.root()) == checkpoint.root:
            self._listed, self._computed = self._computed, None
            return root
        if not self._is_broken:
            self._is_broken = True
            first = self._good if size > self._good else 0
            words = f"Of the events {first} to {size - 1} one is not what was signed, was added or left out."
            self.findings.add("root", words, first, max(first, size - 1))
        return root

    def _not_signed(self) -> None:
        first, last = self._good, self.size - 1
        words = f"The events {first} to {last} are under no checkpoint that holds."
        self.findings.add("not_signed", words, first, last)

    # What the auditor has from elsewhere.

    def _compare(self, anchor: Anchor) -> None:
        checkpoint, name = anchor.checkpoint, anchor.source
        said = f"The checkpoint in {name} (of {checkpoint.size})"
        root = self._anchored.get(checkpoint.size)
        if checkpoint.origin != self.origin:
            self.findings.add("anchor_other", f"{said} is of another ledger: {checkpoint.origin[:80]!r}.")
        elif not self.keys.signed_any(checkpoint.note):
            self.findings.add("anchor_signature", f"{said} is signed by no key that you trust.")
        elif checkpoint.size > self.size:
            words = f"{said} was signed for more than the {self.size} events here: they were cut or restored."
            self.findings.add("truncated", words, self.size)
        elif root is None:
            words = f"{said} cannot be compared: have the export made again with --anchor {name}, or --all."
            self.findings.add("anchor_undecided", words)
        elif root != checkpoint.root:
            words = f"{said} was signed for other events than those here: they were rewritten."
            first = self._agreed_before(checkpoint.size)
            self.findings.add("rewritten", words, first, max(first, checkpoint.size - 1))

    def _agreed_before(self, size: int) -> int:
        known = [one.checkpoint for one in self._anchors if one.checkpoint.size < size]
        return max((one.size for one in known if self._anchored.get(one.size) == one.root), default=0)

    # Content.

    def _content(self, index: int, text: str, words: Content | None, data: Content | None) -> None:
        try:
            envelope = _parsed(text)
            named, verb, committed = envelope["id"], envelope["verb"], envelope["words"]
            if envelope["v"] != 1 or not IS_ID(named) or type(verb) is not str:
                raise ValueError("version, id or verb")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            self.findings.add("envelope", f"Event {index} cannot be read as an event of version 1.", index)
            return
        if named in self._ids:
            self.findings.add("twice", f"Event {index} has the id of an earlier one: {named}.", index)
        self._ids.add(named)
        self._part(index, "words", committed, words)
        self._part(index, "data", envelope.get("data"), data)
        if verb.startswith("audit."):
            self._own(index, verb, envelope, data)
        if self._follows:
            self.actions.see(index, envelope)

    def _part(self, index: int, part: str, committed: Any, content: Content | None) -> None:
        if content is None:
            if committed is not None:
                self.erasures.missing[part].append(index)
        elif committed is None or not commits(committed, content):
            self.findings.add(part, f"The {part} of event {index} are not those that were sealed.", index)

    def _own(self, index: int, verb: str, envelope: dict[str, Any], data: Content | None) -> None:
        if verb in (KEY_ADDED, KEY_RETIRED):
            if not self.keys.tell(index, verb, str(envelope.get("subject", {}).get("id", ""))):
                words = f"Event {index} retires the only key that signs. That is not heeded: ask who wrote it."
                self.findings.add("key_not_retired", words, index, is_wrong=False)
        elif verb == CONTENT_ERASED and (data is None or not self.erasures.tell(index, data[1])):
            self.findings.add("erasure", f"Event {index} tells of an erasure, and not of what.", index)

    def _finish_content(self) -> None:
        if not self._follows:
            words = "What actions did was not checked: this export leaves out events that belong to them."
            self.findings.add("actions_not_checked", words, is_wrong=False)
        for part in ("words", "data"):
            for index in self.erasures.unexplained(part):
                words = f"The {part} of event {index} are missing, and no event tells of an erasure."
                self.findings.add(f"{part}_missing", words, index, is_secondary=True)

    def report(self) -> dict[str, Any]:
        """Return the report (docs/ledger-format.md)."""
        first = self.findings.first_bad()
        return {
            "format": REPORT_FORMAT,
            "ok": not self.findings.is_wrong,
            "origin": self.origin,
            "tree_size": self.size,
            "root": self.root.hex() if self._good == self.size else None,
            "signed_up_to": self._good,
            "complete": self.events == self.size,
            "events_checked": self.events,
            "checkpoints_checked": self.checkpoints,
            "subtrees": self.nodes,
            "first_bad_index": first[0] if first else None,
            "first_bad_range": list(first[1:]) if first else None,
            "findings": [one.as_json() for one in self.findings.listed],
            "findings_by_code": dict(sorted(self.findings.counts.items())),
            "keys": self.keys.as_json(),
            "witnesses": {key.name: size for key, size in self.keys.witnessed.items()},
            "anchors": [{"source": one.source, "size": one.checkpoint.size} for one in self._anchors],
            "erased": {part: len(found) for part, found in self.erasures.missing.items()},
            "actions": self.actions.as_json() if self._follows else None,
        }


def strict_hex(text: object) -> bytes:
    """Return 32 bytes. Raise ValueError for what is not written as 64 lower-case hexadecimal digits."""
    if not isinstance(text, str) or len(text) != 64:
        raise ValueError("64 hexadecimal digits were expected")
    raw = bytes.fromhex(text)
    if raw.hex() != text:
        raise ValueError("lower-case hexadecimal digits were expected")
    return raw


def commits(commitment: object, content: Content) -> bool:
    """Say whether a commitment is that of this text under this salt (HMAC-SHA-256)."""
    try:
        salt = bytes.fromhex(content[0])
    except ValueError:
        return False
    return salt.hex() == content[0] and hmac.digest(salt, content[1].encode(), "sha256").hex() == commitment


# --- bundles ---

FORMAT, FORMAT_VERSION = "ledger-bundle", 1
FILES = ("manifest.json", "keys.json", "checkpoints.jsonl", "nodes.jsonl", "events.jsonl")
MOST_BYTES = 64 * 2**30  # of all files together, unpacked
MOST_SMALL = 2**20  # of manifest and keys
MOST_LINE = 64 * 2**20
BLOCK = 2**20


class Bundle:
    """A zip or a folder with exactly the files of a bundle. What else is in it makes it none."""

    def __init__(self, path: Path, most_bytes: int = MOST_BYTES) -> None:
        self.path = path
        self.digests: dict[str, tuple[str, int]] = {}
        self._zip: zipfile.ZipFile | None = None
        try:
            sizes = self._in_folder() if path.is_dir() else self._in_zip()
        except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError) as error:
            raise Unusable(f"{path} cannot be read as a bundle (a zip or a folder): {error}") from error
        if missing := [name for name in FILES if name not in sizes]:
            raise Unusable(f"{path} is not a bundle of a ledger: {', '.join(missing)} is missing.")
        if sum(sizes.values()) > most_bytes:
            raise Unusable(f"{path} unpacks to more than {most_bytes} bytes. Allow more with --most-bytes.")

    def _in_folder(self) -> dict[str, int]:
        sizes: dict[str, int] = {}
        for one in self.path.iterdir():
            found = one.lstat()
            if one.name not in FILES or not stat.S_ISREG(found.st_mode):
                raise Unusable(
                    f"{self.path} is not a bundle of a ledger: {one.name[:80]!r} does not belong in one."
                )
            sizes[one.name] = found.st_size
        return sizes

    def _in_zip(self) -> dict[str, int]:
        self._zip = zipfile.ZipFile(self.path)
        sizes: dict[str, int] = {}
        for one in self._zip.infolist():
            is_plain = one.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) and not one.flag_bits & 1
            if one.filename not in FILES or one.filename in sizes or not is_plain:
                raise Unusable(
                    f"{self.path} is not a bundle of a ledger: {one.filename[:80]!r} does not belong in one."
                )
            sizes[one.filename] = one.file_size
        return sizes

    def _open(self, name: str) -> IO[bytes]:
        return self._zip.open(name) if self._zip is not None else (self.path / name).open("rb")

    def blocks(self, name: str) -> Iterator[bytes]:
        """Yield a file in pieces, and remember its digest once it was read to the end."""
        digest, count = hashlib.sha256(), 0
        try:
            with self._open(name) as handle:
                while block := handle.read(BLOCK):
                    digest.update(block)
                    count += len(block)
                    yield block
        except (
            OSError,
            EOFError,
            zipfile.BadZipFile,
            zlib.error,
            NotImplementedError,
            RuntimeError,
        ) as error:
            raise Unusable(f"{name} in {self.path} is damaged and cannot be read: {error}") from error
        self.digests[name] = digest.hexdigest(), count

    def lines(self, name: str) -> Iterator[bytes]:
        """Yield the lines of a file without their breaks."""
        rest = b""
        for block in self.blocks(name):
            *whole, rest = (rest + block).split(b"\n")
            yield from whole
            if len(rest) > MOST_LINE:
                raise Unusable(f"{name} in {self.path} has a line of more than {MOST_LINE} bytes.")
        if rest:
            yield rest

    def small(self, name: str) -> Any:
        """Return what a small JSON file says."""
        raw = b""
        for block in self.blocks(name):
            raw += block
            if len(raw) > MOST_SMALL:
                raise Unusable(f"{name} in {self.path} is larger than it may be.")
        try:
            return json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise Unusable(f"{name} in {self.path} is not JSON: {error}") from error


@dataclass(frozen=True)
class Manifest:
    """What a bundle says of itself. Nothing of it is signed but the checkpoint."""

    checkpoint: Checkpoint
    is_closed: bool
    counts: dict[str, Any]
    files: dict[str, Any]

    @classmethod
    def of(cls, found: Any) -> Manifest:
        """Raise Unusable for what is no manifest of this version."""
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise Unusable("This is not a bundle of a ledger: its manifest is of something else.")
        if found.get("version") != FORMAT_VERSION:
            raise Unusable(
                f"This bundle is of version {str(found.get('version'))[:20]} of the format, and this program"
                f" knows version {FORMAT_VERSION}. Take the program of the portal that made the bundle."
            )
        try:
            checkpoint = Checkpoint.parse(found["checkpoint"])
            manifest = cls(checkpoint, found["closed"] is True, dict(found["counts"]), dict(found["files"]))
            said = found["origin"], found["tree_size"]
        except (NotANote, KeyError, TypeError, ValueError, AttributeError) as error:
            raise Unusable(f"The manifest of the bundle is malformed: {error}") from error
        if said != (checkpoint.origin, checkpoint.size):
            raise Unusable("The manifest of the bundle does not fit the checkpoint in it.")
        if checkpoint.size == 0:
            raise Unusable("The bundle is empty: nothing was sealed when it was made.")
        return manifest


def verify_bundle(
    bundle: Bundle,
    pinned: Sequence[VerifierKey],
    anchors: Sequence[Anchor] = (),
    *,
    trusts_bundle: bool = False,
    progress: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Return the report on a bundle. Raise Unusable for what is none, or without a key to trust."""
    manifest = Manifest.of(bundle.small("manifest.json"))
    named = _named_keys(bundle.small("keys.json"))
    if not pinned and not trusts_bundle:
        raise Unusable(
            "No key to trust was given, and the keys in a bundle prove nothing. Give the verifier key of the"
            " ledger, which you have from another place than the bundle: --key VKEY."
        )
    why = "YOU DID NOT GIVE IT: it is the bundle's own word, and proves nothing of who made it"
    keys = Keyring(pinned, named) if pinned else Keyring(named, why=why)
    problems = Findings()
    check = Check(
        origin=manifest.checkpoint.origin,
        size=manifest.checkpoint.size,
        checkpoints=_checkpoints(bundle, problems),
        nodes=_nodes(bundle, problems, manifest.checkpoint.size),
        keys=keys,
        anchors=anchors,
        follows_actions=manifest.is_closed,
    )
    for number, line in enumerate(bundle.lines("events.jsonl")):
        _feed(check, line)
        if progress is not None and not number % 50_000:
            progress(number)
    check.finish()
    for one in problems.listed:
        check.findings.add(one.code, one.sentence, one.index)
    if not pinned:
        words = "The keys are the bundle's own: whoever made it can have made everything in it. Give --key."
        check.findings.add("keys_not_given", words, is_wrong=False)
    _compare_manifest(bundle, manifest, check)
    return {**check.report(), "bundle": bundle.path.name}


def _named_keys(found: Any) -> list[VerifierKey]:
    try:
        return [VerifierKey.parse(one["vkey"]) for one in found["keys"]]
    except (NotANote, KeyError, TypeError, AttributeError) as error:
        raise Unusable(f"keys.json of the bundle is malformed: {error}") from error


def _feed(check: Check, line: bytes) -> None:
    index: int | None = None
    try:
        found = _parsed(line.decode())
        index, envelope, listed = found["index"], found["envelope"], found["leaf_hash"]
        words, data = found["words"], found["data"]
        if type(index) is not int or type(envelope) is not str or type(listed) is not str or len(found) != 5:
            raise TypeError("members of other types")
        words = None if words is None else (words["salt"], words["text"])
        data = None if data is None else (data["salt"], data["text"])
        check.event(index, envelope, listed, words, data)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        check.unreadable(
            index if type(index) is int else None, f"A line of events.jsonl cannot be read: {error!r:.200}"
        )


def _checkpoints(bundle: Bundle, problems: Findings) -> Iterator[Checkpoint]:
    for line in bundle.lines("checkpoints.jsonl"):
        try:
            found = json.loads(line)
            checkpoint = Checkpoint.parse(found["note"])
            if checkpoint.size != found["size"]:
                raise NotANote("its size is not that of the note")
            said = [one["content"] for one in found["cosignatures"] if one["kind"] == "witness"]
            checkpoint = checkpoint.with_cosignatures(_decoded(content).decode() for content in said)
        except (NotANote, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            problems.add("checkpoint", f"A line of checkpoints.jsonl cannot be read: {str(error)[:200]}")
            continue
        yield checkpoint


def _nodes(bundle: Bundle, problems: Findings, size: int) -> Iterator[tuple[int, int, bytes]]:
    for line in bundle.lines("nodes.jsonl"):
        try:
            found = json.loads(line)
            start, width = found["start"], found["end"] - found["start"]
            if (
                type(start) is not int
                or width < 1
                or width & (width - 1)
                or start % width
                or start + width > size
            ):
                raise ValueError("this is not a subtree of the tree")
            one = start, width.bit_length() - 1, strict_hex(found["hash"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            problems.add("node", f"A line of nodes.jsonl cannot be read: {str(error)[:200]}")
            continue
        yield one


def _compare_manifest(bundle: Bundle, manifest: Manifest, check: Check) -> None:
    """What accident changed is found here even where it means the same; who means harm changes these, too."""
    for name, (digest, count) in sorted(bundle.digests.items()):
        if name != "manifest.json" and manifest.files.get(name) != {"sha256": digest, "bytes": count}:
            check.findings.add("file", f"{name} is not the file that the manifest describes.")
    if check.newest != manifest.checkpoint.note:
        check.findings.add("manifest", "The checkpoint in the manifest is not the newest one that holds.")
    found = {"events": check.events, "checkpoints": check.checkpoints, "nodes": check.nodes}
    for name, count in found.items():
        if manifest.counts.get(name) != count:
            check.findings.add(
                "count",
                f"The manifest says {manifest.counts.get(name)!r:.20} {name}, and {count} are well-formed.",
            )


# --- the program ---


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        raise Unusable(f"{message}. Ask for --help.")


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = _Parser(prog="verify_ledger.py", description="Verify an export of the ledger.", epilog=__doc__)
    add = parser.add_argument
    add("bundle", type=Path, help="The exported zip, or the folder it was unpacked into.")
    words = "A verifier key you trust, or a file with it: of the ledger, or of a witness."
    add("--key", action="append", default=[], metavar="VKEY", help=words)
    words = "A checkpoint that you have from elsewhere: the export has to begin with that tree."
    add("--anchor", action="append", default=[], type=Path, metavar="FILE", help=words)
    words = "Trust the keys that the bundle names. It proves nothing of who made it."
    add("--trust-keys-in-bundle", action="store_true", help=words)
    add("--json", type=Path, metavar="REPORT", help="Write the report there; - is the screen.")
    add("--most-bytes", type=int, default=MOST_BYTES, help="Most bytes that it may unpack to.")
    return parser.parse_args(given)


def parse_keys(given: Iterable[str]) -> list[VerifierKey]:
    """Return verifier keys that were given as such or in files. Raise Unusable for anything else."""
    keys: list[VerifierKey] = []
    for one in given:
        try:
            lines = [one] if "+" in one else Path(one).read_text("utf-8").splitlines()
            keys += [VerifierKey.parse(line) for line in lines if line.strip() and not line.startswith("#")]
        except (NotANote, OSError, ValueError) as error:
            raise Unusable(f"--key {one[:120]}: {error}") from error
    return keys


def read_anchors(paths: Iterable[Path]) -> list[Anchor]:
    """Return checkpoints that were kept in files. Raise Unusable for anything else."""
    anchors = []
    for path in paths:
        try:
            if path.stat().st_size > MOST_SMALL:
                raise NotANote("it is too large")
            anchors.append(Anchor(path.name, Checkpoint.parse(path.read_bytes().decode())))
        except (NotANote, OSError, ValueError) as error:
            raise Unusable(f"--anchor {path} is not a checkpoint: {error}") from error
    return anchors


def in_words(report: dict[str, Any]) -> list[str]:
    """Return a report as lines for a person."""
    told = f"{report['events_checked']} of {report['tree_size']} events of {report['origin']} were checked"
    lines = [f"{told}, with {report['checkpoints_checked']} checkpoints."]
    lines += [f"Trusted: {key['vkey']} ({key['why']})" for key in report["keys"] if key["trusted"]]
    lines += [("WRONG " if one["wrong"] else "NOTE ") + one["sentence"] for one in report["findings"]]
    for name, size in report["witnesses"].items():
        lines.append(f"The witness {name} signed {size} of {report['tree_size']} events.")
    erased = report["erased"]
    lines.append(f"Erased: the words of {erased['words']} events, the data of {erased['data']}.")
    if report["actions"]:
        lines.append(
            f"Actions: {report['actions']['seen']}, of which {report['actions']['open']} are being done."
        )
    if report["first_bad_range"]:
        first, last = report["first_bad_range"]
        span = f"{first}." if first == last else f"one of {first} to {last}."
        lines.append(f"The first bad event: {span}")
    lines.append("EVERYTHING HOLDS." if report["ok"] else "SOMETHING DOES NOT HOLD.")
    return [harmless(line) for line in lines]


def harmless(text: str) -> str:
    """Return a text that moves no cursor and hides nothing on the screen of who reads it."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def main(given: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code."""
    try:
        asked = _arguments(given)
        report = verify_bundle(
            Bundle(asked.bundle, asked.most_bytes),
            parse_keys(asked.key),
            read_anchors(asked.anchor),
            trusts_bundle=asked.trust_keys_in_bundle,
        )
        text = json.dumps(report, indent=2, ensure_ascii=False) + "\n"
        text = text.encode(errors="backslashreplace").decode()  # half a character, as JSON writes it
        if asked.json is not None and str(asked.json) != "-":
            asked.json.write_text(text, encoding="utf-8")
    except (Unusable, OSError) as error:
        sys.stderr.write(f"Nothing was verified. {harmless(str(error))}\n")
        return 2
    sys.stdout.write(text if str(asked.json) == "-" else "\n".join(in_words(report)) + "\n")
    return 0 if report["ok"] else 1


if __name__ == "__main__":
    gc.disable()  # nothing here refers to itself, and looking for what does takes a tenth of the time
    sys.exit(main())
