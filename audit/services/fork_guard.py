"""The fork guard: nothing is signed that contradicts what was signed before, here or in the hands of others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from audit import notes
from audit.merkle import Growth
from audit.models import Checkpoint as CheckpointRow
from audit.models import Event, SigningKey
from audit.services.outside import Outside
from audit.services.stored_tree import tree
from audit.standalone.verify_ledger import Checkpoint, NotANote

KEY_ADDED, KEY_RETIRED, RESTORED = "audit.key_added", "audit.key_retired", "audit.ledger_restored"
KEY_KIND = "audit.key"
WAY_FORWARD = "If it was restored on purpose: manage.py ledger_key restored --reason ..."


class Forked(RuntimeError):
    """What was signed before is not in this ledger: it was restored to an older state, or altered."""


class SignedBefore:
    """What this sealer signed last, kept outside the database, and what others have of it."""

    def __init__(self, kept: Path, outside: Outside | None = None) -> None:
        self._kept = kept
        self._outside = outside or Outside()

    def keep(self, note: str) -> None:
        """Remember the newest checkpoint. Raise OSError if it cannot be written, as on a full disk."""
        notes.write_private(self._kept, note)

    def newest(self) -> str:
        """Return the checkpoint that was kept, nothing if there is none. Raise Forked if it cannot be read."""
        try:
            return self._kept.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as error:
            raise Forked(f"What was signed last, {self._kept}, cannot be read: {error}") from error

    def forget(self) -> None:
        """Look at what others have anew the next time."""
        self._outside.forget()

    def require(self, growth: Growth, origin: str) -> None:
        """Raise Forked unless the ledger begins with everything that was signed under this origin.

        Raise StillLooking while others are being asked.
        """
        kept, stored = self.newest(), newest_checkpoint()
        if kept:
            require_continuation(kept, growth, origin)
        found = self._outside.look(origin, kept or stored)
        for note in found.notes:
            require_continuation(note, growth, origin)
        for witness, size in found.sizes:
            if size > growth.size and _origin(kept or stored) == origin:
                raise Forked(
                    f"The ledger has {growth.size} sealed events, and the witness {witness} signed"
                    f" {size}: the database was restored to an older state. {WAY_FORWARD}"
                )
        if _origin(stored) == origin and _size(stored) > (_size(kept) if _origin(kept) == origin else 0):
            self.keep(stored)  # it was not kept when it was made: killed in between, or the disk was full


def require_continuation(note: str, growth: Growth, origin: str) -> None:
    """Raise Forked unless a checkpoint of this name is one of the ledger."""
    try:
        known = Checkpoint.parse(note)
    except NotANote as error:
        raise Forked(f"A checkpoint that was signed before cannot be read: {error}") from error
    if known.origin != origin:
        return
    if known.size > growth.size:
        raise Forked(
            f"The ledger has {growth.size} sealed events, and {known.size} were signed for before: "
            f"the database was restored to an older state. {WAY_FORWARD}"
        )
    if known.size and tree().root(known.size) != known.root:
        raise Forked(f"The first {known.size} events are not those that were signed for before. {WAY_FORWARD}")


def require_known_key(signers: Sequence[notes.Signer]) -> None:
    """Raise Forked for keys of which none signed this ledger, and none is told of by an event in it."""
    if not CheckpointRow.objects.exists():
        return
    keys = [signer.verifier for signer in signers]
    if SigningKey.objects.filter(vkey__in=[str(key) for key in keys]).exists():
        return
    ids = [notes.id_of(key) for key in keys]
    if not Event.objects.filter(
        subject_kind=KEY_KIND, subject_id__in=ids, verb__in=[KEY_ADDED, RESTORED]
    ).exists():
        raise Forked(
            f"The key of {keys[0].name} signed nothing of this ledger before, and no event tells of it. Give"
            " the key that signed it back, from its copy. If it is lost: manage.py ledger_key restored"
            " --reason ..."
        )


def newest_checkpoint() -> str:
    """Return the newest checkpoint in the database, nothing if there is none."""
    return CheckpointRow.objects.order_by("-tree_size").values_list("note", flat=True).first() or ""


def _origin(note: str) -> str:
    return Checkpoint.parse(note).origin if note else ""


def _size(note: str) -> int:
    return Checkpoint.parse(note).size if note else 0
