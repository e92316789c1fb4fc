"""As much of DER as it takes to put certificates in order, which some time-stamp servers do not do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

SEQUENCE, CERTIFICATES = 0x30, 0xA0


class Element(NamedTuple):
    """One element: its tag, where it begins, where its content begins, where both end."""

    tag: int
    start: int
    content: int
    end: int


def with_ordered_certificates(reply: bytes) -> bytes:
    """Return a TimeStampResp whose certificates are in the order that DER asks of a set (X.690, 11.6).

    No signature covers their order. Raise ValueError for what is not such a structure.
    """
    found = _certificates(reply)
    if found is None:
        return reply
    ordered = sorted(reply[one.start : one.end] for one in elements(reply, found.content, found.end))
    return reply[: found.content] + b"".join(ordered) + reply[found.end :]


def _certificates(reply: bytes) -> Element | None:
    # TimeStampResp { status, ContentInfo { type, [0] { SignedData { version, digests, content, [0] certificates
    whole = next(elements(reply, 0, len(reply)))
    parts = list(elements(reply, whole.content, whole.end))
    if len(parts) < 2:
        return None  # a refusal has no token
    explicit = list(elements(reply, parts[1].content, parts[1].end))[-1]
    signed = next(elements(reply, explicit.content, explicit.end))
    inside = elements(reply, signed.content, signed.end)
    return next((one for one in inside if one.tag == CERTIFICATES), None)


def elements(data: bytes, start: int, end: int) -> Iterator[Element]:
    """Yield the elements between two places. Raise ValueError where there are none."""
    if not 0 <= start < end:
        raise ValueError("an element of DER is empty")
    while start < end:
        content, length = _length(data, start + 1, end)
        if content + length > end:
            raise ValueError("an element of DER is cut off")
        yield Element(data[start], start, content, content + length)
        start = content + length


def _length(data: bytes, at: int, end: int) -> tuple[int, int]:
    if at >= end:
        raise ValueError("an element of DER is cut off")
    first, at = data[at], at + 1
    if first < 0x80:
        return at, first
    count = first & 0x7F
    if not 1 <= count <= 4 or at + count > end:
        raise ValueError("an element of DER has no length")
    return at + count, int.from_bytes(data[at : at + count], "big")
