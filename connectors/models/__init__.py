from __future__ import annotations

from connectors.models.calls import Authorization, Call
from connectors.models.operations import (
    Operation,
    OperationGroupObjectPermission,
    OperationRevision,
    OperationUserObjectPermission,
)
from connectors.models.systems import Account, Secret, System, SystemHealth

__all__ = [
    "Account",
    "Authorization",
    "Call",
    "Operation",
    "OperationGroupObjectPermission",
    "OperationRevision",
    "OperationUserObjectPermission",
    "Secret",
    "System",
    "SystemHealth",
]
