"""Proofs of single events (C2SP tlog-proof), checked by anybody who has the verifier key and nothing else."""

from __future__ import annotations

import base64

from audit.models import Checkpoint, Cosignature
from audit.services.sealed_rows import sealed_rows
from audit.services.stored_tree import tree
from audit.standalone.verify_ledger import leaf_hash
from audit.vocabulary import Refusal, RefusalKind

HEADER = "c2sp.org/tlog-proof@v1"


def proof_text(index: int, checkpoint: Checkpoint) -> str:
    """Return the proof that leaf ``index`` is under a checkpoint, with what was sealed in the line ``extra``.

    Raise Refusal if the event is not what was sealed any more.
    """
    extra = base64.b64encode(sealed_text(index).encode()).decode()
    hashes = tree().inclusion(index, checkpoint.tree_size)
    lines = [HEADER, f"extra {extra}", f"index {index}", *(base64.b64encode(one).decode() for one in hashes)]
    return "\n".join(lines) + "\n\n" + checkpoint.note + cosigned(checkpoint)


def cosigned(checkpoint: Checkpoint) -> str:
    """Return the lines that witnesses signed a checkpoint with; they stand under its own."""
    found = checkpoint.cosignatures.filter(kind=Cosignature.Kind.WITNESS).order_by("pk")
    return "".join(
        bytes(content).decode().rstrip("\n") + "\n" for content in found.values_list("content", flat=True)
    )


def sealed_text(index: int) -> str:
    """Return the text that leaf ``index`` is the hash of; it is there also when words and payload were erased.

    Raise Refusal if it does not have that hash: the row was altered below the portal.
    """
    (row,) = sealed_rows([index])
    if row.sealed is None or leaf_hash(row.sealed.envelope.encode()) != row.leaf_hash:
        raise Refusal(
            "event_altered",
            f"The proof was refused: event {index + 1} of the ledger is not what was sealed. Tell an auditor.",
            kind=RefusalKind.CONFLICT,
            next_step="Verify an export of the ledger, and compare with a back-up.",
        )
    return row.sealed.envelope
