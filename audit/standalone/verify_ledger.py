#!/usr/bin/env python3
"""Verify an export of the ledger without trusting whoever made it.

One file: copy it to any machine with Python 3.11 and the package ``cryptography``. The first half is what RFC
6962 and the C2SP documents say (signed-note, tlog-checkpoint, tlog-cosignature), and the portal uses it too.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()
# Kinds of signature, the first byte of what is signed with (C2SP signed-note).
ED25519, COSIGNATURE = 1, 4


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
    """What a log says of its tree: its origin, size and root. ``note`` is the signed note it stood in."""

    origin: str
    size: int
    root: bytes
    note: Note = field(compare=False)

    @classmethod
    def parse(cls, note: str) -> Checkpoint:
        """Raise NotANote for what is not a checkpoint. Nothing is said of its signatures."""
        signed = Note.parse(note)
        lines = signed.text.split("\n")
        if len(lines) < 4 or not lines[0] or not lines[1].isascii() or not lines[1].isdigit():
            raise NotANote("This is not a checkpoint: origin, size and root were expected, a line each.")
        root = _decoded(lines[2])
        if len(root) != HASH_BYTES or str(int(lines[1])) != lines[1]:
            raise NotANote("This is not a checkpoint: its size or root is malformed.")
        return cls(lines[0], int(lines[1]), root, signed)


def checkpoint_text(origin: str, size: int, root: bytes) -> str:
    """Return the text of a checkpoint, before anybody signs it."""
    return f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"


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


def _decoded(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NotANote(f"{encoded[:80]!r} is not base64.") from error
