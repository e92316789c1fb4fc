"""One digest for one meaning: RFC 8785 canonical JSON under SHA-256. Approvals and passes are bound to it."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from typing import Any

import rfc8785

from audit.vocabulary import Refusal, RefusalKind

_REFERENCE = re.compile(r"AOS-[A-Z2-7]{16}")


def canonical_digest(operation_code: str, revision: int, arguments: Mapping[str, Any]) -> str:
    """Return the SHA-256 (hex) of operation code, revision number and arguments in RFC 8785 form.

    Raises Refusal ``invalid_arguments`` for what has no canonical form (fractions, integers beyond 2**53 - 1).
    """
    _refuse_fractions(arguments)
    return digest_of({"operation": operation_code, "revision": revision, "arguments": dict(arguments)})


def digest_of(value: Any) -> str:
    """Return the SHA-256 (hex) of any JSON value in RFC 8785 form."""
    try:
        return hashlib.sha256(rfc8785.dumps(value)).hexdigest()
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError) as error:
        raise Refusal(
            "invalid_arguments",
            f"The arguments have no canonical form: {error}. Send whole numbers below 2**53 and valid text.",
            kind=RefusalKind.INVALID,
        ) from error


def reference_of(action_id: str) -> str:
    """Return what a record at a system carries of ours: short, the same at every attempt of one action."""
    digest = hashlib.sha256(f"autonomy.reference:{action_id}".encode()).digest()
    return "AOS-" + base64.b32encode(digest[:10]).decode()


def is_reference(value: Any) -> bool:
    """Tell whether a value is one of our references, as ``reference_of`` writes them."""
    return isinstance(value, str) and bool(_REFERENCE.fullmatch(value))


def _refuse_fractions(value: Any) -> None:
    if isinstance(value, float):
        raise Refusal(
            "invalid_arguments",
            "The arguments contain a fraction. Send money in minor units and other decimals as strings.",
            kind=RefusalKind.INVALID,
        )
    for item in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
        _refuse_fractions(item)
