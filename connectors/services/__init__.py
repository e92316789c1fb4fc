"""What this room does for the others. ``execute`` and ``begin_effects`` are the only doors to an effect, by
authorization; a Probe only reads."""

from __future__ import annotations

from connectors.services.bulkhead import run_bounded
from connectors.services.calls import answers_in_process
from connectors.services.effects import Effect, Permit, begin_effects, finish_effects, tell_breakers
from connectors.services.execution import execute
from connectors.services.grants import grant_operation, revoke_grant
from connectors.services.operations import publish_operation, set_operation_enabled
from connectors.services.probes import look_up, read, read_back, test_connection
from connectors.services.secrets import set_secret
from connectors.services.systems import save_account, save_system, set_system_enabled

__all__ = [
    "Effect",
    "Permit",
    "answers_in_process",
    "begin_effects",
    "execute",
    "finish_effects",
    "grant_operation",
    "look_up",
    "publish_operation",
    "read",
    "read_back",
    "revoke_grant",
    "run_bounded",
    "save_account",
    "save_system",
    "set_operation_enabled",
    "set_secret",
    "set_system_enabled",
    "tell_breakers",
    "test_connection",
]
