"""Ask people, count their votes, and keep who decides for whom while somebody is away."""

from __future__ import annotations

from workflows.approvals.services.deciding import (
    cast_vote,
    expire_due,
    lock,
    request_approval,
    use,
    withdraw,
)
from workflows.approvals.services.delegating import (
    FOR_OTHERS,
    GIVE,
    give_delegation,
    propose_delegation,
    register_change_kinds,
    withdraw_delegation,
)

__all__ = [
    "FOR_OTHERS",
    "GIVE",
    "cast_vote",
    "expire_due",
    "give_delegation",
    "lock",
    "propose_delegation",
    "register_change_kinds",
    "request_approval",
    "use",
    "withdraw",
    "withdraw_delegation",
]
