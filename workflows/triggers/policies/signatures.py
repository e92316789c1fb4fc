"""Standard Webhooks 1.0: HMAC-SHA256 over id, time and body, checked in constant time. Pure.

Nothing of a message is believed, and nothing of it is parsed, before a signature of it holds.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable

PREFIX = "whsec_"
TOLERANCE_SECONDS = 300
MOST_SIGNATURES = 20
# No full stop: id, time and body are joined by it, and one signature must not fit two messages.
MESSAGE_ID = re.compile(r"[!-\-/-~]{1,255}")
TIMESTAMP = re.compile(r"[0-9]{1,12}")


class NotSigned(Exception):
    """A message is not what somebody with the secret sent just now; ``code`` is stable."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code


def text_of(key: bytes) -> str:
    """Return a secret as senders are given it."""
    return PREFIX + base64.b64encode(key).decode()


def key_of(text: str) -> bytes:
    """Return the key in a secret; raise ValueError for what is none."""
    try:
        return base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("this is no secret of a webhook") from error


def signature(key: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    """Return the signature of a message, as the header carries it."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def require_signed(
    keys: Iterable[bytes], *, message_id: str, timestamp: str, signatures: str, body: bytes, now: float
) -> int:
    """Return the place of the key that signed a message; raise NotSigned. ``now`` is in seconds since 1970."""
    if not MESSAGE_ID.fullmatch(message_id) or not TIMESTAMP.fullmatch(timestamp) or not signatures:
        raise NotSigned(
            "not_signed",
            "It needs the headers webhook-id (no full stop in it), webhook-timestamp and webhook-signature.",
        )
    found = _place_of(keys, message_id, timestamp, signatures, body)
    if found is None:
        raise NotSigned("signature_wrong", "No signature of it holds under a valid secret.")
    if abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        raise NotSigned("too_old", "It was signed more than five minutes away from the time of the portal.")
    return found


def _place_of(
    keys: Iterable[bytes], message_id: str, timestamp: str, signatures: str, body: bytes
) -> int | None:
    """Compare with every key, whether or not one fitted already: how long it takes tells nothing."""
    offered = [text.encode("utf-8", "replace") for text in signatures.split(" ")[:MOST_SIGNATURES]]
    found = None
    for place, key in enumerate(keys):
        expected = signature(key, message_id, timestamp, body).encode()
        for one in offered:
            if hmac.compare_digest(expected, one):
                found = place
    return found
