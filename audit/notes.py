"""Signing checkpoints: the private half of C2SP signed notes. Only the sequencer's process reads such a key."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.standalone.verify_ledger import (
    ED25519,
    NotANote,
    VerifierKey,
    checkpoint_text,
    signature_line,
)

PRIVATE = "PRIVATE+KEY+"
# What signed-note lets a key be called, and what is still readable in a path and on a page.
NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,99}$")


class UnusableKey(ValueError):
    """A key file is missing or malformed; the message says what to do and quotes nothing of the key."""


@dataclass(frozen=True)
class Signer:
    """A private key and the name that it signs under, which is the origin of the ledger."""

    name: str
    seed: bytes

    @classmethod
    def fresh(cls, name: str) -> Signer:
        """Make a key. Raise UnusableKey for a name that a note cannot carry."""
        if not NAME.match(name):
            raise UnusableKey(
                f"{name[:100]!r} cannot be the name of a ledger: take letters, digits and . _ - /,"
                " such as example.com/ledger."
            )
        return cls(name, os.urandom(32))

    @classmethod
    def parse(cls, line: str) -> Signer:
        """Read ``PRIVATE+KEY+name+hash+base64(kind || seed)``. Raise UnusableKey for anything else."""
        parts = line.strip().removeprefix(PRIVATE).split("+", 2)
        if not line.startswith(PRIVATE) or len(parts) != 3:
            raise UnusableKey("A signing key is a line PRIVATE+KEY+name+hash+key; this one is not.")
        name, hashed, encoded = parts
        try:
            raw = base64.b64decode(encoded, validate=True)
        except ValueError:
            raw = b""
        if not NAME.match(name) or len(raw) != 33 or raw[0] != ED25519:
            raise UnusableKey("A signing key is Ed25519; this one is not, or it is cut off.")
        signer = cls(name, raw[1:])
        if signer.verifier.id.hex() != hashed:
            raise UnusableKey(f"The signing key of {name} does not have the hash it names: it was altered.")
        return signer

    @property
    def verifier(self) -> VerifierKey:
        """Return the public half."""
        public = Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw()
        return VerifierKey(self.name, ED25519, public)

    def line(self) -> str:
        """Return the key as its file has it. It is a secret."""
        encoded = base64.b64encode(bytes([ED25519]) + self.seed).decode()
        return f"{PRIVATE}{self.name}+{self.verifier.id.hex()}+{encoded}"

    def sign(self, text: str) -> str:
        """Return the signature line under a note of this text."""
        signature = Ed25519PrivateKey.from_private_bytes(self.seed).sign(text.encode())
        return signature_line(self.name, self.verifier.id, signature)


def read_signers(path: Path) -> list[Signer]:
    """Return the keys in a file, the first names the ledger; while keys are changed there are two.

    Raise UnusableKey if it cannot be read, is open to others, or has keys of different names.
    """
    try:
        mode, text = path.stat().st_mode, path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise UnusableKey(f"The signing key {path} cannot be read: {_why(error)}.") from error
    if mode & 0o077:
        raise UnusableKey(f"The signing key {path} can be read by others. Close it: chmod 600 {path}")
    signers = [Signer.parse(line) for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not signers:
        raise UnusableKey(f"There is no signing key in {path}.")
    if len({one.name for one in signers}) > 1:
        raise UnusableKey(f"The keys in {path} have different names; a ledger has one.")
    return signers


class KeyFile:
    """A file of signing keys that may change at any time: asked before each batch, read when it has changed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, ...] = ()
        self._signers: list[Signer] = []

    @property
    def last(self) -> Path:
        """Return the file beside it that keeps the newest checkpoint the keys signed."""
        return self.path.with_name(self.path.name + ".last")

    @property
    def upcoming(self) -> Path:
        """Return the file beside it that a change of keys is prepared in."""
        return self.path.with_name(self.path.name + ".next")

    def signers(self) -> list[Signer]:
        """Return the keys as they are now. Raise UnusableKey as ``read_signers``."""
        seen = self._state()
        if not seen or seen != self._seen:
            self._signers, self._seen = read_signers(self.path), seen
        return self._signers

    def prepare(self, signers: Iterable[Signer]) -> None:
        """Write the keys that shall be, beside the file, so that putting them in place cannot fail any more."""
        write_private(self.upcoming, "".join(f"{one.line()}\n" for one in signers))

    def put_in_place(self) -> None:
        """Let what was prepared be the key file, in one step."""
        self.upcoming.replace(self.path)

    def _state(self) -> tuple[int, ...]:
        try:
            found = self.path.stat()
        except OSError:
            return ()
        return (found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_size, found.st_mode)


def write_private(path: Path, text: str) -> None:
    """Write a file that its owner alone can read, whole, or raise OSError and change nothing."""
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        with os.fdopen(
            os.open(new, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8"
        ) as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            new.unlink()
        raise


def id_of(key: VerifierKey) -> str:
    """Return by which id the ledger's events name a key: the SHA-256 of its text, in hex."""
    return hashlib.sha256(str(key).encode()).hexdigest()


def _why(error: Exception) -> str:
    return (error.strerror or type(error).__name__) if isinstance(error, OSError) else "it is not plain text"


def signed_checkpoint(signers: list[Signer], size: int, root: bytes) -> str:
    """Return a checkpoint as a note that every one of these keys signed; of several, it names each."""
    keys = [one.verifier for one in signers] if len(signers) > 1 else []
    text = checkpoint_text(signers[0].name, size, root, keys)
    return text + "\n" + "".join(one.sign(text) for one in signers)


__all__ = [
    "KeyFile",
    "NotANote",
    "Signer",
    "UnusableKey",
    "id_of",
    "read_signers",
    "signed_checkpoint",
    "write_private",
]
