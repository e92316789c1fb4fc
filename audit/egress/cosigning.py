"""Asking a witness for its signature (C2SP tlog-witness, add-checkpoint)."""

from __future__ import annotations

import base64
from collections.abc import Callable
from http import HTTPStatus

from audit.egress.failures import NotTaken
from audit.egress.web import Reply, said
from audit.standalone.verify_ledger import Checkpoint, NotANote, Note, VerifierKey, signature_line

# How often it is told another size of what it knew, in one turn.
MOST_TRIES = 3
REFUSALS: dict[int, str] = {
    HTTPStatus.BAD_REQUEST: "it does not understand the request",
    HTTPStatus.FORBIDDEN: "it does not know the key of this ledger; give the witness the new key with --log",
    HTTPStatus.NOT_FOUND: "it does not know this ledger; start the witness with its key (--log)",
    HTTPStatus.UNPROCESSABLE_ENTITY: "this ledger does not continue what it signed: it was restored or altered",
}

Prove = Callable[[int, int], list[bytes]]


def cosign(note: str, known: int, key: VerifierKey, prove: Prove, post: Callable[[bytes], Reply]) -> str:
    """Return the witness's signature line under this checkpoint. Raise NotTaken, with what it said.

    known: the size it signed last, as far as we know; it corrects us. prove: the proof between two sizes.
    """
    checkpoint = Checkpoint.parse(note)
    for _ in range(MOST_TRIES):
        known = min(known, checkpoint.size)
        reply = post(request(known, prove(known, checkpoint.size), note))
        if reply.status == HTTPStatus.OK:
            return _cosignature(reply, checkpoint, key)
        if reply.status != HTTPStatus.CONFLICT:
            raise NotTaken(f"The witness did not sign: {REFUSALS.get(reply.status) or reply.refusal()}.")
        known = _size_it_knows(reply, known, checkpoint.size)
    raise NotTaken(
        "The witness names another size each time: somebody else sends it checkpoints of this ledger."
    )


def request(known: int, proof: list[bytes], note: str) -> bytes:
    """Return the body of a request."""
    lines = [f"old {known}", *(base64.b64encode(one).decode() for one in proof)]
    return ("\n".join(lines) + "\n\n" + note).encode()


def _size_it_knows(reply: Reply, known: int, ours: int) -> int:
    text = reply.body.decode("ascii", "replace").strip()
    if not text.isdigit() or len(text) > 18:
        raise NotTaken(f"The witness answered 409 and no size: {said(text)}")
    size = int(text)
    if size > ours:
        raise NotTaken(
            f"The witness signed for {size} events before, and the ledger has {ours} now:"
            " the database was restored to an older state, or somebody else signs with its key."
        )
    if size == known:
        raise NotTaken(
            f"The witness signed another root for {size} events: this ledger was altered or restored."
        )
    return size


def _cosignature(reply: Reply, checkpoint: Checkpoint, key: VerifierKey) -> str:
    try:
        given = Note.parse(f"{checkpoint.note.text}\n{reply.body.decode('utf-8')}")
    except (NotANote, UnicodeDecodeError) as error:
        raise NotTaken(f"The witness answered what is no signature: {said(str(error))}") from error
    for one in given.signatures:
        if (one.name, one.key_id) == (key.name, key.id) and key.verifies(given.text, one.signature):
            return signature_line(one.name, one.key_id, one.signature)
    raise NotTaken(f"The witness's answer is not signed by {key.name} with the key of its address.")
