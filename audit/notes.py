"""Signing checkpoints: the private half of C2SP signed notes. Only the sequencer's process reads such a key."""

from __future__ import annotations

import base64
import os
import re
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
        raise UnusableKey(f"The signing key {path} cannot be read: {type(error).__name__}.") from error
    if mode & 0o077:
        raise UnusableKey(f"The signing key {path} can be read by others. Close it: chmod 600 {path}")
    signers = [Signer.parse(line) for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not signers:
        raise UnusableKey(f"There is no signing key in {path}.")
    if len({one.name for one in signers}) > 1:
        raise UnusableKey(f"The keys in {path} have different names; a ledger has one.")
    return signers


def signed_checkpoint(signers: list[Signer], size: int, root: bytes) -> str:
    """Return a checkpoint as a note that every one of these keys signed."""
    text = checkpoint_text(signers[0].name, size, root)
    return text + "\n" + "".join(one.sign(text) for one in signers)


__all__ = ["NotANote", "Signer", "UnusableKey", "read_signers", "signed_checkpoint"]
