"""Time-stamps of RFC 3161: that a checkpoint was there at a time, said by somebody who knows nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from rfc3161_client import (
    HashAlgorithm,
    TimeStampRequest,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from audit.egress.der import with_ordered_certificates
from audit.egress.failures import NotTaken
from audit.egress.web import Reply, said

QUERY, REPLY = "application/timestamp-query", "application/timestamp-reply"
SHA256 = "2.16.840.1.101.3.4.2.1"
GRANTED = (0, 1)
OK = 200


def stamp(note: str, post: Callable[[bytes], Reply], roots: str = "") -> bytes:
    """Return the token (DER) that a server gave for the SHA-256 of a checkpoint's note. Raise NotTaken.

    roots: a file (PEM) with the certificates its signature has to lead to. Without it the token is checked to
    answer this request, and its signature is left to whoever relies on it.
    """
    asked = TimestampRequestBuilder().data(note.encode()).hash_algorithm(HashAlgorithm.SHA256).build()
    reply = post(asked.as_bytes())
    if reply.status != OK:
        raise NotTaken(f"The time-stamp server gave none: {reply.refusal()}")
    try:
        given = decode_timestamp_response(with_ordered_certificates(reply.body))
        _check(given, asked, hashlib.sha256(note.encode()).digest(), roots)
        return bytes(given.time_stamp_token())
    except (ValueError, VerificationError) as error:
        raise NotTaken(f"What the time-stamp server answered is no time-stamp: {said(str(error))}") from error


def _check(given: TimeStampResponse, asked: TimeStampRequest, digest: bytes, roots: str) -> None:
    if given.status not in GRANTED:
        raise NotTaken(f"The time-stamp server refused: {said(' '.join(given.status_string)) or given.status}")
    info = given.tst_info
    if info.message_imprint.hash_algorithm.dotted_string != SHA256 or info.message_imprint.message != digest:
        raise NotTaken("The time-stamp is for something else.")
    if info.nonce != asked.nonce:
        raise NotTaken("The time-stamp answers another request: its nonce is not ours.")
    if roots:
        builder = VerifierBuilder.from_request(asked)
        for one in read_roots(roots):
            builder = builder.add_root_certificate(one)
        builder.build().verify(given, digest)


def read_roots(path: str) -> list[x509.Certificate]:
    """Return the certificates of a file. Raise NotTaken."""
    try:
        return x509.load_pem_x509_certificates(Path(path).read_bytes())
    except (OSError, ValueError) as error:
        raise NotTaken(f"The certificates of {path} cannot be read: {type(error).__name__}.") from error
