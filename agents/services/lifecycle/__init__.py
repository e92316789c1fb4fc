"""An agent's life: registered, activated by two people, braked, freed, retired; each with a name and a reason.

How its probation ends is in ``probation``, how its sponsor confirms it in ``attesting``.

Order everywhere: lock, ask, change, record. A brake first takes its stop scope exclusively, so that no dispatch
of this agent commits after the brake has (architecture, invariant 8).
"""

from __future__ import annotations

from agents import registry
from agents.services.lifecycle.freedom import (
    FREEDOM,
    LOOSEN_AUTONOMY,
    apply_loosening,
    let_finish,
    lift_brake,
    pause_agent,
    pause_finished,
    set_autonomy,
    suspend_agent,
)
from agents.services.lifecycle.parts import (
    GOVERNED,
    current_version,
    file_version,
    granted_operations,
    locked,
    own_operations,
    record,
    require_not_retired,
)
from agents.services.lifecycle.placing import (
    REASSIGN,
    UNGOVERNED,
    apply_reassignment,
    label_agent,
    propose_reassignment,
    propose_sponsor,
    update_agent,
)
from agents.services.lifecycle.retiring import retire_agent
from agents.services.lifecycle.taking_on import (
    ACTIVATE,
    activate_agent,
    apply_activation,
    register_agent,
    start_probation,
)

__all__ = [
    "ACTIVATE",
    "FREEDOM",
    "GOVERNED",
    "LOOSEN_AUTONOMY",
    "REASSIGN",
    "UNGOVERNED",
    "activate_agent",
    "file_version",
    "granted_operations",
    "label_agent",
    "let_finish",
    "lift_brake",
    "locked",
    "own_operations",
    "pause_agent",
    "pause_finished",
    "propose_reassignment",
    "propose_sponsor",
    "record",
    "register_agent",
    "register_change_kinds",
    "require_not_retired",
    "retire_agent",
    "set_autonomy",
    "start_probation",
    "suspend_agent",
    "update_agent",
]


def register_change_kinds() -> None:
    """Tell the registry how this room's changes to an agent are applied, and what makes one stale."""
    registry.register_change_kind(ACTIVATE, apply_activation, current_version)
    registry.register_change_kind(REASSIGN, apply_reassignment, current_version)
    registry.register_change_kind(LOOSEN_AUTONOMY, apply_loosening, current_version)
