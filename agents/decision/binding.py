"""What an approval is bound to: the rules, grants and duties that decided, and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import rfc8785

from agents.decision.facts import Obligations, Stage


def binding_of(
    *,
    operation: str,
    grants: Iterable[str],
    rules: Iterable[tuple[str, int]],
    gates: Iterable[str],
    obligations: Obligations,
) -> str:
    """Return the SHA-256 (hex) of the RFC 8785 form of what decided.

    ``rules``: (id, content version) of every rule and limit that held or added a duty; ``gates``: what else
    held.
    """
    more = {} if len(obligations.stages) < 2 else {"stages": [_plain(stage) for stage in obligations.stages]}
    document: Any = {
        **more,
        **({"step_up": True} if obligations.step_up else {}),
        "operation": operation,
        "grants": sorted(grants),
        "rules": sorted([rule_id, version] for rule_id, version in rules),
        "gates": sorted(gates),
        "quorum": obligations.quorum,
        "approver_groups": sorted(obligations.approver_groups),
        "redact": sorted(obligations.redact),
    }
    return hashlib.sha256(rfc8785.dumps(document)).hexdigest()


def _plain(stage: Stage) -> list[Any]:
    return [stage.number, sorted(stage.groups), stage.quorum]
