"""What may be voted on together: only what is alike, and only where it is small. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import astuple, dataclass


@dataclass(frozen=True, slots=True)
class Shape:
    """In what approvals are alike: what would be done, why it is held, by which rules, and who must agree."""

    operation: str
    code: str
    rules: tuple[str, ...]
    quorum: int
    groups: tuple[str, ...]

    @property
    def key(self) -> str:
        """Return a short name that is the same for what is alike."""
        return hashlib.sha256(repr(astuple(self)).encode()).hexdigest()[:16]


def may_go_together(*, effect: str, risk_tier: str, quorum: int) -> bool:
    """Say whether an approval may be one of several: nothing of a high-risk agent, nothing that destroys, and
    no money that several people have to agree to. What an unknown operation does is not known: alone."""
    if risk_tier not in ("low", "medium") or effect not in ("read", "write", "financial"):
        return False
    return effect != "financial" or quorum <= 1
